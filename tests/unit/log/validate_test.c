/* validate_test.c - each rule for batches of clients: the batch that just passes, the one that does
 * not, and the reason. */
#include "validate_fixture.h"

static void a_good_batch_is_read(void **state)
{
    (void)state;
    for (int codec = 0; codec < GOLDEN_CODECS; codec++) {
        take_golden(codec);
        struct validated validated = check(VALIDATE_GOOD, "");
        assert_ptr_equal(validated.batch.bytes, bytes);
        assert_int_equal(validated.batch.size, size);
        assert_int_equal(validated.batch.records, GOLDEN_COUNT);
        assert_int_equal(validated.batch.base_offset, 0);
        assert_int_equal(validated.batch.last_offset, GOLDEN_COUNT - 1);
        assert_int_equal(validated.batch.max_timestamp, GOLDEN_TIME + 70000);
        assert_int_equal(batch_codec(&validated.batch), codec);
        assert_int_equal(validated.record, -1);
    }
}

static void base_offset_and_epoch_may_be_anything(void **state)
{
    (void)state;
    static const int64_t offsets[] = {7, -1, INT64_MAX, INT64_MIN};
    take_golden(0);
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        bytes_store64(bytes + BATCH_BASE_OFFSET, (uint64_t)offsets[i]);
        bytes_store32(bytes + BATCH_LEADER_EPOCH, (uint32_t)offsets[i]);
        assert_int_equal(check(VALIDATE_GOOD, "").batch.last_offset, GOLDEN_COUNT - 1);
    }
}

static void the_size_comes_first(void **state)
{
    (void)state;
    take_golden(0);
    settings.max_message_bytes = (int64_t)size;
    good();
    settings.max_message_bytes--;
    bytes[BATCH_CRC] ^= 1;
    check(VALIDATE_TOO_LARGE, "max.message.bytes");
}

static void the_segment_comes_last(void **state)
{
    (void)state;
    take_golden(0);
    settings.segment_bytes = (int64_t)size;
    good();
    settings.segment_bytes--;
    check(VALIDATE_SEGMENT_TOO_SMALL, "segment.bytes");
    put16(BATCH_ATTRIBUTES, ATTRIBUTE_CONTROL);
    check(VALIDATE_INVALID_RECORD, "control");
}

static void bytes_that_changed_are_corrupt(void **state)
{
    (void)state;
    for (int codec = 0; codec < GOLDEN_CODECS; codec++) {
        take_golden(codec);
        for (size_t at = BATCH_CRC; at < size; at++) {
            bytes[at] ^= 0x10;
            check(VALIDATE_CORRUPT, "CRC");
            bytes[at] ^= 0x10;
        }
    }
}

static void short_bytes_are_corrupt(void **state)
{
    (void)state;
    struct validated validated;
    take_golden(0);
    for (size_t length = 1; length < size; length++) {
        uint8_t *exact = malloc(length); /* so that a look behind its end is seen */
        memcpy(exact, bytes, length);
        assert_int_equal(validate_batch(exact, length, &rules, &validated), VALIDATE_CORRUPT);
        assert_true(validated.text[0]);
        free(exact);
    }
    put32(BATCH_LENGTH, 48);
    check(VALIDATE_CORRUPT, "length 48");
    put32(BATCH_LENGTH, (uint32_t)-1);
    check(VALIDATE_CORRUPT, "length -1");
}

static void exactly_one_batch_is_accepted(void **state)
{
    (void)state;
    take_golden(0);
    uint8_t *two = malloc(2 * size);
    memcpy(two, bytes, size);
    memcpy(two + size, bytes, size);
    free(bytes);
    bytes = two;
    size *= 2;
    check(VALIDATE_INVALID_RECORD, "more than one");
    size = size / 2 + 1;
    check(VALIDATE_INVALID_RECORD, "more than one");
    size = 0;
    check(VALIDATE_INVALID_RECORD, "no batch");
}

