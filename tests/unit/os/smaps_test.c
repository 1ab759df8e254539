/* smaps_test.c - a mapping's line and its pages, as they are touched. */
#include "os/smaps.h"

#include "base/error.h"
#include "scratch.h"

#include <string.h>
#include <sys/mman.h>

#define PAGE 4096
#define PAGES 64

static volatile char *map(int flags)
{
    int fd;
    assert_int_equal(file_open(scratch_fd, "mapped", O_RDWR | O_CREAT | O_TRUNC, 0600, &fd), 0);
    assert_int_equal(file_truncate(fd, "mapped", PAGES * PAGE), 0);
    void *at = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);
    assert_true(at != MAP_FAILED);
    assert_int_equal(madvise(at, PAGES * PAGE, MADV_RANDOM), 0);
    file_close(fd);
    return at;
}

static struct smaps look(volatile char *at)
{
    struct smaps found;
    assert_int_equal(smaps_read((void *)(uintptr_t)at, &found), 0);
    assert_true((uintptr_t)at >= found.begin && (uintptr_t)at < found.end);
    return found;
}

static void a_mapping_has_its_line_and_at_first_no_page(void **state)
{
    (void)state;
    volatile char *at = map(MAP_SHARED);
    struct smaps found = look(at + 5 * PAGE);
    assert_int_equal(found.begin, (uintptr_t)at);
    assert_int_equal(found.end - found.begin, PAGES * PAGE);
    assert_int_equal(found.position, 0);
    assert_string_equal(found.mode, "rw-s");
    assert_int_equal(found.mapped + found.dirty + found.anonymous, 0);
    munmap((void *)(uintptr_t)at, PAGES * PAGE);
}

static void pages_that_are_touched_are_counted(void **state)
{
    (void)state;
    volatile char *at = map(MAP_SHARED);
    at[0] = 1;
    at[9 * PAGE] = 1;
    struct smaps found = look(at);
    assert_true(found.mapped >= 2);
    assert_true(found.dirty >= 2);
    assert_int_equal(found.anonymous, 0);
    munmap((void *)(uintptr_t)at, PAGES * PAGE);
}

static void a_store_into_a_private_mapping_is_a_copy(void **state)
{
    (void)state;
    volatile char *at = map(MAP_PRIVATE);
    at[3 * PAGE] = 1;
    struct smaps found = look(at);
    assert_string_equal(found.mode, "rw-p");
    assert_int_equal(found.anonymous, 1);
    munmap((void *)(uintptr_t)at, PAGES * PAGE);
}

static void where_nothing_is_mapped_is_told(void **state)
{
    (void)state;
    struct smaps found = {.mapped = 7};
    assert_int_equal(smaps_read((void *)16, &found), MAPLOG_NOT_FOUND);
    assert_int_equal(found.mapped, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mapping_has_its_line_and_at_first_no_page),
        cmocka_unit_test(pages_that_are_touched_are_counted),
        cmocka_unit_test(a_store_into_a_private_mapping_is_a_copy),
        cmocka_unit_test(where_nothing_is_mapped_is_told),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
