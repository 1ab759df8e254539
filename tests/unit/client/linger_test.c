/* linger_test.c - batches that are published by themselves. */
#include "fixture.h"

#include <errno.h>

#include "os/fault.h"

static struct maplog_message await(struct maplog_consumer *consumer, const char *text)
{
    struct maplog_message message;
    assert_code(1, maplog_consume(consumer, &message, LONG_MS));
    assert_value(&message, text);
    return message;
}

static void a_lingering_batch_goes_without_a_further_call(void **state)
{
    (void)state;
    make_topic("lingers", 3, NULL);
    struct maplog_producer_options options = {.batch_bytes = 1 << 20, .linger_ms = 2};
    struct maplog_producer *producer = open_producer("lingers", &options);
    struct maplog_consumer *consumer = open_consumer("lingers", NULL);
    for (int round = 0; round < 20; round++) {
        struct maplog_record record = text_record("x");
        int64_t offset = 0;
        assert_ok(maplog_produce_to(producer, round % 3, &record, &offset));
        assert_int_equal(offset, -1);
        assert_int_equal(await(consumer, "x").partition, round % 3);
    }
    maplog_consumer_close(consumer);
    assert_ok(maplog_producer_close(producer));
}

static void close_does_not_wait_for_the_time(void **state)
{
    (void)state;
    make_topic("hurries", 1, NULL);
    struct maplog_producer_options options = {.batch_bytes = 1 << 20, .linger_ms = 1000000000};
    struct maplog_producer *producer = open_producer("hurries", &options);
    put_numbers(producer, 0, 10);
    assert_int_equal(describe("hurries", 0).end_offset, 0);
    assert_ok(maplog_producer_close(producer));
    assert_int_equal(describe("hurries", 0).end_offset, 10);
}

static void a_full_disk_delays_a_lingering_batch(void **state)
{
    (void)state;
    make_topic("delayed", 1, NULL);
    struct maplog_producer_options options = {.batch_bytes = 1 << 20, .linger_ms = 1};
    struct maplog_producer *producer = open_producer("delayed", &options);
    struct maplog_consumer *consumer = open_consumer("delayed", NULL);
    fault_set(FAULT_ALLOCATE, 1, ENOSPC, 1);
    put(producer, "0");
    assert_code(MAPLOG_DISK_FULL, maplog_flush(producer));
    struct maplog_message message;
    assert_code(0, maplog_consume(consumer, &message, 50));
    fault_clear();
    await(consumer, "0");
    assert_nothing(consumer);
    maplog_consumer_close(consumer);
    assert_ok(maplog_producer_close(producer));
}

static void many_producers_linger_and_go(void **state)
{
    (void)state;
    make_topic("many", 1, NULL);
    struct maplog_producer_options options = {.batch_bytes = 1000, .linger_ms = 1};
    struct maplog_producer *producers[8];
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 8; i++)
            producers[i] = open_producer("many", &options);
        for (int i = 0; i < 8; i++)
            put_numbers(producers[i], 0, 10 * i);
        for (int i = 0; i < 8; i++)
            assert_ok(maplog_producer_close(producers[i]));
    }
    assert_int_equal(describe("many", 0).end_offset, 20 * 10 * 28);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lingering_batch_goes_without_a_further_call),
        cmocka_unit_test(close_does_not_wait_for_the_time),
        cmocka_unit_test(a_full_disk_delays_a_lingering_batch),
        cmocka_unit_test(many_producers_linger_and_go),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
