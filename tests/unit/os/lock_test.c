/* lock_test.c - a lock is seen by others, and its holder's death frees it. */
#include "os/lock.h"

#include "base/error.h"
#include "os/clock.h"
#include "os/process.h"
#include "scratch.h"

#include <string.h>

static int open_locked_file(void)
{
    int fd;
    assert_int_equal(file_open(scratch_fd, "locks", O_RDWR | O_CREAT, 0600, &fd), 0);
    return fd;
}

static void two_descriptions_conflict_and_two_bytes_do_not(void **state)
{
    (void)state;
    int mine = open_locked_file(), theirs = open_locked_file();
    assert_int_equal(lock_try(mine, "locks", 5, true), 0);
    assert_int_equal(lock_try(theirs, "locks", 5, true), MAPLOG_BUSY);
    assert_non_null(strstr(error_text(), "locks"));
    assert_int_equal(lock_try(theirs, "locks", 5, false), MAPLOG_BUSY);
    assert_int_equal(lock_try(theirs, "locks", 4, true), 0);
    assert_int_equal(lock_try(theirs, "locks", 6, true), 0);
    lock_release(mine, 5);
    assert_int_equal(lock_try(theirs, "locks", 5, true), 0);
    file_close(mine);
    file_close(theirs);
}

static void shared_locks_coexist_and_are_converted(void **state)
{
    (void)state;
    int mine = open_locked_file(), theirs = open_locked_file();
    assert_int_equal(lock_try(mine, "locks", 0, false), 0);
    assert_int_equal(lock_try(theirs, "locks", 0, false), 0);
    assert_int_equal(lock_try(mine, "locks", 0, true), MAPLOG_BUSY);
    file_close(theirs);
    assert_int_equal(lock_try(mine, "locks", 0, true), 0);
    theirs = open_locked_file();
    assert_int_equal(lock_try(theirs, "locks", 0, false), MAPLOG_BUSY);
    assert_int_equal(lock_try(mine, "locks", 0, false), 0);
    assert_int_equal(lock_try(theirs, "locks", 0, false), 0);
    file_close(mine);
    file_close(theirs);
}

static void only_exclusive_locks_of_others_are_held(void **state)
{
    (void)state;
    bool held = true;
    int mine = open_locked_file(), theirs = open_locked_file();
    assert_int_equal(lock_is_held(mine, "locks", 9, &held), 0);
    assert_false(held);
    assert_int_equal(lock_try(mine, "locks", 9, true), 0);
    assert_int_equal(lock_is_held(mine, "locks", 9, &held), 0);
    assert_false(held);
    assert_int_equal(lock_is_held(theirs, "locks", 9, &held), 0);
    assert_true(held);
    assert_int_equal(lock_try(mine, "locks", 9, false), 0);
    assert_int_equal(lock_is_held(theirs, "locks", 9, &held), 0);
    assert_false(held);
    file_close(mine);
    file_close(theirs);
}

static void a_read_only_descriptor_can_ask(void **state)
{
    (void)state;
    bool held = false;
    int mine = open_locked_file(), reader;
    assert_int_equal(file_open(scratch_fd, "locks", O_RDONLY, 0, &reader), 0);
    assert_int_equal(lock_try(mine, "locks", 1, true), 0);
    assert_int_equal(lock_is_held(reader, "locks", 1, &held), 0);
    assert_true(held);
    assert_int_equal(lock_try(reader, "locks", 2, true), MAPLOG_IO);
    file_close(mine);
    file_close(reader);
}

static int hold_byte(void *context, struct child_ends ends)
{
    (void)context;
    int fd;
    if (file_open(scratch_fd, "locks", O_RDWR, 0, &fd) != 0 || lock_try(fd, "locks", 3, true) != 0)
        return 1;
    child_say(ends, 'l');
    child_wait(ends);
    return 0;
}

static void kill_9_frees_the_lock(void **state)
{
    (void)state;
    int mine = open_locked_file();
    bool held = false;
    struct child child = child_start(hold_byte, NULL);
    child_hear(&child);
    assert_int_equal(lock_try(mine, "locks", 3, true), MAPLOG_BUSY);
    assert_int_equal(lock_is_held(mine, "locks", 3, &held), 0);
    assert_true(held);
    assert_true(WIFSIGNALED(child_kill(&child)));
    assert_int_equal(lock_is_held(mine, "locks", 3, &held), 0);
    assert_false(held);
    assert_int_equal(lock_try(mine, "locks", 3, true), 0);
    file_close(mine);
}

