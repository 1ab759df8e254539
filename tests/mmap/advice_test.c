/* advice_test.c - madvise(): some of it is advice, some of it does what it says at once. */
#include "mapping.h"

#include <sched.h>
#include <time.h>

#ifndef MADV_COLD
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

#define PAGES 64

/* ---- reading ahead --------------------------------------------------------------------------- */

static void normal_random_and_sequential_are_notes(void **state)
{
    (void)state;
    int fd = memory_of(PAGE);
    char *at = map_shared(fd, PAGE);
    assert_int_equal(madvise(at, PAGE, MADV_RANDOM), 0);
    assert_true(has_flag(at, "rr"));
    assert_int_equal(madvise(at, PAGE, MADV_SEQUENTIAL), 0);
    assert_true(has_flag(at, "sr"));
    assert_false(has_flag(at, "rr"));
    assert_int_equal(madvise(at, PAGE, MADV_NORMAL), 0);
    assert_false(has_flag(at, "sr"));
    munmap(at, PAGE);
    close(fd);
}

static size_t cached_pages(char *at, size_t count)
{
    unsigned char pages[PAGES];
    size_t cached = 0;
    assert_true(count <= PAGES);
    assert_int_equal(mincore(at, count * PAGE, pages), 0);
    for (size_t i = 0; i < count; i++)
        cached += pages[i] & 1;
    return cached;
}

/* A file on a disk whose pages are not in memory, if the kernel can be talked into that. */
static char *map_cold(int fd)
{
    fill_file(fd, PAGES);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    return map_shared(fd, PAGES * PAGE);
}

static void will_need_fills_the_cache_and_maps_nothing(void **state)
{
    (void)state;
    const struct timespec moment = {.tv_nsec = 10000000};
    int fd = file_of(PAGES * PAGE);
    char *at = map_cold(fd);
    assert_int_equal(madvise(at, PAGES * PAGE, MADV_WILLNEED), 0);
    /* It returns before the disk does. */
    for (int i = 0; i < 1000 && cached_pages(at, PAGES) < PAGES; i++)
        nanosleep(&moment, NULL);
    assert_int_equal(cached_pages(at, PAGES), PAGES);
    assert_int_equal(present_pages(at, PAGES), 0);
    munmap(at, PAGES * PAGE);
    close(fd);
}

static void mincore_tells_of_the_cache_and_not_of_the_mapping(void **state)
{
    (void)state;
    int fd = memory_of(PAGE);
    assert_int_equal(pwrite(fd, "x", 1, 0), 1);
    char *at = map_shared(fd, PAGE);
    assert_int_equal(cached_pages(at, 1), 1);
    assert_false(is_present(at));
    munmap(at, PAGE);
    close(fd);
}

/* ---- populating ------------------------------------------------------------------------------ */

/* False where the kernel is older than 5.14. */
static bool populate(char *at, size_t length, int how)
{
    int result = madvise(at, length, how);
    return result == 0 || errno != EINVAL;
}

static void populate_write_spares_the_first_store_its_fault(void **state)
{
    (void)state;
    int fd = file_of(PAGES * PAGE);
    char *at = map_shared(fd, PAGES * PAGE);
    long count = 1;
    for (int attempt = 0; attempt < 5 && count; attempt++) { /* write-back may come in between */
        if (!populate(at, PAGES * PAGE, MADV_POPULATE_WRITE))
            skip();
        count = faults_of_store(at + 9 * PAGE);
    }
    assert_int_equal(count, 0);
    assert_int_equal(present_pages(at, PAGES), PAGES);
    munmap(at, PAGES * PAGE);
    close(fd);
}

static void populate_read_brings_pages_for_reading(void **state)
{
    (void)state;
    int fd = file_of(PAGES * PAGE);
    char *at = map_cold(fd);
    if (!populate(at, PAGES * PAGE, MADV_POPULATE_READ))
        skip();
    assert_int_equal(present_pages(at, PAGES), PAGES);
    if (is_written_back(fd))
        assert_true(faults_of_store(at + 9 * PAGE) > 0);
    munmap(at, PAGES * PAGE);
    close(fd);
}

static void populate_says_what_map_populate_hides(void **state)
{
    (void)state;
    int fd = memory_of(PAGE), reader = open_again(fd, O_RDONLY);
    char *at = map_shared(fd, 2 * PAGE), *constant = map(reader, PAGE, PROT_READ, MAP_SHARED);
    if (!populate(at, PAGE, MADV_POPULATE_WRITE))
        skip();
    assert_int_equal(error_of(madvise(at, 2 * PAGE, MADV_POPULATE_READ)), EFAULT);
    assert_int_equal(error_of(madvise(at, 2 * PAGE, MADV_POPULATE_WRITE)), EFAULT);
    assert_int_equal(error_of(madvise(constant, PAGE, MADV_POPULATE_WRITE)), EINVAL);
    munmap(at, 2 * PAGE);
    munmap(constant, PAGE);
    close(reader);
    close(fd);
}

/* ---- giving back ----------------------------------------------------------------------------- */

