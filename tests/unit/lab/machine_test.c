/* machine_test.c - what a report says of the machine. */
#include "lab/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char *fact(const struct machine *machine, const char *name)
{
    for (size_t i = 0; i < machine->count; i++)
        if (strcmp(machine->facts[i].name, name) == 0)
            return machine->facts[i].text;
    fail_msg("no fact %s", name);
    return NULL;
}

static void every_fact_has_a_text(void **state)
{
    (void)state;
    struct machine machine;
    struct utsname names;
    machine_look(&machine, "/dev/shm");
    assert_in_range(machine.count, 6, MACHINE_FACTS);
    for (size_t i = 0; i < machine.count; i++)
        assert_true(strlen(machine.facts[i].text) > 0);
    uname(&names);
    assert_non_null(strstr(fact(&machine, "kernel"), names.release));
    assert_non_null(strstr(fact(&machine, "scratch files"), "tmpfs"));
}

static void a_busy_machine_is_told(void **state)
{
    (void)state;
    struct machine machine = {.others_percent = -1};
    char text[MACHINE_TEXT];
    assert_null(machine_complaint(&machine, text));
    machine.others_percent = 1;
    assert_null(machine_complaint(&machine, text));
    machine.others_percent = 60;
    assert_non_null(strstr(machine_complaint(&machine, text), "60 %"));
    machine.others_percent = 0;
    machine.load = 1e6;
    assert_non_null(strstr(machine_complaint(&machine, text), "load average"));
}

static void what_others_use_is_a_share(void **state)
{
    (void)state;
    struct machine machine;
    machine_look(&machine, "/tmp");
    usleep(50000);
    machine_finish(&machine);
    assert_true(machine.others_percent >= -1 && machine.others_percent <= 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fact_has_a_text),
        cmocka_unit_test(a_busy_machine_is_told),
        cmocka_unit_test(what_others_use_is_a_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
