/* placement_test.c - where a mapping goes, how long it is, and what limits there are. */
#include "mapping.h"

static void *map_at(void *hint, size_t length, int flags)
{
    return mmap(hint, length, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static void the_kernel_chooses_whole_pages(void **state)
{
    (void)state;
    int fd = memory_of(PAGE);
    char *at = map_shared(fd, 1); /* one byte asked for is one page mapped */
    assert_int_equal((uintptr_t)at % PAGE, 0);
    assert_store(at + PAGE - 1, "ok");
    assert_ptr_equal(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 100), MAP_FAILED);
    assert_int_equal(errno, EINVAL);
    munmap(at, 1);
    assert_load(at + PAGE - 1, "SIGSEGV SEGV_MAPERR");
    close(fd);
}

static void a_hint_is_taken_when_there_is_room(void **state)
{
    (void)state;
    char *free = free_space(4 * PAGE);
    char *at = map_at(free + PAGE + 1, PAGE, 0); /* a hint is rounded */
    assert_true(at == free + PAGE || at == free + 2 * PAGE);
    char *other = map_at(at, PAGE, 0); /* taken: elsewhere, and no error */
    assert_ptr_not_equal(other, MAP_FAILED);
    assert_ptr_not_equal(other, at);
    munmap(at, PAGE);
    munmap(other, PAGE);
}

static void fixed_replaces_what_lies_there(void **state)
{
    (void)state;
    char *at = map_private(-1, 3 * PAGE);
    memset(at, 'o', 3 * PAGE);
    assert_ptr_equal(map_at(at + PAGE, PAGE, MAP_FIXED), at + PAGE);
    assert_int_equal(at[PAGE - 1], 'o');
    assert_int_equal(at[PAGE], 0); /* what was there is gone, without a word */
    assert_int_equal(at[2 * PAGE], 'o');
    assert_ptr_equal(map_at(at + 1, PAGE, MAP_FIXED), MAP_FAILED);
    assert_int_equal(errno, EINVAL);
    munmap(at, 3 * PAGE);
}

static void fixed_noreplace_says_that_it_is_taken(void **state)
{
    (void)state;
    char *free = free_space(2 * PAGE);
    char *at = map_at(free, PAGE, MAP_FIXED_NOREPLACE);
    assert_ptr_equal(at, free);
    at[0] = 'x';
    assert_ptr_equal(map_at(free, 2 * PAGE, MAP_FIXED_NOREPLACE), MAP_FAILED);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(at[0], 'x');
    munmap(at, PAGE);
}

static void thirty_two_bits_are_the_first_two_gigabytes(void **state)
{
    (void)state;
    char *at = map_at(NULL, PAGE, MAP_32BIT);
    assert_ptr_not_equal(at, MAP_FAILED);
    assert_true((uintptr_t)at < (uintptr_t)1 << 31);
    char *free = free_space(PAGE);
    assert_ptr_equal(map_at(free, PAGE, MAP_32BIT | MAP_FIXED), free); /* an address says more */
    assert_true((uintptr_t)free >= (uintptr_t)1 << 32);
    munmap(at, PAGE);
    munmap(free, PAGE);
}

/* Address space first, the file into its front, more of it as it grows. */
static void a_reservation_is_filled_piece_by_piece(void **state)
{
    (void)state;
    const size_t room = (size_t)64 << 30;
    int fd = memory_of(PAGE);
    char *at = map(-1, room, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE);
    for (size_t page = 0; page < 3; page++) {
        off_t position = (off_t)(page * PAGE);
        assert_load(at + position, "SIGSEGV SEGV_ACCERR");
        assert_int_equal(ftruncate(fd, position + (off_t)PAGE), 0);
        assert_ptr_equal(
            mmap(at + position, PAGE, READ_WRITE, MAP_SHARED | MAP_FIXED, fd, position),
            at + position);
        at[position] = 'x';
    }
    assert_int_equal(mappings_in(at, 3 * PAGE), 1); /* pieces that fit together are one mapping */
    assert_int_equal(byte_of_file(fd, 2 * PAGE), 'x');
    munmap(at, room);
    close(fd);
}

static void a_mapping_may_be_longer_than_memory_and_file(void **state)
{
    (void)state;
    const size_t length = (size_t)1 << 40;
    int fd = memory_of(PAGE);
    char *at = map(fd, length, PROT_READ, MAP_SHARED);
    assert_load(at, "ok");
    assert_load(at + length - 1, "SIGBUS BUS_ADRERR");
    munmap(at, length);
    close(fd);
}

static void too_long_is_no_memory(void **state)
{
    (void)state;
    int fd = memory_of(PAGE);
    assert_int_equal(refusal((size_t)1 << 47, PROT_READ, MAP_SHARED, fd), ENOMEM);
    assert_int_equal(refusal(SIZE_MAX, PROT_READ, MAP_SHARED, fd), ENOMEM);
    void *at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, INT64_MAX - (off_t)PAGE + 1);
    assert_ptr_equal(at, MAP_FAILED);
    assert_int_equal(errno, EOVERFLOW);
    close(fd);
}

static int map_above_the_limit(void *context)
{
    (void)context;
    struct rlimit limit = {(rlim_t)1 << 20, (rlim_t)1 << 20};
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return 100;
    void *at = mmap(NULL, (size_t)1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? errno : 0;
}

static void address_space_has_a_limit_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(in_child(map_above_the_limit, NULL), ENOMEM);
}

/* Every second page gets another protection, and so a mapping of its own. */
static int split_until_refused(void *context)
{
    long limit = *(long *)context;
    size_t pages = 2 * (size_t)limit;
    char *at =
        mmap(NULL, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return 100;
    for (size_t page = 1; page < pages; page += 2)
        if (mprotect(at + page * PAGE, PAGE, PROT_READ) != 0)
            return errno;
    return 0;
}

static void a_process_has_so_many_mappings(void **state)
{
    (void)state;
    long limit = 0;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld", &limit), 1);
    fclose(file);
    if (limit > 300000)
        skip();
    assert_int_equal(in_child(split_until_refused, &limit), ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_chooses_whole_pages),
        cmocka_unit_test(a_hint_is_taken_when_there_is_room),
        cmocka_unit_test(fixed_replaces_what_lies_there),
        cmocka_unit_test(fixed_noreplace_says_that_it_is_taken),
        cmocka_unit_test(thirty_two_bits_are_the_first_two_gigabytes),
        cmocka_unit_test(a_reservation_is_filled_piece_by_piece),
        cmocka_unit_test(a_mapping_may_be_longer_than_memory_and_file),
        cmocka_unit_test(too_long_is_no_memory),
        cmocka_unit_test(address_space_has_a_limit_of_its_own),
        cmocka_unit_test(a_process_has_so_many_mappings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
