/* stream_test.c - what becomes of a stream's bytes, by every engine: both directions at a time,
 * receivers that pause, receives that are taken back. */
#include "bytes.h"

#include <sched.h>
#include <stdatomic.h>

#define STREAM_BYTES (4u << 20)

/* ---- a peer in a thread ---------------------------------------------------------------------- */

struct writer {
    pthread_t thread;
    int fd;
    size_t step;            /* bytes a write, with a pause behind it; 0: all at once */
    _Atomic size_t written; /* each byte tells its position */
};

static void *writer_run(void *argument)
{
    struct writer *writer = argument;
    const struct mapped_file *file = big_file();
    for (size_t have = 0; have < STREAM_BYTES; writer->written = have) {
        size_t left = STREAM_BYTES - have, size = writer->step ? writer->step : 65536;
        ssize_t went = send(writer->fd, file->at + have, size < left ? size : left, MSG_NOSIGNAL);
        if (went <= 0)
            break;
        have += (size_t)went;
        if (writer->step)
            sched_yield();
    }
    return NULL;
}

static void writer_start(struct writer *writer)
{
    big_file(); /* is made once, and not by the thread */
    assert_int_equal(pthread_create(&writer->thread, NULL, writer_run, writer), 0);
}

/* ---- the engine's end ------------------------------------------------------------------------ */

/* Receives without end and compares. */
struct sink {
    struct probe probe; /* first */
    size_t have;
    size_t wrong;
    bool over;
};

static void sink_take(struct sink *sink, int result)
{
    if (result > 0) {
        sink->wrong += memcmp(sink->probe.operation.received, big_file()->at + sink->have,
                              (size_t)result) != 0;
        sink->have += (size_t)result;
    }
}

static void sink_done(struct io_operation *operation, int result)
{
    struct sink *sink = (struct sink *)operation;
    probe_done(operation, result);
    sink_take(sink, result);
    sink->over = result <= 0 || sink->have == STREAM_BYTES;
    if (!sink->over)
        io_receive(scene.engine, operation);
}

static struct sink sink_on(int fd)
{
    struct sink sink = {.probe = probe_on(fd)};
    sink.probe.operation.done = sink_done;
    return sink;
}

/* ---- both directions ------------------------------------------------------------------------- */

static void both_directions_go_on_at_a_time(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    const struct mapped_file *file = big_file();
    struct io_slice slice = file_slice(file, 0, STREAM_BYTES);
    struct probe send = probe_on(fd);
    struct sink sink = sink_on(fd);
    struct reader reader = {
        .fd = peer, .step = 30000, .bytes = malloc(STREAM_BYTES), .expected = STREAM_BYTES};
    struct writer writer = {.fd = peer};
    send.operation.slices = &slice;
    send.operation.count = 1;
    io_receive(scene.engine, &sink.probe.operation);
    io_send(scene.engine, &send.operation);
    reader_start(&reader);
    writer_start(&writer);
    while (!sink.over)
        assert_int_equal(io_wait(scene.engine, -1), 0);
    assert_int_equal(scene_until(&send), 0);
    pthread_join(reader.thread, NULL);
    pthread_join(writer.thread, NULL);
    assert_int_equal(sink.have, STREAM_BYTES);
    assert_int_equal(sink.wrong, 0);
    assert_memory_equal(reader.bytes, file->at, STREAM_BYTES);
    assert_int_equal(send.calls, 1);
    free(reader.bytes);
}

/* A receive that waits must not keep an answer from going out. */
static void a_send_passes_a_receive_that_waits(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    struct probe receive = probe_on(fd), send = probe_on(fd);
    char in[3];
    io_receive(scene.engine, &receive.operation);
    scene_look();
    for (int i = 0; i < 10; i++) {
        struct io_slice slice = memory_slice("abc", 3);
        send.operation.slices = &slice;
        send.operation.count = 1;
        send.calls = 0;
        io_send(scene.engine, &send.operation);
        assert_int_equal(scene_until(&send), 0);
        read_all(peer, in, 3);
        assert_memory_equal(in, "abc", 3);
    }
    assert_int_equal(receive.calls, 0);
    write_all(peer, "x", 1);
    assert_int_equal(scene_until(&receive), 1);
}

/* ---- back-pressure --------------------------------------------------------------------------- */