static void a_stopped_holder_still_holds(void **state)
{
    (void)state;
    int mine = open_locked_file();
    struct child child = child_start(hold_byte, NULL);
    int status;
    child_hear(&child);
    kill(child.pid, SIGSTOP);
    assert_int_equal(waitpid(child.pid, &status, WUNTRACED), child.pid);
    assert_int_equal(lock_try(mine, "locks", 3, true), MAPLOG_BUSY);
    child_kill(&child);
    file_close(mine);
}

static void waiting_ends_at_the_time_limit(void **state)
{
    (void)state;
    int mine = open_locked_file(), theirs = open_locked_file();
    assert_int_equal(lock_try(theirs, "locks", 3, true), 0);
    int64_t before = clock_monotonic_ns();
    assert_int_equal(lock_wait(mine, "locks", 3, true, 20), MAPLOG_TIMED_OUT);
    assert_true(clock_monotonic_ns() - before >= 20 * 1000000);
    assert_int_equal(lock_wait(mine, "locks", 3, true, 0), MAPLOG_TIMED_OUT);
    file_close(theirs);
    assert_int_equal(lock_wait(mine, "locks", 3, true, 0), 0);
    file_close(mine);
}

static void waiting_ends_when_the_holder_is_killed(void **state)
{
    (void)state;
    int mine = open_locked_file();
    struct child child = child_start(hold_byte, NULL);
    child_hear(&child);
    assert_int_equal(lock_wait(mine, "locks", 3, true, 5), MAPLOG_TIMED_OUT);
    kill(child.pid, SIGKILL);
    assert_int_equal(lock_wait(mine, "locks", 3, true, -1), 0);
    child_end(&child);
    file_close(mine);
}

static int linger(void *context, struct child_ends ends)
{
    (void)context;
    child_say(ends, 'f');
    child_wait(ends);
    return 0;
}

/* The trap, and the way out of it: a forked child shares its parent's open file descriptions. */
static void a_child_keeps_the_lock_unless_the_descriptor_is_closed_in_it(void **state)
{
    (void)state;
    for (int closed_in_child = 0; closed_in_child < 2; closed_in_child++) {
        int mine = open_locked_file(), probe = open_locked_file();
        assert_int_equal(lock_try(mine, "locks", 7, true), 0);
        if (closed_in_child)
            assert_int_equal(process_close_in_child(mine), 0);
        struct child child = child_start(linger, NULL);
        child_hear(&child);
        process_keep_in_child(mine);
        file_close(mine);
        assert_int_equal(lock_try(probe, "locks", 7, true), closed_in_child ? 0 : MAPLOG_BUSY);
        child_tell(&child);
        assert_int_equal(child_end(&child), 0);
        assert_int_equal(lock_try(probe, "locks", 7, true), 0);
        file_close(probe);
    }
}

static void a_reopened_descriptor_is_another_owner(void **state)
{
    (void)state;
    int mine = open_locked_file(), copy = dup(mine), again;
    assert_int_equal(file_reopen(mine, O_RDWR, &again), 0);
    assert_int_equal(lock_try(mine, "locks", 8, true), 0);
    assert_int_equal(lock_try(copy, "locks", 8, true), 0);
    assert_int_equal(lock_try(again, "locks", 8, true), MAPLOG_BUSY);
    file_close(mine);
    assert_int_equal(lock_try(again, "locks", 8, true), MAPLOG_BUSY);
    file_close(copy);
    assert_int_equal(lock_try(again, "locks", 8, true), 0);
    file_close(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_descriptions_conflict_and_two_bytes_do_not),
        cmocka_unit_test(shared_locks_coexist_and_are_converted),
        cmocka_unit_test(only_exclusive_locks_of_others_are_held),
        cmocka_unit_test(a_read_only_descriptor_can_ask),
        cmocka_unit_test(kill_9_frees_the_lock),
        cmocka_unit_test(a_stopped_holder_still_holds),
        cmocka_unit_test(waiting_ends_at_the_time_limit),
        cmocka_unit_test(waiting_ends_when_the_holder_is_killed),
        cmocka_unit_test(a_child_keeps_the_lock_unless_the_descriptor_is_closed_in_it),
        cmocka_unit_test(a_reopened_descriptor_is_another_owner),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
