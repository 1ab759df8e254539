/* record_test.c - records read from batches, and written into them. */
#include "log/record.h"

#include "base/limits.h"
#include "base/varint.h"
#include "golden.h"

/* A batch that claims `records` records and any offset below 2^31; its bytes are elsewhere. */
static struct batch batch_of(int32_t records)
{
    return (struct batch){.records = records,
                          .base_offset = 1000,
                          .last_offset = 1000 + (int64_t)INT32_MAX,
                          .base_timestamp = GOLDEN_TIME,
                          .max_timestamp = GOLDEN_TIME + 9};
}

static void foreign_records_are_read(void **state)
{
    (void)state;
    for (unsigned codec = 0; codec < GOLDEN_CODECS; codec++) {
        size_t size, records_size;
        uint8_t *bytes = golden_bytes(golden_batches[codec], &size);
        bytes_store64(bytes + BATCH_BASE_OFFSET, 500);
        struct batch batch = {0};
        struct codec_buffer buffer = {0};
        const void *records;
        struct record_cursor cursor;
        struct record record;
        assert_int_equal(batch_read(bytes, size, &batch), 0);
        assert_int_equal(codec_open_batch(&batch, &buffer, &records, &records_size), 0);
        record_begin(&cursor, &batch, records, records_size);
        for (int i = 0; i < GOLDEN_COUNT; i++) {
            assert_int_equal(record_next(&cursor, &record), 1);
            assert_int_equal(record.offset, 500 + i);
            assert_int_equal(record.timestamp, golden_records[i].timestamp);
            golden_expect_record(&record, &golden_records[i]);
        }
        assert_int_equal(record_next(&cursor, &record), 0);
        assert_int_equal(record_next(&cursor, &record), 0);
        codec_buffer_free(&buffer);
        free(bytes);
    }
}

static void log_append_time_is_the_batch_s(void **state)
{
    (void)state;
    size_t size;
    uint8_t *bytes = golden_bytes(golden_batches[0], &size);
    bytes_store16(bytes + BATCH_ATTRIBUTES, ATTRIBUTE_LOG_APPEND_TIME);
    bytes_store64(bytes + BATCH_MAX_TIMESTAMP, 42);
    struct batch batch = {0};
    struct record_cursor cursor;
    struct record record;
    assert_int_equal(batch_read(bytes, size, &batch), 0);
    record_begin(&cursor, &batch, bytes + BATCH_HEADER_BYTES, size - BATCH_HEADER_BYTES);
    for (int i = 0; i < GOLDEN_COUNT; i++) {
        assert_int_equal(record_next(&cursor, &record), 1);
        assert_int_equal(record.timestamp, 42);
    }
    free(bytes);
}

/* Sizes where an encoding gets longer, and some beyond what the short path takes. */
static const size_t sizes[] = {0,    1,    2,       53,      54,      55,      56,
                               57,   58,   63,      64,      65,      127,     128,
                               8180, 8190, 8191,    8192,    16000,   65536,   1,
                               1000, 9000, 1048570, 1048575, 1048576, 1048580, 2200000};
#define SIZES (sizeof sizes / sizeof *sizes)
#define LARGEST 2200000
static const int64_t deltas[] = {0,         1,         -1,           63,        64,
                                 -64,       -65,       8191,         8192,      -8192,
                                 -8193,     1 << 20,   -(1 << 20),   1 << 28,   INT32_MAX,
                                 INT32_MIN, 1ll << 40, -(1ll << 40), INT64_MAX, INT64_MIN};
#define DELTAS (sizeof deltas / sizeof *deltas)

/* Writes the record, and reads it back from a copy of exactly its size. */
static void there_and_back(const struct maplog_record *written, int64_t time_delta,
                           int32_t offset_delta)
{
    size_t size = record_size(written, time_delta, offset_delta);
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    assert_ptr_equal(record_put(bytes, written, time_delta, offset_delta), bytes + size);
    struct batch batch = batch_of(1);
    struct record_cursor cursor, checked;
    struct record record, again;
    record_begin(&cursor, &batch, bytes, size);
    checked = cursor;
    assert_int_equal(record_next(&cursor, &record), 1);
    assert_int_equal(record.offset, 1000 + (int64_t)offset_delta);
    assert_true((uint64_t)record.timestamp == (uint64_t)GOLDEN_TIME + (uint64_t)time_delta);
    golden_expect_record(&record, written);
    assert_int_equal(record_next(&cursor, &record), 0);
    /* The long way gives the same. */
    assert_int_equal(record_next_any(&checked, &again), 1);
    golden_expect_record(&again, written);
    assert_int_equal(again.offset, record.offset);
    assert_int_equal(again.timestamp, record.timestamp);
    assert_ptr_equal(checked.in.at, cursor.in.at);
    free(bytes);
}

