/* aio_test.c - what only this engine does: reads that cannot be taken back, and its limits. The
 * rest is in tests/engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "io/engine.h"

static const struct io_limits limits = {LIMIT_AIO_SOCKETS + 1, 4096, 4096};
static struct io_engine *engine;
static int ends[2]; /* the first one is the engine's */

static int set_up(void **state)
{
    (void)state;
    return io_open("aio", &limits, &engine) ||
           socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) || io_add(engine, ends[0]);
}

static int tear_down(void **state)
{
    (void)state;
    io_remove(engine, ends[0]);
    io_close(engine);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static int result_of_last;
static bool over;

static void note(struct io_operation *operation, int result)
{
    (void)operation;
    result_of_last = result;
    over = true;
}

static int until_over(void)
{
    while (!over)
        assert_int_equal(io_wait(engine, -1), 0);
    over = false;
    return result_of_last;
}

/* A receive that has begun to read, and is then cancelled. */
static void leave_a_read_behind(struct io_operation *operation)
{
    *operation = (struct io_operation){.fd = ends[0], .done = note};
    io_receive(engine, operation);
    assert_int_equal(io_wait(engine, 0), 0);
    io_cancel(engine, operation);
    assert_int_equal(until_over(), MAPLOG_CLOSED);
}

static void what_a_read_without_receiver_gets_is_given_out_in_order(void **state)
{
    (void)state;
    struct io_operation receive;
    uint8_t own[3];
    leave_a_read_behind(&receive);
    leave_a_read_behind(&receive); /* the same read, still */
    assert_int_equal(write(ends[1], "abcdefg", 7), 7);
    for (int i = 0; i < 2; i++) {
        receive.buffer = own;
        receive.size = sizeof own;
        io_receive(engine, &receive);
        assert_int_equal(until_over(), 3);
        assert_memory_equal(own, &"abcdef"[3 * i], 3);
    }
    receive.buffer = NULL;
    io_receive(engine, &receive);
    assert_int_equal(until_over(), 1);
    assert_int_equal(receive.received[0], 'g');
}

static void a_read_ends_when_its_socket_is_removed(void **state)
{
    (void)state;
    struct io_operation receive;
    char byte;
    leave_a_read_behind(&receive);
    io_remove(engine, ends[0]);
    assert_true(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
    close(ends[0]);
    assert_int_equal(read(ends[1], &byte, 1), 0); /* nothing holds it open */
    ends[0] = ends[1];
    ends[1] = -1;
    assert_int_equal(io_add(engine, ends[0]), 0);
}

static void files_are_written_from_memory_only(void **state)
{
    (void)state;
    static const char *const refused[] = {"sendfile", "splice", "zerocopy"};
    struct io_engine *other;
    for (size_t i = 0; i < 3; i++) {
        struct io_limits by = limits;
        by.send = refused[i];
        assert_int_equal(io_open("aio", &by, &other), MAPLOG_UNSUPPORTED);
        assert_non_null(strstr(error_text(), refused[i]));
        assert_non_null(strstr(error_text(), "choose auto, copy or mmap"));
    }
    struct io_limits by = limits;
    by.send = "pigeon";
    assert_int_equal(io_open("aio", &by, &other), MAPLOG_INVALID);
}

/* "auto" reads small pieces of files, so that a header and they are one write. */
static void small_slices_go_together(void **state)
{
    (void)state;
    int file = memfd_create("aio-test", MFD_CLOEXEC), pair[2];
    char in[20] = "";
    assert_int_equal(write(file, "..file..", 8), 8);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(io_add(engine, pair[0]), 0);
    struct io_slice slices[] = {{(const uint8_t *)"head", 4, -1, 0},
                                {NULL, 4, file, 2},
                                {(const uint8_t *)"tail", 4, -1, 0}};
    struct io_operation send = {.fd = pair[0], .done = note, .slices = slices, .count = 3};
    io_send(engine, &send);
    assert_int_equal(until_over(), 0);
    assert_int_equal(read(pair[1], in, sizeof in), 12); /* each write would be a packet */
    assert_string_equal(in, "headfiletail");
    io_remove(engine, pair[0]);
    close(pair[0]);
    close(pair[1]);
    close(file);
}

static void the_limit_is_the_process(void **state)
{
    (void)state;
    static int many[LIMIT_AIO_SOCKETS];
    struct io_engine *other;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    for (int i = 0; i < LIMIT_AIO_SOCKETS; i++)
        assert_true((many[i] = dup(ends[1])) >= 0);
    for (int i = 1; i < LIMIT_AIO_SOCKETS; i++) /* one is there */
        assert_int_equal(io_add(engine, many[i]), 0);
    assert_int_equal(io_open("aio", &limits, &other), 0);
    assert_int_equal(io_add(other, many[0]), MAPLOG_LIMIT);
    assert_string_equal(error_text(), "aio serves no more than 1024 sockets of a process, by a "
                                      "thread each; epoll and uring serve more");
    io_remove(engine, many[1]);
    assert_int_equal(io_add(other, many[0]), 0);
    io_remove(other, many[0]);
    io_close(other);
    for (int i = 0; i < LIMIT_AIO_SOCKETS; i++) {
        io_remove(engine, many[i]);
        close(many[i]);
    }
}

int main(void)
{
#define ENGINE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ENGINE(what_a_read_without_receiver_gets_is_given_out_in_order),
        ENGINE(a_read_ends_when_its_socket_is_removed),
        ENGINE(files_are_written_from_memory_only),
        ENGINE(small_slices_go_together),
        ENGINE(the_limit_is_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
