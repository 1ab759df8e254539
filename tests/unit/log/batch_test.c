/* batch_test.c - headers of batches, right and wrong, and the check of everything within. */
#include "log/batch.h"

#include "golden.h"

static uint8_t *bytes;
static size_t size;

static int make_none(void **state)
{
    (void)state;
    bytes = golden_bytes(golden_batches[0], &size);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    free(bytes);
    return 0;
}

static void a_header_is_read(void **state)
{
    (void)state;
    struct batch batch;
    assert_int_equal(batch_read(bytes, size + 100, &batch), 0);
    assert_ptr_equal(batch.bytes, bytes);
    assert_int_equal(batch.size, size);
    assert_int_equal(batch.records, 4);
    assert_int_equal(batch.base_offset, 0);
    assert_int_equal(batch.last_offset, 3);
    assert_int_equal(batch.base_timestamp, GOLDEN_TIME);
    assert_int_equal(batch.max_timestamp, GOLDEN_TIME + 70000);
    assert_int_equal(batch.producer_id, -1);
    assert_int_equal(batch.producer_epoch, -1);
    assert_int_equal(batch.base_sequence, -1);
    assert_int_equal(batch.leader_epoch, 0);
    assert_int_equal(batch.attributes, 0);
    assert_int_equal(batch_codec(&batch), MAPLOG_COMPRESSION_NONE);
    assert_int_equal(batch_check_crc(&batch), 0);
}

static void fields_of_a_transactional_batch_are_read(void **state)
{
    (void)state;
    size_t length;
    uint8_t *transactional = golden_bytes(golden_transactional, &length);
    bytes_store64(transactional + BATCH_BASE_OFFSET, 1ull << 40);
    bytes_store32(transactional + BATCH_LEADER_EPOCH, 17);
    struct batch batch;
    assert_int_equal(batch_check_deep(transactional, length, &batch), 0);
    assert_int_equal(batch.base_offset, 1ull << 40);
    assert_int_equal(batch.last_offset, 1ull << 40);
    assert_int_equal(batch.leader_epoch, 17);
    assert_int_equal(batch.producer_id, 4711);
    assert_int_equal(batch.producer_epoch, 3);
    assert_int_equal(batch.base_sequence, 99);
    assert_int_equal(batch.attributes, ATTRIBUTE_TRANSACTIONAL);
    free(transactional);
}

static void unknown_attributes_are_no_error(void **state)
{
    (void)state;
    struct batch batch;
    bytes_store16(bytes + BATCH_ATTRIBUTES, 0xff80);
    golden_sign(bytes, size);
    assert_int_equal(batch_check_deep(bytes, size, &batch), 0);
    assert_int_equal(batch.attributes, 0xff80);
}

/* A wrong field of the header, and what the error says about it. */
static const struct {
    unsigned at, width;
    uint64_t value;
    const char *text;
} wrong[] = {
    {BATCH_MAGIC, 1, 1, "magic 1"},
    {BATCH_MAGIC, 1, 0, "magic 0"},
    {BATCH_LENGTH, 4, 48, "batch length 48"},
    {BATCH_LENGTH, 4, 0, "batch length 0"},
    {BATCH_LENGTH, 4, 0xffffffff, "batch length -1"},
    {BATCH_LENGTH, 4, 0x80000000, "batch length -2147483648"},
    {BATCH_LENGTH, 4, 0x7fffffff, "only 186 are left"},
    {BATCH_LENGTH, 4, 186 - 12 + 1, "a batch of 187 bytes, only 186 are left"},
    {BATCH_BASE_OFFSET, 8, UINT64_MAX, "base offset -1"},
    {BATCH_BASE_OFFSET, 8, INT64_MAX - 2, "last offset delta 3"},
    {BATCH_BASE_OFFSET, 8, INT64_MAX - 3, "last offset delta 3"}, /* there is no next one */
    {BATCH_LAST_OFFSET_DELTA, 4, 0xffffffff, "last offset delta -1"},
    {BATCH_LAST_OFFSET_DELTA, 4, 2, "4 records with last offset delta 2"},
    {BATCH_RECORD_COUNT, 4, 5, "5 records with last offset delta 3"},
    {BATCH_RECORD_COUNT, 4, 0xffffffff, "-1 records"},
    {BATCH_RECORD_COUNT, 4, 0x7fffffff, "2147483647 records"},
    {BATCH_ATTRIBUTES, 2, 5, "codec 5"},
    {BATCH_ATTRIBUTES, 2, 7, "codec 7"},
};

