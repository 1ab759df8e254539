/* position_test.c - seeking by offset and time. */
#include "fixture.h"

static int64_t position(struct maplog_consumer *consumer, int32_t partition)
{
    int64_t offset = -7;
    assert_ok(maplog_position(consumer, partition, &offset));
    return offset;
}

static void any_offset_can_be_sought(void **state)
{
    (void)state;
    make_topic("sought", 1, "segment.bytes=4096");
    struct maplog_producer_options options = {.batch_bytes = 300};
    struct maplog_producer *producer = open_producer("sought", &options);
    put_numbers(producer, 0, 2000);
    assert_ok(maplog_producer_close(producer));
    struct maplog_consumer *consumer = open_consumer("sought", NULL);
    for (int i = 1999; i >= 0; i -= 37) {
        assert_ok(maplog_seek(consumer, 0, i));
        assert_int_equal(position(consumer, 0), i);
        take_numbers(consumer, i, i + 40 < 2000 ? 40 : 2000 - i);
    }
    assert_ok(maplog_seek(consumer, 0, MAPLOG_END));
    assert_int_equal(position(consumer, 0), 2000);
    assert_nothing(consumer);
    assert_ok(maplog_seek(consumer, -1, MAPLOG_BEGIN));
    assert_int_equal(position(consumer, 0), 0);
    take_numbers(consumer, 0, 2000);
    assert_int_equal(position(consumer, 0), 2000);
    maplog_consumer_close(consumer);
}

static void seeking_one_partition_leaves_the_others(void **state)
{
    (void)state;
    make_topic("separate", 2, NULL);
    struct maplog_producer *producer = open_producer("separate", NULL);
    struct maplog_record record = text_record("x");
    for (int i = 0; i < 10; i++)
        assert_ok(maplog_produce_to(producer, i % 2, &record, NULL));
    struct maplog_consumer *consumer = open_consumer("separate", NULL);
    for (int i = 0; i < 10; i++)
        take(consumer, "x");
    assert_ok(maplog_seek(consumer, 1, 3));
    assert_int_equal(position(consumer, 0), 5);
    assert_int_equal(take(consumer, "x").offset, 3);
    assert_int_equal(take(consumer, "x").offset, 4);
    assert_nothing(consumer);
    assert_code(MAPLOG_NOT_FOUND, maplog_seek(consumer, 2, 0));
    assert_code(MAPLOG_INVALID, maplog_seek(consumer, 0, -3));
    int64_t offset;
    assert_code(MAPLOG_NOT_FOUND, maplog_position(consumer, -1, &offset));
    maplog_consumer_close(consumer);
    assert_ok(maplog_producer_close(producer));
}

static void a_time_finds_the_first_record_that_late(void **state)
{
    (void)state;
    make_topic("timed", 1, "segment.bytes=4096");
    struct maplog_producer_options options = {.batch_bytes = 300};
    struct maplog_producer *producer = open_producer("timed", &options);
    for (int i = 0; i < 1000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        struct maplog_record record = text_record(text);
        record.timestamp = 1000000 + 10 * i;
        assert_ok(maplog_produce(producer, &record, NULL));
    }
    assert_ok(maplog_producer_close(producer));
    struct maplog_consumer *consumer = open_consumer("timed", NULL);
    for (int i = 0; i < 1000; i += 61) {
        assert_ok(maplog_seek_time(consumer, 0, 1000000 + 10 * i));
        assert_int_equal(position(consumer, 0), i);
        if (i) {
            assert_ok(maplog_seek_time(consumer, -1, 1000000 + 10 * i - 9));
            assert_int_equal(position(consumer, 0), i);
        }
        take_numbers(consumer, i, 1);
    }
    assert_ok(maplog_seek_time(consumer, 0, 0));
    assert_int_equal(position(consumer, 0), 0);
    assert_ok(maplog_seek_time(consumer, 0, 2000000));
    assert_int_equal(position(consumer, 0), 1000);
    assert_nothing(consumer);
    maplog_consumer_close(consumer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_offset_can_be_sought),
        cmocka_unit_test(seeking_one_partition_leaves_the_others),
        cmocka_unit_test(a_time_finds_the_first_record_that_late),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
