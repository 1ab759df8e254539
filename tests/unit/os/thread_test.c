/* thread_test.c - helper threads, their interrupts and flags, and the shared mutex across a
 * holder's death. */
#include "os/thread.h"

#include "base/error.h"
#include "os/clock.h"
#include "os/fault.h"
#include "scratch.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

struct report {
    char name[16];
    sigset_t blocked;
};

static void *report_self(void *argument)
{
    struct report *report = argument;
    /* The name is set by the starter, perhaps a moment after this thread began. */
    for (int i = 0; i < 5000; i++) {
        pthread_getname_np(pthread_self(), report->name, sizeof report->name);
        if (strcmp(report->name, "maplog-warmer-w") == 0)
            break;
        clock_sleep_ns(1000000);
    }
    pthread_sigmask(SIG_BLOCK, NULL, &report->blocked);
    return NULL;
}

static void a_helper_is_named_and_takes_no_signals(void **state)
{
    (void)state;
    struct report report;
    sigset_t before, after;
    pthread_t thread;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    assert_int_equal(thread_start(&thread, "maplog-warmer-with-a-long-name", report_self, &report),
                     0);
    thread_join(thread);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    assert_string_equal(report.name, "maplog-warmer-w");
    assert_true(sigismember(&report.blocked, SIGINT));
    assert_true(sigismember(&report.blocked, SIGTERM));
    assert_true(sigismember(&report.blocked, SIGCHLD));
    assert_int_equal(sigismember(&after, SIGINT), sigismember(&before, SIGINT));
}

static void *pin_self(void *argument)
{
    int *results = argument;
    cpu_set_t before, now;
    sched_getaffinity(0, sizeof before, &before);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &before))
        cpu++;
    results[0] = thread_pin((unsigned)cpu);
    sched_getaffinity(0, sizeof now, &now);
    results[1] = CPU_COUNT(&now) == 1 && CPU_ISSET(cpu, &now);
    results[2] = thread_pin(1000000);
    return NULL;
}

static void pin_moves_only_the_calling_thread(void **state)
{
    (void)state;
    int results[3];
    cpu_set_t before, after;
    pthread_t thread;
    sched_getaffinity(0, sizeof before, &before);
    assert_int_equal(thread_start(&thread, "pin", pin_self, results), 0);
    thread_join(thread);
    sched_getaffinity(0, sizeof after, &after);
    assert_int_equal(results[0], 0);
    assert_true(results[1]);
    assert_int_equal(results[2], MAPLOG_LIMIT);
    assert_true(CPU_EQUAL(&before, &after));
}

/* ---- threads that wait in system calls ------------------------------------------------------- */

struct waiter {
    pthread_t thread;
    struct thread_flag begun, asked, answered;
    int rounds;
    sigset_t open;
    int result, errnum;
};

static void until_raised(struct thread_flag *flag)
{
    while (!thread_flag_sleep(flag, -1))
        ;
}

static void *wait_for_an_interrupt(void *argument)
{
    struct waiter *waiter = argument;
    thread_hold_interrupts(&waiter->open);
    thread_flag_raise(&waiter->begun);
    clock_sleep_ns(1000000); /* time for the interrupt to come before the wait */
    waiter->result = ppoll(NULL, 0, NULL, &waiter->open);
    waiter->errnum = errno;
    thread_let_interrupts(&waiter->open);
    return NULL;
}

static void an_interrupt_that_is_held_ends_the_wait_that_follows(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct waiter waiter = {0};
        assert_int_equal(
            thread_start_waiter(&waiter.thread, "waiter", wait_for_an_interrupt, &waiter), 0);
        until_raised(&waiter.begun);
        clock_sleep_ns(i % 2 * 2000000); /* before and during it */
        thread_interrupt(waiter.thread);
        thread_join(waiter.thread);
        assert_int_equal(waiter.result, -1);
        assert_int_equal(waiter.errnum, EINTR);
        assert_true(sigismember(&waiter.open, SIGTERM));
        assert_true(sigismember(&waiter.open, SIGCHLD));
    }
}

static void no_thread_to_be_had_is_a_limit(void **state)
{
    (void)state;
    struct waiter waiter = {0};
    fault_set(FAULT_THREAD, 1, EAGAIN, 0);
    assert_int_equal(thread_start_waiter(&waiter.thread, "waiter", wait_for_an_interrupt, &waiter),
                     MAPLOG_LIMIT);
    fault_clear();
    assert_non_null(strstr(error_text(), "cannot start thread waiter"));
    assert_non_null(strstr(error_text(), "kernel.threads-max"));
}

static void a_flag_is_raised_until_it_is_lowered(void **state)
{
    (void)state;
    struct thread_flag flag = {0};
    assert_false(thread_flag_lower(&flag));
    assert_false(thread_flag_sleep(&flag, 0));
    int64_t before = clock_monotonic_ns();
    assert_false(thread_flag_sleep(&flag, 3000000));
    assert_true(clock_monotonic_ns() - before >= 3000000);
    thread_flag_raise(&flag);
    thread_flag_raise(&flag);
    assert_true(thread_flag_sleep(&flag, -1));
    assert_false(thread_flag_sleep(&flag, 0));
    thread_flag_raise(&flag);
    assert_true(thread_flag_lower(&flag));
    assert_false(thread_flag_lower(&flag));
}

