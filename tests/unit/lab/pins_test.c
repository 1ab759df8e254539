/* pins_test.c - a process keeps to a CPU, its child to another, and both are let go. */
#include "lab/pins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

static void server_and_client_have_a_cpu_each(void **state)
{
    (void)state;
    struct pins pins = {0};
    cpu_set_t before, own, both;
    int status;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    pins_take(&pins);
    assert_int_equal(pins.pinned, CPU_COUNT(&before) >= 2);
    assert_int_equal(sched_getaffinity(0, sizeof own, &own), 0);
    pid_t child = fork();
    if (child == 0) {
        cpu_set_t childs;
        pins_move_child(&pins);
        if (sched_getaffinity(0, sizeof childs, &childs) != 0)
            _exit(2);
        CPU_AND(&both, &own, &childs);
        _exit(pins.pinned && CPU_COUNT(&both) != 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    pins_release(&pins);
    assert_int_equal(sched_getaffinity(0, sizeof own, &own), 0);
    assert_true(CPU_EQUAL(&before, &own));
}

static void one_cpu_is_left_as_it_is(void **state)
{
    (void)state;
    struct pins pins = {0};
    cpu_set_t before, one, after;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (int cpu = 0; CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    pins_take(&pins);
    assert_false(pins.pinned);
    pins_release(&pins);
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&one, &after));
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_and_client_have_a_cpu_each),
        cmocka_unit_test(one_cpu_is_left_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
