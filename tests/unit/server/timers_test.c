#include "server/timers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MANY 500

static void empty_has_no_first(void **state)
{
    (void)state;
    struct timers timers = {0};
    assert_null(timers_first(&timers));
    struct timer unset = {0};
    timers_clear(&timers, &unset);
    timers_free(&timers);
}

/* Whatever was set, moved and cleared: what is left comes in order. */
static void come_in_order_after_moves_and_clears(void **state)
{
    (void)state;
    struct timers timers = {0};
    static struct timer all[MANY];
    unsigned random = 7;
    for (int i = 0; i < MANY; i++) {
        random = random * 1103515245 + 12345;
        assert_int_equal(timers_set(&timers, &all[i], (int64_t)(random >> 16) % 1000), 0);
    }
    for (int i = 0; i < MANY; i += 3)
        timers_clear(&timers, &all[i]);
    for (int i = 1; i < MANY; i += 3) {
        random = random * 1103515245 + 12345;
        assert_int_equal(timers_set(&timers, &all[i], (int64_t)(random >> 16) % 1000), 0);
    }
    int64_t before = -1;
    int count = 0;
    for (struct timer *first; (first = timers_first(&timers)); count++) {
        assert_true(first->due_ms >= before);
        before = first->due_ms;
        timers_clear(&timers, first);
        assert_int_equal(first->place, 0);
    }
    assert_int_equal(count, MANY - (MANY + 2) / 3);
    timers_free(&timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_has_no_first),
        cmocka_unit_test(come_in_order_after_moves_and_clears),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
