/* ready_test.c - the reactor, under an engine that says what the test wants. */
#include "io/ready.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

static struct {
    struct ready ready;
    unsigned events; /* for ends[0], told by the next look */
    int error;       /* of the next look */
    int64_t timeout_ns;
    int looks;
    int parked; /* how often */
    int park_error;
    int ends[2]; /* [0] is with the engine */
} fake;

static int look(struct ready *ready, int64_t timeout_ns)
{
    fake.looks++;
    fake.timeout_ns = timeout_ns;
    if (fake.events)
        ready_event(ready, fake.ends[0], fake.events);
    ready_event(ready, 12345, READY_IN); /* of nobody: passed over */
    fake.events = 0;
    return fake.error;
}

static int park(struct ready *ready, const struct io_operation *operation)
{
    (void)ready;
    (void)operation;
    fake.parked++;
    return fake.park_error;
}

static const struct io_methods methods = {"fake",       NULL,         NULL,       NULL,      NULL,
                                          ready_submit, ready_cancel, ready_wait, ready_wake};
static const struct ready_hooks hooks = {look, park};

static int set_up(void **state)
{
    (void)state;
    const struct io_limits limits = {16, 100, 4096};
    memset(&fake, 0, sizeof fake);
    return socketpair(AF_UNIX, SOCK_STREAM, 0, fake.ends) ||
           fcntl(fake.ends[0], F_SETFL, O_NONBLOCK) ||
           ready_open(&fake.ready, &methods, &hooks, &limits) ||
           ready_add(&fake.ready, fake.ends[0]);
}

static int tear_down(void **state)
{
    (void)state;
    ready_remove(&fake.ready, fake.ends[0]);
    ready_close(&fake.ready);
    return close(fake.ends[0]) || close(fake.ends[1]);
}

static int results[8], result_count;

static void note(struct io_operation *operation, int result)
{
    (void)operation;
    results[result_count++] = result;
}

static struct io_operation begin(void)
{
    result_count = 0;
    return (struct io_operation){.fd = fake.ends[0], .done = note};
}

static int wait_once(void)
{
    return io_wait(&fake.ready.engine, 1000);
}

static void a_receive_is_not_tried_before_it_is_reported_ready(void **state)
{
    (void)state;
    struct io_operation receive = begin();
    assert_int_equal(write(fake.ends[1], "abc", 3), 3);
    io_receive(&fake.ready.engine, &receive);
    assert_int_equal(fake.parked, 1);
    assert_int_equal(wait_once(), 0);
    assert_int_equal(result_count, 0);
    assert_int_equal(fake.timeout_ns, 1000);
    fake.events = READY_IN;
    assert_int_equal(wait_once(), 0);
    assert_int_equal(result_count, 1);
    assert_int_equal(results[0], 3);
}

/* A short read spares the call that would only say "would block"; odd events need it. */
static void a_short_read_means_empty_unless_the_event_was_odd(void **state)
{
    (void)state;
    for (int odd = 0; odd < 2; odd++) {
        struct io_operation receive = begin();
        fake.parked = 0;
        assert_int_equal(write(fake.ends[1], "abc", 3), 3);
        io_receive(&fake.ready.engine, &receive);
        fake.events = READY_IN | (odd ? READY_ODD : 0);
        assert_int_equal(wait_once(), 0);
        assert_int_equal(write(fake.ends[1], "def", 3), 3); /* not reported */
        io_receive(&fake.ready.engine, &receive);
        assert_int_equal(fake.parked, odd ? 1 : 2);
        assert_int_equal(wait_once(), 0);
        assert_int_equal(result_count, odd ? 2 : 1);
        fake.events = READY_IN;
        assert_int_equal(wait_once(), 0);
        assert_int_equal(result_count, 2);
    }
}

static void a_full_read_is_followed_by_another_try(void **state)
{
    (void)state;
    struct io_operation receive = begin();
    char more_than_the_buffer[150] = {0};
    assert_int_equal(write(fake.ends[1], more_than_the_buffer, 150), 150);
    io_receive(&fake.ready.engine, &receive);
    fake.events = READY_IN;
    assert_int_equal(wait_once(), 0);
    io_receive(&fake.ready.engine, &receive);
    assert_int_equal(wait_once(), 0);
    assert_int_equal(fake.timeout_ns, 0); /* something was done: no waiting */
    assert_int_equal(result_count, 2);
    assert_int_equal(results[0], 100);
    assert_int_equal(results[1], 50);
}

static void a_send_is_tried_at_once_and_told_later(void **state)
{
    (void)state;
    struct io_operation send = begin();
    struct io_slice slice = {(const uint8_t *)"abc", 3, -1, 0};
    char in[3];
    send.slices = &slice;
    send.count = 1;
    io_send(&fake.ready.engine, &send);
    assert_int_equal(recv(fake.ends[1], in, 3, MSG_DONTWAIT), 3);
    assert_int_equal(result_count, 0);
    assert_int_equal(wait_once(), 0);
    assert_int_equal(fake.timeout_ns, 0);
    assert_int_equal(result_count, 1);
    assert_int_equal(results[0], 0);
}

static void an_operation_that_cannot_be_waited_for_fails(void **state)
{
    (void)state;
    struct io_operation receive = begin();
    fake.park_error = ENOMEM;
    io_receive(&fake.ready.engine, &receive);
    assert_int_equal(result_count, 0);
    assert_int_equal(wait_once(), 0);
    assert_int_equal(result_count, 1);
    assert_int_equal(results[0], MAPLOG_IO);
    assert_int_equal(receive.state, 0);
}

static void an_engine_that_cannot_look_ends_the_wait(void **state)
{
    (void)state;
    fake.error = MAPLOG_NO_MEMORY;
    assert_int_equal(wait_once(), MAPLOG_NO_MEMORY);
}

static void milliseconds_are_rounded_up(void **state)
{
    (void)state;
    assert_int_equal(ready_milliseconds(-1), -1);
    assert_int_equal(ready_milliseconds(INT64_MIN), -1);
    assert_int_equal(ready_milliseconds(0), 0);
    assert_int_equal(ready_milliseconds(1), 1);
    assert_int_equal(ready_milliseconds(1000000), 1);
    assert_int_equal(ready_milliseconds(1000001), 2);
    assert_int_equal(ready_milliseconds(INT64_MAX), INT_MAX);
}

int main(void)
{
#define FAKE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FAKE(a_receive_is_not_tried_before_it_is_reported_ready),
        FAKE(a_short_read_means_empty_unless_the_event_was_odd),
        FAKE(a_full_read_is_followed_by_another_try),
        FAKE(a_send_is_tried_at_once_and_told_later),
        FAKE(an_operation_that_cannot_be_waited_for_fails),
        FAKE(an_engine_that_cannot_look_ends_the_wait),
        cmocka_unit_test(milliseconds_are_rounded_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
