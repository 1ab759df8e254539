/* consumer_test.c - reading: order, waiting, new partitions, deletion, damage. */
#include "fixture.h"

#include <pthread.h>

#include "client/client.h"
#include "log/appender.h"

static void records_come_in_order_and_then_none(void **state)
{
    (void)state;
    make_topic("ordered", 1, "segment.bytes=4096");
    fill_topic("ordered", 3000);
    struct maplog_consumer *consumer = open_consumer("ordered", NULL);
    for (int i = 0; i < 3000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        struct maplog_message message = take(consumer, text);
        assert_int_equal(message.offset, i);
        assert_int_equal(message.partition, 0);
        assert_null(message.key);
    }
    assert_nothing(consumer);
    struct maplog_message message;
    int64_t before = clock_monotonic_ns();
    assert_code(0, maplog_consume(consumer, &message, 20));
    assert_true(clock_monotonic_ns() - before >= 20 * 1000000);
    maplog_consumer_close(consumer);
    maplog_consumer_close(NULL);
}

static void partitions_take_turns(void **state)
{
    (void)state;
    make_topic("turns", 3, NULL);
    struct maplog_producer *producer = open_producer("turns", NULL);
    struct maplog_record record = text_record("x");
    for (int i = 0; i < 3000; i++)
        assert_ok(maplog_produce_to(producer, i / 1000, &record, NULL));
    struct maplog_consumer *consumer = open_consumer("turns", NULL);
    int seen[3] = {0};
    for (int i = 0; i < 3000; i++) {
        struct maplog_message message = take(consumer, "x");
        assert_int_equal(message.offset, seen[message.partition]++);
        for (int p = 0; i < 2500 && p < 3; p++)
            assert_true(abs(seen[p] - i / 3) < 150);
    }
    assert_nothing(consumer);
    maplog_consumer_close(consumer);
    assert_ok(maplog_producer_close(producer));
}

/* One that always has more does not keep another one's record waiting. */
static void a_busy_partition_leaves_room_for_the_others(void **state)
{
    (void)state;
    make_topic("room", 50, NULL);
    static char large[10000];
    struct maplog_producer *producer = open_producer("room", NULL);
    struct maplog_record record = {.value = large, .value_size = sizeof large};
    for (int i = 0; i < 1000; i++)
        assert_ok(maplog_produce_to(producer, 3, &record, NULL));
    struct maplog_consumer *consumer = open_consumer("room", NULL);
    struct maplog_message message;
    assert_code(1, maplog_consume(consumer, &message, 0));
    record = text_record("x");
    assert_ok(maplog_produce_to(producer, 2, &record, NULL));
    int taken = 0;
    for (; message.partition == 3; taken++)
        assert_code(1, maplog_consume(consumer, &message, 0));
    assert_true(taken < 100);
    maplog_consumer_close(consumer);
    assert_ok(maplog_producer_close(producer));
}

static void a_consumer_may_read_some_partitions(void **state)
{
    (void)state;
    make_topic("some", 3, NULL);
    struct maplog_producer *producer = open_producer("some", NULL);
    struct maplog_record record = text_record("x");
    for (int i = 0; i < 9; i++)
        assert_ok(maplog_produce_to(producer, i % 3, &record, NULL));
    int32_t list[] = {2, 0};
    struct maplog_consumer_options options = {.partitions = list, .partition_count = 2};
    struct maplog_consumer *consumer = open_consumer("some", &options);
    for (int i = 0; i < 6; i++)
        assert_int_not_equal(take(consumer, "x").partition, 1);
    assert_nothing(consumer);
    maplog_consumer_close(consumer);
    struct maplog_consumer *none = NULL;
    list[0] = 3;
    assert_code(MAPLOG_NOT_FOUND, maplog_consumer_open(fixture_log, "some", &options, &none));
    list[0] = 0;
    assert_code(MAPLOG_INVALID, maplog_consumer_open(fixture_log, "some", &options, &none));
    options.partition_count = 0;
    assert_code(MAPLOG_INVALID, maplog_consumer_open(fixture_log, "some", &options, &none));
    options = (struct maplog_consumer_options){.group = ""};
    assert_code(MAPLOG_INVALID, maplog_consumer_open(fixture_log, "some", &options, &none));
    assert_code(MAPLOG_NOT_FOUND, maplog_consumer_open(fixture_log, "missing", NULL, &none));
    assert_null(none);
    assert_ok(maplog_producer_close(producer));
}

static void at_end_skips_what_is_there(void **state)
{
    (void)state;
    make_topic("tail", 2, NULL);
    struct maplog_producer *producer = open_producer("tail", NULL);
    put_numbers(producer, 0, 2000);
    struct maplog_consumer_options options = {.at_end = 1};
    struct maplog_consumer *consumer = open_consumer("tail", &options);
    assert_nothing(consumer);
    put(producer, "new");
    take(consumer, "new");
    maplog_consumer_close(consumer);
    assert_ok(maplog_producer_close(producer));
}

struct later {
    const char *topic;
    int32_t partition;
    int32_t grow; /* to so many partitions first; 0: no */
};

