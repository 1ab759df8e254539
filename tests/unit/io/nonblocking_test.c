/* nonblocking_test.c - what only this engine does: it tries, and uses the CPU while it waits. The
 * rest is in tests/engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "io/engine.h"

static struct io_engine *engine;
static int ends[2]; /* [0] is with the engine */
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
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) ||
           io_open("nonblocking", &limits, &engine) || io_add(engine, ends[0]);
}

static int tear_down(void **state)
{
    (void)state;
    io_remove(engine, ends[0]);
    io_close(engine);
    return close(ends[0]) || close(ends[1]);
}

static void what_waits_is_tried_by_every_wait(void **state)
{
    (void)state;
    struct io_operation receive = {.fd = ends[0], .done = note};
    for (int i = 0; i < 10; i++) {
        io_receive(engine, &receive);
        assert_int_equal(io_wait(engine, 0), 0);
        assert_int_equal(done_count, i);
        assert_int_equal(write(ends[1], "abc", 3), 3);
        assert_int_equal(io_wait(engine, 0), 0);
        assert_int_equal(done_count, i + 1);
        assert_int_equal(last_result, 3);
    }
}

static int64_t cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return used.tv_sec * 1000000000 + used.tv_nsec;
}

/* What makes it another model: an engine that sleeps would use some microseconds. */
static void a_wait_is_made_of_tries(void **state)
{
    (void)state;
    struct io_operation receive = {.fd = ends[0], .done = note};
    io_receive(engine, &receive);
    int64_t before = cpu_ns();
    int waits = 0;
    for (; cpu_ns() - before < 5000000; waits++)
        assert_int_equal(io_wait(engine, 20000000), 0);
    assert_in_range(waits, 1, 200);
    assert_int_equal(done_count, 0);
    io_cancel(engine, &receive);
    assert_int_equal(io_wait(engine, -1), 0);
    assert_int_equal(done_count, 1);
}

int main(void)
{
#define ENGINE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ENGINE(what_waits_is_tried_by_every_wait),
        ENGINE(a_wait_is_made_of_tries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
