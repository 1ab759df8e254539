/* event_test.c - a descriptor that polls readable while it is set. */
#include "os/event.h"

#include "os/signal_queue.h"

#include "scratch.h"

#include <poll.h>
#include <stdbool.h>

static int is_readable(int fd, int timeout_ms)
{
    struct pollfd event = {.fd = fd, .events = POLLIN, .revents = 0};
    return poll(&event, 1, timeout_ms) == 1;
}

static void it_is_readable_from_set_to_clear(void **state)
{
    (void)state;
    int fd;
    assert_int_equal(event_open(&fd), 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_false(is_readable(fd, 0));
    event_clear(fd); /* when it is not set: does not block */
    event_set(fd);
    event_set(fd);
    assert_true(is_readable(fd, 0));
    assert_true(is_readable(fd, 0));
    event_clear(fd);
    assert_false(is_readable(fd, 0));
    file_close(fd);
}

static int set_it(void *context, struct child_ends ends)
{
    child_wait(ends);
    event_set(*(int *)context);
    return 0;
}

static void a_child_may_set_it(void **state)
{
    (void)state;
    int fd;
    assert_int_equal(event_open(&fd), 0);
    struct child child = child_start(set_it, &fd);
    assert_false(is_readable(fd, 0));
    child_tell(&child);
    assert_true(is_readable(fd, -1));
    assert_int_equal(child_end(&child), 0);
    file_close(fd);
}

static void a_flag_is_raised_and_lowered(void **state)
{
    (void)state;
    struct event_flag flag = {-1, false};
    assert_int_equal(event_open(&flag.fd), 0);
    for (int i = 0; i < 3; i++) {
        assert_false(is_readable(flag.fd, 0));
        event_raise(&flag);
        event_raise(&flag);
        uint64_t count = 0;
        assert_int_equal(read(flag.fd, &count, sizeof count), sizeof count);
        assert_int_equal(count, 1); /* the second one cost no call */
        event_lower(&flag);
        event_lower(&flag);
    }
    file_close(flag.fd);
}

/* The same, and signals beside. */
static void one_that_signals_is_raised_and_lowered(void **state)
{
    (void)state;
    struct event_flag flag = {-1, false};
    struct signal_queue queue;
    struct signal_queue_change change;
    assert_int_equal(event_open_signalling(&flag.fd), 0);
    assert_int_equal(signal_queue_open(&queue), 0);
    assert_int_equal(signal_queue_arm(&queue, flag.fd), 0);
    for (int i = 0; i < 3; i++) {
        assert_false(event_is_raised(&flag));
        assert_false(is_readable(flag.fd, 0));
        event_raise(&flag);
        event_raise(&flag);
        assert_true(event_is_raised(&flag));
        assert_true(is_readable(flag.fd, 0));
        assert_int_equal(signal_queue_take(&queue, -1, &change), SIGNAL_QUEUE_CHANGE);
        assert_int_equal(change.fd, flag.fd);
        event_lower(&flag);
    }
    file_close(flag.fd);
    signal_queue_close(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_readable_from_set_to_clear),
        cmocka_unit_test(a_child_may_set_it),
        cmocka_unit_test(a_flag_is_raised_and_lowered),
        cmocka_unit_test(one_that_signals_is_raised_and_lowered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
