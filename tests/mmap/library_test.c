/* library_test.c - what maplog_file makes of the cases of file_end_test.c. */
#include "mapping.h"

#include <maplog_file.h>

#include "../unit/os/scratch.h"

static char path[80];

static int make_place(void **state)
{
    int result = scratch_make(state);
    snprintf(path, sizeof path, "%s/file", scratch);
    return result;
}

static maplog_file *open_sized(uint64_t size)
{
    const struct maplog_file_options options = {.flags = MAPLOG_FILE_CREATE, .size = size};
    maplog_file *file = NULL;
    unlink(path);
    assert_int_equal(maplog_file_open(path, &options, &file), 0);
    return file;
}

static void fifteen_thousand_bytes_are_made_before_they_are_touched(void **state)
{
    (void)state;
    const char zeros[10000] = {0};
    maplog_file *file = open_sized(5000);
    char *at = maplog_file_address(file);
    assert_int_equal(maplog_file_size(file), 5000);
    assert_store(at + 4999, "ok");
    assert_int_equal(maplog_file_grow(file, 15000), 0);
    assert_ptr_equal(maplog_file_address(file), at);
    assert_int_equal(maplog_file_size(file), 15000);
    assert_memory_equal(at + 5000, zeros, sizeof zeros);
    assert_store(at + 14999, "ok");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(size_of_file(fd), 15000);
    assert_int_equal(byte_of_file(fd, 4999), 's');
    assert_int_equal(byte_of_file(fd, 14999), 's');
    close(fd);
    maplog_file_close(file);
}

static void an_empty_file_grows_to_a_thousand_pages_in_place(void **state)
{
    (void)state;
    maplog_file *file = open_sized(0);
    char *at = maplog_file_address(file);
    assert_int_equal(maplog_file_size(file), 0);
    for (size_t page = 0; page < 1000; page += 111) {
        assert_int_equal(maplog_file_grow(file, page * PAGE + 1), 0);
        assert_ptr_equal(maplog_file_address(file), at);
        assert_store(at + page * PAGE, "ok");
    }
    assert_int_equal(maplog_file_grow(file, 1000 * PAGE), 0);
    assert_store(at + 1000 * PAGE - 1, "ok");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(size_of_file(fd), 1000 * PAGE);
    assert_int_equal(byte_of_file(fd, 1000 * PAGE - 1), 's');
    close(fd);
    maplog_file_close(file);
}

/* In memory they would: see bytes_behind_the_end_may_turn_up_when_the_file_grows. */
static void bytes_behind_the_end_do_not_turn_up(void **state)
{
    (void)state;
    char name[32];
    maplog_file *file = NULL;
    int fd = memory_of(5000);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    assert_int_equal(maplog_file_open(name, NULL, &file), 0);
    char *at = maplog_file_address(file);
    assert_store(at + 5000, "ok");
    assert_int_equal(maplog_file_grow(file, 6000), 0);
    assert_int_equal(at[5000], 0);
    assert_int_equal(byte_of_file(fd, 5000), 0);
    maplog_file_close(file);
    close(fd);
}

static int load_last_page(void *context)
{
    return *((volatile char *)context + 2 * PAGE);
}

static void a_file_that_a_stranger_cuts_short_is_an_error(void **state)
{
    (void)state;
    maplog_file *file = open_sized(3 * PAGE);
    char *at = maplog_file_address(file);
    at[2 * PAGE] = 7;
    assert_int_equal(maplog_file_guard(file, load_last_page, at), 7);
    assert_int_equal(truncate(path, 1), 0);
    assert_int_equal(maplog_file_guard(file, load_last_page, at), MAPLOG_IO);
    maplog_file_close(file);
}

static void friends_do_not_cut_each_other_short(void **state)
{
    (void)state;
    maplog_file *file = open_sized(3 * PAGE), *other = NULL;
    assert_int_equal(maplog_file_open(path, NULL, &other), 0);
    assert_int_equal(maplog_file_shrink(file, 1), MAPLOG_BUSY);
    assert_store((char *)maplog_file_address(other) + 2 * PAGE, "ok");
    maplog_file_close(other);
    assert_int_equal(maplog_file_shrink(file, 1), 0);
    assert_int_equal(maplog_file_size(file), 1);
    maplog_file_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fifteen_thousand_bytes_are_made_before_they_are_touched),
        cmocka_unit_test(an_empty_file_grows_to_a_thousand_pages_in_place),
        cmocka_unit_test(bytes_behind_the_end_do_not_turn_up),
        cmocka_unit_test(a_file_that_a_stranger_cuts_short_is_an_error),
        cmocka_unit_test(friends_do_not_cut_each_other_short),
    };
    return cmocka_run_group_tests(tests, make_place, scratch_remove);
}
