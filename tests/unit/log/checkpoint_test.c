/* checkpoint_test.c - Kafka's checkpoint files: written, read, damaged. */
#include "log/checkpoint.h"

#include "../os/scratch.h"

#include <errno.h>
#include <maplog.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/fault.h"

#define FILE_NAME "checkpoint"

static struct checkpoint_offset *offsets;
static struct checkpoint_epoch *epochs;
static size_t count;

static void put_file(const char *text, size_t length)
{
    assert_int_equal(file_replace(scratch_fd, FILE_NAME, text, length, false), 0);
}

static int load_offsets(const char *text)
{
    put_file(text, strlen(text));
    return checkpoint_load_offsets(scratch_fd, FILE_NAME, &offsets, &count);
}

static int load_epochs(const char *text)
{
    put_file(text, strlen(text));
    return checkpoint_load_epochs(scratch_fd, FILE_NAME, &epochs, &count);
}

static void expect_file(const char *expected)
{
    char *text;
    size_t length;
    assert_int_equal(file_read_all(scratch_fd, FILE_NAME, 1 << 20, &text, &length), 0);
    assert_string_equal(text, expected);
    free(text);
}

static void a_missing_file_has_no_entries(void **state)
{
    (void)state;
    count = 9;
    assert_int_equal(checkpoint_load_offsets(scratch_fd, "nothing", &offsets, &count), 0);
    assert_int_equal(count, 0);
    free(offsets);
    count = 9;
    assert_int_equal(checkpoint_load_epochs(scratch_fd, "nothing", &epochs, &count), 0);
    assert_int_equal(count, 0);
    free(epochs);
}

static void offsets_are_written_as_kafka_writes_them(void **state)
{
    (void)state;
    struct checkpoint_offset entries[] = {
        {"orders", 0, 42}, {"__consumer_offsets", 49, INT64_MAX}, {"", INT32_MAX, 0}};
    memset(entries[2].topic, 't', LIMIT_TOPIC_NAME);
    assert_int_equal(checkpoint_store_offsets(scratch_fd, FILE_NAME, entries, 2, true), 0);
    expect_file("0\n2\norders 0 42\n__consumer_offsets 49 9223372036854775807\n");
    assert_int_equal(checkpoint_store_offsets(scratch_fd, FILE_NAME, entries, 3, true), 0);
    assert_int_equal(checkpoint_load_offsets(scratch_fd, FILE_NAME, &offsets, &count), 0);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(offsets[i].topic, entries[i].topic);
        assert_int_equal(offsets[i].partition, entries[i].partition);
        assert_true(offsets[i].offset == entries[i].offset);
    }
    free(offsets);
    assert_int_equal(checkpoint_store_offsets(scratch_fd, FILE_NAME, NULL, 0, false), 0);
    expect_file("0\n0\n");
    assert_int_equal(checkpoint_load_offsets(scratch_fd, FILE_NAME, &offsets, &count), 0);
    assert_int_equal(count, 0);
    free(offsets);
}

static void epochs_are_written_as_kafka_writes_them(void **state)
{
    (void)state;
    static const struct checkpoint_epoch entries[] = {{0, 0}, {7, 1000}, {INT32_MAX, INT64_MAX}};
    assert_int_equal(checkpoint_store_epochs(scratch_fd, FILE_NAME, entries, 3, true), 0);
    expect_file("0\n3\n0 0\n7 1000\n2147483647 9223372036854775807\n");
    assert_int_equal(checkpoint_load_epochs(scratch_fd, FILE_NAME, &epochs, &count), 0);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(epochs[i].epoch, entries[i].epoch);
        assert_true(epochs[i].start_offset == entries[i].start_offset);
    }
    free(epochs);
    assert_int_equal(checkpoint_store_epochs(scratch_fd, FILE_NAME, NULL, 0, true), 0);
    expect_file("0\n0\n");
}

static const struct {
    const char *text, *said;
    int code;
} wrong[] = {
    {"", "line 1: it is missing", MAPLOG_CORRUPT},
    {"0", "line 1: it has no end", MAPLOG_CORRUPT},
    {"\n0\n", "line 1: a number", MAPLOG_CORRUPT},
    {"1\n0\n", "version 1", MAPLOG_VERSION},
    {"-1\n0\n", "line 1", MAPLOG_CORRUPT},
    {"0 0\n0\n", "line 1", MAPLOG_CORRUPT},
    {"0\n", "line 2: it is missing", MAPLOG_CORRUPT},
    {"0\nx\n", "line 2", MAPLOG_CORRUPT},
    {"0\n-1\n", "line 2", MAPLOG_CORRUPT},
    {"0\n2147483647\n", "line 2: more entries than lines", MAPLOG_CORRUPT},
    {"0\n99999999999999999999\n", "line 2", MAPLOG_CORRUPT},
};

