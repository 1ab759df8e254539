/* format_test.c - what --format accepts; how it prints is tested end to end. */
#define _GNU_SOURCE 1
#include "cmd/format.h"

#include <maplog.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char printed[512];

/* Prints the message in this format; returns the length of what is in `printed`. */
static size_t print(const char *source, const struct maplog_message *message)
{
    struct format format;
    int fd = memfd_create("printed", MFD_CLOEXEC);
    struct output *output = output_open(fd);
    assert_int_equal(format_compile(source, &format), 0);
    format_print(&format, "orders", message, output);
    assert_int_equal(output_flush(output), 0);
    ssize_t size = pread(fd, printed, sizeof printed - 1, 0);
    assert_true(size >= 0);
    printed[size] = '\0';
    free(output);
    format_free(&format);
    close(fd);
    return (size_t)size;
}

static const struct maplog_message message = {
    .key = "k1",
    .key_size = 2,
    .value = "value",
    .value_size = 5,
    .offset = 1234567890123,
    .timestamp = 1700000000000,
    .partition = 3,
};

static void every_letter_prints_its_part(void **state)
{
    (void)state;
    print("%s|%S|%k|%K|%t|%p|%o|%T|%h", &message);
    assert_string_equal(printed, "value|5|k1|2|orders|3|1234567890123|1700000000000|");
}

static void text_and_escapes_stand_between(void **state)
{
    (void)state;
    print("100%% %o\\t\\x41\\\\\\n", &message);
    assert_string_equal(printed, "100% 1234567890123\tA\\\n");
    assert_int_equal(print("a\\0b", &message), 3);
    assert_memory_equal(printed, "a\0b", 3);
    assert_int_equal(print("", &message), 0);
}

static void null_has_no_bytes_and_length_minus_one(void **state)
{
    (void)state;
    const struct maplog_message null = {.offset = 0};
    print("[%k][%K][%s][%S]", &null);
    assert_string_equal(printed, "[][-1][][-1]");
    const struct maplog_message empty = {.key = "", .value = ""};
    print("[%k][%K][%s][%S]", &empty);
    assert_string_equal(printed, "[][0][][0]");
    assert_int_equal(print("%R", &null), 4);
    assert_memory_equal(printed, "\xff\xff\xff\xff", 4);
    print("%R", &message);
    assert_memory_equal(printed, "\0\0\0\5", 4);
}

static void what_it_does_not_know_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"%z", "100%", "\\q", "\\x4", "\\xzz", "end\\"};
    struct format format;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(format_compile(wrong[i], &format), MAPLOG_INVALID);
        assert_true(strlen(maplog_error_text()) > 0);
    }
}

static void unescape_works_in_place(void **state)
{
    (void)state;
    char text[] = "\\t-\\x00-\\n";
    size_t size;
    assert_int_equal(format_unescape(text, &size), 0);
    assert_int_equal(size, 5);
    assert_memory_equal(text, "\t-\0-\n", 5);
}

static void large_values_are_whole(void **state)
{
    (void)state;
    size_t size = 3 * OUTPUT_BYTES;
    char *large = malloc(size), *back = malloc(size + 2);
    memset(large, 'L', size);
    const struct maplog_message big = {.value = large, .value_size = size};
    struct format format;
    int fd = memfd_create("printed", MFD_CLOEXEC);
    struct output *output = output_open(fd);
    assert_int_equal(format_compile("<%s>", &format), 0);
    format_print(&format, "orders", &big, output);
    assert_int_equal(output_flush(output), 0);
    assert_int_equal(pread(fd, back, size + 2, 0), size + 2);
    assert_int_equal(back[0], '<');
    assert_memory_equal(back + 1, large, size);
    assert_int_equal(back[size + 1], '>');
    format_free(&format);
    free(output);
    free(large);
    free(back);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_letter_prints_its_part),
        cmocka_unit_test(text_and_escapes_stand_between),
        cmocka_unit_test(null_has_no_bytes_and_length_minus_one),
        cmocka_unit_test(what_it_does_not_know_is_refused),
        cmocka_unit_test(unescape_works_in_place),
        cmocka_unit_test(large_values_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
