/* builder_test.c - batches built record by record. */
#include "log/builder.h"

#include "base/limits.h"
#include "golden.h"

static struct builder builder;

static int begin(void **state)
{
    (void)state;
    builder_init(&builder, MAPLOG_COMPRESSION_NONE);
    return 0;
}

static int end(void **state)
{
    (void)state;
    builder_free(&builder);
    return 0;
}

static void add_golden(void)
{
    for (size_t i = 0; i < GOLDEN_COUNT; i++)
        assert_int_equal(builder_add(&builder, &golden_records[i], golden_records[i].timestamp), 0);
}

static void expect_batch(const char *golden)
{
    uint8_t *batch;
    size_t size, expected_size;
    uint8_t *expected = golden_bytes(golden, &expected_size);
    assert_int_equal(builder_finish(&builder, &batch, &size), 0);
    golden_expect_bytes(batch, size, expected, expected_size);
    free(expected);
}

static void batches_are_byte_for_byte_those_of_others(void **state)
{
    (void)state;
    add_golden();
    expect_batch(golden_batches[0]);
    builder_clear(&builder);
    assert_int_equal(builder_add_value(&builder, "hello", 5, GOLDEN_TIME), 0);
    expect_batch(golden_hello);
}

/* Reads the finished batch; every record is handed to the golden ones. */
static void expect_golden_records(enum maplog_compression codec)
{
    uint8_t *bytes;
    size_t size, records_size;
    assert_int_equal(builder_finish(&builder, &bytes, &size), 0);
    struct batch batch = {0};
    struct codec_buffer buffer = {0};
    const void *records;
    struct record_cursor cursor;
    struct record record;
    assert_int_equal(batch_check_deep(bytes, size, &batch), 0);
    assert_int_equal(batch_codec(&batch), codec);
    assert_int_equal(batch.size, size);
    assert_int_equal(batch.records, GOLDEN_COUNT);
    assert_int_equal(batch.max_timestamp, GOLDEN_TIME + 70000);
    assert_int_equal(codec_open_batch(&batch, &buffer, &records, &records_size), 0);
    record_begin(&cursor, &batch, records, records_size);
    for (int i = 0; i < GOLDEN_COUNT; i++) {
        assert_int_equal(record_next(&cursor, &record), 1);
        golden_expect_record(&record, &golden_records[i]);
        assert_int_equal(record.timestamp, golden_records[i].timestamp);
    }
    codec_buffer_free(&buffer);
}

static void a_batch_can_be_finished_again_with_another_codec(void **state)
{
    (void)state;
    add_golden();
    for (int codec = GOLDEN_CODECS - 1; codec >= 0; codec--) {
        builder.codec = (enum maplog_compression)codec;
        expect_golden_records(builder.codec);
    }
    /* What an append may have stamped into the bytes is gone. */
    uint8_t *batch;
    size_t size;
    assert_int_equal(builder_finish(&builder, &batch, &size), 0);
    bytes_store16(batch + BATCH_ATTRIBUTES, ATTRIBUTE_LOG_APPEND_TIME);
    bytes_store64(batch + BATCH_MAX_TIMESTAMP, 1);
    bytes_store64(batch + BATCH_BASE_OFFSET, 99);
    expect_batch(golden_batches[0]);
}

static void an_empty_batch_cannot_be_finished(void **state)
{
    (void)state;
    uint8_t *batch = NULL;
    size_t size = 7;
    assert_int_equal(builder_finish(&builder, &batch, &size), MAPLOG_INVALID);
    assert_null(batch);
    assert_int_equal(size, 7);
    add_golden();
    builder_clear(&builder);
    assert_int_equal(builder_finish(&builder, &batch, &size), MAPLOG_INVALID);
}

static void the_size_is_known_before_the_record_is_added(void **state)
{
    (void)state;
    uint64_t random = 3;
    char text[300];
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 20000; i++) {
        struct maplog_record record = {.value = text, .value_size = golden_random(&random) % 300};
        if (i % 5 == 0) {
            record.key = text;
            record.key_size = golden_random(&random) % 300;
        }
        int64_t timestamp = GOLDEN_TIME + (int64_t)(golden_random(&random) % (1 << (i % 31)));
        size_t expected = builder_size_with(&builder, &record, timestamp);
        assert_int_equal(builder_add(&builder, &record, timestamp), 0);
        assert_int_equal(builder.size, expected);
    }
    uint8_t *batch;
    size_t size;
    struct batch read = {0};
    assert_int_equal(builder_finish(&builder, &batch, &size), 0);
    assert_int_equal(batch_check_deep(batch, size, &read), 0);
    assert_int_equal(read.records, 20000);
}

