/* record_plain_test.c - the short way to a record gives what record_next() gives, or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "log/builder.h"
#include "log/record_plain.h"

static uint8_t value[20000];

struct made {
    struct builder builder;
    struct batch batch;
    const uint8_t *records;
    size_t size;
};

static void finish(struct made *made)
{
    uint8_t *bytes;
    size_t size;
    assert_int_equal(builder_finish(&made->builder, &bytes, &size), 0);
    assert_int_equal(batch_read(bytes, size, &made->batch), 0);
    made->records = bytes + BATCH_HEADER_BYTES;
    made->size = size - BATCH_HEADER_BYTES;
}

static void add(struct made *made, const struct maplog_record *record, int64_t timestamp)
{
    assert_int_equal(builder_add(&made->builder, record, timestamp), 0);
}

/* Walks the records both ways; how many went the short one. */
static int walk(const struct made *made)
{
    struct record_cursor cursor;
    struct record record;
    struct record_plain plain;
    record_begin(&cursor, &made->batch, made->records, made->size);
    int short_ones = 0;
    for (;;) {
        const uint8_t *at = cursor.in.at;
        const uint8_t *end = record_take_plain(at, cursor.in.end, &plain);
        if (end && plain.offset_delta > (uint32_t)cursor.last_offset_delta)
            end = NULL; /* the caller's part */
        int result = record_next(&cursor, &record);
        if (end) {
            assert_int_equal(result, 1);
            assert_ptr_equal(end, cursor.in.at);
            assert_null(record.key);
            assert_int_equal(record.header_count, 0);
            assert_ptr_equal(record.value, plain.value);
            assert_int_equal(record.value_size, plain.value_size);
            assert_int_equal(record.offset, cursor.base_offset + plain.offset_delta);
            assert_int_equal(record.timestamp, cursor.base_timestamp + plain.time_delta);
            short_ones++;
        }
        if (result != 1)
            return short_ones;
    }
}

static void plain_records_go_the_short_way(void **state)
{
    (void)state;
    struct made made;
    builder_init(&made.builder, MAPLOG_COMPRESSION_NONE);
    for (size_t size = 0; size < 8000; size += size < 200 ? 1 : 61) {
        struct maplog_record record = {.value = value, .value_size = size};
        add(&made, &record, (int64_t)(1000 + size));
    }
    finish(&made);
    assert_int_equal(walk(&made), made.batch.records);
    builder_free(&made.builder);
}

static void every_other_record_does_not(void **state)
{
    (void)state;
    const struct maplog_header header = {"h", "v", 1};
    struct maplog_record records[] = {
        {.value = value, .value_size = 30}, /* sets the base */
        {.key = "k", .key_size = 1, .value = value, .value_size = 30},
        {.key = "", .value = value, .value_size = 30},
        {.value = NULL},
        {.value = value, .value_size = 30, .headers = &header, .header_count = 1},
        {.value = value, .value_size = 9000},
        {.value = value, .value_size = 30, .timestamp = 100},   /* before the base */
        {.value = value, .value_size = 30, .timestamp = 50000}, /* long after it */
    };
    struct made made;
    builder_init(&made.builder, MAPLOG_COMPRESSION_NONE);
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++)
        add(&made, &records[i], records[i].timestamp ? records[i].timestamp : 1000);
    finish(&made);
    assert_int_equal(walk(&made), 1);
    builder_free(&made.builder);
}

static void the_only_record_of_a_batch_is_known_by_its_bytes(void **state)
{
    (void)state;
    struct made made;
    builder_init(&made.builder, MAPLOG_COMPRESSION_NONE);
    for (size_t size = 0; size < 10000; size++) {
        struct maplog_record record = {.value = value, .value_size = size};
        builder_clear(&made.builder);
        add(&made, &record, 1000);
        finish(&made);
        size_t found = 0;
        const uint8_t *at = record_only_value(made.records, made.size, &found);
        /* Sizes whose two varints have unequal lengths, or three bytes, are not worth a case. */
        bool known = (size >= 1 && size <= 57) || (size >= 64 && size <= 8184);
        assert_int_equal(at != NULL, known);
        if (!known)
            continue;
        struct record_cursor cursor;
        struct record whole;
        record_begin(&cursor, &made.batch, made.records, made.size);
        assert_int_equal(record_next(&cursor, &whole), 1);
        assert_ptr_equal(at, whole.value);
        assert_int_equal(found, whole.value_size);
        assert_int_equal(whole.timestamp, made.batch.base_timestamp);
    }
    struct maplog_record keyed = {.key = "k", .key_size = 1, .value = value, .value_size = 100};
    builder_clear(&made.builder);
    add(&made, &keyed, 1000);
    finish(&made);
    size_t found;
    assert_null(record_only_value(made.records, made.size, &found));
    builder_free(&made.builder);
}

/* Bytes changed at random: whatever the short way takes, the long way takes likewise. */
static void damage_is_never_taken_for_a_record(void **state)
{
    (void)state;
    srand(1);
    struct made made;
    builder_init(&made.builder, MAPLOG_COMPRESSION_NONE);
    for (int i = 0; i < 20; i++) {
        struct maplog_record record = {.value = value, .value_size = (size_t)(i * 9)};
        add(&made, &record, 1000 + i);
    }
    finish(&made);
    uint8_t *intact = malloc(made.size);
    uint8_t *damaged = malloc(made.size);
    memcpy(intact, made.records, made.size);
    for (int round = 0; round < 200000; round++) {
        memcpy(damaged, intact, made.size);
        for (int i = rand() % 3; i >= 0; i--)
            damaged[(size_t)rand() % made.size] ^= (uint8_t)(1 << rand() % 8);
        made.records = damaged;
        walk(&made);
        size_t size = (size_t)rand() % 200 + 1, found;
        const uint8_t *at = record_only_value(damaged, size, &found);
        if (at) {
            struct record_cursor cursor;
            struct record record;
            struct batch one = made.batch;
            one.last_offset = one.base_offset;
            one.records = 1;
            record_begin(&cursor, &one, damaged, size);
            assert_int_equal(record_next(&cursor, &record), 1);
            assert_ptr_equal(record.value, at);
            assert_int_equal(record.value_size, found);
            assert_int_equal(record_next(&cursor, &record), 0);
        }
    }
    free(intact);
    free(damaged);
    builder_free(&made.builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_records_go_the_short_way),
        cmocka_unit_test(every_other_record_does_not),
        cmocka_unit_test(the_only_record_of_a_batch_is_known_by_its_bytes),
        cmocka_unit_test(damage_is_never_taken_for_a_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
