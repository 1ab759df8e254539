/* producer_test.c - records one by one: what they carry, where they go, when they are durable. */
#include "fixture.h"

#include "client/client.h"

static void a_record_keeps_everything_it_carries(void **state)
{
    (void)state;
    make_topic("carried", 1, NULL);
    struct maplog_producer *producer = open_producer("carried", NULL);
    const struct maplog_header headers[] = {
        {"trace", "abc", 3}, {"empty", "", 0}, {"null", NULL, 0}};
    struct maplog_record record = {.key = "k\0y",
                                   .key_size = 3,
                                   .value = "v",
                                   .value_size = 1,
                                   .headers = headers,
                                   .header_count = 3,
                                   .timestamp = 1234567890123};
    int64_t offset = -1;
    assert_ok(maplog_produce(producer, &record, &offset));
    assert_int_equal(offset, 0);

    struct maplog_consumer *consumer = open_consumer("carried", NULL);
    struct maplog_message message = take(consumer, "v");
    assert_int_equal(message.key_size, 3);
    assert_memory_equal(message.key, "k\0y", 3);
    assert_int_equal(message.offset, 0);
    assert_int_equal(message.timestamp, 1234567890123);
    assert_int_equal(message.timestamp_type, 0);
    assert_int_equal(message.header_count, 3);
    for (int i = 0; i < 3; i++) {
        const char *name;
        const void *value;
        size_t name_size, value_size;
        assert_ok(maplog_message_header(&message, i, &name, &name_size, &value, &value_size));
        assert_int_equal(name_size, strlen(headers[i].name));
        assert_memory_equal(name, headers[i].name, name_size);
        assert_int_equal(value_size, headers[i].value_size);
        assert_true((value == NULL) == (headers[i].value == NULL));
        if (value)
            assert_memory_equal(value, headers[i].value, value_size);
    }
    const char *name;
    const void *value;
    size_t size;
    assert_code(MAPLOG_NOT_FOUND, maplog_message_header(&message, 3, &name, &size, &value, &size));
    assert_code(MAPLOG_NOT_FOUND, maplog_message_header(&message, -1, &name, &size, &value, &size));
    maplog_consumer_close(consumer);
    assert_ok(maplog_producer_close(producer));
}

static void sizes_without_bytes_are_refused(void **state)
{
    (void)state;
    make_topic("sizes", 1, NULL);
    struct maplog_producer *producer = open_producer("sizes", NULL);
    struct maplog_record keyless = {.key_size = 5, .value = "v", .value_size = 1};
    struct maplog_record valueless = {.value_size = 5};
    assert_code(MAPLOG_INVALID, maplog_produce(producer, &keyless, NULL));
    assert_code(MAPLOG_INVALID, maplog_produce(producer, &valueless, NULL));
    assert_ok(maplog_producer_close(producer));
}

static void the_topic_of_group_progress_is_not_for_everybody(void **state)
{
    (void)state;
    struct maplog_producer *producer;
    assert_code(MAPLOG_INVALID, maplog_topic_create(fixture_log, "__consumer_offsets", 1, NULL));
    assert_code(MAPLOG_DENIED,
                maplog_producer_open(fixture_log, "__consumer_offsets", NULL, &producer));
}

static void null_and_empty_are_two_things(void **state)
{
    (void)state;
    make_topic("nothing", 1, NULL);
    struct maplog_producer *producer = open_producer("nothing", NULL);
    struct maplog_record records[] = {
        {.value = "", .value_size = 0},
        {.value = NULL},
        {.key = "", .value = "x", .value_size = 1},
        {.key = "k", .key_size = 1},
    };
    for (size_t i = 0; i < 4; i++)
        assert_ok(maplog_produce(producer, &records[i], NULL));
    struct maplog_consumer *consumer = open_consumer("nothing", NULL);
    for (size_t i = 0; i < 4; i++) {
        struct maplog_message message;
        assert_code(1, maplog_consume(consumer, &message, 0));
        assert_true((message.value == NULL) == (records[i].value == NULL));
        assert_true((message.key == NULL) == (records[i].key == NULL));
        assert_int_equal(message.value_size, records[i].value_size);
        assert_int_equal(message.key_size, records[i].key_size);
        assert_int_equal(message.header_count, 0);
    }
    struct maplog_record wrong = {.value_size = 5};
    assert_code(MAPLOG_INVALID, maplog_produce(producer, &wrong, NULL));
    maplog_consumer_close(consumer);
    assert_ok(maplog_producer_close(producer));
}

