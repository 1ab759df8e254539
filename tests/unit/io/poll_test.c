/* poll_test.c - what only this engine does: a list of what it asks for. The rest is in
 * tests/engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/engine.h"

#define PAIRS 300 /* more than the list begins with */

static int done_count;

static void note(struct io_operation *operation, int result)
{
    (void)operation;
    (void)result;
    done_count++;
}

static void the_list_grows_with_what_waits(void **state)
{
    (void)state;
    const struct io_limits limits = {PAIRS, 4096, 4096};
    static struct io_operation receives[PAIRS];
    static int ends[PAIRS][2];
    struct io_engine *engine;
    assert_int_equal(io_open("poll", &limits, &engine), 0);
    for (int i = 0; i < PAIRS; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends[i]), 0);
        assert_int_equal(fcntl(ends[i][0], F_SETFL, O_NONBLOCK), 0);
        assert_int_equal(io_add(engine, ends[i][0]), 0);
        receives[i] = (struct io_operation){.fd = ends[i][0], .done = note};
        io_receive(engine, &receives[i]);
    }
    for (int i = PAIRS - 1; i >= 0; i--) {
        assert_int_equal(write(ends[i][1], "x", 1), 1);
        assert_int_equal(io_wait(engine, -1), 0);
        assert_int_equal(done_count, PAIRS - i);
        assert_int_equal(receives[i].received[0], 'x');
    }
    for (int i = 0; i < PAIRS; i++) {
        io_remove(engine, ends[i][0]);
        close(ends[i][0]);
        close(ends[i][1]);
    }
    io_close(engine);
}

/* A kernel refuses lists that are longer than RLIMIT_NOFILE. */
static void both_directions_of_a_socket_take_one_entry(void **state)
{
    (void)state;
    enum { SOCKETS = 40, FILES = 60 };
    const struct io_limits limits = {SOCKETS, 4096, 4096};
    static struct io_operation receives[SOCKETS], sends[SOCKETS];
    static struct io_slice slices[SOCKETS];
    static uint8_t bytes[1 << 20];
    static int ends[SOCKETS][2];
    struct io_engine *engine;
    struct rlimit before, few;
    assert_int_equal(io_open("poll", &limits, &engine), 0);
    for (int i = 0; i < SOCKETS; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends[i]), 0);
        assert_int_equal(fcntl(ends[i][0], F_SETFL, O_NONBLOCK), 0);
        assert_int_equal(io_add(engine, ends[i][0]), 0);
        slices[i] = (struct io_slice){.at = bytes, .size = sizeof bytes, .fd = -1};
        receives[i] = (struct io_operation){.fd = ends[i][0], .done = note};
        sends[i] = receives[i];
        sends[i].slices = &slices[i];
        sends[i].count = 1;
        io_receive(engine, &receives[i]);
        io_send(engine, &sends[i]);
    }
    getrlimit(RLIMIT_NOFILE, &before);
    few = before;
    few.rlim_cur = FILES;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int waited = io_wait(engine, 1000000);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(waited, 0);
    done_count = 0;
    assert_int_equal(write(ends[0][1], "x", 1), 1);
    assert_int_equal(io_wait(engine, -1), 0);
    assert_int_equal(done_count, 1);
    for (size_t got = 0; got < sizeof bytes;) {
        ssize_t step = recv(ends[1][1], bytes, 65536, MSG_DONTWAIT);
        got += step > 0 ? (size_t)step : 0;
        if (step <= 0)
            assert_int_equal(io_wait(engine, -1), 0);
    }
    while (done_count < 2)
        assert_int_equal(io_wait(engine, -1), 0);
    for (int i = 0; i < SOCKETS; i++) {
        io_cancel(engine, &receives[i]);
        io_cancel(engine, &sends[i]);
    }
    while (done_count < 2 * SOCKETS)
        assert_int_equal(io_wait(engine, 0), 0);
    for (int i = 0; i < SOCKETS; i++) {
        io_remove(engine, ends[i][0]);
        close(ends[i][0]);
        close(ends[i][1]);
    }
    io_close(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_grows_with_what_waits),
        cmocka_unit_test(both_directions_of_a_socket_take_one_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
