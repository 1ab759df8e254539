/* sockets_test.c - the table of descriptors: what is in it, and one operation a direction. */
#include "io/sockets.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>

#include "base/error.h"

static struct sockets sockets;

static int set_up(void **state)
{
    (void)state;
    sockets = (struct sockets){.limit = 3};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sockets_free(&sockets);
    return 0;
}

static void only_what_was_added_is_found(void **state)
{
    (void)state;
    const int fds[] = {0, 255, 100000};
    for (int i = 0; i < 3; i++) {
        assert_null(sockets_find(&sockets, fds[i]));
        assert_int_equal(sockets_add(&sockets, fds[i]), 0);
        assert_int_equal(sockets_add(&sockets, fds[i]), MAPLOG_INVALID);
    }
    assert_null(sockets_find(&sockets, -1));
    assert_null(sockets_find(&sockets, 1));
    assert_null(sockets_find(&sockets, 1000000));
    sockets_remove(&sockets, 255);
    sockets_remove(&sockets, 255);
    assert_null(sockets_find(&sockets, 255));
    assert_non_null(sockets_find(&sockets, 100000));
}

static void the_limit_counts_those_that_are_there(void **state)
{
    (void)state;
    for (int fd = 0; fd < 3; fd++)
        assert_int_equal(sockets_add(&sockets, fd), 0);
    assert_int_equal(sockets_add(&sockets, 3), MAPLOG_LIMIT);
    sockets_remove(&sockets, 1);
    assert_int_equal(sockets_add(&sockets, 3), 0);
}

static void entries_stay_where_they_are_and_begin_anew(void **state)
{
    (void)state;
    assert_int_equal(sockets_add(&sockets, 7), 0);
    struct socket_entry *entry = sockets_find(&sockets, 7);
    entry->readable = true;
    assert_int_equal(sockets_add(&sockets, 50000), 0);
    assert_ptr_equal(sockets_find(&sockets, 7), entry);
    assert_true(entry->readable);
    sockets_remove(&sockets, 7);
    assert_int_equal(sockets_add(&sockets, 7), 0);
    assert_false(sockets_find(&sockets, 7)->readable);
}

static void a_direction_has_one_operation(void **state)
{
    (void)state;
    struct io_operation receive = {.fd = 5, .kind = IO_RECEIVE};
    struct io_operation accept = {.fd = 5, .kind = IO_ACCEPT};
    struct io_operation send = {.fd = 5, .kind = IO_SEND};
    assert_int_equal(sockets_begin(&sockets, &receive), EBADF);
    assert_int_equal(sockets_add(&sockets, 5), 0);
    assert_int_equal(sockets_begin(&sockets, &receive), 0);
    assert_int_equal(sockets_begin(&sockets, &accept), EALREADY);
    assert_int_equal(sockets_begin(&sockets, &send), 0);
    sockets_end(&sockets, &accept); /* it never began */
    assert_int_equal(sockets_begin(&sockets, &accept), EALREADY);
    sockets_end(&sockets, &receive);
    assert_int_equal(sockets_begin(&sockets, &accept), 0);
}

int main(void)
{
#define TABLE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TABLE(only_what_was_added_is_found),
        TABLE(the_limit_counts_those_that_are_there),
        TABLE(entries_stay_where_they_are_and_begin_anew),
        TABLE(a_direction_has_one_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