static void an_unstamped_record_gets_the_time(void **state)
{
    (void)state;
    make_topic("stamped", 1, NULL);
    int64_t before = clock_wall_ms();
    fill_topic("stamped", 1);
    int64_t after = clock_wall_ms();
    struct maplog_consumer *consumer = open_consumer("stamped", NULL);
    struct maplog_message message = take(consumer, "0");
    assert_in_range(message.timestamp, before, after);
    maplog_consumer_close(consumer);
}

static void the_log_may_stamp_the_append_time(void **state)
{
    (void)state;
    make_topic("appended", 1, "message.timestamp.type=LogAppendTime");
    struct maplog_producer *producer = open_producer("appended", NULL);
    struct maplog_record record = text_record("x");
    record.timestamp = 5;
    int64_t before = clock_wall_ms();
    assert_ok(maplog_produce(producer, &record, NULL));
    struct maplog_consumer_options options = {.check_crcs = 1};
    struct maplog_consumer *consumer = open_consumer("appended", &options);
    struct maplog_message message = take(consumer, "x");
    assert_true(message.timestamp >= before);
    assert_int_equal(message.timestamp_type, 1);
    maplog_consumer_close(consumer);
    assert_ok(maplog_producer_close(producer));
}

/* Partitions that Java's default partitioner gives these keys, with 7 partitions. */
static void a_key_goes_where_java_sends_it(void **state)
{
    (void)state;
    make_topic("keyed", 7, NULL);
    struct maplog_producer *producer = open_producer("keyed", NULL);
    struct maplog_consumer *consumer = open_consumer("keyed", NULL);
    static const struct {
        const char *key;
        uint32_t murmur2; /* org.apache.kafka.common.utils.UtilsTest */
    } cases[] = {{"21", (uint32_t)-973932308},
                 {"foobar", (uint32_t)-790332482},
                 {"a-little-bit-long-string", (uint32_t)-985981536},
                 {"a-little-bit-longer-string", (uint32_t)-1486304829},
                 {"abc", 479470107}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct maplog_record record = text_record(cases[i].key);
        record.key = cases[i].key;
        record.key_size = strlen(cases[i].key);
        assert_ok(maplog_produce(producer, &record, NULL));
        struct maplog_message message = take(consumer, cases[i].key);
        assert_int_equal(message.partition, (cases[i].murmur2 & 0x7fffffff) % 7);
    }
    maplog_consumer_close(consumer);
    assert_ok(maplog_producer_close(producer));
}

static void records_without_a_key_fill_all_partitions(void **state)
{
    (void)state;
    make_topic("sticky", 4, NULL);
    struct maplog_producer *producer = open_producer("sticky", NULL);
    put_numbers(producer, 0, 8000);
    int64_t sum = 0;
    for (int32_t i = 0; i < 4; i++) {
        struct maplog_partition found = describe("sticky", i);
        assert_int_equal(found.end_offset, 2000);
        sum += found.end_offset;
    }
    assert_int_equal(sum, 8000);
    /* 64 KiB are a reason to change too. */
    static char large[40000];
    struct maplog_record record = {.value = large, .value_size = sizeof large};
    for (int i = 0; i < 8; i++)
        assert_ok(maplog_produce(producer, &record, NULL));
    for (int32_t i = 0; i < 4; i++)
        assert_int_equal(describe("sticky", i).end_offset, 2002);
    assert_ok(maplog_producer_close(producer));
}

/* Each batch goes by its time, long before it is full. */
static void a_slow_producer_fills_all_partitions_too(void **state)
{
    (void)state;
    make_topic("slow", 3, NULL);
    const struct maplog_producer_options options = {.batch_bytes = 500, .linger_ms = 1};
    struct maplog_producer *producer = open_producer("slow", &options);
    const struct maplog_record record = {.value = "0123456789012345678901234567890123456789",
                                         .value_size = 40};
    for (int i = 0; i < 60; i++) {
        assert_ok(maplog_produce(producer, &record, NULL));
        assert_ok(maplog_flush(producer));
    }
    maplog_producer_close(producer);
    for (int32_t i = 0; i < 3; i++)
        assert_true(describe("slow", i).end_offset >= 10);
}

