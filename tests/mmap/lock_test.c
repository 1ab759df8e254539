/* lock_test.c - mlock(), mlock2(), munlock(), MAP_LOCKED, and what they cost a user.
 * not under asan: its runtime makes mlock() and munlock() do nothing.
 * not under tsan: the same. */
#include "mapping.h"

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

#define NOT_ALLOWED 77

/* KiB that this process has locked. */
static long locked_kib(void)
{
    char line[256];
    long count = -1;
    FILE *status = fopen("/proc/self/status", "re");
    if (!status)
        return -1;
    while (count < 0 && fgets(line, sizeof line, status))
        if (strncmp(line, "VmLck:", 6) == 0)
            count = strtol(line + 6, NULL, 10);
    fclose(status);
    return count;
}

/* A container may forbid even four pages. */
static bool may_lock(void)
{
    char *at = map_private(-1, 4 * PAGE);
    bool may = mlock(at, 4 * PAGE) == 0;
    munmap(at, 4 * PAGE);
    return may;
}

static void mlock_brings_pages_and_keeps_them(void **state)
{
    (void)state;
    if (!may_lock())
        skip();
    long before = locked_kib();
    char *at = map_private(-1, 4 * PAGE);
    assert_int_equal(mlock(at + PAGE + 1, 1), 0); /* whole pages, whatever was asked */
    assert_int_equal(present_pages(at, 4), 1);
    assert_true(has_flag(at + PAGE, "lo"));
    assert_false(has_flag(at, "lo"));
    assert_int_equal(locked_kib(), before + 4);
    assert_int_equal(munlock(at + PAGE, PAGE), 0);
    assert_false(has_flag(at + PAGE, "lo"));
    assert_true(is_present(at + PAGE)); /* it may go now, it need not */
    munmap(at, 4 * PAGE);
}

static void locks_do_not_nest_and_end_with_the_mapping(void **state)
{
    (void)state;
    if (!may_lock())
        skip();
    long before = locked_kib();
    char *at = map_private(-1, PAGE);
    assert_int_equal(mlock(at, PAGE), 0);
    assert_int_equal(mlock(at, PAGE), 0);
    assert_int_equal(munlock(at, PAGE), 0);
    assert_int_equal(locked_kib(), before);
    assert_int_equal(mlock(at, PAGE), 0);
    munmap(at, PAGE);
    assert_int_equal(locked_kib(), before);
}

static void mlock2_on_fault_locks_what_comes(void **state)
{
    (void)state;
    if (!may_lock())
        skip();
    char *at = map_private(-1, 2 * PAGE);
    assert_int_equal(mlock2(at, 2 * PAGE, MLOCK_ONFAULT), 0);
    assert_true(has_flag(at, "lo") && has_flag(at, "lf"));
    assert_int_equal(present_pages(at, 2), 0);
    assert_store(at, "ok");
    assert_int_equal(present_pages(at, 2), 1);
    munmap(at, 2 * PAGE);
}

static void map_locked_hides_a_failure_that_mlock_reports(void **state)
{
    (void)state;
    if (!may_lock())
        skip();
    int fd = memory_of(PAGE);
    char *at = map(fd, 2 * PAGE, READ_WRITE, MAP_SHARED | MAP_LOCKED);
    assert_true(has_flag(at, "lo"));
    assert_true(is_present(at));
    assert_false(is_present(at + PAGE));
    assert_load(at + PAGE, "SIGBUS BUS_ADRERR");
    munmap(at, 2 * PAGE);
    at = map_shared(fd, 2 * PAGE);
    assert_int_equal(error_of(mlock(at, 2 * PAGE)), ENOMEM);
    munmap(at, 2 * PAGE);
    close(fd);
}

static void locked_pages_cannot_be_invalidated(void **state)
{
    (void)state;
    if (!may_lock())
        skip();
    int fd = memory_of(PAGE);
    char *at = map_shared(fd, PAGE);
    assert_int_equal(mlock(at, PAGE), 0);
    assert_int_equal(error_of(msync(at, PAGE, MS_SYNC | MS_INVALIDATE)), EBUSY);
    assert_int_equal(error_of(madvise(at, PAGE, MADV_DONTNEED)), EINVAL);
    munmap(at, PAGE);
    close(fd);
}

static int count_in_child(void *context)
{
    (void)context;
    return locked_kib() == 0 ? 0 : 1;
}

static void a_child_inherits_no_lock(void **state)
{
    (void)state;
    if (!may_lock())
        skip();
    char *at = map_private(-1, PAGE);
    assert_int_equal(mlock(at, PAGE), 0);
    assert_int_equal(in_child(count_in_child, NULL), 0);
    munmap(at, PAGE);
}

/* As a user without rights, who may lock `pages` pages. */
static int become_limited(rlim_t pages)
{
    struct rlimit limit = {pages * PAGE, pages * PAGE};
    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0)
        return -1;
    return geteuid() == 0 ? setuid(65534) : 0;
}

static int lock_above_the_limit(void *context)
{
    (void)context;
    char *at = mmap(NULL, 4 * PAGE, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || become_limited(2) != 0)
        return NOT_ALLOWED;
    if (mlock(at, 2 * PAGE) != 0)
        return 1;
    if (error_of(mlock(at, 3 * PAGE)) != ENOMEM)
        return 2;
    void *more = mmap(NULL, PAGE, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
    return more == MAP_FAILED && errno == EAGAIN ? 0 : 3;
}

static int lock_without_leave(void *context)
{
    (void)context;
    char *at = mmap(NULL, PAGE, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || become_limited(0) != 0)
        return NOT_ALLOWED;
    if (error_of(mlock(at, PAGE)) != EPERM)
        return 1;
    void *more = mmap(NULL, PAGE, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
    return more == MAP_FAILED && errno == EPERM ? 0 : 2;
}

static void a_limit_is_enomem_for_mlock_and_eagain_for_mmap(void **state)
{
    (void)state;
    int above = in_child(lock_above_the_limit, NULL), without = in_child(lock_without_leave, NULL);
    if (above == NOT_ALLOWED || without == NOT_ALLOWED)
        skip();
    assert_int_equal(above, 0);
    assert_int_equal(without, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mlock_brings_pages_and_keeps_them),
        cmocka_unit_test(locks_do_not_nest_and_end_with_the_mapping),
        cmocka_unit_test(mlock2_on_fault_locks_what_comes),
        cmocka_unit_test(map_locked_hides_a_failure_that_mlock_reports),
        cmocka_unit_test(locked_pages_cannot_be_invalidated),
        cmocka_unit_test(a_child_inherits_no_lock),
        cmocka_unit_test(a_limit_is_enomem_for_mlock_and_eagain_for_mmap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