static void records_of_all_sizes_go_there_and_back(void **state)
{
    (void)state;
    char *text = malloc(LARGEST);
    assert_non_null(text);
    memset(text, 't', LARGEST);
    for (size_t v = 0; v < SIZES; v++) {
        struct maplog_record record = {.value = text, .value_size = sizes[v]};
        there_and_back(&record, 0, 0);
        there_and_back(&record, -5, INT32_MAX);
        record.key = text;
        for (size_t k = 0; k < SIZES; k += v % 3 + 1) {
            record.key_size = sizes[k];
            there_and_back(&record, 1, 64);
        }
        there_and_back(&(struct maplog_record){.key = text, .key_size = sizes[v]}, 0, 0);
    }
    free(text);
}

static void times_and_offsets_of_all_sizes_go_there_and_back(void **state)
{
    (void)state;
    struct maplog_record record = {.value = "0123456789", .value_size = 10};
    for (size_t i = 0; i < DELTAS; i++) {
        there_and_back(&record, deltas[i], 3);
        if (deltas[i] >= 0 && deltas[i] <= INT32_MAX)
            there_and_back(&record, 0, (int32_t)deltas[i]);
    }
    for (size_t i = 0; i < GOLDEN_COUNT; i++)
        there_and_back(&golden_records[i], (int64_t)i, (int32_t)i);
}

/* Random changes of valid records: the short and the long way agree, and stay inside. */
static void damaged_records_are_judged_alike_by_both_ways(void **state)
{
    (void)state;
    uint64_t random = 7;
    int refused = 0;
    for (int round = 0; round < 20000; round++) {
        char value[90];
        memset(value, round, sizeof value);
        struct maplog_record written = {.value = value, .value_size = golden_random(&random) % 90};
        if (round & 1) {
            written.key = value;
            written.key_size = golden_random(&random) % 20;
        }
        size_t size = record_size(&written, 1, 1);
        uint8_t *bytes = malloc(size);
        record_put(bytes, &written, 1, 1);
        /* Most fields stand in front; the number of headers is the last byte. */
        size_t at = golden_random(&random) % (size < 10 ? size : 10);
        bytes[round % 5 ? at : size - 1] = (uint8_t)golden_random(&random);
        struct batch batch = batch_of(1);
        batch.last_offset = batch.base_offset + 40;
        struct record_cursor cursor, checked;
        struct record record = {0}, again = {0};
        record_begin(&cursor, &batch, bytes, size);
        checked = cursor;
        int result = record_next(&cursor, &record);
        assert_int_equal(result, record_next_any(&checked, &again));
        assert_ptr_equal(record.key, again.key);
        assert_int_equal(record.key_size, again.key_size);
        assert_ptr_equal(record.value, again.value);
        assert_int_equal(record.value_size, again.value_size);
        assert_int_equal(record.offset, again.offset);
        assert_int_equal(record.timestamp, again.timestamp);
        assert_int_equal(record.header_count, again.header_count);
        assert_ptr_equal(cursor.in.at, checked.in.at);
        if (result == 1) {
            const uint8_t *end = bytes + size;
            assert_true((const uint8_t *)record.value + record.value_size <= end);
            assert_in_range(record.offset, batch.base_offset, batch.last_offset);
        } else {
            assert_int_equal(result, MAPLOG_CORRUPT);
            assert_ptr_equal(cursor.in.at, bytes);
            refused++;
        }
        free(bytes);
    }
    assert_in_range(refused, 1000, 19000);
}

static void expect_corrupt(const char *text, int32_t records)
{
    size_t size;
    uint8_t *bytes = golden_bytes(text, &size);
    struct batch batch = batch_of(records);
    struct record_cursor cursor;
    struct record record, untouched;
    memset(&untouched, 0x5a, sizeof untouched);
    memcpy(&record, &untouched, sizeof record);
    record_begin(&cursor, &batch, bytes, size);
    assert_int_equal(record_next(&cursor, &record), MAPLOG_CORRUPT);
    assert_memory_equal(&record, &untouched, sizeof record);
    free(bytes);
}

static void wrong_lengths_are_corrupt(void **state)
{
    (void)state;
    expect_corrupt("", 1);                 /* a record is missing */
    expect_corrupt("00", 0);               /* bytes behind the last one */
    expect_corrupt("0c00000001010000", 0); /* a whole record behind the last one */
    expect_corrupt("0b000000010100", 1);   /* record length -6 */
    expect_corrupt("ffffffff0f00", 1);     /* record length -2147483648 */
    expect_corrupt("0e000000010100", 1);   /* one byte longer than there is */
    expect_corrupt("0a000000010100", 1);   /* one byte shorter than its fields */
    expect_corrupt("0c000000030100", 1);   /* key size -2 */
    expect_corrupt("0c000000010300", 1);   /* value size -2 */
    expect_corrupt("0c000000010200", 1);   /* the value takes the header count */
    expect_corrupt("0c000000010101", 1);   /* header count -1 */
    expect_corrupt("0c000000010102", 1);   /* a header without bytes */
    expect_corrupt("0c000001010100", 1);   /* offset delta -1 */
    expect_corrupt("1800000001010000000000000000000000", 1); /* more behind the headers */
    expect_corrupt("8080808080808080808000", 1);             /* a varint without end */
    expect_corrupt("80808080800000", 1); /* six bytes of varint, which Kafka refuses */
}