/* Who does not receive takes a bounded number of bytes from the peer, and loses none. */
static void a_receiver_that_pauses_holds_the_peer_back(void **state)
{
    (void)state;
    enum { STILL = 20 };
    int peer, fd = scene_unix_pair(&peer), small = 64 << 10;
    setsockopt(peer, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    struct sink sink = sink_on(fd);
    struct writer writer = {.fd = peer};
    writer_start(&writer);
    sink.probe.operation.done = probe_done; /* one, and then a pause */
    io_receive(scene.engine, &sink.probe.operation);
    assert_true(scene_until(&sink.probe) > 0);
    sink_take(&sink, sink.probe.result);
    size_t before = 0;
    for (int still = 0; still < STILL; still++) {
        scene_look();
        size_t now = writer.written;
        still = now == before ? still : 0;
        before = now;
    }
    assert_true(before < STREAM_BYTES);
    sink.probe.operation.done = sink_done;
    io_receive(scene.engine, &sink.probe.operation);
    while (!sink.over)
        assert_int_equal(io_wait(scene.engine, -1), 0);
    pthread_join(writer.thread, NULL);
    assert_int_equal(sink.have, STREAM_BYTES);
    assert_int_equal(sink.wrong, 0);
}

/* ---- taken back ------------------------------------------------------------------------------ */

static void receives_that_are_cancelled_lose_no_byte(void **state)
{
    (void)state;
    enum { STEP = 1777 };
    static uint8_t own[1000];
    int peer, fd = scene_pair(&peer);
    struct sink sink = sink_on(fd);
    struct writer writer = {.fd = peer, .step = STEP};
    sink.probe.operation.done = probe_done;
    writer_start(&writer);
    for (int i = 0; sink.have < STREAM_BYTES; i++) {
        bool into_own = i % 3 == 0;
        sink.probe.calls = 0;
        sink.probe.operation.buffer = into_own ? own : NULL;
        sink.probe.operation.size = into_own ? sizeof own : 0;
        io_receive(scene.engine, &sink.probe.operation);
        if (i % 4)
            assert_int_equal(io_wait(scene.engine, 0), 0);
        if (i % 2 && sink.probe.calls == 0)
            io_cancel(scene.engine, &sink.probe.operation);
        scene_until(&sink.probe);
        assert_true(sink.probe.result > 0 || sink.probe.result == MAPLOG_CLOSED);
        sink.wrong += sink.probe.result > 0 &&
                      memcmp(sink.probe.operation.received, big_file()->at + sink.have,
                             (size_t)sink.probe.result) != 0;
        sink.have += sink.probe.result > 0 ? (size_t)sink.probe.result : 0;
    }
    pthread_join(writer.thread, NULL);
    assert_int_equal(sink.wrong, 0);
}

/* The buffer is the caller's again, whatever comes later. */
static void nothing_is_written_to_a_buffer_that_was_taken_back(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    uint8_t buffer[8];
    struct probe receive = probe_on(fd);
    memset(buffer, 'u', sizeof buffer);
    receive.operation.buffer = buffer;
    receive.operation.size = sizeof buffer;
    io_receive(scene.engine, &receive.operation);
    scene_look();
    io_cancel(scene.engine, &receive.operation);
    assert_int_equal(scene_until(&receive), MAPLOG_CLOSED);
    write_all(peer, "12345678", 8);
    scene_look();
    assert_memory_equal(buffer, "uuuuuuuu", 8);
    receive.calls = 0;
    receive.operation.buffer = NULL;
    io_receive(scene.engine, &receive.operation);
    assert_int_equal(scene_until(&receive), 8);
    assert_memory_equal(receive.operation.received, "12345678", 8);
}

static void a_connection_outlives_an_accept_that_was_taken_back(void **state)
{
    (void)state;
    int listener = scene_listen();
    struct probe accept = probe_on(listener);
    io_accept(scene.engine, &accept.operation);
    scene_look();
    io_cancel(scene.engine, &accept.operation);
    assert_int_equal(scene_until(&accept), MAPLOG_CLOSED);
    int peer = scene_connect(listener);
    scene_look();
    accept.calls = 0;
    io_accept(scene.engine, &accept.operation);
    int fd = scene_add(scene_until(&accept));
    struct probe receive = probe_on(fd);
    write_all(peer, "abc", 3);
    io_receive(scene.engine, &receive.operation);
    assert_int_equal(scene_until(&receive), 3);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        SCENE(both_directions_go_on_at_a_time),
        SCENE(a_send_passes_a_receive_that_waits),
        SCENE(a_receiver_that_pauses_holds_the_peer_back),
        SCENE(receives_that_are_cancelled_lose_no_byte),
        SCENE(nothing_is_written_to_a_buffer_that_was_taken_back),
        SCENE(a_connection_outlives_an_accept_that_was_taken_back),
    };
    return scene_run_all(tests, sizeof tests / sizeof tests[0]);
}
