/* list_test.c - lists in words. */
#include "lab/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void separators_stand_between(void **state)
{
    (void)state;
    char list[LIST_BYTES] = "";
    list_add(list, ", ", "%s", "epoll");
    assert_string_equal(list, "epoll");
    list_add(list, ", ", "%s %d", "poll", 2);
    list_add(list, "; ", "select");
    assert_string_equal(list, "epoll, poll 2; select");
}

static void what_does_not_fit_is_cut(void **state)
{
    (void)state;
    char list[LIST_BYTES + 1] = "";
    list[LIST_BYTES] = '!';
    for (int i = 0; i < LIST_BYTES; i++)
        list_add(list, ", ", "ab");
    assert_int_equal(strlen(list), LIST_BYTES - 1);
    assert_int_equal(list[LIST_BYTES], '!');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(separators_stand_between),
        cmocka_unit_test(what_does_not_fit_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
