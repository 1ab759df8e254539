/* histogram_test.c - percentiles within the promised resolution. */
#include "base/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct histogram histogram, other;

static int clear(void **state)
{
    (void)state;
    histogram_clear(&histogram);
    histogram_clear(&other);
    return 0;
}

static void empty_gives_zero(void **state)
{
    (void)state;
    assert_int_equal(histogram_percentile(&histogram, 50), 0);
    assert_int_equal(histogram_percentile(&histogram, 100), 0);
}

static void small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t value = 1; value <= 50; value++)
        histogram_add(&histogram, value);
    assert_int_equal(histogram_percentile(&histogram, 0), 1);
    assert_int_equal(histogram_percentile(&histogram, 2), 1);
    assert_int_equal(histogram_percentile(&histogram, 50), 25);
    assert_int_equal(histogram_percentile(&histogram, 98), 49);
    assert_int_equal(histogram_percentile(&histogram, 100), 50);
}

static void every_magnitude_is_within_the_resolution(void **state)
{
    (void)state;
    for (unsigned power = 0; power < 64; power++)
        for (int delta = -1; delta <= 1; delta++) {
            uint64_t value = ((uint64_t)1 << power) + (uint64_t)delta;
            histogram_clear(&histogram);
            histogram_add(&histogram, value);
            histogram_add(&histogram, UINT64_MAX); /* so that max does not hide the bound */
            uint64_t found = histogram_percentile(&histogram, 50);
            assert_true(found >= value);
            assert_true(found - value <= value / 64);
        }
}

static void bounds_never_exceed_the_largest_value(void **state)
{
    (void)state;
    histogram_add(&histogram, 1000000);
    assert_int_equal(histogram_percentile(&histogram, 99), 1000000);
    assert_int_equal(histogram.max, 1000000);
}

static void a_tail_shows_only_above_its_share(void **state)
{
    (void)state;
    for (int i = 0; i < 990; i++)
        histogram_add(&histogram, 10);
    for (int i = 0; i < 10; i++)
        histogram_add(&histogram, 60);
    assert_int_equal(histogram_percentile(&histogram, 99), 10);
    assert_int_equal(histogram_percentile(&histogram, 99.1), 60);
}

static void merge_adds_counts_and_keeps_the_larger_max(void **state)
{
    (void)state;
    for (uint64_t value = 1; value <= 20; value++)
        histogram_add(value % 2 ? &histogram : &other, value);
    histogram_merge(&histogram, &other);
    assert_int_equal(histogram.count, 20);
    assert_int_equal(histogram.max, 20);
    assert_int_equal(histogram_percentile(&histogram, 50), 10);
    assert_int_equal(other.count, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(empty_gives_zero, clear),
        cmocka_unit_test_setup(small_values_are_exact, clear),
        cmocka_unit_test_setup(every_magnitude_is_within_the_resolution, clear),
        cmocka_unit_test_setup(bounds_never_exceed_the_largest_value, clear),
        cmocka_unit_test_setup(a_tail_shows_only_above_its_share, clear),
        cmocka_unit_test_setup(merge_adds_counts_and_keeps_the_larger_max, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
