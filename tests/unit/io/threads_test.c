/* threads_test.c - what both engines made of threads promise beside the common list: bytes survive
 * any cancel, and what was received into the engine's buffers stays there until done() returns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "io/engine.h"
#include "io/threads.h"

#define STREAM_BYTES 200000
#define CROWD (3 * THREADS_SPARES)

static struct io_engine *engine;
static int ends[2]; /* [0] is with the engine */

static bool is_blocking(int fd)
{
    return !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static int set_up(const char *name)
{
    const struct io_limits limits = {2 * CROWD, 4096, 4096, NULL};
    return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || fcntl(ends[0], F_SETFL, O_NONBLOCK) ||
           io_open(name, &limits, &engine) || io_add(engine, ends[0]);
}

static int set_up_blocking(void **state)
{
    (void)state;
    return set_up("blocking");
}

static int set_up_pool(void **state)
{
    (void)state;
    return set_up("pool");
}

static int tear_down(void **state)
{
    (void)state;
    io_remove(engine, ends[0]);
    io_close(engine);
    return close(ends[0]) || close(ends[1]);
}

static void a_descriptor_blocks_while_it_is_with_the_engine(void **state)
{
    (void)state;
    assert_true(is_blocking(ends[0]));
    io_remove(engine, ends[0]);
    assert_false(is_blocking(ends[0]));
    assert_int_equal(io_add(engine, ends[0]), 0);
    assert_true(is_blocking(ends[0]));
}

/* ---- cancelling ------------------------------------------------------------------------------ */

static uint8_t byte_at(size_t position)
{
    return (uint8_t)(position * 31 + position / 251);
}

static void *write_stream(void *argument)
{
    (void)argument;
    for (size_t sent = 0; sent < STREAM_BYTES;) {
        uint8_t bytes[97];
        size_t count = 0;
        while (count < sizeof bytes && sent + count < STREAM_BYTES) {
            bytes[count] = byte_at(sent + count);
            count++;
        }
        if (send(ends[1], bytes, count, MSG_NOSIGNAL) != (ssize_t)count)
            break;
        sent += count;
    }
    return NULL;
}

struct intake {
    struct io_operation operation; /* first */
    bool pending;
    size_t have;
    unsigned cancelled;
    uint8_t own[61];
};

static void take(struct io_operation *operation, int result)
{
    struct intake *intake = (struct intake *)operation;
    intake->pending = false;
    if (result == MAPLOG_CLOSED) {
        intake->cancelled++;
        return;
    }
    assert_true(result > 0);
    for (int i = 0; i < result; i++)
        assert_int_equal(operation->received[i], byte_at(intake->have + (size_t)i));
    intake->have += (size_t)result;
}

/* Every other receive is cancelled, at all stages, while the stream flows. */
static void no_byte_is_lost_by_cancelling(void **state)
{
    (void)state;
    struct intake intake = {.operation = {.fd = ends[0], .done = take}};
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, write_stream, NULL), 0);
    for (unsigned turn = 0; intake.have < STREAM_BYTES; turn++) {
        intake.operation.buffer = turn % 4 < 2 ? intake.own : NULL;
        intake.operation.size = sizeof intake.own;
        intake.pending = true;
        io_receive(engine, &intake.operation);
        if (turn % 2) {
            assert_int_equal(io_wait(engine, turn % 16 * 2000), 0);
            io_cancel(engine, &intake.operation);
        }
        while (intake.pending)
            assert_int_equal(io_wait(engine, -1), 0);
    }
    pthread_join(writer, NULL);
    /* Nothing is left, and it can be cancelled still. */
    intake.pending = true;
    unsigned before = intake.cancelled;
    io_receive(engine, &intake.operation);
    assert_int_equal(io_wait(engine, 1000000), 0);
    io_cancel(engine, &intake.operation);
    while (intake.pending)
        assert_int_equal(io_wait(engine, -1), 0);
    assert_int_equal(intake.cancelled, before + 1);
    assert_true(is_blocking(ends[0]));
}