static void only_magic_2_is_accepted(void **state)
{
    (void)state;
    take_golden(0);
    bytes[BATCH_MAGIC] = 1;
    check(VALIDATE_INVALID_RECORD, "magic 1");
    bytes[BATCH_MAGIC] = 0;
    check(VALIDATE_INVALID_RECORD, "magic 0");
    bytes[BATCH_MAGIC] = 3;
    check(VALIDATE_CORRUPT, "magic 3");
}

static void count_and_last_offset_fit(void **state)
{
    (void)state;
    static const int32_t counts[][2] = {{0, -1}, {0, 0}, {4, 4}, {4, 2}, {-1, -2}, {INT32_MIN, 3}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        take_golden(0);
        put32(BATCH_RECORD_COUNT, (uint32_t)counts[i][0]);
        put32(BATCH_LAST_OFFSET_DELTA, (uint32_t)counts[i][1]);
        check(VALIDATE_INVALID_RECORD, "last offset delta");
    }
    for (int32_t count = 1; count < 7; count++) {
        take_golden(0);
        put32(BATCH_RECORD_COUNT, (uint32_t)count);
        put32(BATCH_LAST_OFFSET_DELTA, (uint32_t)count - 1);
        struct validated validated =
            check(count == GOLDEN_COUNT ? VALIDATE_GOOD : VALIDATE_INVALID_RECORD, "");
        if (count != GOLDEN_COUNT)
            assert_int_equal(validated.record, count < GOLDEN_COUNT ? count : GOLDEN_COUNT);
    }
}