static void the_caller_may_choose_the_partition(void **state)
{
    (void)state;
    make_topic("chosen", 3, NULL);
    struct maplog_producer *producer = open_producer("chosen", NULL);
    struct maplog_record record = text_record("x");
    record.key = "k";
    record.key_size = 1;
    int64_t offset = -1;
    for (int32_t i = 0; i < 3; i++)
        assert_ok(maplog_produce_to(producer, i, &record, &offset));
    assert_int_equal(offset, 0);
    assert_code(MAPLOG_NOT_FOUND, maplog_produce_to(producer, 3, &record, &offset));
    assert_code(MAPLOG_INVALID, maplog_produce_to(producer, -1, &record, &offset));
    assert_int_equal(offset, 0);
    for (int32_t i = 0; i < 3; i++)
        assert_int_equal(describe("chosen", i).end_offset, 1);
    assert_ok(maplog_producer_close(producer));
}

static void options_are_checked(void **state)
{
    (void)state;
    make_topic("options", 1, NULL);
    struct maplog_producer *producer = NULL;
    const struct maplog_producer_options wrong[] = {
        {.compression = MAPLOG_COMPRESSION_ZSTD},
        {.compression = 9, .batch_bytes = 1000},
        {.acks = 3},
        {.linger_ms = 5},
        {.linger_ms = -1, .batch_bytes = 1000},
        {.timeout_ms = -1},
        {.reserved = {1}},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_code(MAPLOG_INVALID,
                    maplog_producer_open(fixture_log, "options", &wrong[i], &producer));
    assert_code(MAPLOG_NOT_FOUND, maplog_producer_open(fixture_log, "missing", NULL, &producer));
    assert_code(MAPLOG_INVALID, maplog_producer_open(fixture_log, NULL, NULL, &producer));
    assert_null(producer);
    assert_ok(maplog_producer_close(NULL));
}

static void durable_acks_wait_for_the_disk(void **state)
{
    (void)state;
    if (fixture_log->directory->kind == FILE_SYSTEM_MEMORY)
        skip();
    make_topic("durable", 1, NULL);
    struct maplog_producer_options options = {.acks = MAPLOG_ACKS_DISK};
    struct maplog_producer *producer = open_producer("durable", &options);
    for (int i = 1; i <= 5; i++) {
        put(producer, "x");
        assert_int_equal(describe("durable", 0).durable_offset, i);
    }
    assert_ok(maplog_producer_close(producer));
}

static void flush_messages_makes_every_ack_durable(void **state)
{
    (void)state;
    if (fixture_log->directory->kind == FILE_SYSTEM_MEMORY)
        skip();
    make_topic("flushed", 1, "flush.messages=1");
    struct maplog_producer *producer = open_producer("flushed", NULL);
    for (int i = 1; i <= 3; i++) {
        put(producer, "x");
        assert_int_equal(describe("flushed", 0).durable_offset, i);
    }
    const char *every_ten[] = {"flush.messages=10", NULL};
    assert_ok(maplog_topic_alter(fixture_log, "flushed", every_ten));
    for (int i = 4; i <= 12; i++)
        put(producer, "x");
    assert_int_equal(describe("flushed", 0).durable_offset, 3);
    put(producer, "x");
    assert_int_equal(describe("flushed", 0).durable_offset, 13);
    assert_ok(maplog_producer_close(producer));
}

static void durable_acks_in_memory_are_refused(void **state)
{
    (void)state;
    char path[] = "/dev/shm/maplog-test-XXXXXX";
    assert_non_null(mkdtemp(path));
    struct maplog_open_options create = {.flags = MAPLOG_CREATE};
    struct maplog *log;
    assert_ok(maplog_open(path, &create, &log));
    assert_ok(maplog_topic_create(log, "plain", 1, NULL));
    const char *configs[] = {"flush.messages=1", NULL};
    assert_ok(maplog_topic_create(log, "durable", 1, configs));
    struct maplog_producer *producer;
    struct maplog_producer_options options = {.acks = MAPLOG_ACKS_DISK};
    assert_code(MAPLOG_NOT_PERSISTENT, maplog_producer_open(log, "plain", &options, &producer));
    assert_code(MAPLOG_NOT_PERSISTENT, maplog_producer_open(log, "durable", NULL, &producer));
    maplog_close(log);
    assert_ok(file_remove_tree(AT_FDCWD, path));
}

static void a_record_too_large_leaves_the_producer_usable(void **state)
{
    (void)state;
    make_topic("large", 1, "max.message.bytes=1000");
    struct maplog_producer *producer = open_producer("large", NULL);
    put(producer, "0");
    static char large[2000];
    struct maplog_record record = {.value = large, .value_size = sizeof large};
    int64_t offset = -5;
    assert_code(MAPLOG_TOO_LARGE, maplog_produce(producer, &record, &offset));
    assert_int_equal(offset, -5);
    assert_int_equal(put(producer, "1"), 1);
    assert_ok(maplog_producer_close(producer));
}

static void a_grown_topic_is_used_in_full(void **state)
{
    (void)state;
    make_topic("wider", 1, NULL);
    struct maplog_producer *producer = open_producer("wider", NULL);
    put_numbers(producer, 0, 300);
    assert_ok(maplog_topic_grow(fixture_log, "wider", 2));
    put_numbers(producer, 300, 4000);
    assert_true(describe("wider", 1).end_offset >= 1000);
    assert_int_equal(describe("wider", 0).end_offset + describe("wider", 1).end_offset, 4300);
    assert_ok(maplog_producer_close(producer));
}

static void a_deleted_topic_stays_deleted_for_its_producers(void **state)
{
    (void)state;
    make_topic("gone", 2, NULL);
    struct maplog_producer *producer = open_producer("gone", NULL);
    struct maplog_producer *asleep = open_producer("gone", NULL); /* while all that happens */
    struct maplog_record record = text_record("x");
    assert_ok(maplog_produce_to(producer, 0, &record, NULL));
    assert_ok(maplog_topic_delete(fixture_log, "gone"));
    assert_code(MAPLOG_TOPIC_DELETED, maplog_produce_to(producer, 0, &record, NULL));
    assert_code(MAPLOG_TOPIC_DELETED, maplog_produce(producer, &record, NULL));
    make_topic("gone", 2, NULL);
    assert_code(MAPLOG_TOPIC_DELETED, maplog_produce_to(producer, 0, &record, NULL));
    assert_code(MAPLOG_TOPIC_DELETED, maplog_produce_to(producer, 1, &record, NULL));
    assert_code(MAPLOG_TOPIC_DELETED, maplog_produce_to(asleep, 1, &record, NULL));
    assert_int_equal(describe("gone", 0).end_offset, 0);
    assert_int_equal(describe("gone", 1).end_offset, 0);
    assert_ok(maplog_producer_close(asleep));
    assert_ok(maplog_producer_close(producer));
}

static void two_producers_share_a_partition(void **state)
{
    (void)state;
    make_topic("shared", 1, NULL);
    struct maplog *again = attach_again();
    struct maplog_producer *first = open_producer("shared", NULL);
    struct maplog_producer *second;
    assert_ok(maplog_producer_open(again, "shared", NULL, &second));
    for (int i = 0; i < 1000; i += 2) {
        assert_int_equal(put(first, "a"), i);
        assert_int_equal(put(second, "b"), i + 1);
    }
    assert_ok(maplog_producer_close(first));
    assert_ok(maplog_producer_close(second));
    maplog_close(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_keeps_everything_it_carries),
        cmocka_unit_test(sizes_without_bytes_are_refused),
        cmocka_unit_test(the_topic_of_group_progress_is_not_for_everybody),
        cmocka_unit_test(null_and_empty_are_two_things),
        cmocka_unit_test(an_unstamped_record_gets_the_time),
        cmocka_unit_test(the_log_may_stamp_the_append_time),
        cmocka_unit_test(a_key_goes_where_java_sends_it),
        cmocka_unit_test(records_without_a_key_fill_all_partitions),
        cmocka_unit_test(a_slow_producer_fills_all_partitions_too),
        cmocka_unit_test(the_caller_may_choose_the_partition),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(durable_acks_wait_for_the_disk),
        cmocka_unit_test(flush_messages_makes_every_ack_durable),
        cmocka_unit_test(durable_acks_in_memory_are_refused),
        cmocka_unit_test(a_record_too_large_leaves_the_producer_usable),
        cmocka_unit_test(a_grown_topic_is_used_in_full),
        cmocka_unit_test(a_deleted_topic_stays_deleted_for_its_producers),
        cmocka_unit_test(two_producers_share_a_partition),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