static void *answer(void *argument)
{
    struct waiter *waiter = argument;
    for (int i = 0; i < waiter->rounds; i++) {
        until_raised(&waiter->asked);
        waiter->result++;
        thread_flag_raise(&waiter->answered);
    }
    return NULL;
}

/* Hangs when one is lost. */
static void what_was_written_before_a_flag_was_raised_is_seen(void **state)
{
    (void)state;
    struct waiter waiter = {.rounds = 5000};
    assert_int_equal(thread_start_waiter(&waiter.thread, "waiter", answer, &waiter), 0);
    for (int i = 1; i <= waiter.rounds; i++) {
        thread_flag_raise(&waiter.asked);
        until_raised(&waiter.answered);
        assert_int_equal(waiter.result, i);
    }
    thread_join(waiter.thread);
}

/* ---- mutexes --------------------------------------------------------------------------------- */

static struct thread_mutex *shared_mutex(void)
{
    struct thread_mutex *mutex =
        mmap(NULL, sizeof *mutex, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(mutex, MAP_FAILED);
    assert_int_equal(thread_mutex_init(mutex), 0);
    return mutex;
}

static int hold_mutex(void *context, struct child_ends ends)
{
    bool died;
    if (thread_mutex_lock(context, -1, &died) != 0 || died)
        return 1;
    child_say(ends, 'h');
    child_wait(ends);
    thread_mutex_unlock(context);
    return 0;
}

static void another_process_is_kept_out(void **state)
{
    (void)state;
    struct thread_mutex *mutex = shared_mutex();
    bool died = true;
    struct child child = child_start(hold_mutex, mutex);
    child_hear(&child);
    assert_int_equal(thread_mutex_lock(mutex, 0, &died), MAPLOG_BUSY);
    int64_t before = clock_monotonic_ns();
    assert_int_equal(thread_mutex_lock(mutex, 20 * 1000000, &died), MAPLOG_TIMED_OUT);
    assert_true(clock_monotonic_ns() - before >= 20 * 1000000);
    assert_true(died); /* failures leave it alone */
    child_tell(&child);
    assert_int_equal(thread_mutex_lock(mutex, -1, &died), 0);
    assert_false(died);
    thread_mutex_unlock(mutex);
    assert_int_equal(child_end(&child), 0);
    munmap(mutex, sizeof *mutex);
}

static void a_killed_holder_is_noticed_once(void **state)
{
    (void)state;
    struct thread_mutex *mutex = shared_mutex();
    bool died = false;
    struct child child = child_start(hold_mutex, mutex);
    child_hear(&child);
    child_kill(&child);
    assert_int_equal(thread_mutex_lock(mutex, 0, &died), 0);
    assert_true(died);
    thread_mutex_unlock(mutex);
    assert_int_equal(thread_mutex_lock(mutex, 0, &died), 0);
    assert_false(died);
    thread_mutex_unlock(mutex);
    munmap(mutex, sizeof *mutex);
}

static void *kill_later(void *argument)
{
    clock_sleep_ns(10 * 1000000);
    kill(*(pid_t *)argument, SIGKILL);
    return NULL;
}

static void a_waiter_is_woken_by_the_holders_death(void **state)
{
    (void)state;
    const int64_t waits[] = {-1, (int64_t)60 * 1000000000};
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        struct thread_mutex *mutex = shared_mutex();
        bool died = false;
        pthread_t killer;
        struct child child = child_start(hold_mutex, mutex);
        child_hear(&child);
        assert_int_equal(thread_start(&killer, "killer", kill_later, &child.pid), 0);
        assert_int_equal(thread_mutex_lock(mutex, waits[i], &died), 0);
        assert_true(died);
        thread_mutex_unlock(mutex);
        thread_join(killer);
        child_end(&child);
        munmap(mutex, sizeof *mutex);
    }
}

static void an_unrecoverable_mutex_is_an_error(void **state)
{
    (void)state;
    struct thread_mutex *mutex = shared_mutex();
    pthread_mutex_t *inner = (pthread_mutex_t *)(void *)mutex->opaque;
    bool died;
    struct child child = child_start(hold_mutex, mutex);
    child_hear(&child);
    child_kill(&child);
    /* Taken over, but not made consistent. */
    assert_int_not_equal(pthread_mutex_lock(inner), 0);
    pthread_mutex_unlock(inner);
    assert_int_equal(thread_mutex_lock(mutex, -1, &died), MAPLOG_CORRUPT);
    assert_non_null(strstr(error_text(), "damaged"));
    munmap(mutex, sizeof *mutex);
}

static void abi_is_a_constant_other_than_zero(void **state)
{
    (void)state;
    assert_int_not_equal(thread_mutex_abi(), 0);
    assert_int_equal(thread_mutex_abi(), thread_mutex_abi());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_helper_is_named_and_takes_no_signals),
        cmocka_unit_test(pin_moves_only_the_calling_thread),
        cmocka_unit_test(an_interrupt_that_is_held_ends_the_wait_that_follows),
        cmocka_unit_test(no_thread_to_be_had_is_a_limit),
        cmocka_unit_test(a_flag_is_raised_until_it_is_lowered),
        cmocka_unit_test(what_was_written_before_a_flag_was_raised_is_seen),
        cmocka_unit_test(another_process_is_kept_out),
        cmocka_unit_test(a_killed_holder_is_noticed_once),
        cmocka_unit_test(a_waiter_is_woken_by_the_holders_death),
        cmocka_unit_test(an_unrecoverable_mutex_is_an_error),
        cmocka_unit_test(abi_is_a_constant_other_than_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
