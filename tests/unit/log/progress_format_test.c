/* progress_format_test.c - bytes of committed offsets, and where groups lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "log/progress_format.h"

/* As org.apache.kafka's generated classes write OffsetCommitKey 1 and OffsetCommitValue 3. */
static const uint8_t key_bytes[] = {0, 1, 0, 2, 'g', '1', 0, 3, 't', 'o', 'p', 0, 0, 0, 7};
static const uint8_t value_bytes[] = {0, 3, 0, 0,   0,   0, 0, 0, 1, 0, 0, 0, 0,
                                      7, 0, 2, 'm', 'd', 0, 0, 0, 0, 0, 0, 0, 5};
/* OffsetCommitValue 1. */
static const uint8_t expiring_bytes[] = {0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 2, 'm', 'd', 0,
                                         0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0,   0,   6};

static void keys_and_values_have_kafkas_bytes(void **state)
{
    (void)state;
    uint8_t key[PROGRESS_KEY_MAX];
    assert_int_equal(progress_put_key(key, "g1", "top", 7), sizeof key_bytes);
    assert_memory_equal(key, key_bytes, sizeof key_bytes);
    uint8_t value[PROGRESS_VALUE_MAX(2)];
    struct progress_value entry = {.offset = 256,
                                   .metadata = "md",
                                   .metadata_size = 2,
                                   .leader_epoch = 7,
                                   .committed_ms = 5,
                                   .expires_ms = -1};
    assert_int_equal(progress_put_value(value, &entry), sizeof value_bytes);
    assert_memory_equal(value, value_bytes, sizeof value_bytes);
    /* Version 3 has no expiry, version 1 no leader epoch. */
    entry.expires_ms = 6;
    assert_int_equal(progress_put_value(value, &entry), sizeof expiring_bytes);
    assert_memory_equal(value, expiring_bytes, sizeof expiring_bytes);
    assert_int_equal(sizeof value, sizeof expiring_bytes);
}

static void they_are_read_back(void **state)
{
    (void)state;
    struct progress_key key;
    assert_true(progress_parse_key(key_bytes, sizeof key_bytes, &key));
    assert_int_equal(key.group_size, 2);
    assert_memory_equal(key.group, "g1", 2);
    assert_int_equal(key.topic_size, 3);
    assert_memory_equal(key.topic, "top", 3);
    assert_int_equal(key.partition, 7);
    struct progress_value value;
    assert_true(progress_parse_value(value_bytes, sizeof value_bytes, &value));
    assert_int_equal(value.offset, 256);
    assert_int_equal(value.leader_epoch, 7);
    assert_int_equal(value.metadata_size, 2);
    assert_memory_equal(value.metadata, "md", 2);
    assert_int_equal(value.committed_ms, 5);
    assert_int_equal(value.expires_ms, -1);
}

/* All of them have offset 9, metadata "x" and commit time 5. */
static void assert_value(const uint8_t *bytes, size_t size, int32_t epoch, int64_t expires_ms)
{
    struct progress_value value;
    assert_true(progress_parse_value(bytes, size, &value));
    assert_int_equal(value.offset, 9);
    assert_int_equal(value.leader_epoch, epoch);
    assert_int_equal(value.metadata_size, 1);
    assert_memory_equal(value.metadata, "x", 1);
    assert_int_equal(value.committed_ms, 5);
    assert_int_equal(value.expires_ms, expires_ms);
}

