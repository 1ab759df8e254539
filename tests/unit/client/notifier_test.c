/* notifier_test.c - the descriptor of a consumer. */
#include "fixture.h"

#include <poll.h>

static bool readable(int fd, int timeout_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, timeout_ms) == 1 && (polled.revents & POLLIN);
}

static void it_polls_readable_when_there_are_records(void **state)
{
    (void)state;
    make_topic("polled", 3, NULL);
    struct maplog_producer *producer = open_producer("polled", NULL);
    struct maplog_consumer *consumer = open_consumer("polled", NULL);
    int fd, again;
    assert_ok(maplog_consumer_descriptor(consumer, &fd));
    assert_ok(maplog_consumer_descriptor(consumer, &again));
    assert_int_equal(fd, again);
    assert_true(readable(fd, 0)); /* it was not looked yet */
    assert_nothing(consumer);
    assert_false(readable(fd, 30));
    for (int i = 0; i < 300; i++) {
        struct maplog_record record = text_record("x");
        assert_ok(maplog_produce_to(producer, i % 3, &record, NULL));
        assert_true(readable(fd, LONG_MS));
        take(consumer, "x");
        assert_nothing(consumer);
    }
    assert_false(readable(fd, 30));
    maplog_consumer_close(consumer);
    assert_ok(maplog_producer_close(producer));
}

static void records_that_came_before_it_are_told(void **state)
{
    (void)state;
    make_topic("before", 1, NULL);
    fill_topic("before", 5);
    struct maplog_consumer *consumer = open_consumer("before", NULL);
    int fd;
    assert_ok(maplog_consumer_descriptor(consumer, &fd));
    assert_true(readable(fd, 0));
    take_numbers(consumer, 0, 5);
    assert_nothing(consumer);
    assert_false(readable(fd, 30));
    maplog_consumer_close(consumer);
}

static void it_tells_of_deletion_and_of_new_partitions(void **state)
{
    (void)state;
    make_topic("changing", 1, NULL);
    struct maplog_consumer *consumer = open_consumer("changing", NULL);
    int fd;
    assert_ok(maplog_consumer_descriptor(consumer, &fd));
    assert_nothing(consumer);
    assert_ok(maplog_topic_grow(fixture_log, "changing", 2));
    assert_true(readable(fd, LONG_MS));
    assert_nothing(consumer);
    struct maplog_producer *producer = open_producer("changing", NULL);
    struct maplog_record record = text_record("x");
    assert_ok(maplog_produce_to(producer, 1, &record, NULL));
    assert_true(readable(fd, LONG_MS));
    take(consumer, "x");
    assert_nothing(consumer);
    assert_ok(maplog_topic_delete(fixture_log, "changing"));
    assert_true(readable(fd, LONG_MS));
    struct maplog_message message;
    assert_code(MAPLOG_TOPIC_DELETED, maplog_consume(consumer, &message, 0));
    maplog_consumer_close(consumer);
    assert_ok(maplog_producer_close(producer));
}

static void close_ends_its_thread_in_every_state(void **state)
{
    (void)state;
    make_topic("closed", 1, NULL);
    for (int i = 0; i < 100; i++) {
        struct maplog_consumer *consumer = open_consumer("closed", NULL);
        int fd;
        assert_ok(maplog_consumer_descriptor(consumer, &fd));
        if (i % 2)
            assert_nothing(consumer); /* armed: the thread sleeps or is about to */
        if (i % 4 == 3)
            clock_sleep_ns(200000);
        maplog_consumer_close(consumer);
        assert_int_equal(fcntl(fd, F_GETFD), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_polls_readable_when_there_are_records),
        cmocka_unit_test(records_that_came_before_it_are_told),
        cmocka_unit_test(it_tells_of_deletion_and_of_new_partitions),
        cmocka_unit_test(close_ends_its_thread_in_every_state),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