static int send_result;
static bool send_over;

static void note_send(struct io_operation *operation, int result)
{
    (void)operation;
    send_result = result;
    send_over = true;
}

/* One direction's cancel must not end the other's operation. */
static void a_cancelled_receive_leaves_the_send_alone(void **state)
{
    (void)state;
    static uint8_t much[4u << 20], in[64u << 10];
    struct intake intake = {.operation = {.fd = ends[0], .done = take}};
    struct io_slice slice = {much, sizeof much, -1, 0};
    struct io_operation output = {.fd = ends[0], .done = note_send, .slices = &slice, .count = 1};
    size_t got = 0;
    for (size_t i = 0; i < sizeof much; i++)
        much[i] = byte_at(i);
    send_over = false;
    io_send(engine, &output);
    while (got < sizeof much) {
        intake.pending = true;
        io_receive(engine, &intake.operation);
        assert_int_equal(io_wait(engine, 0), 0);
        io_cancel(engine, &intake.operation);
        while (intake.pending)
            assert_int_equal(io_wait(engine, -1), 0);
        ssize_t count = recv(ends[1], in, sizeof in, MSG_DONTWAIT);
        for (ssize_t i = 0; i < count; i++)
            assert_int_equal(in[i], byte_at(got++));
    }
    while (!send_over)
        assert_int_equal(io_wait(engine, -1), 0);
    assert_int_equal(send_result, 0);
}

/* ---- buffers --------------------------------------------------------------------------------- */

struct member {
    struct io_operation operation; /* first */
    int peer;
    unsigned number;
    unsigned heard;
};

/* What was received stays, though the next receive is submitted and its bytes are there. */
static void hear(struct io_operation *operation, int result)
{
    struct member *member = (struct member *)operation;
    const uint8_t *received = operation->received;
    uint8_t next[100];
    if (result == MAPLOG_CLOSED)
        return;
    assert_int_equal(result, sizeof next);
    memset(next, (int)++member->heard, sizeof next);
    next[0] = (uint8_t)member->number;
    io_receive(engine, operation);
    if (member->heard < 10)
        assert_int_equal(write(member->peer, next, sizeof next), sizeof next);
    assert_int_equal(received[0], member->number);
    assert_int_equal(received[99], member->heard - 1);
}

static void more_at_a_time_than_there_are_spare_buffers(void **state)
{
    (void)state;
    static struct member members[CROWD];
    for (unsigned i = 0; i < CROWD; i++) {
        int pair[2];
        uint8_t first[100] = {(uint8_t)i};
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        members[i] = (struct member){{.fd = pair[0], .done = hear}, .peer = pair[1], .number = i};
        assert_int_equal(io_add(engine, pair[0]), 0);
        assert_int_equal(write(pair[1], first, sizeof first), sizeof first);
        io_receive(engine, &members[i].operation);
    }
    for (unsigned i = 0; i < CROWD; i++)
        while (members[i].heard < 10)
            assert_int_equal(io_wait(engine, -1), 0);
    for (unsigned i = 0; i < CROWD; i++) {
        io_cancel(engine, &members[i].operation);
        while (members[i].operation.state)
            assert_int_equal(io_wait(engine, -1), 0);
        io_remove(engine, members[i].operation.fd);
        close(members[i].operation.fd);
        close(members[i].peer);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
#define BOTH(test)                                                                                 \
    {#test " (blocking)", test, set_up_blocking, tear_down, NULL},                                 \
    {                                                                                              \
#test " (pool)", test, set_up_pool, tear_down, NULL                                        \
    }
    const struct CMUnitTest tests[] = {
        BOTH(a_descriptor_blocks_while_it_is_with_the_engine),
        BOTH(no_byte_is_lost_by_cancelling),
        BOTH(a_cancelled_receive_leaves_the_send_alone),
        BOTH(more_at_a_time_than_there_are_spare_buffers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