/* The same values by both ways, over every boundary of the fast one. */
static void values_give_the_same_bytes_by_either_way(void **state)
{
    (void)state;
    uint64_t random = 5;
    struct builder other;
    builder_init(&other, MAPLOG_COMPRESSION_NONE);
    char *text = malloc(20000);
    assert_non_null(text);
    for (int i = 0; i < 20000; i++)
        text[i] = (char)golden_random(&random);
    for (int round = 0; round < 8; round++) {
        builder_clear(&builder);
        builder_clear(&other);
        for (int i = 0; i < 9000; i++) {
            size_t size = golden_random(&random) % (i % 100 == 0 ? 20000 : 1 << (i % 9));
            int64_t timestamp = GOLDEN_TIME + round * i;
            if (i % 50 == 49)
                timestamp = GOLDEN_TIME + ((int64_t)golden_random(&random) >> (i % 64));
            struct maplog_record record = {.value = text, .value_size = size};
            assert_int_equal(builder_add_value(&builder, text, size, timestamp), 0);
            assert_int_equal(builder_add(&other, &record, timestamp), 0);
            assert_int_equal(builder.size, other.size);
        }
        uint8_t *one, *two;
        size_t one_size, two_size;
        assert_int_equal(builder_finish(&builder, &one, &one_size), 0);
        assert_int_equal(builder_finish(&other, &two, &two_size), 0);
        golden_expect_bytes(one, one_size, two, two_size);
    }
    builder_free(&other);
    free(text);
}

static void a_null_value_stays_null(void **state)
{
    (void)state;
    assert_int_equal(builder_add_value(&builder, "", 0, 1), 0);
    assert_int_equal(builder_add_value(&builder, NULL, 0, 1), 0);
    uint8_t *bytes;
    size_t size;
    assert_int_equal(builder_finish(&builder, &bytes, &size), 0);
    struct batch batch = {0};
    struct record_cursor cursor;
    struct record record;
    assert_int_equal(batch_check_deep(bytes, size, &batch), 0);
    record_begin(&cursor, &batch, bytes + BATCH_HEADER_BYTES, size - BATCH_HEADER_BYTES);
    assert_int_equal(record_next(&cursor, &record), 1);
    assert_non_null(record.value);
    assert_int_equal(record.value_size, 0);
    assert_int_equal(record_next(&cursor, &record), 1);
    assert_null(record.value);
}

static void times_of_all_kinds_come_back(void **state)
{
    (void)state;
    static const int64_t times[] = {0, -1, INT64_MAX, INT64_MIN, GOLDEN_TIME, 1};
    enum { TIMES = sizeof times / sizeof *times };
    for (int i = 0; i < TIMES; i++)
        assert_int_equal(builder_add_value(&builder, "v", 1, times[i]), 0);
    uint8_t *bytes;
    size_t size;
    assert_int_equal(builder_finish(&builder, &bytes, &size), 0);
    struct batch batch = {0};
    struct record_cursor cursor;
    struct record record;
    assert_int_equal(batch_check_deep(bytes, size, &batch), 0);
    assert_int_equal(batch.base_timestamp, 0);
    assert_int_equal(batch.max_timestamp, INT64_MAX);
    record_begin(&cursor, &batch, bytes + BATCH_HEADER_BYTES, size - BATCH_HEADER_BYTES);
    for (int i = 0; i < TIMES; i++) {
        assert_int_equal(record_next(&cursor, &record), 1);
        assert_true(record.timestamp == times[i]);
    }
    /* All below zero: the largest of them, not zero. */
    builder_clear(&builder);
    assert_int_equal(builder_add_value(&builder, "v", 1, -7), 0);
    assert_int_equal(builder_finish(&builder, &bytes, &size), 0);
    assert_int_equal(batch_check_deep(bytes, size, &batch), 0);
    assert_int_equal(batch.max_timestamp, -7);
}

static void a_batch_ends_at_the_limits_of_its_fields(void **state)
{
    (void)state;
    assert_int_equal(builder_add_value(&builder, "v", 1, 1), 0);
    size_t size = builder.size;
    /* As if it were full; nothing of that size is touched. */
    builder.records = LIMIT_BATCH_RECORDS;
    assert_int_equal(builder_add_value(&builder, "v", 1, 1), MAPLOG_LIMIT);
    assert_int_equal(builder.size, size);
    builder.records = 1;
    struct maplog_record record = {.value = "v", .value_size = RECORD_SIZE_MAX - 8};
    assert_int_equal(builder_add(&builder, &record, 1), MAPLOG_LIMIT);
    assert_int_equal(builder.size, size);
    assert_int_equal(builder.records, 1);
}

static void memory_is_kept_by_clear_and_given_back_by_free(void **state)
{
    (void)state;
    builder_free(NULL);
    add_golden();
    uint8_t *memory = builder.bytes;
    builder_clear(&builder);
    add_golden();
    assert_ptr_equal(builder.bytes, memory);
    builder_free(&builder);
    assert_null(builder.bytes);
    add_golden(); /* usable again */
    expect_batch(golden_batches[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(batches_are_byte_for_byte_those_of_others, begin, end),
        cmocka_unit_test_setup_teardown(a_batch_can_be_finished_again_with_another_codec, begin,
                                        end),
        cmocka_unit_test_setup_teardown(an_empty_batch_cannot_be_finished, begin, end),
        cmocka_unit_test_setup_teardown(the_size_is_known_before_the_record_is_added, begin, end),
        cmocka_unit_test_setup_teardown(values_give_the_same_bytes_by_either_way, begin, end),
        cmocka_unit_test_setup_teardown(a_null_value_stays_null, begin, end),
        cmocka_unit_test_setup_teardown(times_of_all_kinds_come_back, begin, end),
        cmocka_unit_test_setup_teardown(a_batch_ends_at_the_limits_of_its_fields, begin, end),
        cmocka_unit_test_setup_teardown(memory_is_kept_by_clear_and_given_back_by_free, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