static void bits_that_clients_may_not_set(void **state)
{
    (void)state;
    static const struct {
        uint16_t bits;
        enum validate_reason reason;
        const char *text;
    } cases[] = {
        {ATTRIBUTE_CONTROL, VALIDATE_INVALID_RECORD, "control"},
        {ATTRIBUTE_TRANSACTIONAL, VALIDATE_INVALID_RECORD, "transactions are not supported"},
        {ATTRIBUTE_DELETE_HORIZON, VALIDATE_INVALID_RECORD, "delete horizon"},
        {ATTRIBUTE_LOG_APPEND_TIME, VALIDATE_TIMESTAMP, "LogAppendTime"},
        {5, VALIDATE_INVALID_RECORD, "codec 5"},
        {7, VALIDATE_INVALID_RECORD, "codec 7"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        take_golden(0);
        put16(BATCH_ATTRIBUTES, cases[i].bits);
        assert_int_equal(check(cases[i].reason, cases[i].text).record, -1);
    }
    take_golden(0);
    put16(BATCH_ATTRIBUTES, 0xff80); /* not known, passed on */
    good();
}

static void a_producer_has_epoch_and_sequence(void **state)
{
    (void)state;
    take_golden(0);
    put64(BATCH_PRODUCER_ID, 0);
    check(VALIDATE_INVALID_RECORD, "producer 0");
    put16(BATCH_PRODUCER_EPOCH, 0);
    check(VALIDATE_INVALID_RECORD, "sequence -1");
    put32(BATCH_BASE_SEQUENCE, 0);
    struct validated validated = check(VALIDATE_GOOD, "");
    assert_int_equal(validated.batch.producer_id, 0);
    assert_int_equal(validated.batch.base_sequence, 0);
    put16(BATCH_PRODUCER_EPOCH, (uint16_t)-1);
    check(VALIDATE_INVALID_RECORD, "epoch -1");
}

static void zstd_may_be_forbidden(void **state)
{
    (void)state;
    rules.zstd = false;
    for (int codec = 0; codec < GOLDEN_CODECS; codec++) {
        take_golden(codec);
        check(codec == MAPLOG_COMPRESSION_ZSTD ? VALIDATE_CODEC : VALIDATE_GOOD,
              codec == MAPLOG_COMPRESSION_ZSTD ? "zstd" : "");
    }
}

static void times_are_limited(void **state)
{
    (void)state;
    for (int codec = 0; codec < GOLDEN_CODECS; codec++) {
        struct plan plan = {
            .records = 3, .codec = codec, .timestamp = GOLDEN_TIME + HOUR_MS - 2, .value = 9};
        build(&plan);
        good();
        plan.timestamp++;
        build(&plan);
        struct validated validated = check(VALIDATE_TIMESTAMP, "timestamp 1700003600001");
        assert_int_equal(validated.record, codec ? -1 : 2);
        rules.timestamp_before_max_ms = 1000;
        plan.timestamp = GOLDEN_TIME - 1000;
        build(&plan);
        good();
        plan.timestamp--;
        build(&plan);
        validated = check(VALIDATE_TIMESTAMP, "timestamp 1699999998999");
        assert_int_equal(validated.record, codec ? -1 : 0);
        settings.timestamp_type = TIMESTAMP_LOG_APPEND_TIME; /* they do not count then */
        good();
        settings.timestamp_type = TIMESTAMP_CREATE_TIME;
        rules.timestamp_before_max_ms = INT64_MAX;
    }
}

static void no_time_and_times_before_1970_pass(void **state)
{
    (void)state;
    struct plan plan = {.records = 1, .timestamp = -1};
    rules.timestamp_before_max_ms = 5;
    build(&plan);
    good();
    rules.timestamp_before_max_ms = INT64_MAX;
    plan.timestamp = -5000;
    build(&plan);
    assert_int_equal(check(VALIDATE_GOOD, "").batch.max_timestamp, -1); /* as Kafka has it */
    plan.timestamp = INT64_MIN;
    build(&plan);
    good();
    rules.timestamp_after_max_ms = INT64_MAX;
    plan.timestamp = INT64_MAX;
    build(&plan);
    good();
}

static void a_wrong_largest_timestamp_is_corrected(void **state)
{
    (void)state;
    static const int64_t wrong[] = {-1, 0, GOLDEN_TIME - 1, GOLDEN_TIME + 70001, INT64_MAX};
    for (int codec = 0; codec < GOLDEN_CODECS; codec++)
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
            bool seen = codec == 0 || wrong[i] < GOLDEN_TIME;
            take_golden(codec);
            put64(BATCH_MAX_TIMESTAMP, (uint64_t)wrong[i]);
            if (!seen)
                continue;
            struct validated validated = check(VALIDATE_GOOD, "");
            assert_int_equal(validated.batch.max_timestamp, GOLDEN_TIME + 70000);
            struct batch batch;
            assert_int_equal(batch_check_deep(bytes, size, &batch), 0);
            assert_int_equal(batch.max_timestamp, GOLDEN_TIME + 70000);
        }
    take_golden(0);
    put64(BATCH_MAX_TIMESTAMP, 5);
    settings.timestamp_type = TIMESTAMP_LOG_APPEND_TIME; /* the append sets it */
    assert_int_equal(check(VALIDATE_GOOD, "").batch.max_timestamp, 5);
}

static void compacted_topics_want_keys(void **state)
{
    (void)state;
    settings.compact = true;
    for (int codec = 0; codec < GOLDEN_CODECS; codec++) {
        build(&(struct plan){.records = 5, .codec = codec, .key = "k", .last_key = "", .value = 3});
        good();
        build(&(struct plan){.records = 5, .codec = codec, .key = "k", .value = 3});
        assert_int_equal(check(VALIDATE_INVALID_RECORD, "without key").record, 4);
        take_golden(codec);
        assert_int_equal(check(VALIDATE_INVALID_RECORD, "without key").record, 1);
    }
}

static void what_does_not_unfold_is_refused(void **state)
{
    (void)state;
    settings.compact = true;
    for (int codec = 1; codec < GOLDEN_CODECS; codec++) {
        take_golden(codec);
        memset(bytes + BATCH_HEADER_BYTES, 0xee, size - BATCH_HEADER_BYTES);
        golden_sign(bytes, size);
        check(VALIDATE_INVALID_RECORD, "");
    }
}

