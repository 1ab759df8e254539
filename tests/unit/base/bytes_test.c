/* bytes_test.c - the cursor never leaves its range, and its error sticks. */
#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const uint8_t counting[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static void loads_and_stores_are_big_endian(void **state)
{
    (void)state;
    uint8_t out[9] = {0};
    assert_int_equal(bytes_load16(counting), 0x0102);
    assert_int_equal(bytes_load32(counting + 1), 0x02030405);
    assert_true(bytes_load64(counting + 3) == 0x0405060708090a0b);
    bytes_store16(out + 1, 0x0102);
    assert_memory_equal(out + 1, counting, 2);
    bytes_store32(out + 1, 0x01020304);
    assert_memory_equal(out + 1, counting, 4);
    bytes_store64(out + 1, 0x0102030405060708);
    assert_memory_equal(out + 1, counting, 8);
}

static void takes_walk_to_the_exact_end(void **state)
{
    (void)state;
    struct bytes in = bytes_over(counting, sizeof counting);
    assert_int_equal(bytes_take8(&in), 1);
    assert_int_equal(bytes_take16(&in), 0x0203);
    assert_int_equal(bytes_take32(&in), 0x04050607);
    assert_true(bytes_take64(&in) == 0x08090a0b0c0d0e0f);
    assert_int_equal(bytes_left(&in), 0);
    assert_false(in.failed);
    assert_non_null(bytes_take(&in, 0));
    assert_int_equal(bytes_take8(&in), 0);
    assert_true(in.failed);
}

static void failure_sticks_and_moves_nothing(void **state)
{
    (void)state;
    struct bytes in = bytes_over(counting, 3);
    assert_int_equal(bytes_take32(&in), 0);
    assert_true(in.failed);
    assert_int_equal(bytes_left(&in), 3);
    assert_int_equal(bytes_take8(&in), 0);
    assert_int_equal(bytes_take16(&in), 0);
    assert_null(bytes_take(&in, 0));
    assert_int_equal(bytes_left(&in), 3);
}

static void huge_lengths_do_not_wrap(void **state)
{
    (void)state;
    struct bytes in = bytes_over(counting, sizeof counting);
    assert_null(bytes_take(&in, SIZE_MAX));
    assert_true(in.failed);
    in = bytes_over(counting, sizeof counting);
    assert_null(bytes_take(&in, sizeof counting + 1));
    assert_true(in.at == counting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_and_stores_are_big_endian),
        cmocka_unit_test(takes_walk_to_the_exact_end),
        cmocka_unit_test(failure_sticks_and_moves_nothing),
        cmocka_unit_test(huge_lengths_do_not_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