/* NULL when all went well. */
static void *produce_later(void *argument)
{
    const struct later *later = argument;
    struct maplog *log;
    struct maplog_producer *producer;
    struct maplog_record record = text_record("late");
    clock_sleep_ns(30 * 1000000);
    bool well = maplog_open(fixture_path, NULL, &log) == 0 &&
                (!later->grow || maplog_topic_grow(log, later->topic, later->grow) == 0) &&
                maplog_producer_open(log, later->topic, NULL, &producer) == 0 &&
                maplog_produce_to(producer, later->partition, &record, NULL) == 0 &&
                maplog_producer_close(producer) == 0;
    maplog_close(log);
    return well ? NULL : argument;
}

static void await_late(const struct later *later, const struct maplog_consumer_options *options)
{
    struct maplog_consumer *consumer = open_consumer(later->topic, options);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, produce_later, (void *)later), 0);
    struct maplog_message message;
    assert_code(1, maplog_consume(consumer, &message, -1));
    assert_value(&message, "late");
    assert_int_equal(message.partition, later->partition);
    void *failed;
    pthread_join(thread, &failed);
    assert_null(failed);
    maplog_consumer_close(consumer);
}

static void a_sleeping_consumer_wakes_for_each_partition(void **state)
{
    (void)state;
    make_topic("sleeps", 3, NULL);
    for (int32_t i = 0; i < 3; i++) {
        struct later later = {.topic = "sleeps", .partition = i};
        struct maplog_consumer_options options = {.at_end = 1};
        await_late(&later, &options);
    }
}

static void a_sleeping_consumer_finds_new_partitions(void **state)
{
    (void)state;
    make_topic("grows", 1, NULL);
    struct later later = {.topic = "grows", .partition = 4, .grow = 5};
    /* at_end passes over what was there before the consumer, and no more. */
    struct maplog_consumer_options options = {.at_end = 1};
    await_late(&later, &options);
}

static void retention_that_overtakes_is_an_error_until_a_seek(void **state)
{
    (void)state;
    make_topic("overtaken", 1, NULL);
    fill_topic("overtaken", 20);
    struct maplog_consumer *consumer = open_consumer("overtaken", NULL);
    struct maplog_consumer *fresh = open_consumer("overtaken", NULL);
    take(consumer, "0");
    assert_ok(maplog_seek(consumer, 0, 2));
    assert_ok(maplog_delete_records(fixture_log, "overtaken", 0, 10));
    struct maplog_message message;
    assert_code(MAPLOG_OFFSET_OUT_OF_RANGE, maplog_consume(consumer, &message, 0));
    assert_code(MAPLOG_OFFSET_OUT_OF_RANGE, maplog_consume(consumer, &message, 0));
    assert_ok(maplog_seek(consumer, 0, MAPLOG_BEGIN));
    take(consumer, "10");
    /* Who reads from the beginning reads from where it is by then. */
    take(fresh, "10");
    assert_ok(maplog_seek(consumer, 0, 21));
    assert_code(MAPLOG_OFFSET_OUT_OF_RANGE, maplog_consume(consumer, &message, 0));
    maplog_consumer_close(fresh);
    maplog_consumer_close(consumer);
}

static void a_deleted_topic_is_read_to_its_end(void **state)
{
    (void)state;
    make_topic("deleted", 2, NULL);
    struct maplog_producer *producer = open_producer("deleted", NULL);
    struct maplog_record record = text_record("x");
    for (int i = 0; i < 10; i++)
        assert_ok(maplog_produce_to(producer, i % 2, &record, NULL));
    struct maplog_consumer *consumer = open_consumer("deleted", NULL);
    take(consumer, "x");
    take(consumer, "x");
    assert_ok(maplog_topic_delete(fixture_log, "deleted"));
    for (int i = 2; i < 10; i++)
        take(consumer, "x");
    struct maplog_message message;
    assert_code(MAPLOG_TOPIC_DELETED, maplog_consume(consumer, &message, -1));
    make_topic("deleted", 2, NULL);
    assert_code(MAPLOG_TOPIC_DELETED, maplog_consume(consumer, &message, -1));
    maplog_consumer_close(consumer);
    assert_ok(maplog_producer_close(producer));
}

/* Changes one byte of the partition's first segment. */
static void damage(const char *topic, int64_t position)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s-0/00000000000000000000.log", fixture_path, topic);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    char byte;
    assert_int_equal(pread(fd, &byte, 1, position), 1);
    byte ^= 0x40;
    assert_int_equal(pwrite(fd, &byte, 1, position), 1);
    close(fd);
}

static void damage_is_named_and_stays_until_a_seek(void **state)
{
    (void)state;
    make_topic("damaged", 1, NULL);
    fill_topic("damaged", 10);
    int64_t batch = describe("damaged", 0).bytes / 10;
    damage("damaged", 5 * batch + BATCH_CRC);
    struct maplog_message message;
    struct maplog_consumer *trusting = open_consumer("damaged", NULL);
    take_numbers(trusting, 0, 10);
    maplog_consumer_close(trusting);
    struct maplog_consumer_options options = {.check_crcs = 1};
    struct maplog_consumer *consumer = open_consumer("damaged", &options);
    take_numbers(consumer, 0, 5);
    for (int i = 0; i < 3; i++) {
        assert_code(MAPLOG_CORRUPT, maplog_consume(consumer, &message, 0));
        assert_non_null(strstr(maplog_error_text(), "damaged-0/00000000000000000000.log"));
    }
    assert_ok(maplog_seek(consumer, 0, 6));
    take_numbers(consumer, 6, 4);
    maplog_consumer_close(consumer);
}

