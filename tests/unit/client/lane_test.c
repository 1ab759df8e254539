/* lane_test.c - open batches: when they are published, how large they get, what an error leaves. */
#include "fixture.h"

#include <errno.h>

#include "client/producer.h"
#include "log/reader.h"
#include "os/fault.h"

/* Walks the batches of partition 0: their number; *largest bytes, *records in all. */
static int batches(const char *topic, uint32_t *largest, int32_t *records)
{
    struct partition *partition;
    assert_ok(directory_partition(fixture_log->directory, topic, 0, &partition));
    struct reader reader;
    struct batch batch;
    reader_init(&reader, partition, 0);
    *largest = 0;
    *records = 0;
    int count = 0;
    for (; reader_next(&reader, &batch) == 1; count++) {
        assert_ok(batch_check_crc(&batch));
        *largest = batch.size > *largest ? batch.size : *largest;
        *records += batch.records;
    }
    reader_close(&reader);
    return count;
}

static void records_wait_in_the_batch_until_it_is_flushed(void **state)
{
    (void)state;
    make_topic("waits", 1, NULL);
    struct maplog_producer_options options = {.batch_bytes = 10000};
    struct maplog_producer *producer = open_producer("waits", &options);
    struct maplog_consumer *consumer = open_consumer("waits", NULL);
    for (int i = 0; i < 10; i++)
        assert_int_equal(put(producer, "x"), -1);
    assert_nothing(consumer);
    assert_ok(maplog_flush(producer));
    assert_ok(maplog_flush(producer));
    for (int i = 0; i < 10; i++)
        assert_int_equal(take(consumer, "x").offset, i);
    uint32_t largest;
    int32_t records;
    assert_int_equal(batches("waits", &largest, &records), 1);
    put(producer, "y");
    assert_ok(maplog_producer_close(producer));
    take(consumer, "y");
    maplog_consumer_close(consumer);
}

static void no_batch_is_larger_than_asked(void **state)
{
    (void)state;
    make_topic("sized", 1, NULL);
    struct maplog_producer_options options = {.batch_bytes = 1000};
    struct maplog_producer *producer = open_producer("sized", &options);
    put_numbers(producer, 0, 5000);
    struct maplog_record keyed = text_record("with key and header");
    const struct maplog_header header = {"h", "v", 1};
    keyed.key = "k";
    keyed.key_size = 1;
    keyed.headers = &header;
    keyed.header_count = 1;
    for (int i = 0; i < 500; i++)
        assert_ok(maplog_produce(producer, &keyed, NULL));
    assert_ok(maplog_flush(producer));
    uint32_t largest;
    int32_t records;
    int count = batches("sized", &largest, &records);
    assert_int_equal(records, 5500);
    assert_true(largest <= 1000);
    assert_true(largest > 900);
    assert_in_range(count, 5000 * 10 / 1000, 200);
    assert_ok(maplog_producer_close(producer));
}

static void a_record_larger_than_a_batch_goes_alone(void **state)
{
    (void)state;
    make_topic("alone", 1, NULL);
    struct maplog_producer_options options = {.batch_bytes = 1000};
    struct maplog_producer *producer = open_producer("alone", &options);
    static char large[5000];
    memset(large, 'L', sizeof large - 1);
    assert_int_equal(put(producer, "before"), -1);
    assert_int_equal(put(producer, large), 1);
    assert_int_equal(put(producer, "after"), -1);
    assert_ok(maplog_flush(producer));
    struct maplog_consumer *consumer = open_consumer("alone", NULL);
    take(consumer, "before");
    take(consumer, large);
    take(consumer, "after");
    maplog_consumer_close(consumer);
    assert_ok(maplog_producer_close(producer));
}

