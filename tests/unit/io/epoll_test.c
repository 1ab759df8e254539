/* epoll_test.c - what only this engine does: how it is registered for a socket, as the kernel tells
 * in /proc. The rest is in tests/engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "io/engine.h"

#define DESCRIPTORS 1000 /* looked through */

static struct io_engine *engine;
static int ends[2]; /* [0] is with the engine */

/* The events that the process's epoll descriptor is registered for on fd; 0: none. */
static uint32_t registered(int fd)
{
    for (int epoll = 0; epoll < DESCRIPTORS; epoll++) {
        char path[64], line[256];
        snprintf(path, sizeof path, "/proc/self/fdinfo/%d", epoll);
        FILE *file = fopen(path, "r");
        while (file && fgets(line, sizeof line, file)) {
            int found;
            unsigned events;
            if (sscanf(line, "tfd: %d events: %x", &found, &events) == 2 && found == fd) {
                fclose(file);
                return events;
            }
        }
        if (file)
            fclose(file);
    }
    return 0;
}

static int done_count, last_result;

static void note(struct io_operation *operation, int result)
{
    (void)operation;
    done_count++;
    last_result = result;
}

static int set_up(void **state)
{
    (void)state;
    const struct io_limits limits = {16, 4096, 4096};
    done_count = 0;
    return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || fcntl(ends[0], F_SETFL, O_NONBLOCK) ||
           io_open("epoll", &limits, &engine) || io_add(engine, ends[0]);
}

static int tear_down(void **state)
{
    (void)state;
    io_remove(engine, ends[0]);
    io_close(engine);
    return close(ends[0]) || close(ends[1]);
}

static void a_socket_is_registered_once_until_a_send_does_not_fit(void **state)
{
    (void)state;
    static uint8_t much[4u << 20], taken[1u << 20];
    struct io_operation receive = {.fd = ends[0], .done = note};
    struct io_slice slice = {much, 10, -1, 0};
    struct io_operation send = {.fd = ends[0], .done = note, .slices = &slice, .count = 1};
    uint32_t first = registered(ends[0]);
    assert_true(first & EPOLLIN);
    assert_true(first & EPOLLET);
    assert_false(first & EPOLLOUT);
    io_receive(engine, &receive);
    io_send(engine, &send);
    assert_int_equal(io_wait(engine, 0), 0);
    assert_int_equal(done_count, 1);
    assert_int_equal(registered(ends[0]), first);
    slice = (struct io_slice){much, sizeof much, -1, 0};
    io_send(engine, &send);
    assert_int_equal(registered(ends[0]), first | EPOLLOUT);
    while (done_count < 2) {
        assert_true(recv(ends[1], taken, sizeof taken, MSG_DONTWAIT) != 0);
        assert_int_equal(io_wait(engine, 0), 0);
    }
    assert_int_equal(last_result, 0);
    io_cancel(engine, &receive);
    assert_int_equal(io_wait(engine, 0), 0);
    assert_int_equal(done_count, 3);
}

static void a_removed_socket_is_registered_no_more(void **state)
{
    (void)state;
    assert_true(registered(ends[0]) != 0);
    io_remove(engine, ends[0]);
    assert_int_equal(registered(ends[0]), 0);
}

static void a_descriptor_that_cannot_be_waited_for_is_refused(void **state)
{
    (void)state;
    int file = memfd_create("epoll-test", MFD_CLOEXEC);
    assert_int_equal(io_add(engine, file), MAPLOG_IO);
    close(file);
    assert_int_equal(io_add(engine, file), MAPLOG_IO);
}

int main(void)
{
#define ENGINE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ENGINE(a_socket_is_registered_once_until_a_send_does_not_fit),
        ENGINE(a_removed_socket_is_registered_no_more),
        ENGINE(a_descriptor_that_cannot_be_waited_for_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
