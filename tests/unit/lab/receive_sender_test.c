/* receive_sender_test.c - as many bytes come as were ordered, through both kinds of sockets. */
#include "lab/receive_sender.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void order_and_count(bool local)
{
    struct receive_sender *sender = NULL;
    char bytes[4096];
    assert_int_equal(receive_sender_start(&sender, local), 0);
    for (size_t wanted = 1; wanted < 5000000; wanted = wanted * 7 + 1) {
        size_t got = 0;
        assert_int_equal(receive_sender_order(sender, wanted), 0);
        while (got < wanted) {
            ssize_t some = recv(receive_sender_socket(sender), bytes, sizeof bytes, 0);
            assert_true(some > 0);
            assert_int_equal(bytes[0], 's');
            got += (size_t)some;
        }
        assert_int_equal(got, wanted);
        assert_int_equal(recv(receive_sender_socket(sender), bytes, 1, MSG_DONTWAIT), -1);
    }
    receive_sender_stop(sender);
}

static void tcp_brings_what_was_ordered(void **state)
{
    (void)state;
    order_and_count(false);
}

static void a_unix_socket_brings_what_was_ordered(void **state)
{
    (void)state;
    order_and_count(true);
}

static void nothing_is_left_behind(void **state)
{
    (void)state;
    cpu_set_t before, after;
    struct receive_sender *sender = NULL;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(receive_sender_start(&sender, true), 0);
    receive_sender_stop(sender);
    receive_sender_stop(NULL);
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcp_brings_what_was_ordered),
        cmocka_unit_test(a_unix_socket_brings_what_was_ordered),
        cmocka_unit_test(nothing_is_left_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
