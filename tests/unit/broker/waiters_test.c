/* waiters_test.c - who is woken, and who is not any more. */
#include "broker_fixture.h"

#include "broker/waiters.h"

static void those_of_a_partition_are_woken(void **state)
{
    (void)state;
    struct waiters *waiters;
    assert_ok(waiters_open(&host, &waiters));
    static struct call calls[3];
    struct waiter listed[3] = {0};
    /* Two of one partition; one of another, with the same lock. */
    static const uint32_t slots[] = {5, 5, 5 + 64};
    for (int i = 0; i < 3; i++) {
        calls[i].request.server = &calls[i];
        listed[i].request = &calls[i].request;
        listed[i].slot = slots[i];
        waiters_add(waiters, &listed[i]);
    }
    waiters_wake(waiters, 6);
    waiters_wake(waiters, LIMIT_PARTITIONS);
    assert_int_equal(atomic_load(&wakes), 0);
    waiters_wake(waiters, 5);
    assert_int_equal(atomic_load(&wakes), 2);
    assert_int_equal(calls[2].woken, 0);
    waiters_remove(waiters, &listed[0]);
    waiters_remove(waiters, &listed[0]);
    waiters_wake(waiters, 5);
    assert_int_equal(atomic_load(&wakes), 3);
    waiters_remove(waiters, &listed[1]);
    waiters_wake(waiters, 5);
    assert_int_equal(atomic_load(&wakes), 3);
    waiters_remove(waiters, &listed[2]);
    waiters_close(waiters);
    waiters_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(those_of_a_partition_are_woken)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