static void wrong_headers_are_refused_with_the_reason(void **state)
{
    (void)state;
    uint8_t good[BATCH_HEADER_BYTES];
    memcpy(good, bytes, sizeof good);
    struct batch untouched, batch;
    memset(&untouched, 0x5a, sizeof untouched);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint8_t field[8];
        bytes_store64(field, wrong[i].value << (64 - 8 * wrong[i].width));
        memcpy(bytes + wrong[i].at, field, wrong[i].width);
        memcpy(&batch, &untouched, sizeof batch);
        assert_int_equal(batch_read(bytes, size, &batch), MAPLOG_CORRUPT);
        if (!strstr(error_text(), wrong[i].text))
            fail_msg("\"%s\" does not say \"%s\"", error_text(), wrong[i].text);
        assert_memory_equal(&batch, &untouched, sizeof batch);
        memcpy(bytes, good, sizeof good);
    }
    assert_int_equal(batch_read(bytes, size, &batch), 0);
}

static void a_cut_batch_is_refused_at_every_length(void **state)
{
    (void)state;
    for (size_t length = 0; length < size; length++) {
        /* A copy of exactly this length: a look behind it is seen by the address sanitizer. */
        uint8_t *cut = malloc(length + !length);
        memcpy(cut, bytes, length);
        struct batch batch;
        assert_int_equal(batch_read(cut, length, &batch), MAPLOG_CORRUPT);
        free(cut);
    }
}

static void zeros_are_no_batch(void **state)
{
    (void)state;
    static const uint8_t zeros[4096];
    struct batch batch;
    assert_int_equal(batch_read(zeros, sizeof zeros, &batch), MAPLOG_CORRUPT);
}

static void a_batch_without_records_is_fine(void **state)
{
    (void)state;
    struct batch batch;
    for (unsigned codec = 0; codec < GOLDEN_CODECS; codec++) {
        size_t length;
        uint8_t *empty = golden_bytes(golden_batches[codec], &length);
        length = BATCH_HEADER_BYTES;
        bytes_store32(empty + BATCH_LENGTH, BATCH_HEADER_BYTES - BATCH_PREFIX_BYTES);
        bytes_store32(empty + BATCH_RECORD_COUNT, 0);
        bytes_store64(empty + BATCH_BASE_OFFSET, 100);
        golden_sign(empty, length);
        assert_int_equal(batch_check_deep(empty, length, &batch), 0);
        assert_int_equal(batch.records, 0);
        assert_int_equal(batch.last_offset, 103);
        free(empty);
    }
}

static void the_largest_offset_that_has_a_next_one_is_fine(void **state)
{
    (void)state;
    struct batch batch;
    bytes_store64(bytes + BATCH_BASE_OFFSET, INT64_MAX - 4);
    assert_int_equal(batch_check_deep(bytes, size, &batch), 0);
    assert_int_equal(batch.last_offset, INT64_MAX - 1);
}

static void every_byte_under_the_crc_counts(void **state)
{
    (void)state;
    struct batch batch;
    assert_int_equal(batch_read(bytes, size, &batch), 0);
    for (size_t i = BATCH_CRC; i < size; i++) {
        bytes[i] ^= 0x10;
        assert_int_equal(batch_check_crc(&batch), MAPLOG_CORRUPT);
        bytes[i] ^= 0x10;
    }
    /* Offset and leader epoch are written when the batch is appended. */
    bytes_store64(bytes + BATCH_BASE_OFFSET, 77);
    bytes_store32(bytes + BATCH_LEADER_EPOCH, 5);
    assert_int_equal(batch_check_deep(bytes, size, &batch), 0);
    assert_int_equal(batch.base_offset, 77);
    assert_int_equal(batch.leader_epoch, 5);
}

static void foreign_batches_of_every_codec_pass_the_deep_check(void **state)
{
    (void)state;
    for (unsigned codec = 0; codec < GOLDEN_CODECS; codec++) {
        size_t length;
        struct batch batch;
        uint8_t *foreign = golden_bytes(golden_batches[codec], &length);
        assert_int_equal(batch_check_deep(foreign, length, &batch), 0);
        assert_int_equal(batch_codec(&batch), codec);
        assert_int_equal(batch.size, length);
        /* Damage that somebody signed: the compressed bytes are looked at, too. */
        foreign[BATCH_HEADER_BYTES] ^= 0xff;
        golden_sign(foreign, length);
        assert_int_equal(batch_check_deep(foreign, length, &batch), MAPLOG_CORRUPT);
        free(foreign);
    }
}

/* Where the records of the uncompressed golden batch begin, and some of their bytes. */
enum {
    FIRST = BATCH_HEADER_BYTES,
    SECOND = FIRST + 11,
    SECOND_TIME = SECOND + 2,
    SECOND_OFFSET = SECOND + 3,
    SECOND_HEADERS = SECOND + 11,
    SECOND_NAME = SECOND + 12,
    SECOND_LAST_VALUE = SECOND + 20,
    THIRD = SECOND + 21,
    THIRD_HEADERS = THIRD + 6,
};

