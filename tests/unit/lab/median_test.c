/* median_test.c - the middle and the extremes, in whatever order they come. */
#include "lab/median.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void of_an_odd_number_it_is_the_one_in_the_middle(void **state)
{
    (void)state;
    double values[] = {3, 1, 100}, least, most;
    assert_true(median(values, 3, &least, &most) == 3);
    assert_true(least == 1 && most == 100);
    assert_true(values[0] == 3 && values[1] == 1); /* which stay in their order */
}

static void of_an_even_number_it_is_the_mean_of_two(void **state)
{
    (void)state;
    const double values[] = {8, 1, 2, 4};
    assert_true(median(values, 4, NULL, NULL) == 3);
}

static void of_one_it_is_that(void **state)
{
    (void)state;
    const double value = -7;
    double least, most;
    assert_true(median(&value, 1, &least, &most) == -7 && least == -7 && most == -7);
}

static void there_may_be_as_many_as_the_header_says(void **state)
{
    (void)state;
    double values[MEDIAN_MOST];
    for (int i = 0; i < MEDIAN_MOST; i++)
        values[i] = MEDIAN_MOST - i;
    assert_true(median(values, MEDIAN_MOST, NULL, NULL) == (MEDIAN_MOST + 1) / 2.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_an_odd_number_it_is_the_one_in_the_middle),
        cmocka_unit_test(of_an_even_number_it_is_the_mean_of_two),
        cmocka_unit_test(of_one_it_is_that),
        cmocka_unit_test(there_may_be_as_many_as_the_header_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
