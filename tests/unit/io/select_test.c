/* select_test.c - what only this engine does: it refuses. The rest is in tests/engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "io/engine.h"

static const struct io_limits limits = {16, 4096, 4096};

static int allow_descriptors(void **state)
{
    (void)state;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &files);
}

static void expect_refusal(int error)
{
    assert_int_equal(error, MAPLOG_LIMIT);
    assert_non_null(strstr(error_text(), "select knows descriptors below 1024, this is "));
    assert_non_null(strstr(error_text(), "choose the engine epoll"));
}

static void note(struct io_operation *operation, int result)
{
    *(int *)operation->buffer = result;
}

static void descriptors_beyond_the_set_are_refused(void **state)
{
    (void)state;
    struct io_engine *engine;
    int ends[2], result = 1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    int last = fcntl(ends[0], F_DUPFD, FD_SETSIZE - 1);
    int beyond = fcntl(ends[0], F_DUPFD, FD_SETSIZE);
    assert_int_equal(last, FD_SETSIZE - 1);
    assert_int_equal(io_open("select", &limits, &engine), 0);
    expect_refusal(io_add(engine, beyond));
    /* Nothing is broken, and the last one is served. */
    assert_int_equal(io_add(engine, last), 0);
    struct io_operation receive = {
        .fd = last, .done = note, .buffer = (uint8_t *)&result, .size = sizeof result};
    io_receive(engine, &receive);
    assert_int_equal(io_wait(engine, 0), 0);
    assert_int_equal(result, 1);
    close(ends[1]);
    assert_int_equal(io_wait(engine, -1), 0);
    assert_int_equal(result, 0);
    io_remove(engine, last);
    io_close(engine);
    close(ends[0]);
    close(last);
    close(beyond);
}

static void a_process_that_is_full_already_gets_none(void **state)
{
    (void)state;
    static int taken[FD_SETSIZE];
    struct io_engine *engine = NULL;
    int count = 0;
    do
        taken[count] = dup(STDOUT_FILENO);
    while (taken[count++] < FD_SETSIZE - 1);
    expect_refusal(io_open("select", &limits, &engine));
    assert_null(engine);
    while (count > 0)
        close(taken[--count]);
}

static void zerocopy_is_refused(void **state)
{
    (void)state;
    struct io_limits zerocopy = limits;
    struct io_engine *engine = NULL;
    zerocopy.send = "zerocopy";
    assert_int_equal(io_open("select", &zerocopy, &engine), MAPLOG_UNSUPPORTED);
    assert_non_null(strstr(error_text(), "select cannot wait for the notices of zerocopy"));
    assert_null(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_beyond_the_set_are_refused),
        cmocka_unit_test(a_process_that_is_full_already_gets_none),
        cmocka_unit_test(zerocopy_is_refused),
    };
    return cmocka_run_group_tests(tests, allow_descriptors, NULL);
}