static void wrong_first_lines_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        offsets = NULL;
        epochs = NULL;
        assert_int_equal(load_offsets(wrong[i].text), wrong[i].code);
        if (!strstr(error_text(), wrong[i].said) || !strstr(error_text(), FILE_NAME))
            fail_msg("\"%s\" does not say \"%s\"", error_text(), wrong[i].said);
        assert_int_equal(load_epochs(wrong[i].text), wrong[i].code);
        assert_null(offsets);
        assert_null(epochs);
    }
}

static void wrong_entries_are_named(void **state)
{
    (void)state;
    static const char *const no_offsets[] = {
        "0\n1\na 0\n",     "0\n1\na 0 x\n",
        "0\n1\na -1 0\n",  "0\n1\na 0 -1\n",
        "0\n1\na 0 0 0\n", "0\n1\n 0 0\n",
        "0\n1\na 0 0",     "0\n1\na 2147483648 0\n",
        "0\n1\na0 0\n",    "0\n1\na 0 9223372036854775808\n",
        "0\n1\na 0x0 0\n", "0\n1\na\t0 0\n",
    };
    for (size_t i = 0; i < sizeof no_offsets / sizeof *no_offsets; i++) {
        assert_int_equal(load_offsets(no_offsets[i]), MAPLOG_CORRUPT);
        assert_non_null(strstr(error_text(), "line 3"));
    }
    static const char *const no_epochs[] = {"0\n1\n0 x\n",  "0\n1\n-1 0\n",
                                            "0\n1\n0 -1\n", "0\n1\n0 0 0\n",
                                            "0\n1\n   0\n", "0\n1\n2147483648 0\n"};
    for (size_t i = 0; i < sizeof no_epochs / sizeof *no_epochs; i++) {
        assert_int_equal(load_epochs(no_epochs[i]), MAPLOG_CORRUPT);
        assert_non_null(strstr(error_text(), "line 3"));
    }
    assert_int_equal(load_offsets("0\n1\na 0 0\nb 0 0\n"), MAPLOG_CORRUPT);
    assert_non_null(strstr(error_text(), "line 4: more lines than entries"));
    assert_int_equal(load_offsets("0\n2\nlong-enough 0 0\n"), MAPLOG_CORRUPT);
    assert_non_null(strstr(error_text(), "line 4: it is missing"));
    put_file("0\n1\na\0b 0 0\n", 12);
    assert_int_equal(checkpoint_load_offsets(scratch_fd, FILE_NAME, &offsets, &count),
                     MAPLOG_CORRUPT);
    char endless[1000] = "0\n1\n";
    memset(endless + 4, 'a', sizeof endless - 4);
    memcpy(endless + sizeof endless - 6, " 0 0\n", 6);
    assert_int_equal(load_offsets(endless), MAPLOG_CORRUPT);
}

static void spaces_in_a_row_separate_too(void **state)
{
    (void)state;
    assert_int_equal(load_offsets("0\n1\norders   12  5\n"), 0);
    assert_int_equal(offsets[0].partition, 12);
    assert_int_equal(offsets[0].offset, 5);
    free(offsets);
    assert_int_equal(load_epochs("0\n1\n3  5\n"), 0);
    assert_int_equal(epochs[0].epoch, 3);
    assert_int_equal(epochs[0].start_offset, 5);
    free(epochs);
}

static void a_failed_store_leaves_the_old_file(void **state)
{
    (void)state;
    static const struct checkpoint_epoch entry = {1, 2};
    put_file("0\n0\n", 4);
    fault_set(FAULT_WRITE, 1, ENOSPC, 0);
    assert_int_equal(checkpoint_store_epochs(scratch_fd, FILE_NAME, &entry, 1, true),
                     MAPLOG_DISK_FULL);
    fault_clear();
    expect_file("0\n0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_file_has_no_entries),
        cmocka_unit_test(offsets_are_written_as_kafka_writes_them),
        cmocka_unit_test(epochs_are_written_as_kafka_writes_them),
        cmocka_unit_test(wrong_first_lines_are_named),
        cmocka_unit_test(wrong_entries_are_named),
        cmocka_unit_test(spaces_in_a_row_separate_too),
        cmocka_unit_test(a_failed_store_leaves_the_old_file),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