static void the_shortest_record_is_read(void **state)
{
    (void)state;
    size_t size;
    uint8_t *bytes = golden_bytes("0c000000010100", &size);
    struct batch batch = batch_of(1);
    struct record_cursor cursor;
    struct record record;
    record_begin(&cursor, &batch, bytes, size);
    assert_int_equal(record_next(&cursor, &record), 1);
    assert_null(record.key);
    assert_null(record.value);
    assert_int_equal(record.header_count, 0);
    assert_int_equal(record_next(&cursor, &record), 0);
    free(bytes);
}

static void wrong_headers_are_corrupt(void **state)
{
    (void)state;
    static const char *const wrong[] = {"01",   "03",     "0268", "026801ff", "02680268ff01",
                                        "0468", "026805", "0100", "0268"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        size_t size;
        uint8_t *bytes = golden_bytes(wrong[i], &size);
        struct bytes in = bytes_over(bytes, size);
        const char *name = NULL;
        const void *value = NULL;
        size_t name_size = 0, value_size = 0;
        int result = record_header_next(&in, &name, &name_size, &value, &value_size);
        if (result == 1) { /* a good one before the wrong one */
            assert_int_equal(name_size, 1);
            result = record_header_next(&in, &name, &name_size, &value, &value_size);
        }
        assert_int_equal(result, MAPLOG_CORRUPT);
        free(bytes);
    }
}

static void records_are_checked_before_they_are_written(void **state)
{
    (void)state;
    struct maplog_header header = {.name = "name", .value = "v", .value_size = 1};
    struct maplog_record record = {
        .value = "v", .value_size = 1, .headers = &header, .header_count = 1};
    assert_int_equal(record_check(&record), 0);
    assert_int_equal(record_check(&(struct maplog_record){0}), 0);
    for (size_t i = 0; i < GOLDEN_COUNT; i++)
        assert_int_equal(record_check(&golden_records[i]), 0);

    struct maplog_record wrong = record;
    wrong.key_size = 1;
    assert_int_equal(record_check(&wrong), MAPLOG_INVALID);
    wrong = record;
    wrong.value = NULL;
    assert_int_equal(record_check(&wrong), MAPLOG_INVALID);
    wrong = record;
    wrong.headers = NULL;
    assert_int_equal(record_check(&wrong), MAPLOG_INVALID);
    wrong = record;
    wrong.header_count = LIMIT_HEADERS + 1;
    assert_int_equal(record_check(&wrong), MAPLOG_LIMIT);
    header.name = NULL;
    assert_int_equal(record_check(&record), MAPLOG_INVALID);
    assert_non_null(strstr(error_text(), "name of header 0"));
    header = (struct maplog_header){.name = "n", .value = NULL, .value_size = 1};
    assert_int_equal(record_check(&record), MAPLOG_INVALID);
}

static void records_that_no_batch_can_hold_are_too_large(void **state)
{
    (void)state;
    /* Only the sizes are looked at. */
    struct maplog_record record = {.value = "", .value_size = RECORD_SIZE_MAX - 40};
    assert_int_equal(record_check(&record), 0);
    assert_true(record_size(&record, INT64_MIN, INT32_MAX) <= RECORD_SIZE_MAX);
    record.value_size++;
    assert_int_equal(record_check(&record), MAPLOG_TOO_LARGE);
    record.value_size = SIZE_MAX;
    assert_int_equal(record_check(&record), MAPLOG_TOO_LARGE);
    record = (struct maplog_record){
        .key = "", .key_size = 1u << 30, .value = "", .value_size = 1u << 30};
    assert_int_equal(record_check(&record), MAPLOG_TOO_LARGE);
    record.key_size = SIZE_MAX;
    assert_int_equal(record_check(&record), MAPLOG_TOO_LARGE);
    struct maplog_header header = {.name = "", .value = "", .value_size = 1u << 30};
    struct maplog_header two[] = {header, header};
    record = (struct maplog_record){.headers = two, .header_count = 2};
    assert_int_equal(record_check(&record), MAPLOG_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(foreign_records_are_read),
        cmocka_unit_test(log_append_time_is_the_batch_s),
        cmocka_unit_test(records_of_all_sizes_go_there_and_back),
        cmocka_unit_test(times_and_offsets_of_all_sizes_go_there_and_back),
        cmocka_unit_test(damaged_records_are_judged_alike_by_both_ways),
        cmocka_unit_test(wrong_lengths_are_corrupt),
        cmocka_unit_test(the_shortest_record_is_read),
        cmocka_unit_test(wrong_headers_are_corrupt),
        cmocka_unit_test(records_are_checked_before_they_are_written),
        cmocka_unit_test(records_that_no_batch_can_hold_are_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
