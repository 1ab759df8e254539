/* contract_test.c - a broken contract says where and what, and ends the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../support/death.h"
#include "base/contract.h"

static void break_it(void)
{
    contract_broken(&(const struct contract){"here.c", 12, "call"}, "%d is more than %s", 3, "two");
}

static void a_breach_says_where_and_what(void **state)
{
    (void)state;
    assert_true(
        death_by_contract(break_it, "here.c:12: call: contract broken: 3 is more than two\n"));
}

#ifdef MAPLOG_CONTRACTS

static void break_a_condition(void)
{
    int size = -1;
    CONTRACT(size >= 0, "the size is %d", size);
}

static void a_condition_must_hold(void **state)
{
    (void)state;
    CONTRACT(1 + 1 == 2, "never");
    assert_true(death_by_contract(break_a_condition,
                                  "break_a_condition: contract broken: the size is -1\n"));
}

#else

static void a_condition_must_hold(void **state)
{
    (void)state;
    int looked = 0;
    CONTRACT(looked++ > 0, "nobody looks in a release");
    assert_int_equal(looked, 0);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_breach_says_where_and_what),
        cmocka_unit_test(a_condition_must_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