static const struct {
    unsigned at;
    uint8_t good, bad;
    const char *text;
} damaged[] = {
    {SECOND_OFFSET, 0x02, 0x00, "record offset 0 behind 0"},
    {SECOND_OFFSET, 0x02, 0x04, "record offset 2 behind 2"},
    {SECOND_OFFSET, 0x02, 0x08, "offset is outside the batch"},
    {SECOND_OFFSET, 0x02, 0x01, "offset is outside the batch"},
    {SECOND, 0x28, 0x26, "header's value reaches past"},
    {SECOND, 0x28, 0x27, "a record reaches past the end"},
    {SECOND_HEADERS, 0x04, 0x03, "headers reach past"},
    {SECOND_HEADERS, 0x04, 0x00, "bytes behind a record's end"},
    {SECOND_HEADERS, 0x04, 0x02, "behind the last of 1 headers"},
    {SECOND_HEADERS, 0x04, 0x06, "name reaches past"},
    {SECOND_NAME, 0x04, 0x01, "header's name"},
    {SECOND_NAME, 0x04, 0x03, "header's name"},
    {SECOND_NAME, 0x04, 0x40, "header's name"},
    {SECOND_LAST_VALUE, 0x01, 0x03, "header's value"},
    {SECOND_LAST_VALUE, 0x01, 0x02, "header's value"},
    {THIRD_HEADERS, 0x02, 0x04, "headers reach past"},
};

static void records_that_do_not_add_up_fail_the_deep_check(void **state)
{
    (void)state;
    struct batch batch;
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        assert_int_equal(bytes[damaged[i].at], damaged[i].good);
        bytes[damaged[i].at] = damaged[i].bad;
        golden_sign(bytes, size);
        assert_int_equal(batch_check_deep(bytes, size, &batch), MAPLOG_CORRUPT);
        if (!strstr(error_text(), damaged[i].text))
            fail_msg("%zu: \"%s\" does not say \"%s\"", i, error_text(), damaged[i].text);
        bytes[damaged[i].at] = damaged[i].good;
    }
}

static void a_time_above_the_largest_fails_the_deep_check(void **state)
{
    (void)state;
    struct batch batch;
    bytes_store64(bytes + BATCH_MAX_TIMESTAMP, GOLDEN_TIME + 69999);
    golden_sign(bytes, size);
    assert_int_equal(batch_check_deep(bytes, size, &batch), MAPLOG_CORRUPT);
    assert_non_null(strstr(error_text(), "above the batch's largest"));
    /* With LogAppendTime the records' own times do not count. */
    bytes_store16(bytes + BATCH_ATTRIBUTES, ATTRIBUTE_LOG_APPEND_TIME);
    golden_sign(bytes, size);
    assert_int_equal(batch_check_deep(bytes, size, &batch), 0);
}

static void fewer_or_more_records_than_counted_fail_the_deep_check(void **state)
{
    (void)state;
    struct batch batch;
    for (uint32_t count = 0; count < 4; count++) {
        bytes_store32(bytes + BATCH_RECORD_COUNT, count);
        golden_sign(bytes, size);
        assert_int_equal(batch_check_deep(bytes, size, &batch), MAPLOG_CORRUPT);
        assert_non_null(strstr(error_text(), "bytes behind the last record"));
    }
    bytes_store32(bytes + BATCH_RECORD_COUNT, 5);
    bytes_store32(bytes + BATCH_LAST_OFFSET_DELTA, 9);
    golden_sign(bytes, size);
    assert_int_equal(batch_check_deep(bytes, size, &batch), MAPLOG_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_header_is_read, make_none, drop),
        cmocka_unit_test(fields_of_a_transactional_batch_are_read),
        cmocka_unit_test_setup_teardown(unknown_attributes_are_no_error, make_none, drop),
        cmocka_unit_test_setup_teardown(wrong_headers_are_refused_with_the_reason, make_none, drop),
        cmocka_unit_test_setup_teardown(a_cut_batch_is_refused_at_every_length, make_none, drop),
        cmocka_unit_test(zeros_are_no_batch),
        cmocka_unit_test(a_batch_without_records_is_fine),
        cmocka_unit_test_setup_teardown(the_largest_offset_that_has_a_next_one_is_fine, make_none,
                                        drop),
        cmocka_unit_test_setup_teardown(every_byte_under_the_crc_counts, make_none, drop),
        cmocka_unit_test(foreign_batches_of_every_codec_pass_the_deep_check),
        cmocka_unit_test_setup_teardown(records_that_do_not_add_up_fail_the_deep_check, make_none,
                                        drop),
        cmocka_unit_test_setup_teardown(a_time_above_the_largest_fails_the_deep_check, make_none,
                                        drop),
        cmocka_unit_test_setup_teardown(fewer_or_more_records_than_counted_fail_the_deep_check,
                                        make_none, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