static void every_known_version_of_a_value_is_read(void **state)
{
    (void)state;
    /* 0 and 2: offset, metadata, time. 1: an expiry behind it. 3: a leader epoch. 4: flexible, with
     * a topic id. */
    static const uint8_t v0[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 'x', 0, 0, 0, 0, 0, 0, 0, 5};
    static const uint8_t v1[] = {0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 'x', 0, 0,
                                 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0,   6};
    static const uint8_t v2[] = {0, 2, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 'x', 0, 0, 0, 0, 0, 0, 0, 5};
    static const uint8_t v3[] = {0, 3, 0, 0,   0, 0, 0, 0, 0, 9, 0, 0, 0,
                                 4, 0, 1, 'x', 0, 0, 0, 0, 0, 0, 0, 5};
    static const uint8_t v4[] = {0,   4, 0, 0, 0, 0, 0,  0,  0,  9,  0,  0,  0, 3, 2,
                                 'x', 0, 0, 0, 0, 0, 0,  0,  5,  1,  0,  16, 1, 2, 3,
                                 4,   5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    assert_value(v0, sizeof v0, -1, -1);
    assert_value(v1, sizeof v1, -1, 6);
    assert_value(v2, sizeof v2, -1, -1);
    assert_value(v3, sizeof v3, 4, -1);
    assert_value(v4, sizeof v4, 3, -1);
}

static void metadata_beyond_our_limit_is_cut_between_characters(void **state)
{
    (void)state;
    enum { LONG = PROGRESS_METADATA_MAX + 100, HEAD = 2 + 8 + 4 };
    /* Flexible, so that its length takes two bytes: 4196 + 1. */
    static uint8_t bytes[HEAD + 2 + LONG + 8] = {0, 4};
    bytes[HEAD] = 0x80 | ((LONG + 1) & 0x7f);
    bytes[HEAD + 1] = (LONG + 1) >> 7;
    memset(bytes + HEAD + 2, 'm', LONG);
    struct progress_value value;
    assert_true(progress_parse_value(bytes, sizeof bytes, &value));
    assert_int_equal(value.metadata_size, PROGRESS_METADATA_MAX);
    memcpy(bytes + HEAD + 2 + PROGRESS_METADATA_MAX - 2, "\xe2\x82\xac", 3);
    assert_true(progress_parse_value(bytes, sizeof bytes, &value));
    assert_int_equal(value.metadata_size, PROGRESS_METADATA_MAX - 2);
    assert_false(progress_parse_value(bytes, sizeof bytes - 1, &value));
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    struct progress_key key;
    struct progress_value parsed;
    for (size_t size = 0; size < sizeof key_bytes; size++)
        assert_false(progress_parse_key(key_bytes, size, &key));
    for (size_t size = 0; size < sizeof value_bytes; size++)
        assert_false(progress_parse_value(value_bytes, size, &parsed));
    static const uint8_t group_metadata[] = {0, 2, 0, 2, 'g', '1'};
    assert_false(progress_parse_key(group_metadata, sizeof group_metadata, &key));
    assert_false(progress_is_key(group_metadata, sizeof group_metadata));
    assert_false(progress_is_key(key_bytes, 1));
    assert_true(progress_is_key(key_bytes, 2));
    uint8_t longer[sizeof key_bytes + 1];
    memcpy(longer, key_bytes, sizeof key_bytes);
    assert_false(progress_parse_key(longer, sizeof longer, &key));
    uint8_t value[sizeof value_bytes];
    memcpy(value, value_bytes, sizeof value);
    value[1] = 5;
    assert_false(progress_parse_value(value, sizeof value, &parsed));
    memcpy(value, value_bytes, sizeof value);
    value[2] = 0x80; /* a negative offset */
    assert_false(progress_parse_value(value, sizeof value, &parsed));
}

/* |"...".hashCode()| of Java. */
static void a_group_lies_where_kafka_places_it(void **state)
{
    (void)state;
    static const struct {
        const char *group;
        int64_t absolute;
    } cases[] = {
        {"", 0},
        {"a", 97},
        {"hello", 99162322},
        {"polygenelubricants", 0},       /* -2^31, which has no absolute value */
        {"console-consumer", 648006740}, /* negative: masking the sign would go elsewhere */
        {"gr\xc3\xbc\xc3\x9f", 3186062},
        {"\xf0\x9f\x98\x80", 1772899},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int32_t partitions = 1; partitions < 60; partitions += 7)
            assert_int_equal(progress_place(cases[i].group, partitions),
                             cases[i].absolute % partitions);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_and_values_have_kafkas_bytes),
        cmocka_unit_test(they_are_read_back),
        cmocka_unit_test(every_known_version_of_a_value_is_read),
        cmocka_unit_test(metadata_beyond_our_limit_is_cut_between_characters),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(a_group_lies_where_kafka_places_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
