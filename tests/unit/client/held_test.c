/* held_test.c - memory of messages that is kept. */
#include "fixture.h"

static void a_hold_outlives_reader_retention_and_log(void **state)
{
    (void)state;
    make_topic("held", 1, "segment.bytes=4096");
    fill_topic("held", 1000);
    struct maplog *log = attach_again();
    struct maplog_consumer *consumer;
    assert_ok(maplog_consumer_open(log, "held", NULL, &consumer));
    struct maplog_message first = take(consumer, "0");
    struct maplog_hold *hold;
    assert_ok(maplog_hold(consumer, &hold));
    take_numbers(consumer, 1, 998);
    struct maplog_message last = take(consumer, "999");
    struct maplog_hold *other;
    assert_ok(maplog_hold(consumer, &other));
    assert_ok(maplog_delete_records(fixture_log, "held", 0, -1));
    maplog_consumer_close(consumer);
    maplog_close(log);
    assert_value(&first, "0");
    assert_value(&last, "999");
    maplog_release(hold);
    assert_value(&last, "999");
    maplog_release(other);
    maplog_release(NULL);
}

static void decompressed_records_can_be_held(void **state)
{
    (void)state;
    make_topic("unpacked", 1, NULL);
    struct maplog_producer_options options = {.batch_bytes = 1000,
                                              .compression = MAPLOG_COMPRESSION_LZ4};
    struct maplog_producer *producer = open_producer("unpacked", &options);
    put_numbers(producer, 0, 1000);
    assert_ok(maplog_producer_close(producer));
    struct maplog_consumer *consumer = open_consumer("unpacked", NULL);
    struct maplog_message messages[1000];
    struct maplog_hold *holds[1000];
    for (int i = 0; i < 1000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        messages[i] = take(consumer, text);
        assert_ok(maplog_hold(consumer, &holds[i]));
    }
    maplog_consumer_close(consumer);
    for (int i = 0; i < 1000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        assert_value(&messages[i], text);
        maplog_release(holds[i]);
    }
}

static void only_the_last_message_can_be_held(void **state)
{
    (void)state;
    make_topic("last", 1, NULL);
    fill_topic("last", 2);
    struct maplog_consumer *consumer = open_consumer("last", NULL);
    struct maplog_hold *hold = NULL;
    assert_code(MAPLOG_NOT_FOUND, maplog_hold(consumer, &hold));
    take(consumer, "0");
    assert_ok(maplog_seek(consumer, 0, 1));
    assert_code(MAPLOG_NOT_FOUND, maplog_hold(consumer, &hold));
    take(consumer, "1");
    assert_nothing(consumer);
    assert_code(MAPLOG_NOT_FOUND, maplog_hold(consumer, &hold));
    assert_null(hold);
    maplog_consumer_close(consumer);
}

static void a_hold_covers_its_segment(void **state)
{
    (void)state;
    make_topic("covered", 1, "segment.bytes=4096");
    fill_topic("covered", 1000);
    struct maplog_consumer *consumer = open_consumer("covered", NULL);
    struct maplog_message messages[1000];
    struct maplog_hold *holds[1000];
    int count = 0;
    for (int i = 0; i < 1000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        messages[i] = take(consumer, text);
        if (count == 0 || !maplog_hold_covers(holds[count - 1], consumer))
            assert_ok(maplog_hold(consumer, &holds[count++]));
        assert_int_equal(1, maplog_hold_covers(holds[count - 1], consumer));
    }
    assert_in_range(count, 2, 100);
    assert_int_equal(0, maplog_hold_covers(holds[0], consumer));
    maplog_consumer_close(consumer);
    assert_ok(maplog_delete_records(fixture_log, "covered", 0, -1));
    for (int i = 0; i < 1000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        assert_value(&messages[i], text);
    }
    while (count > 0)
        maplog_release(holds[--count]);
}

static void a_hold_covers_its_compressed_batch(void **state)
{
    (void)state;
    make_topic("packed", 1, NULL);
    struct maplog_producer_options options = {.batch_bytes = 1000,
                                              .compression = MAPLOG_COMPRESSION_LZ4};
    struct maplog_producer *producer = open_producer("packed", &options);
    put_numbers(producer, 0, 3);
    assert_ok(maplog_flush(producer));
    put_numbers(producer, 3, 1);
    assert_ok(maplog_producer_close(producer));
    struct maplog_consumer *consumer = open_consumer("packed", NULL);
    struct maplog_hold *hold;
    take(consumer, "0");
    assert_ok(maplog_hold(consumer, &hold));
    take_numbers(consumer, 1, 2);
    assert_int_equal(1, maplog_hold_covers(hold, consumer));
    take(consumer, "3");
    assert_int_equal(0, maplog_hold_covers(hold, consumer));
    assert_nothing(consumer);
    assert_int_equal(0, maplog_hold_covers(hold, consumer));
    maplog_release(hold);
    maplog_consumer_close(consumer);
}

static void a_hold_keeps_a_slot_of_an_anonymous_log(void **state)
{
    (void)state;
    struct maplog *log;
    struct maplog_anonymous_options options = {.segment_bytes = 65536, .segments = 2};
    assert_ok(maplog_open_anonymous(&options, &log));
    struct maplog_producer *producer;
    struct maplog_consumer *consumer;
    assert_ok(maplog_producer_open(log, "anonymous", NULL, &producer));
    assert_ok(maplog_consumer_open(log, "anonymous", NULL, &consumer));
    put(producer, "kept");
    struct maplog_message message = take(consumer, "kept");
    struct maplog_hold *hold;
    assert_ok(maplog_hold(consumer, &hold));
    maplog_consumer_close(consumer);
    char filler[1000] = {0};
    struct maplog_record record = {.value = filler, .value_size = sizeof filler};
    int result = 0;
    for (int i = 0; i < 1000 && result == 0; i++)
        result = maplog_produce(producer, &record, NULL);
    assert_code(MAPLOG_FULL, result);
    assert_value(&message, "kept");
    maplog_release(hold);
    for (int i = 0; i < 1000; i++)
        assert_ok(maplog_produce(producer, &record, NULL));
    assert_ok(maplog_producer_close(producer));
    maplog_close(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hold_outlives_reader_retention_and_log),
        cmocka_unit_test(decompressed_records_can_be_held),
        cmocka_unit_test(only_the_last_message_can_be_held),
        cmocka_unit_test(a_hold_covers_its_segment),
        cmocka_unit_test(a_hold_covers_its_compressed_batch),
        cmocka_unit_test(a_hold_keeps_a_slot_of_an_anonymous_log),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
