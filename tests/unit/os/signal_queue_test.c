/* signal_queue_test.c - news of descriptors, by signals. */
#include "os/signal_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

static int ends[2]; /* of a stream */
static struct signal_queue queue;
static struct signal_queue_change change;

static int set_up(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) || signal_queue_open(&queue) ||
           signal_queue_arm(&queue, ends[0]);
}

static int tear_down(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    signal_queue_close(&queue);
    return 0;
}

static void write_byte(void)
{
    assert_int_equal(write(ends[1], "x", 1), 1);
}

static enum signal_queue_news look(void)
{
    return signal_queue_take(&queue, 0, &change);
}

static void each_change_is_told_once(void **state)
{
    (void)state;
    assert_int_equal(look(), SIGNAL_QUEUE_NONE);
    write_byte();
    write_byte();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(signal_queue_take(&queue, -1, &change), SIGNAL_QUEUE_CHANGE);
        assert_int_equal(change.fd, ends[0]);
        assert_true(change.events & POLLIN);
    }
    assert_int_equal(look(), SIGNAL_QUEUE_NONE);
    shutdown(ends[1], SHUT_RDWR);
    assert_int_equal(look(), SIGNAL_QUEUE_CHANGE);
    assert_true(change.events & POLLHUP);
    signal_queue_disarm(ends[0]);
    assert_int_equal(signal_queue_arm(&queue, ends[1]), 0); /* its other end is silent now */
    assert_int_equal(look(), SIGNAL_QUEUE_NONE);
}

static void two_queues_of_a_thread_have_their_own(void **state)
{
    (void)state;
    struct signal_queue second;
    assert_int_equal(signal_queue_open(&second), 0);
    assert_int_not_equal(second.number, queue.number);
    write_byte();
    assert_int_equal(signal_queue_take(&second, 0, &change), SIGNAL_QUEUE_NONE);
    assert_int_equal(look(), SIGNAL_QUEUE_CHANGE);
    signal_queue_close(&second);
    write_byte();
    assert_int_equal(look(), SIGNAL_QUEUE_CHANGE);
}

/* What it takes is what its own descriptor had, although the signal has the same number. */
static void *take_of_another_thread(void *argument)
{
    struct signal_queue own;
    struct signal_queue_change seen;
    int pair[2];
    int wrong = socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || signal_queue_open(&own) ||
                signal_queue_arm(&own, pair[0]) || own.number != queue.number ||
                write(pair[1], "x", 1) != 1 ||
                signal_queue_take(&own, -1, &seen) != SIGNAL_QUEUE_CHANGE || seen.fd != pair[0] ||
                signal_queue_take(&own, 0, &seen) != SIGNAL_QUEUE_NONE;
    close(pair[0]);
    close(pair[1]);
    signal_queue_close(&own);
    *(int *)argument = wrong;
    return NULL;
}

static void threads_do_not_take_from_each_other(void **state)
{
    (void)state;
    pthread_t thread;
    int wrong = -1;
    write_byte();
    assert_int_equal(pthread_create(&thread, NULL, take_of_another_thread, &wrong), 0);
    pthread_join(thread, NULL);
    assert_int_equal(wrong, 0);
    assert_int_equal(look(), SIGNAL_QUEUE_CHANGE);
    assert_int_equal(change.fd, ends[0]);
}

static void what_the_system_cannot_hold_is_told_to_every_queue(void **state)
{
    (void)state;
    struct signal_queue second;
    struct rlimit before, none;
    assert_int_equal(signal_queue_open(&second), 0);
    getrlimit(RLIMIT_SIGPENDING, &before);
    none = (struct rlimit){0, before.rlim_max};
    setrlimit(RLIMIT_SIGPENDING, &none);
    write_byte();
    write_byte();
    setrlimit(RLIMIT_SIGPENDING, &before);
    assert_int_equal(signal_queue_take(&second, -1, &change), SIGNAL_QUEUE_OVERFLOW);
    assert_int_equal(signal_queue_take(&second, 0, &change), SIGNAL_QUEUE_NONE);
    assert_int_equal(signal_queue_take(&queue, -1, &change), SIGNAL_QUEUE_OVERFLOW);
    write_byte();
    assert_int_equal(look(), SIGNAL_QUEUE_CHANGE);
    assert_int_equal(look(), SIGNAL_QUEUE_NONE);
    signal_queue_close(&second);
}