static void damaged_records_are_found_without_crcs_too(void **state)
{
    (void)state;
    make_topic("broken", 1, NULL);
    struct maplog_producer_options options = {.batch_bytes = 10000};
    struct maplog_producer *producer = open_producer("broken", &options);
    for (int i = 0; i < 10; i++)
        put(producer, "value");
    assert_ok(maplog_producer_close(producer));
    int64_t record = (describe("broken", 0).bytes - BATCH_HEADER_BYTES) / 10;
    damage("broken", BATCH_HEADER_BYTES + 5 * record); /* its length */
    struct maplog_consumer *consumer = open_consumer("broken", NULL);
    for (int i = 0; i < 5; i++)
        take(consumer, "value");
    struct maplog_message message;
    for (int i = 0; i < 3; i++)
        assert_code(MAPLOG_CORRUPT, maplog_consume(consumer, &message, 0));
    int64_t position;
    assert_ok(maplog_position(consumer, 0, &position));
    assert_int_equal(position, 5);
    maplog_consumer_close(consumer);
}

/* Appends a batch with the given base offset as Kafka could have left it. */
static void append_kept(struct appender *appender, int64_t base_offset, int32_t last_delta,
                        uint16_t attributes, const char *value)
{
    struct builder builder;
    builder_init(&builder, MAPLOG_COMPRESSION_NONE);
    if (value)
        assert_ok(builder_add_value(&builder, value, strlen(value), 1000));
    else
        assert_ok(builder_add_value(&builder, "gone", 4, 1000));
    uint8_t *batch;
    size_t size;
    assert_ok(builder_finish(&builder, &batch, &size));
    bytes_store64(batch + BATCH_BASE_OFFSET, (uint64_t)base_offset);
    bytes_store32(batch + BATCH_LAST_OFFSET_DELTA, (uint32_t)last_delta);
    bytes_store16(batch + BATCH_ATTRIBUTES, attributes);
    if (!value) {
        size = BATCH_HEADER_BYTES; /* compaction took all records */
        bytes_store32(batch + BATCH_RECORD_COUNT, 0);
        bytes_store32(batch + BATCH_LENGTH, BATCH_HEADER_BYTES - BATCH_PREFIX_BYTES);
    }
    assert_ok(appender_append_kept(appender, batch, size));
    builder_free(&builder);
}

static void empty_and_control_batches_are_passed_over(void **state)
{
    (void)state;
    make_topic("compacted", 1, NULL);
    struct directory *directory = fixture_log->directory;
    struct partition *partition;
    struct appender appender;
    uint32_t seat;
    assert_ok(directory_partition(directory, "compacted", 0, &partition));
    assert_ok(control_take_seat(&directory->view, &seat));
    assert_ok(appender_open(partition, seat, 1000000000, &appender));
    append_kept(&appender, 0, 0, 0, "first");
    append_kept(&appender, 5, 9, 0, NULL);
    append_kept(&appender, 15, 0, ATTRIBUTE_CONTROL, "commit");
    append_kept(&appender, 20, 2, 0, "second");
    append_kept(&appender, 23, 0, ATTRIBUTE_CONTROL, "commit");
    appender_close(&appender);
    control_leave_seat(&directory->view, seat);
    struct maplog_consumer *consumer = open_consumer("compacted", NULL);
    int64_t position;
    assert_int_equal(take(consumer, "first").offset, 0);
    assert_int_equal(take(consumer, "second").offset, 20);
    assert_nothing(consumer);
    assert_ok(maplog_position(consumer, 0, &position));
    assert_int_equal(position, 24);
    assert_ok(maplog_seek(consumer, 0, 3));
    assert_int_equal(take(consumer, "second").offset, 20);
    maplog_consumer_close(consumer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_in_order_and_then_none),
        cmocka_unit_test(partitions_take_turns),
        cmocka_unit_test(a_busy_partition_leaves_room_for_the_others),
        cmocka_unit_test(a_consumer_may_read_some_partitions),
        cmocka_unit_test(at_end_skips_what_is_there),
        cmocka_unit_test(a_sleeping_consumer_wakes_for_each_partition),
        cmocka_unit_test(a_sleeping_consumer_finds_new_partitions),
        cmocka_unit_test(retention_that_overtakes_is_an_error_until_a_seek),
        cmocka_unit_test(a_deleted_topic_is_read_to_its_end),
        cmocka_unit_test(damage_is_named_and_stays_until_a_seek),
        cmocka_unit_test(damaged_records_are_found_without_crcs_too),
        cmocka_unit_test(empty_and_control_batches_are_passed_over),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
