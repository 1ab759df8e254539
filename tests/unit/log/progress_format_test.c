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
static const uint8_t value_bytes[] = {0,    3, 0, 0,   0,   0, 0, 0, 1, 0, 0xff, 0xff, 0xff,
                                      0xff, 0, 2, 'm', 'd', 0, 0, 0, 0, 0, 0,    0,    5};

static void keys_and_values_have_kafkas_bytes(void **state)
{
    (void)state;
    uint8_t key[PROGRESS_KEY_MAX];
    assert_int_equal(progress_put_key(key, "g1", "top", 7), sizeof key_bytes);
    assert_memory_equal(key, key_bytes, sizeof key_bytes);
    uint8_t value[PROGRESS_VALUE_MAX(2)];
    assert_int_equal(progress_put_value(value, 256, "md", 5), sizeof value_bytes);
    assert_memory_equal(value, value_bytes, sizeof value_bytes);
    assert_int_equal(sizeof value, sizeof value_bytes);
    assert_int_equal(progress_put_value(value, 256, NULL, 5), sizeof value_bytes - 2);
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
    int64_t offset = 0;
    assert_true(progress_parse_value(value_bytes, sizeof value_bytes, &offset));
    assert_int_equal(offset, 256);
}

static void every_known_version_of_a_value_is_read(void **state)
{
    (void)state;
    /* 0: offset, metadata, time. 1: an expiry behind it. 4: flexible, with a topic id. */
    static const uint8_t v0[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5};
    static const uint8_t v1[] = {0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0,
                                 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6};
    static const uint8_t v4[] = {0, 4, 0, 0, 0, 0, 0, 0,  0,  9,  0,  0,  0,  3,
                                 1, 0, 0, 0, 0, 0, 0, 0,  5,  1,  0,  16, 1,  2,
                                 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    int64_t offset = 0;
    assert_true(progress_parse_value(v0, sizeof v0, &offset));
    assert_int_equal(offset, 9);
    offset = 0;
    assert_true(progress_parse_value(v1, sizeof v1, &offset));
    assert_int_equal(offset, 9);
    offset = 0;
    assert_true(progress_parse_value(v4, sizeof v4, &offset));
    assert_int_equal(offset, 9);
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    struct progress_key key;
    int64_t offset;
    for (size_t size = 0; size < sizeof key_bytes; size++)
        assert_false(progress_parse_key(key_bytes, size, &key));
    for (size_t size = 0; size < 10; size++)
        assert_false(progress_parse_value(value_bytes, size, &offset));
    static const uint8_t group_metadata[] = {0, 2, 0, 2, 'g', '1'};
    assert_false(progress_parse_key(group_metadata, sizeof group_metadata, &key));
    uint8_t longer[sizeof key_bytes + 1];
    memcpy(longer, key_bytes, sizeof key_bytes);
    assert_false(progress_parse_key(longer, sizeof longer, &key));
    uint8_t value[sizeof value_bytes];
    memcpy(value, value_bytes, sizeof value);
    value[1] = 5;
    assert_false(progress_parse_value(value, sizeof value, &offset));
    memcpy(value, value_bytes, sizeof value);
    value[2] = 0x80; /* a negative offset */
    assert_false(progress_parse_value(value, sizeof value, &offset));
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
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(a_group_lies_where_kafka_places_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
