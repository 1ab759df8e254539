/* calls_test.c - munmap(), msync(), mremap(); and when a page is dirty, clean, dirty again. */
#include "mapping.h"

/* ---- munmap ---------------------------------------------------------------------------------- */

static void munmap_in_the_middle_leaves_both_ends(void **state)
{
    (void)state;
    char *at = map_private(-1, 3 * PAGE);
    at[0] = 'a';
    at[2 * PAGE] = 'z';
    assert_int_equal(munmap(at + PAGE, PAGE), 0);
    assert_load(at + PAGE, "SIGSEGV SEGV_MAPERR");
    assert_int_equal(at[0], 'a');
    assert_int_equal(at[2 * PAGE], 'z');
    assert_int_equal(munmap(at, 3 * PAGE), 0); /* a hole in the range is no error */
}

static void munmap_of_nothing_succeeds(void **state)
{
    (void)state;
    char *at = free_space(2 * PAGE);
    assert_int_equal(munmap(at, 2 * PAGE), 0);
    assert_int_equal(error_of(munmap(at + 1, PAGE)), EINVAL);
    assert_int_equal(error_of(munmap(at, 0)), EINVAL);
}

static void munmap_loses_nothing(void **state)
{
    (void)state;
    int fd = file_of(PAGE);
    char *at = map_shared(fd, PAGE);
    at[1] = 'u';
    assert_int_equal(munmap(at, PAGE), 0);
    assert_int_equal(byte_of_file(fd, 1), 'u');
    close(fd);
}

/* The page stays dirty: whoever maps the file again sees that it is not on the disk yet. */
static void munmap_writes_nothing_back(void **state)
{
    (void)state;
    int fd = file_of(PAGE);
    if (!is_written_back(fd))
        skip();
    char *at = map_shared(fd, PAGE);
    at[1] = 'u';
    assert_int_equal(munmap(at, PAGE), 0);
    at = map(fd, PAGE, PROT_READ, MAP_SHARED);
    assert_load(at, "ok");
    assert_int_equal(dirty_kib(at), 4);
    assert_int_equal(fdatasync(fd), 0);
    assert_int_equal(dirty_kib(at), 0);
    munmap(at, PAGE);
    close(fd);
}

/* ---- msync ----------------------------------------------------------------------------------- */

static void msync_sync_makes_pages_clean_and_async_does_not(void **state)
{
    (void)state;
    int fd = file_of(4 * PAGE);
    if (!is_written_back(fd))
        skip();
    char *at = map_shared(fd, 4 * PAGE);
    memset(at, 'd', 4 * PAGE);
    assert_int_equal(dirty_kib(at), 16);
    assert_int_equal(msync(at, 4 * PAGE, MS_ASYNC), 0);
    assert_int_equal(dirty_kib(at), 16); /* it starts nothing */
    assert_int_equal(msync(at, 4 * PAGE, MS_SYNC), 0);
    assert_int_equal(dirty_kib(at), 0);
    munmap(at, 4 * PAGE);
    close(fd);
}

static void a_clean_page_faults_at_its_next_store(void **state)
{
    (void)state;
    int fd = file_of(PAGE);
    if (!is_written_back(fd))
        skip();
    char *at = map_shared(fd, PAGE);
    long again = 1;
    for (int attempt = 0; attempt < 5 && again; attempt++) {
        faults_of_store(at);
        again = faults_of_store(at); /* write-back by itself, just now, is not impossible */
    }
    assert_int_equal(again, 0);
    assert_int_equal(msync(at, PAGE, MS_SYNC), 0);
    assert_true(faults_of_store(at) > 0);
    munmap(at, PAGE);
    close(fd);
}

static void msync_invalidate_discards_nothing(void **state)
{
    (void)state;
    int fd = memory_of(PAGE);
    char *shared = map_shared(fd, PAGE), *mine = map_private(fd, PAGE);
    shared[0] = 's';
    mine[1] = 'm';
    assert_int_equal(msync(shared, PAGE, MS_INVALIDATE | MS_SYNC), 0);
    assert_int_equal(msync(mine, PAGE, MS_INVALIDATE | MS_SYNC), 0);
    assert_int_equal(shared[0], 's');
    assert_int_equal(mine[1], 'm');
    munmap(shared, PAGE);
    munmap(mine, PAGE);
    close(fd);
}

static void msync_says_what_is_wrong(void **state)
{
    (void)state;
    char *at = map_shared(-1, 2 * PAGE);
    assert_int_equal(error_of(msync(at, PAGE, MS_SYNC | MS_ASYNC)), EINVAL);
    assert_int_equal(error_of(msync(at, PAGE, 64)), EINVAL);
    assert_int_equal(error_of(msync(at + 1, PAGE, MS_SYNC)), EINVAL);
    munmap(at + PAGE, PAGE);
    assert_int_equal(error_of(msync(at, 2 * PAGE, MS_SYNC)), ENOMEM);
    munmap(at, PAGE);
}