static void a_signal_of_somebody_else_is_no_change(void **state)
{
    (void)state;
    assert_int_equal(pthread_kill(pthread_self(), queue.number), 0);
    assert_int_equal(signal_queue_take(&queue, -1, &change), SIGNAL_QUEUE_NONE);
    assert_int_equal(look(), SIGNAL_QUEUE_NONE);
}

static void ignore(int number)
{
    (void)number;
}

static void signals_that_somebody_uses_are_left_to_him(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = ignore}, before;
    struct signal_queue second;
    sigaction(queue.number + 1, &action, &before);
    assert_int_equal(signal_queue_open(&second), 0);
    assert_int_equal(second.number, queue.number + 2);
    signal_queue_close(&second);
    sigaction(queue.number + 1, &before, NULL);
}

static void all_signals_may_be_taken_and_come_back(void **state)
{
    (void)state;
    struct signal_queue more[64];
    for (int round = 0; round < 2; round++) {
        int count = 0, result;
        while ((result = signal_queue_open(&more[count])) == 0)
            count++;
        assert_int_equal(result, MAPLOG_LIMIT);
        assert_int_equal(count, SIGRTMAX - SIGRTMIN);
        while (count > 0)
            signal_queue_close(&more[--count]);
    }
}

static void a_closed_queue_leaves_nothing_behind(void **state)
{
    (void)state;
    sigset_t before, after, pending;
    int number = queue.number;
    struct rlimit limit, none;
    signal_queue_close(&queue);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_false(sigismember(&before, number));
    assert_false(sigismember(&before, SIGIO));
    for (int blocked = 0; blocked < 2; blocked++) {
        if (blocked)
            sigaddset(&before, number);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        assert_int_equal(signal_queue_open(&queue), 0);
        assert_int_equal(signal_queue_arm(&queue, ends[0]), 0);
        write_byte();
        getrlimit(RLIMIT_SIGPENDING, &limit);
        none = (struct rlimit){0, limit.rlim_max};
        setrlimit(RLIMIT_SIGPENDING, &none);
        write_byte();
        setrlimit(RLIMIT_SIGPENDING, &limit);
        signal_queue_disarm(ends[0]);
        signal_queue_close(&queue);
        pthread_sigmask(SIG_SETMASK, NULL, &after);
        sigpending(&pending);
        for (int i = 1; i <= SIGRTMAX; i++) {
            assert_int_equal(sigismember(&after, i), sigismember(&before, i));
            assert_int_not_equal(sigismember(&pending, i), 1);
        }
    }
    sigdelset(&before, number);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void what_has_no_signals_is_refused(void **state)
{
    (void)state;
    int file = memfd_create("signal-queue-test", MFD_CLOEXEC);
    assert_int_equal(signal_queue_arm(&queue, file), MAPLOG_IO);
    assert_non_null(strstr(error_text(), "has no signals"));
    close(file);
    assert_int_equal(signal_queue_arm(&queue, file), MAPLOG_IO);
    signal_queue_disarm(file);
}

int main(void)
{
#define QUEUE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        QUEUE(each_change_is_told_once),
        QUEUE(two_queues_of_a_thread_have_their_own),
        QUEUE(threads_do_not_take_from_each_other),
        QUEUE(what_the_system_cannot_hold_is_told_to_every_queue),
        QUEUE(a_signal_of_somebody_else_is_no_change),
        QUEUE(signals_that_somebody_uses_are_left_to_him),
        QUEUE(all_signals_may_be_taken_and_come_back),
        QUEUE(a_closed_queue_leaves_nothing_behind),
        QUEUE(what_has_no_signals_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