/* Every byte of the records changed in every bit: the walk never leaves the batch (the sanitizers
 * watch), and what it lets pass is whole. */
static void records_are_walked_within_bounds(void **state)
{
    (void)state;
    unsigned refused = 0;
    for (unsigned bit = 0; bit < 8; bit++) {
        take_golden(0);
        for (size_t at = BATCH_HEADER_BYTES; at < size; at++) {
            uint8_t before = bytes[at];
            struct validated validated;
            struct batch batch;
            bytes[at] ^= (uint8_t)(1u << bit);
            golden_sign(bytes, size);
            if (validate_batch(bytes, size, &rules, &validated) == VALIDATE_GOOD)
                assert_int_equal(batch_check_deep(bytes, size, &batch), 0);
            else
                refused++;
            take_golden(0);
            assert_int_equal(bytes[at], before);
        }
    }
    assert_true(refused > 100);
}

static void offset_deltas_count_up(void **state)
{
    (void)state;
    build(&(struct plan){.records = 3, .timestamp = GOLDEN_TIME, .value = 5});
    size_t record = (size - BATCH_HEADER_BYTES) / 3;
    uint8_t *second = bytes + BATCH_HEADER_BYTES + record + 3; /* length, attributes, time */
    assert_int_equal(*second, 2);
    *second = 4;
    golden_sign(bytes, size);
    assert_int_equal(check(VALIDATE_INVALID_RECORD, "offset delta 2 where 1").record, 1);
    *second = 0;
    golden_sign(bytes, size);
    assert_int_equal(check(VALIDATE_INVALID_RECORD, "offset delta 0 where 1").record, 1);
}

static void many_records_of_many_sizes_pass(void **state)
{
    (void)state;
    static const size_t values[] = {0, 1, 63, 64, 1000, 8200, 70000};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        build(&(struct plan){.records = values[i] < 2000 ? 400 : 10,
                             .timestamp = GOLDEN_TIME,
                             .key = i & 1 ? "key" : NULL,
                             .value = values[i]});
        good();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_batch_is_read, make, drop),
        cmocka_unit_test_setup_teardown(base_offset_and_epoch_may_be_anything, make, drop),
        cmocka_unit_test_setup_teardown(the_size_comes_first, make, drop),
        cmocka_unit_test_setup_teardown(the_segment_comes_last, make, drop),
        cmocka_unit_test_setup_teardown(bytes_that_changed_are_corrupt, make, drop),
        cmocka_unit_test_setup_teardown(short_bytes_are_corrupt, make, drop),
        cmocka_unit_test_setup_teardown(exactly_one_batch_is_accepted, make, drop),
        cmocka_unit_test_setup_teardown(only_magic_2_is_accepted, make, drop),
        cmocka_unit_test_setup_teardown(count_and_last_offset_fit, make, drop),
        cmocka_unit_test_setup_teardown(bits_that_clients_may_not_set, make, drop),
        cmocka_unit_test_setup_teardown(a_producer_has_epoch_and_sequence, make, drop),
        cmocka_unit_test_setup_teardown(zstd_may_be_forbidden, make, drop),
        cmocka_unit_test_setup_teardown(times_are_limited, make, drop),
        cmocka_unit_test_setup_teardown(no_time_and_times_before_1970_pass, make, drop),
        cmocka_unit_test_setup_teardown(a_wrong_largest_timestamp_is_corrected, make, drop),
        cmocka_unit_test_setup_teardown(compacted_topics_want_keys, make, drop),
        cmocka_unit_test_setup_teardown(what_does_not_unfold_is_refused, make, drop),
        cmocka_unit_test_setup_teardown(records_are_walked_within_bounds, make, drop),
        cmocka_unit_test_setup_teardown(offset_deltas_count_up, make, drop),
        cmocka_unit_test_setup_teardown(many_records_of_many_sizes_pass, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