static void a_store_changes_the_time_of_the_file(void **state)
{
    (void)state;
    int fd = file_of(PAGE);
    if (!is_written_back(fd))
        skip();
    const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    struct stat about;
    char *at = map_shared(fd, PAGE);
    assert_load(at, "ok");
    assert_int_equal(futimens(fd, old), 0);
    at[0] = 't';
    assert_int_equal(fstat(fd, &about), 0);
    assert_true(about.st_mtim.tv_sec > 1000); /* at the fault of the first store */
    assert_int_equal(futimens(fd, old), 0);
    at[1] = 't';
    assert_int_equal(fstat(fd, &about), 0);
    assert_int_equal(about.st_mtim.tv_sec, 1000); /* the second one nobody saw */
    munmap(at, PAGE);
    close(fd);
}

/* ---- mremap ---------------------------------------------------------------------------------- */

static char *place(char *at, size_t length)
{
    char *placed =
        mmap(at, length, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    assert_ptr_equal(placed, at);
    return at;
}

static void mremap_grows_in_place_when_there_is_room(void **state)
{
    (void)state;
    char *at = place(free_space(4 * PAGE), PAGE);
    at[0] = 'x';
    assert_ptr_equal(mremap(at, PAGE, 3 * PAGE, 0), at);
    assert_int_equal(at[0], 'x');
    assert_store(at + 3 * PAGE - 1, "ok");
    assert_ptr_equal(mremap(at, 3 * PAGE, PAGE, 0), at); /* and shrinks */
    assert_load(at + PAGE, "SIGSEGV SEGV_MAPERR");
    munmap(at, PAGE);
}

static void mremap_moves_only_when_it_may(void **state)
{
    (void)state;
    char *at = map_private(-1, 2 * PAGE);
    at[0] = 'x';
    mprotect(at + PAGE, PAGE, PROT_READ); /* a neighbour: there is no room */
    assert_ptr_equal(mremap(at, PAGE, 2 * PAGE, 0), MAP_FAILED);
    assert_int_equal(errno, ENOMEM);
    char *moved = mremap(at, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
    assert_ptr_not_equal(moved, MAP_FAILED);
    assert_ptr_not_equal(moved, at);
    assert_int_equal(moved[0], 'x'); /* the pages moved, no byte was copied */
    assert_load(at, "SIGSEGV SEGV_MAPERR");
    munmap(moved, 2 * PAGE);
    munmap(at + PAGE, PAGE);
}

static void mremap_fixed_replaces_what_lies_there(void **state)
{
    (void)state;
    char *at = map_private(-1, PAGE), *goal = map_private(-1, PAGE);
    at[0] = 'a';
    goal[0] = 'g';
    assert_ptr_equal(mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, goal), goal);
    assert_int_equal(goal[0], 'a');
    munmap(goal, PAGE);
}

static void mremap_of_no_bytes_maps_shared_memory_twice(void **state)
{
    (void)state;
    int fd = memory_of(PAGE);
    volatile char *at = map_shared(fd, PAGE);
    volatile char *twin = mremap((char *)at, 0, PAGE, MREMAP_MAYMOVE);
    assert_ptr_not_equal((char *)twin, MAP_FAILED);
    at[0] = 't';
    assert_int_equal(twin[0], 't');
    munmap((char *)at, PAGE);
    munmap((char *)twin, PAGE);
    close(fd);
}

static void mremap_makes_the_mapping_longer_and_not_the_file(void **state)
{
    (void)state;
    int fd = memory_of(PAGE);
    char *at = map_shared(fd, PAGE);
    at = mremap(at, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
    assert_ptr_not_equal(at, MAP_FAILED);
    assert_int_equal(size_of_file(fd), PAGE);
    assert_load(at + PAGE, "SIGBUS BUS_ADRERR");
    assert_int_equal(ftruncate(fd, 2 * PAGE), 0);
    assert_load(at + PAGE, "ok");
    munmap(at, 2 * PAGE);
    close(fd);
}

static void mremap_says_what_is_wrong(void **state)
{
    (void)state;
    char *at = place(free_space(3 * PAGE), PAGE);
    mremap(at + 1, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
    assert_int_equal(errno, EINVAL);
    mremap(at, PAGE, 0, MREMAP_MAYMOVE);
    assert_int_equal(errno, EINVAL);
    mremap(at + PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
    assert_int_equal(errno, EFAULT); /* nothing is mapped there */
    munmap(at, PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(munmap_in_the_middle_leaves_both_ends),
        cmocka_unit_test(munmap_of_nothing_succeeds),
        cmocka_unit_test(munmap_loses_nothing),
        cmocka_unit_test(munmap_writes_nothing_back),
        cmocka_unit_test(msync_sync_makes_pages_clean_and_async_does_not),
        cmocka_unit_test(a_clean_page_faults_at_its_next_store),
        cmocka_unit_test(msync_invalidate_discards_nothing),
        cmocka_unit_test(msync_says_what_is_wrong),
        cmocka_unit_test(a_store_changes_the_time_of_the_file),
        cmocka_unit_test(mremap_grows_in_place_when_there_is_room),
        cmocka_unit_test(mremap_moves_only_when_it_may),
        cmocka_unit_test(mremap_fixed_replaces_what_lies_there),
        cmocka_unit_test(mremap_of_no_bytes_maps_shared_memory_twice),
        cmocka_unit_test(mremap_makes_the_mapping_longer_and_not_the_file),
        cmocka_unit_test(mremap_says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