static void the_topics_limit_bounds_a_batch_too(void **state)
{
    (void)state;
    make_topic("bounded", 1, "max.message.bytes=600");
    struct maplog_producer_options options = {.batch_bytes = 1 << 20};
    struct maplog_producer *producer = open_producer("bounded", &options);
    put_numbers(producer, 0, 1000);
    static char large[2000];
    memset(large, 'L', sizeof large - 1);
    struct maplog_record record = text_record(large);
    int64_t offset = -5;
    assert_code(MAPLOG_TOO_LARGE, maplog_produce(producer, &record, &offset));
    assert_int_equal(offset, -5);
    put_numbers(producer, 1000, 10);
    assert_ok(maplog_flush(producer));
    struct maplog_consumer *consumer = open_consumer("bounded", NULL);
    take_numbers(consumer, 0, 1010);
    assert_nothing(consumer);
    uint32_t largest;
    int32_t records;
    batches("bounded", &largest, &records);
    assert_true(largest <= 600);
    maplog_consumer_close(consumer);
    assert_ok(maplog_producer_close(producer));
}

static void a_batch_fits_into_a_segment(void **state)
{
    (void)state;
    make_topic("narrow", 1, "segment.bytes=4096");
    struct maplog_producer_options options = {.batch_bytes = 100000};
    struct maplog_producer *producer = open_producer("narrow", &options);
    put_numbers(producer, 0, 2000);
    assert_ok(maplog_producer_close(producer));
    uint32_t largest;
    int32_t records;
    assert_in_range(batches("narrow", &largest, &records), 5, 20);
    assert_in_range(largest, 3800, 4096);
    assert_int_equal(records, 2000);
}

static void every_compression_comes_back(void **state)
{
    (void)state;
    static const char *const topics[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    for (int codec = MAPLOG_COMPRESSION_NONE; codec <= MAPLOG_COMPRESSION_ZSTD; codec++) {
        make_topic(topics[codec], 1, NULL);
        struct maplog_producer_options options = {.batch_bytes = 16384, .compression = codec};
        struct maplog_producer *producer = open_producer(topics[codec], &options);
        put_numbers(producer, 0, 10000);
        assert_ok(maplog_producer_close(producer));
        struct maplog_consumer_options checked = {.check_crcs = 1};
        struct maplog_consumer *consumer = open_consumer(topics[codec], &checked);
        take_numbers(consumer, 0, 10000);
        assert_nothing(consumer);
        maplog_consumer_close(consumer);
    }
    assert_true(describe("zstd", 0).bytes < describe("none", 0).bytes / 2);
}

static void bytes_that_do_not_compress_still_fit(void **state)
{
    (void)state;
    make_topic("random", 1, "max.message.bytes=4000");
    char bytes[3900]; /* so much that a compressed frame around it would be over the limit */
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof bytes; i++) {
        seed = seed * 1664525 + 1013904223;
        bytes[i] = (char)(seed >> 24);
    }
    struct maplog_producer_options options = {.batch_bytes = 4000,
                                              .compression = MAPLOG_COMPRESSION_GZIP};
    struct maplog_producer *producer = open_producer("random", &options);
    for (size_t size = sizeof bytes - 40; size <= sizeof bytes; size++) {
        struct maplog_record record = {.value = bytes, .value_size = size};
        assert_ok(maplog_produce(producer, &record, NULL));
        assert_ok(maplog_flush(producer));
    }
    assert_int_equal(describe("random", 0).end_offset, 41);
    assert_ok(maplog_producer_close(producer));
}

static void a_failed_flush_keeps_the_batch(void **state)
{
    (void)state;
    make_topic("kept", 1, NULL);
    struct maplog_producer_options options = {.batch_bytes = 200000};
    struct maplog_producer *producer = open_producer("kept", &options);
    put_numbers(producer, 0, 10000);
    fault_set(FAULT_ALLOCATE, 1, ENOSPC, 1);
    assert_code(MAPLOG_DISK_FULL, maplog_flush(producer));
    assert_code(MAPLOG_DISK_FULL, maplog_flush(producer));
    assert_int_equal(describe("kept", 0).end_offset, 0);
    fault_clear();
    put_numbers(producer, 10000, 10);
    assert_ok(maplog_flush(producer));
    struct maplog_consumer *consumer = open_consumer("kept", NULL);
    take_numbers(consumer, 0, 10010);
    assert_nothing(consumer);
    maplog_consumer_close(consumer);
    assert_ok(maplog_producer_close(producer));
}

