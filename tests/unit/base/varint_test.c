/* varint_test.c - Kafka's zigzag integers, all widths, and what must be refused. */
#include "base/varint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void known_encodings(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        size_t length;
        uint8_t bytes[VARLONG_SIZE_MAX];
    } cases[] = {
        {0, 1, {0}},
        {-1, 1, {1}},
        {1, 1, {2}},
        {63, 1, {0x7e}},
        {-64, 1, {0x7f}},
        {64, 2, {0x80, 1}},
        {-65, 2, {0x81, 1}},
        {INT32_MAX, 5, {0xfe, 0xff, 0xff, 0xff, 0x0f}},
        {INT32_MIN, 5, {0xff, 0xff, 0xff, 0xff, 0x0f}},
        {INT64_MAX, 10, {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}},
        {INT64_MIN, 10, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t out[VARLONG_SIZE_MAX];
        assert_int_equal(varint_put(out, cases[i].value) - out, cases[i].length);
        assert_memory_equal(out, cases[i].bytes, cases[i].length);
    }
}

static void check(int64_t value)
{
    uint8_t out[VARLONG_SIZE_MAX];
    size_t length = (size_t)(varint_put(out, value) - out);
    assert_int_equal(varint_size(value), length);
    struct bytes in = bytes_over(out, length);
    assert_true(bytes_take_varlong(&in) == value);
    assert_false(in.failed);
    assert_int_equal(bytes_left(&in), 0);

    in = bytes_over(out, length);
    bool fits = value == (int32_t)value;
    assert_true(bytes_take_varint(&in) == (fits ? value : 0));
    assert_int_equal(in.failed, !fits);

    for (size_t cut = 0; cut < length; cut++) {
        in = bytes_over(out, cut);
        assert_true(bytes_take_varlong(&in) == 0);
        assert_true(in.failed);
    }
}

static void every_width_goes_there_and_back(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 63; bit++)
        for (int64_t delta = -2; delta <= 2; delta++) {
            int64_t value = ((int64_t)1 << bit) + delta;
            check(value);
            check(-value);
        }
    check(INT64_MAX);
    check(INT64_MIN);
    check(INT64_MIN + 1);
}

static void overlong_and_overflowing_are_refused(void **state)
{
    (void)state;
    const uint8_t eleven[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0};
    struct bytes in = bytes_over(eleven, sizeof eleven);
    bytes_take_varlong(&in);
    assert_true(in.failed);

    const uint8_t bit64[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2};
    in = bytes_over(bit64, sizeof bit64);
    bytes_take_varlong(&in);
    assert_true(in.failed);

    const uint8_t six[] = {0x82, 0x80, 0x80, 0x80, 0x80, 0}; /* 1, in six bytes */
    in = bytes_over(six, sizeof six);
    assert_true(bytes_take_varlong(&in) == 1);
    in = bytes_over(six, sizeof six);
    assert_int_equal(bytes_take_varint(&in), 0);
    assert_true(in.failed);

    const uint8_t five[] = {0x82, 0x80, 0x80, 0x80, 0}; /* 1, in five */
    in = bytes_over(five, sizeof five);
    assert_int_equal(bytes_take_varint(&in), 1);
    assert_false(in.failed);
}

static void a_failed_cursor_stays_failed(void **state)
{
    (void)state;
    const uint8_t one[] = {2, 2};
    struct bytes in = bytes_over(one, sizeof one);
    in.failed = true;
    assert_int_equal(bytes_take_varint(&in), 0);
    assert_true(bytes_take_varlong(&in) == 0);
    assert_int_equal(bytes_left(&in), 2);
}

static void unsigned_ones(void **state)
{
    (void)state;
    static const struct {
        uint32_t value;
        size_t size;
        uint8_t bytes[VARINT_SIZE_MAX];
    } cases[] = {
        {0, 1, {0}},
        {127, 1, {0x7f}},
        {128, 2, {0x80, 1}},
        {300, 2, {0xac, 2}},
        {16384, 3, {0x80, 0x80, 1}},
        {UINT32_MAX, 5, {0xff, 0xff, 0xff, 0xff, 0xf}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t put[VARINT_SIZE_MAX];
        assert_int_equal(uvarint_put(put, cases[i].value) - put, cases[i].size);
        assert_memory_equal(put, cases[i].bytes, cases[i].size);
        struct bytes in = bytes_over(put, cases[i].size);
        assert_int_equal(bytes_take_uvarint(&in), cases[i].value);
        assert_false(in.failed);
        assert_int_equal(bytes_left(&in), 0);
        in = bytes_over(put, cases[i].size - 1);
        assert_int_equal(bytes_take_uvarint(&in), 0);
        assert_true(in.failed);
    }
    const uint8_t bit32[] = {0x80, 0x80, 0x80, 0x80, 0x10};
    struct bytes in = bytes_over(bit32, sizeof bit32);
    assert_int_equal(bytes_take_uvarint(&in), 0);
    assert_true(in.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_encodings),
        cmocka_unit_test(every_width_goes_there_and_back),
        cmocka_unit_test(overlong_and_overflowing_are_refused),
        cmocka_unit_test(a_failed_cursor_stays_failed),
        cmocka_unit_test(unsigned_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
