/* blocking_test.c - what only this engine does: which threads there are, and when. */
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
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "io/engine.h"
#include "os/fault.h"

static struct io_engine *engine;
static int ends[2]; /* [0] is with the engine */

/* Threads of the process that serve a socket; the engine's starter names them. */
static unsigned threads_now(void)
{
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *task;
    while (tasks && (task = readdir(tasks)) != NULL) {
        char path[300], name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
        FILE *file = fopen(path, "r");
        if (file && fgets(name, sizeof name, file))
            count += strcmp(name, "maplog-socket\n") == 0;
        if (file)
            fclose(file);
    }
    closedir(tasks);
    return count;
}

struct probe {
    struct io_operation operation; /* first */
    int calls, result;
    char text[ERROR_TEXT_SIZE];
};

static void note(struct io_operation *operation, int result)
{
    struct probe *probe = (struct probe *)operation;
    probe->calls++;
    probe->result = result;
    snprintf(probe->text, sizeof probe->text, "%s", result < 0 ? error_text() : "");
}

static struct probe probe_on(int fd)
{
    return (struct probe){.operation = {.fd = fd, .done = note}};
}

static int until(struct probe *probe)
{
    while (probe->calls == 0)
        assert_int_equal(io_wait(engine, -1), 0);
    probe->calls = 0;
    return probe->result;
}

/* Hangs when there are others: a thread that was joined is listed for a moment longer. */
static void until_threads(unsigned expected)
{
    while (threads_now() != expected)
        assert_int_equal(io_wait(engine, 1000000), 0);
}

static int set_up(void **state)
{
    (void)state;
    const struct io_limits limits = {16, 4096, 4096, NULL};
    return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || fcntl(ends[0], F_SETFL, O_NONBLOCK) ||
           io_open("blocking", &limits, &engine) || io_add(engine, ends[0]);
}

static int tear_down(void **state)
{
    (void)state;
    fault_clear();
    io_remove(engine, ends[0]);
    io_close(engine);
    return close(ends[0]) || close(ends[1]);
}

static void one_thread_serves_what_is_asked_for_in_turn(void **state)
{
    (void)state;
    struct probe receive = probe_on(ends[0]), output = probe_on(ends[0]);
    char in[3];
    until_threads(0);
    for (int i = 0; i < 10; i++) {
        struct io_slice slice = {(const uint8_t *)"abc", 3, -1, 0};
        assert_int_equal(write(ends[1], "x", 1), 1);
        io_receive(engine, &receive.operation);
        assert_int_equal(until(&receive), 1);
        output.operation.slices = &slice;
        output.operation.count = 1;
        io_send(engine, &output.operation);
        assert_int_equal(until(&output), 0);
        assert_int_equal(read(ends[1], in, 3), 3);
        assert_int_equal(threads_now(), 1);
    }
    io_remove(engine, ends[0]);
    until_threads(0);
    assert_int_equal(io_add(engine, ends[0]), 0);
}

static void a_second_one_sends_while_the_first_receives(void **state)
{
    (void)state;
    struct probe receive = probe_on(ends[0]), output = probe_on(ends[0]);
    struct io_slice slice = {(const uint8_t *)"abc", 3, -1, 0};
    io_receive(engine, &receive.operation);
    assert_int_equal(io_wait(engine, 0), 0);
    assert_int_equal(threads_now(), 1);
    output.operation.slices = &slice;
    output.operation.count = 1;
    io_send(engine, &output.operation);
    assert_int_equal(until(&output), 0);
    assert_int_equal(threads_now(), 2);
    io_cancel(engine, &receive.operation);
    assert_int_equal(until(&receive), MAPLOG_CLOSED);
}

static void an_operation_without_a_thread_fails_and_says_why(void **state)
{
    (void)state;
    struct probe receive = probe_on(ends[0]);
    fault_set(FAULT_THREAD, 1, EAGAIN, 1);
    assert_int_equal(write(ends[1], "x", 1), 1);
    io_receive(engine, &receive.operation);
    assert_int_equal(receive.calls, 0);
    assert_int_equal(until(&receive), MAPLOG_LIMIT);
    assert_non_null(strstr(receive.text, "no thread is left for a socket"));
    fault_clear();
    io_receive(engine, &receive.operation); /* threads are back, the byte is still there */
    assert_int_equal(until(&receive), 1);
}

static void threads_go_with_their_sockets(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        struct probe receive = probe_on(ends[0]);
        io_receive(engine, &receive.operation);
        assert_int_equal(io_wait(engine, 0), 0);
        io_cancel(engine, &receive.operation);
        assert_int_equal(until(&receive), MAPLOG_CLOSED);
        io_remove(engine, ends[0]);
        assert_int_equal(io_add(engine, ends[0]), 0);
    }
    until_threads(0);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
#define ENGINE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ENGINE(one_thread_serves_what_is_asked_for_in_turn),
        ENGINE(a_second_one_sends_while_the_first_receives),
        ENGINE(an_operation_without_a_thread_fails_and_says_why),
        ENGINE(threads_go_with_their_sockets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