static void a_record_that_found_the_disk_full_is_not_taken(void **state)
{
    (void)state;
    make_topic("refused", 1, NULL);
    struct maplog_producer_options options = {.batch_bytes = 1000};
    struct maplog_producer *producer = open_producer("refused", &options);
    fault_set(FAULT_ALLOCATE, 1, ENOSPC, 1);
    int taken = 0;
    char text[16] = "0";
    struct maplog_record record = text_record(text);
    while (maplog_produce(producer, &record, NULL) == 0) {
        snprintf(text, sizeof text, "%d", ++taken);
        record.value_size = strlen(text);
        assert_true(taken < 1000);
    }
    assert_code(MAPLOG_DISK_FULL, maplog_produce(producer, &record, NULL));
    fault_clear();
    put_numbers(producer, taken, 500);
    assert_ok(maplog_producer_close(producer));
    struct maplog_consumer *consumer = open_consumer("refused", NULL);
    take_numbers(consumer, 0, taken + 500);
    assert_nothing(consumer);
    maplog_consumer_close(consumer);
}

static void a_batch_with_durable_acks_is_on_disk_after_the_flush(void **state)
{
    (void)state;
    if (fixture_log->directory->kind == FILE_SYSTEM_MEMORY)
        skip();
    make_topic("commit", 2, NULL);
    struct maplog_producer_options options = {.batch_bytes = 10000, .acks = MAPLOG_ACKS_DISK};
    struct maplog_producer *producer = open_producer("commit", &options);
    struct maplog_record record = text_record("x");
    for (int i = 0; i < 10; i++)
        assert_ok(maplog_produce_to(producer, i % 2, &record, NULL));
    assert_int_equal(describe("commit", 0).end_offset, 0);
    assert_ok(maplog_flush(producer));
    assert_int_equal(describe("commit", 0).durable_offset, 5);
    assert_int_equal(describe("commit", 1).durable_offset, 5);
    assert_ok(maplog_producer_close(producer));
}

static void a_failed_sync_says_what_is_published(void **state)
{
    (void)state;
    if (fixture_log->directory->kind == FILE_SYSTEM_MEMORY)
        skip();
    make_topic("unsure", 1, NULL);
    struct maplog_producer_options options = {.acks = MAPLOG_ACKS_DISK};
    struct maplog_producer *producer = open_producer("unsure", &options);
    struct maplog_record record = text_record("x");
    fault_set(FAULT_SYNC, 1, EIO, 0);
    assert_code(MAPLOG_IO, maplog_produce(producer, &record, NULL));
    assert_non_null(strstr(maplog_error_text(), "published up to offset 0"));
    fault_clear();
    assert_int_equal(describe("unsure", 0).end_offset, 1);
    /* Never retried and trusted. */
    assert_code(MAPLOG_IO, maplog_produce(producer, &record, NULL));
    assert_code(MAPLOG_IO, maplog_producer_close(producer));
}

static void batches_without_keys_take_turns(void **state)
{
    (void)state;
    make_topic("turns", 4, NULL);
    struct maplog_producer_options options = {.batch_bytes = 1000};
    struct maplog_producer *producer = open_producer("turns", &options);
    put_numbers(producer, 0, 10000);
    assert_ok(maplog_producer_close(producer));
    for (int32_t i = 0; i < 4; i++)
        assert_in_range(describe("turns", i).end_offset, 2300, 2700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_wait_in_the_batch_until_it_is_flushed),
        cmocka_unit_test(no_batch_is_larger_than_asked),
        cmocka_unit_test(a_record_larger_than_a_batch_goes_alone),
        cmocka_unit_test(the_topics_limit_bounds_a_batch_too),
        cmocka_unit_test(a_batch_fits_into_a_segment),
        cmocka_unit_test(every_compression_comes_back),
        cmocka_unit_test(bytes_that_do_not_compress_still_fit),
        cmocka_unit_test(a_failed_flush_keeps_the_batch),
        cmocka_unit_test(a_record_that_found_the_disk_full_is_not_taken),
        cmocka_unit_test(a_batch_with_durable_acks_is_on_disk_after_the_flush),
        cmocka_unit_test(a_failed_sync_says_what_is_published),
        cmocka_unit_test(batches_without_keys_take_turns),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