static void dont_need_forgets_private_bytes_and_keeps_shared_ones(void **state)
{
    (void)state;
    int fd = memory_of(PAGE);
    assert_int_equal(pwrite(fd, "f", 1, 0), 1);
    volatile char *memory = map_private(-1, PAGE), *copy = map_private(fd, PAGE);
    volatile char *shared = map_shared(fd, PAGE);
    memory[0] = copy[0] = 'm';
    shared[1] = 's';
    assert_int_equal(madvise((char *)memory, PAGE, MADV_DONTNEED), 0);
    assert_int_equal(madvise((char *)copy, PAGE, MADV_DONTNEED), 0);
    assert_int_equal(madvise((char *)shared, PAGE, MADV_DONTNEED), 0);
    assert_false(is_present((char *)memory) || is_present((char *)copy) ||
                 is_present((char *)shared));
    assert_int_equal(memory[0], 0);   /* zero, at once: no advice but an order */
    assert_int_equal(copy[0], 'f');   /* the file's byte again */
    assert_int_equal(shared[1], 's'); /* still in the file's memory */
    munmap((char *)memory, PAGE);
    munmap((char *)copy, PAGE);
    munmap((char *)shared, PAGE);
    close(fd);
}

static void free_is_for_anonymous_memory_and_a_store_takes_it_back(void **state)
{
    (void)state;
    int fd = memory_of(PAGE);
    volatile char *memory = map_private(-1, PAGE);
    char *shared = map_shared(fd, PAGE);
    assert_int_equal(error_of(madvise(shared, PAGE, MADV_FREE)), EINVAL);
    memory[0] = 'o';
    assert_int_equal(madvise((char *)memory, PAGE, MADV_FREE), 0);
    assert_true(memory[0] == 'o' || memory[0] == 0); /* until memory is short: the old byte */
    memory[1] = 'n';
    assert_int_equal(memory[1], 'n');
    munmap((char *)memory, PAGE);
    munmap(shared, PAGE);
    close(fd);
}

static void remove_punches_the_file(void **state)
{
    (void)state;
    struct stat about;
    int fd = memory_of(4 * PAGE), reader = open_again(fd, O_RDONLY);
    char *at = map_shared(fd, 4 * PAGE), *constant = map(reader, PAGE, PROT_READ, MAP_SHARED);
    char *mine = map_private(fd, PAGE);
    memset(at, 'x', 4 * PAGE);
    assert_int_equal(madvise(at + PAGE, 2 * PAGE, MADV_REMOVE), 0);
    assert_int_equal(byte_of_file(fd, PAGE - 1), 'x');
    assert_int_equal(byte_of_file(fd, PAGE), 0);
    assert_int_equal(byte_of_file(fd, 3 * PAGE), 'x');
    assert_int_equal(fstat(fd, &about), 0);
    assert_int_equal(about.st_size, 4 * PAGE);
    assert_int_equal(about.st_blocks * 512, 2 * PAGE);
    assert_int_equal(error_of(madvise(constant, PAGE, MADV_REMOVE)), EACCES);
    assert_int_equal(error_of(madvise(mine, PAGE, MADV_REMOVE)), EACCES);
    munmap(at, 4 * PAGE);
    munmap(constant, PAGE);
    munmap(mine, PAGE);
    close(reader);
    close(fd);
}

/* A page that was just read waits in a list of its CPU until that is full, and MADV_PAGEOUT empties
 * only the list of the CPU that it runs on: who moves to another in between leaves some behind. */
static void stay_on_one_cpu(cpu_set_t *before)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    assert_int_equal(sched_getaffinity(0, sizeof *before, before), 0);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
}

static void cold_keeps_pages_and_pageout_lets_them_go(void **state)
{
    (void)state;
    int fd = file_of(PAGES * PAGE);
    if (!is_written_back(fd))
        skip();
    cpu_set_t before;
    stay_on_one_cpu(&before);
    char *at = map_cold(fd);
    bool gone = false;
    for (int attempt = 0; attempt < 20 && !gone; attempt++) {
        for (size_t i = 0; i < PAGES; i++)
            assert_int_equal(at[i * PAGE], 'b');
        assert_int_equal(madvise(at, PAGES * PAGE, MADV_COLD), 0);
        assert_int_equal(present_pages(at, PAGES), PAGES);
        assert_int_equal(madvise(at, PAGES * PAGE, MADV_PAGEOUT), 0);
        gone = present_pages(at, PAGES) == 0;
    }
    assert_true(gone);
    assert_int_equal(at[9 * PAGE], 'b'); /* read from the disk again */
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    munmap(at, PAGES * PAGE);
    close(fd);
}

/* ---- fork, dumps, huge pages ----------------------------------------------------------------- */

static int load_in_child(void *context)
{
    signal(SIGSEGV, SIG_DFL);
    return *(volatile char *)context;
}

