/* clock_test.c - clocks go forward, and ticks convert to time. */
#include "os/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

static void wall_clock_counts_milliseconds_since_1970(void **state)
{
    (void)state;
    int64_t before = (int64_t)time(NULL);
    int64_t now = clock_wall_ms();
    assert_true(now >= before * 1000);
    assert_true(now <= ((int64_t)time(NULL) + 2) * 1000); /* time() may lag by a tick */
}

static void sleeping_takes_at_least_its_time(void **state)
{
    (void)state;
    int64_t before = clock_monotonic_ns();
    clock_sleep_ns(3000000);
    assert_true(clock_monotonic_ns() - before >= 3000000);
    clock_sleep_ns(0);
    clock_sleep_ns(-5);
}

static void ticks_convert_to_time(void **state)
{
    (void)state;
    uint64_t rate = clock_ticks_per_us();
    assert_true(rate > 0);
    assert_int_equal(clock_ticks_per_us(), rate);
    /* Ticks are read inside the interval first, then around it: so the two enclose the truth,
     * whatever happens in between. The rate itself may be off by one part in a hundred. */
    int64_t outer = clock_monotonic_ns();
    uint64_t first = clock_ticks();
    clock_sleep_ns(20000000);
    uint64_t last = clock_ticks();
    outer = clock_monotonic_ns() - outer;
    assert_true((last - first) / rate <= (uint64_t)outer / 1000 * 101 / 100 + 1);
    assert_true((last - first) / rate >= 20000 * 99 / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wall_clock_counts_milliseconds_since_1970),
        cmocka_unit_test(sleeping_takes_at_least_its_time),
        cmocka_unit_test(ticks_convert_to_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
