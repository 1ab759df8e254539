/* pair_test.c - what one end writes the other one reads, at once. */
#include "lab/pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static void ends_are_connected_and_wait(void **state)
{
    (void)state;
    for (int local = 0; local < 2; local++) {
        int pair[2];
        assert_int_equal(pair_open(pair, local), 0);
        for (int i = 0; i < 2; i++) {
            char byte = 0;
            assert_int_equal(fcntl(pair[i], F_GETFL) & O_NONBLOCK, 0);
            assert_int_equal(fcntl(pair[i], F_GETFD), FD_CLOEXEC);
            assert_int_equal(write(pair[i], "x", 1), 1);
            assert_int_equal(read(pair[!i], &byte, 1), 1);
            assert_int_equal(byte, 'x');
        }
        close(pair[0]);
        close(pair[1]);
    }
}

static void small_packets_are_not_delayed(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(pair_open(pair, false), 0);
    for (int i = 0; i < 2; i++) {
        int on = 0;
        socklen_t size = sizeof on;
        assert_int_equal(getsockopt(pair[i], IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
        assert_int_not_equal(on, 0);
        close(pair[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_are_connected_and_wait),
        cmocka_unit_test(small_packets_are_not_delayed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
