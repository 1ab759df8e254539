/* touch_test.c - what the first touches of a page do: faults, the page cache, space. */
#include "mapping.h"

#define PAGES 64

static void a_load_of_fresh_memory_does_not_spare_the_store(void **state)
{
    (void)state;
    char *at = map_private(-1, PAGE), *other = map_private(-1, PAGE);
    assert_load(at, "ok"); /* maps the one page of zeros that all processes share */
    assert_true(is_present(at));
    assert_int_equal(faults_of_store(at), 1);
    assert_int_equal(faults_of_store(other), 1);
    assert_int_equal(faults_of_store(other), 0);
    munmap(at, PAGE);
    munmap(other, PAGE);
}

static void a_load_brings_cached_neighbours_along(void **state)
{
    (void)state;
    int fd = memory_of(PAGES * PAGE);
    fill_file(fd, PAGES);
    char *at = map_shared(fd, PAGES * PAGE);
    assert_load(at + 20 * PAGE, "ok");
    size_t present = present_pages(at, PAGES);
    assert_true(present > 1 && present <= PAGES); /* 16, unless somebody tuned it */
    munmap(at, PAGES * PAGE);
    close(fd);
}

static long major_faults(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_majflt;
}

static void what_is_not_in_memory_is_a_major_fault(void **state)
{
    (void)state;
    int fd = file_of(PAGES * PAGE);
    long major = 0;
    if (!is_written_back(fd))
        skip();
    fill_file(fd, PAGES);
    /* The kernel need not let go of a page when it is asked once. */
    for (int attempt = 0; attempt < 20 && !major; attempt++) {
        assert_int_equal(fsync(fd), 0);
        assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        char *at = map_shared(fd, PAGES * PAGE);
        major = -major_faults();
        assert_int_equal(at[20 * PAGE], 'b');
        major += major_faults();
        munmap(at, PAGES * PAGE);
    }
    assert_int_equal(major, 1);
    close(fd);
}

static blkcnt_t blocks_of(int fd)
{
    struct stat about;
    assert_int_equal(fstat(fd, &about), 0);
    return about.st_blocks;
}

static void a_store_into_a_hole_takes_space(void **state)
{
    (void)state;
    int fd = file_of(PAGES * PAGE);
    char *at = map_shared(fd, PAGES * PAGE);
    assert_int_equal(blocks_of(fd), 0);
    at[20 * PAGE] = 'x';
    assert_int_equal(msync(at, PAGES * PAGE, MS_SYNC), 0); /* some give it out only then */
    assert_true(blocks_of(fd) > 0);
    munmap(at, PAGES * PAGE);
    close(fd);
}

static void a_load_of_a_hole_takes_memory_in_tmpfs(void **state)
{
    (void)state;
    int fd = memory_of(PAGE);
    char *at = map_shared(fd, PAGE);
    assert_int_equal(byte_of_file(fd, 0), 0);
    assert_int_equal(blocks_of(fd), 0); /* read() knows better */
    assert_load(at, "ok");
    assert_int_equal(blocks_of(fd) * 512, PAGE);
    munmap(at, PAGE);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_load_of_fresh_memory_does_not_spare_the_store),
        cmocka_unit_test(a_load_brings_cached_neighbours_along),
        cmocka_unit_test(what_is_not_in_memory_is_a_major_fault),
        cmocka_unit_test(a_store_into_a_hole_takes_space),
        cmocka_unit_test(a_load_of_a_hole_takes_memory_in_tmpfs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