static void dont_fork_leaves_a_gap_in_the_child(void **state)
{
    (void)state;
    int fd = memory_of(PAGE);
    char *at = map_shared(fd, PAGE);
    at[0] = 'x';
    assert_int_equal(madvise(at, PAGE, MADV_DONTFORK), 0);
    assert_int_equal(in_child(load_in_child, at), 1000 + SIGSEGV);
    assert_int_equal(madvise(at, PAGE, MADV_DOFORK), 0);
    assert_int_equal(in_child(load_in_child, at), 'x');
    munmap(at, PAGE);
    close(fd);
}

static void wipe_on_fork_gives_the_child_zeros(void **state)
{
    (void)state;
    int fd = memory_of(PAGE);
    char *at = map_private(-1, PAGE), *shared = map_shared(fd, PAGE);
    at[0] = 'x';
    assert_int_equal(madvise(at, PAGE, MADV_WIPEONFORK), 0);
    assert_int_equal(in_child(load_in_child, at), 0);
    assert_int_equal(at[0], 'x');
    assert_int_equal(madvise(at, PAGE, MADV_KEEPONFORK), 0);
    assert_int_equal(in_child(load_in_child, at), 'x');
    assert_int_equal(error_of(madvise(shared, PAGE, MADV_WIPEONFORK)), EINVAL);
    munmap(at, PAGE);
    munmap(shared, PAGE);
    close(fd);
}

static void dont_dump_is_a_note(void **state)
{
    (void)state;
    char *at = map_private(-1, PAGE);
    assert_int_equal(madvise(at, PAGE, MADV_DONTDUMP), 0);
    assert_true(has_flag(at, "dd"));
    assert_int_equal(madvise(at, PAGE, MADV_DODUMP), 0);
    assert_false(has_flag(at, "dd"));
    munmap(at, PAGE);
}

/* EINVAL where the kernel was built without it. */
static void huge_pages_and_merging_are_notes(void **state)
{
    (void)state;
    const struct {
        int on, off;
        const char *flag;
    } notes[] = {{MADV_HUGEPAGE, MADV_NOHUGEPAGE, "hg"}, {MADV_MERGEABLE, MADV_UNMERGEABLE, "mg"}};
    for (int i = 0; i < 2; i++) {
        char *at = map_private(-1, PAGE);
        int error = error_of(madvise(at, PAGE, notes[i].on));
        assert_true(error == 0 || error == EINVAL);
        assert_int_equal(has_flag(at, notes[i].flag), error == 0);
        assert_int_equal(error_of(madvise(at, PAGE, notes[i].off)), error);
        assert_false(has_flag(at, notes[i].flag));
        munmap(at, PAGE);
    }
}

static void guard_pages_need_no_mapping_of_their_own(void **state)
{
    (void)state;
    char *at = map_private(-1, 3 * PAGE);
    int error = error_of(madvise(at + PAGE, PAGE, MADV_GUARD_INSTALL));
    if (error == EINVAL) /* before Linux 6.13 */
        skip();
    assert_int_equal(error, 0);
    assert_load(at + PAGE, "SIGSEGV SEGV_MAPERR");
    assert_store(at + 2 * PAGE, "ok");
    assert_int_equal(madvise(at + PAGE, PAGE, MADV_GUARD_REMOVE), 0);
    assert_store(at + PAGE, "ok");
    munmap(at, 3 * PAGE);
}

static void madvise_says_what_is_wrong(void **state)
{
    (void)state;
    char *at = map_private(-1, 2 * PAGE);
    assert_int_equal(error_of(madvise(at + 1, PAGE, MADV_NORMAL)), EINVAL);
    assert_int_equal(error_of(madvise(at, PAGE, 9999)), EINVAL);
    at[0] = 'x';
    munmap(at + PAGE, PAGE);
    assert_int_equal(error_of(madvise(at, 2 * PAGE, MADV_DONTNEED)), ENOMEM);
    assert_int_equal(at[0], 0); /* what is mapped was done all the same */
    munmap(at, PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_random_and_sequential_are_notes),
        cmocka_unit_test(will_need_fills_the_cache_and_maps_nothing),
        cmocka_unit_test(mincore_tells_of_the_cache_and_not_of_the_mapping),
        cmocka_unit_test(populate_write_spares_the_first_store_its_fault),
        cmocka_unit_test(populate_read_brings_pages_for_reading),
        cmocka_unit_test(populate_says_what_map_populate_hides),
        cmocka_unit_test(dont_need_forgets_private_bytes_and_keeps_shared_ones),
        cmocka_unit_test(free_is_for_anonymous_memory_and_a_store_takes_it_back),
        cmocka_unit_test(remove_punches_the_file),
        cmocka_unit_test(cold_keeps_pages_and_pageout_lets_them_go),
        cmocka_unit_test(dont_fork_leaves_a_gap_in_the_child),
        cmocka_unit_test(wipe_on_fork_gives_the_child_zeros),
        cmocka_unit_test(dont_dump_is_a_note),
        cmocka_unit_test(huge_pages_and_merging_are_notes),
        cmocka_unit_test(guard_pages_need_no_mapping_of_their_own),
        cmocka_unit_test(madvise_says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
