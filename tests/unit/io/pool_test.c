/* pool_test.c - what only this engine does: many sockets share few threads, and none keeps one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/error.h"
#include "io/engine.h"
#include "os/fault.h"

#define SOCKETS 200
#define SLOW 48 /* readers that do not read: more than the pool ever has threads */
#define MOST 16 /* threads that it has at most */

static struct io_engine *engine;
static struct io_operation operations[SOCKETS];
static int peers[SOCKETS], results[SOCKETS], calls[SOCKETS];

static void note(struct io_operation *operation, int result)
{
    calls[operation - operations]++;
    results[operation - operations] = result;
}

static int set_up(void **state)
{
    (void)state;
    const struct io_limits limits = {SOCKETS, 4096, 4096, NULL};
    int error = io_open("pool", &limits, &engine);
    for (int i = 0; i < SOCKETS && !error; i++) {
        int pair[2];
        error = socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || fcntl(pair[0], F_SETFL, O_NONBLOCK) ||
                io_add(engine, pair[0]);
        operations[i] = (struct io_operation){.fd = pair[0], .done = note};
        peers[i] = pair[1];
        calls[i] = 0;
    }
    return error;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < SOCKETS; i++) {
        io_remove(engine, operations[i].fd);
        close(operations[i].fd);
        close(peers[i]);
    }
    io_close(engine);
    return 0;
}

static void until(int which)
{
    while (calls[which] == 0)
        assert_int_equal(io_wait(engine, -1), 0);
    calls[which] = 0;
}

static void end(int which)
{
    io_cancel(engine, &operations[which]);
    until(which);
    assert_int_equal(results[which], MAPLOG_CLOSED);
}

static unsigned threads_now(void)
{
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *task;
    while (tasks && (task = readdir(tasks)) != NULL)
        count += task->d_name[0] != '.';
    closedir(tasks);
    return count;
}

static void many_receives_wait_without_a_thread_each(void **state)
{
    (void)state;
    unsigned before = threads_now();
    for (int i = 0; i < SOCKETS; i++)
        io_receive(engine, &operations[i]);
    assert_int_equal(io_wait(engine, 1000000), 0);
    assert_int_equal(threads_now(), before);
    assert_true(before <= MOST + 2); /* with the test's own and a sanitizer's */
    for (int i = SOCKETS - 1; i >= 0; i--) {
        assert_int_equal(write(peers[i], "abc", 3), 3);
        until(i);
        assert_int_equal(results[i], 3);
    }
}

static void readers_that_do_not_read_keep_no_thread(void **state)
{
    (void)state;
    static uint8_t much[4u << 20];
    static struct io_slice slices[SLOW];
    for (int i = 0; i < SLOW; i++) {
        slices[i] = (struct io_slice){much, sizeof much, -1, 0};
        operations[i].slices = &slices[i];
        operations[i].count = 1;
        io_send(engine, &operations[i]);
    }
    for (int round = 0; round < 20; round++) {
        io_receive(engine, &operations[SLOW]);
        assert_int_equal(write(peers[SLOW], "x", 1), 1);
        until(SLOW);
        assert_int_equal(results[SLOW], 1);
    }
    for (int i = 0; i < SLOW; i++)
        assert_int_equal(calls[i], 0);
    /* One that reads after all gets everything. */
    static uint8_t in[1u << 20];
    for (size_t got = 0; got < sizeof much;) {
        ssize_t count = recv(peers[0], in, sizeof in, MSG_DONTWAIT);
        got += count > 0 ? (size_t)count : 0;
        assert_int_equal(io_wait(engine, 1000000), 0);
    }
    until(0);
    assert_int_equal(results[0], 0);
    for (int i = 1; i < SLOW; i++)
        end(i);
}

/* Both directions of one descriptor are registered together; what is for one keeps the other. */
static void a_descriptor_waits_in_both_directions(void **state)
{
    (void)state;
    static uint8_t much[4u << 20], in[1u << 20];
    struct io_slice slice = {much, sizeof much, -1, 0};
    int own = operations[1].fd;
    operations[1].fd = operations[0].fd;
    operations[1].slices = &slice;
    operations[1].count = 1;
    io_receive(engine, &operations[0]);
    io_send(engine, &operations[1]);
    assert_int_equal(io_wait(engine, 1000000), 0);
    assert_int_equal(write(peers[0], "abc", 3), 3);
    until(0);
    assert_int_equal(results[0], 3);
    io_receive(engine, &operations[0]);
    while (calls[1] == 0) {
        assert_true(recv(peers[0], in, sizeof in, MSG_DONTWAIT) != 0);
        assert_int_equal(io_wait(engine, 1000000), 0);
    }
    assert_int_equal(results[1], 0);
    operations[1].fd = own;
    end(0);
}

static void a_removed_socket_has_no_limit_for_waits(void **state)
{
    (void)state;
    struct timeval limit;
    socklen_t size = sizeof limit;
    getsockopt(operations[0].fd, SOL_SOCKET, SO_SNDTIMEO, &limit, &size);
    assert_true(limit.tv_usec > 0);
    io_remove(engine, operations[0].fd);
    getsockopt(operations[0].fd, SOL_SOCKET, SO_SNDTIMEO, &limit, &size);
    assert_true(limit.tv_sec == 0 && limit.tv_usec == 0);
    assert_int_equal(io_add(engine, operations[0].fd), 0);
}

static void what_cannot_be_opened_leaves_nothing(void **state)
{
    (void)state;
    const struct io_limits limits = {1, 4096, 4096, NULL};
    unsigned before = threads_now();
    struct io_engine *none;
    int file = memfd_create("pool-test", MFD_CLOEXEC), next = dup(file);
    close(next);
    assert_int_equal(io_add(engine, file), MAPLOG_LIMIT);
    io_remove(engine, operations[0].fd);
    assert_int_equal(io_add(engine, file), MAPLOG_IO);
    assert_int_equal(io_add(engine, operations[0].fd), 0);
    for (unsigned nth = 1; nth <= 2; nth++) {
        fault_set(FAULT_THREAD, nth, EAGAIN, 1);
        assert_int_equal(io_open("pool", &limits, &none), MAPLOG_LIMIT);
        fault_clear();
    }
    while (threads_now() != before) /* one that was joined is listed for a moment longer */
        assert_int_equal(io_wait(engine, 1000000), 0);
    int after = dup(file);
    assert_int_equal(after, next); /* no descriptor is lost */
    close(after);
    close(file);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
#define ENGINE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ENGINE(many_receives_wait_without_a_thread_each),
        ENGINE(readers_that_do_not_read_keep_no_thread),
        ENGINE(a_descriptor_waits_in_both_directions),
        ENGINE(a_removed_socket_has_no_limit_for_waits),
        ENGINE(what_cannot_be_opened_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
