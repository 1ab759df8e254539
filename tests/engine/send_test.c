/* send_test.c - sending, by every engine: slices of all kinds, slow readers, files that fail, peers
 * that vanish, and others that want their turn. */
#include "bytes.h"

#include <sys/ioctl.h>
#include <linux/sockios.h>

#define HEADER_BYTES 100

static void submit_send(struct probe *send, struct io_slice *slices, uint32_t count)
{
    send->calls = 0;
    send->operation.slices = slices;
    send->operation.count = count;
    io_send(scene.engine, &send->operation);
}

/* ---- what is sent ---------------------------------------------------------------------------- */

static void nothing_to_send_is_sent(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    struct probe send = probe_on(fd);
    struct io_slice empty[2] = {memory_slice("", 0), memory_slice(NULL, 0)};
    submit_send(&send, NULL, 0);
    assert_int_equal(scene_until(&send), 0);
    submit_send(&send, empty, 2);
    assert_int_equal(scene_until(&send), 0);
}

static void slices_of_all_kinds_reach_a_slow_reader_in_order(void **state)
{
    (void)state;
    enum { ROUNDS = 40, BIG = 150000, SMALL = 3000, SLICES = 5 * ROUNDS };
    int peer, fd = scene_pair(&peer), small_buffer = 128 << 10;
    struct mapped_file file = mapped_file_make(1u << 20);
    static struct io_slice slices[SLICES];
    static uint8_t header[HEADER_BYTES];
    size_t total = 0;
    memset(header, 'h', sizeof header);
    for (int i = 0; i < ROUNDS; i++) {
        size_t from = (size_t)i * 20000;
        slices[5 * i] = memory_slice(header, sizeof header);
        slices[5 * i + 1] = file_slice(&file, from, BIG);
        slices[5 * i + 2] = memory_slice("", 0);
        slices[5 * i + 3] = file_slice(&file, from + 1, SMALL);
        slices[5 * i + 4] = file_slice(&file, from, 0);
        total += sizeof header + BIG + SMALL;
    }
    /* Much less than all; with less than two packets of loopback TCP waits for delayed answers. */
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small_buffer, sizeof small_buffer);
    struct reader reader = {.fd = peer, .step = 777, .bytes = malloc(total), .expected = total};
    reader_start(&reader);
    struct probe send = probe_on(fd);
    submit_send(&send, slices, SLICES);
    assert_int_equal(scene_until(&send), 0);
    pthread_join(reader.thread, NULL);
    const uint8_t *at = reader.bytes;
    for (int i = 0; i < ROUNDS; i++) {
        size_t from = (size_t)i * 20000;
        assert_memory_equal(at, header, sizeof header);
        assert_memory_equal(at + sizeof header, file.at + from, BIG);
        assert_memory_equal(at + sizeof header + BIG, file.at + from + 1, SMALL);
        at += sizeof header + BIG + SMALL;
    }
    assert_int_equal(send.calls, 1);
    free(reader.bytes);
    mapped_file_close(&file);
}

static void more_slices_than_one_call_takes(void **state)
{
    (void)state;
    enum { SLICES = 1000 };
    int peer, fd = scene_pair(&peer);
    static struct io_slice slices[SLICES];
    static uint8_t numbers[SLICES], in[SLICES];
    for (int i = 0; i < SLICES; i++) {
        numbers[i] = byte_at((size_t)i);
        slices[i] = memory_slice(&numbers[i], 1);
    }
    struct probe send = probe_on(fd);
    submit_send(&send, slices, SLICES);
    assert_int_equal(scene_until(&send), 0);
    read_all(peer, in, sizeof in);
    assert_memory_equal(in, numbers, sizeof in);
}

/* What a "more follows" holds back goes out 200 ms later by itself: the kernel must have nothing of
 * the kind when a send is done. */
static void nothing_is_held_back_behind_the_last_byte(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    struct mapped_file file = mapped_file_make(SCENE_MEMORY_BYTES);
    struct io_slice slices[] = {memory_slice("abc", 3), file_slice(&file, 0, file.size),
                                memory_slice("def", 3), file_slice(&file, 0, 0),
                                memory_slice("", 0)};
    struct probe send = probe_on(fd);
    int unsent = -1;
    submit_send(&send, slices, 5);
    assert_int_equal(scene_until(&send), 0);
    assert_int_equal(ioctl(fd, SIOCOUTQNSD, &unsent), 0);
    assert_int_equal(unsent, 0);
    static char in[3 + SCENE_MEMORY_BYTES + 3];
    read_all(peer, in, sizeof in);
    assert_memory_equal(in + sizeof in - 3, "def", 3);
    mapped_file_close(&file);
}

/* As many pieces as one call takes, and then only empty ones. */
static void nothing_is_held_back_for_slices_without_bytes(void **state)
{
    (void)state;
    enum { FULL = 64, SLICES = FULL + 2 };
    int peer, fd = scene_pair(&peer), unsent = -1;
    struct io_slice slices[SLICES];
    char in[FULL];
    for (int i = 0; i < SLICES; i++)
        slices[i] = memory_slice("x", i < FULL);
    struct probe send = probe_on(fd);
    submit_send(&send, slices, SLICES);
    assert_int_equal(scene_until(&send), 0);
    assert_int_equal(ioctl(fd, SIOCOUTQNSD, &unsent), 0);
    assert_int_equal(unsent, 0);
    read_all(peer, in, sizeof in);
}

/* ---- what fails ------------------------------------------------------------------------------ */

/* From its mapping, a file goes out to the end of its last page, and its descriptor is not used. */
static bool reads_the_file(void)
{
    bool never =
        scene_send && (strcmp(scene_send, "mmap") == 0 || strcmp(scene_send, "zerocopy") == 0);
    bool automatic = !scene_send || strcmp(scene_send, "auto") == 0;
    return !never && !(automatic && strcmp(scene_engine, "aio") == 0);
}

static void a_file_that_is_too_short_is_an_error(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    struct mapped_file file = mapped_file_make(100000);
    struct io_slice slices[] = {memory_slice("abc", 3), file_slice(&file, 0, file.size)};
    static uint8_t in[100003];
    struct reader reader = {.fd = peer, .step = 4096, .bytes = in, .expected = sizeof in};
    assert_int_equal(ftruncate(file.fd, 60000), 0);
    struct probe send = probe_on(fd);
    submit_send(&send, slices, 2);
    assert_int_equal(scene_until(&send), MAPLOG_CORRUPT);
    shutdown(fd, SHUT_WR);
    reader_start(&reader);
    pthread_join(reader.thread, NULL);
    if (reads_the_file()) {
        assert_string_equal(send.text,
                            "cannot send: the file ends 40000 bytes before the slice does");
        assert_int_equal(reader.have, 3 + 60000);
    } else { /* and the kernel may drop what it had copied by then */
        assert_non_null(strstr(send.text, "cannot send: the file ends before the slice does"));
        assert_true(reader.have < 3 + 60000 + 4096);
    }
    size_t of_file = reader.have > 3 ? reader.have - 3 : 0;
    assert_memory_equal(in, "abc", reader.have < 3 ? reader.have : 3);
    assert_memory_equal(in + 3, file.at, of_file < 60000 ? of_file : 60000);
    mapped_file_close(&file);
}

static void a_file_that_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    struct mapped_file file = mapped_file_make(100000);
    int closed = dup(file.fd);
    close(closed);
    struct io_slice slice = {file.at, file.size, closed, 0};
    struct reader reader = {
        .fd = peer, .step = 4096, .bytes = malloc(file.size), .expected = file.size};
    struct probe send = probe_on(fd);
    reader_start(&reader);
    submit_send(&send, &slice, 1);
    assert_int_equal(scene_until(&send), reads_the_file() ? MAPLOG_IO : 0);
    assert_int_equal(send.calls, 1);
    shutdown(fd, SHUT_WR);
    pthread_join(reader.thread, NULL);
    if (!reads_the_file())
        assert_memory_equal(reader.bytes, file.at, file.size);
    free(reader.bytes);
    mapped_file_close(&file);
}

static void memory_that_is_gone_is_an_error(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    struct mapped_file file = mapped_file_make(4096);
    struct io_slice slice = file_slice(&file, 0, file.size);
    assert_int_equal(ftruncate(file.fd, 0), 0);
    struct probe send = probe_on(fd);
    submit_send(&send, &slice, 1);
    assert_int_equal(scene_until(&send), MAPLOG_CORRUPT);
    mapped_file_close(&file);
}

static void a_peer_that_vanishes_ends_a_send_with_an_error(void **state)
{
    (void)state;
    for (int from_memory = 0; from_memory < 2; from_memory++) {
        int peer, fd = scene_pair(&peer);
        struct io_slice slice = file_slice(big_file(), 0, big_file()->size);
        char in[1000];
        slice.fd = from_memory ? -1 : slice.fd;
        struct probe send = probe_on(fd);
        submit_send(&send, &slice, 1);
        scene_look();
        read_all(peer, in, sizeof in);
        scene_look();
        assert_int_equal(send.calls, 0);
        scene.peer_count--;
        socket_abort(peer);
        assert_int_equal(scene_until(&send), MAPLOG_IO);
        /* A sendfile that blocks may return what it sent before, and keep the reset for itself. */
        assert_true(strcmp(send.text, "cannot send: Connection reset by peer") == 0 ||
                    strcmp(send.text, "cannot send: Broken pipe") == 0);
        /* The next one fails, too, and no signal comes. */
        submit_send(&send, &slice, 1);
        assert_int_equal(scene_until(&send), MAPLOG_IO);
        assert_string_equal(send.text, "cannot send: Broken pipe");
    }
}

/* ---- cancelling ------------------------------------------------------------------------------ */

/* What went out before is a piece of the stream from its beginning, and nothing follows it. */
static void a_send_that_was_cancelled_is_done_once(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    const struct mapped_file *file = big_file();
    struct io_slice slice = file_slice(file, 0, file->size);
    struct reader reader = {
        .fd = peer, .step = 65536, .bytes = malloc(file->size), .expected = file->size};
    struct probe send = probe_on(fd);
    char first[1000];
    submit_send(&send, &slice, 1);
    scene_look();
    read_all(peer, first, sizeof first);
    assert_memory_equal(first, file->at, sizeof first);
    io_cancel(scene.engine, &send.operation);
    io_cancel(scene.engine, &send.operation);
    assert_int_equal(send.calls, 0);
    assert_int_equal(scene_until(&send), MAPLOG_CLOSED);
    shutdown(fd, SHUT_WR);
    reader_start(&reader);
    pthread_join(reader.thread, NULL);
    scene_look();
    assert_int_equal(send.calls, 1);
    assert_true(reader.have + sizeof first < file->size);
    assert_memory_equal(reader.bytes, file->at + sizeof first, reader.have);
    free(reader.bytes);
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void a_long_send_lets_others_have_their_turn(void **state)
{
    (void)state;
    int big_peer, big = scene_pair(&big_peer), small_peer, small = scene_unix_pair(&small_peer);
    struct io_slice slices[8];
    for (int i = 0; i < 8; i++)
        slices[i] = file_slice(big_file(), 0, big_file()->size);
    struct reader reader = {.fd = big_peer, .step = 1u << 20, .expected = 8 * big_file()->size};
    reader_start(&reader);
    struct probe send = probe_on(big), receive = probe_on(small);
    io_receive(scene.engine, &receive.operation);
    submit_send(&send, slices, 8);
    for (int i = 0; i < 10; i++) {
        write_all(small_peer, "x", 1);
        assert_int_equal(scene_until(&receive), 1);
        assert_int_equal(send.calls, 0);
        receive.calls = 0;
        io_receive(scene.engine, &receive.operation);
    }
    assert_int_equal(scene_until(&send), 0);
    pthread_join(reader.thread, NULL);
    io_cancel(scene.engine, &receive.operation);
    assert_int_equal(scene_until(&receive), MAPLOG_CLOSED);
}

static void receive_again(struct io_operation *operation, int result)
{
    probe_done(operation, result);
    if (result > 0)
        io_receive(scene.engine, operation);
}

static void a_peer_that_floods_lets_others_have_their_turn(void **state)
{
    (void)state;
    int flood_peer, flooded = scene_unix_pair(&flood_peer), small_peer,
                    small = scene_unix_pair(&small_peer);
    static char flood[4u << 20];
    uint8_t byte;
    struct probe flooding = probe_on(flooded), receive = probe_on(small);
    flooding.operation.done = receive_again;
    flooding.operation.buffer = &byte; /* so that there is always more */
    flooding.operation.size = 1;
    ssize_t ahead = send(flood_peer, flood, sizeof flood, MSG_DONTWAIT);
    assert_true(ahead > 10000);
    io_receive(scene.engine, &flooding.operation);
    io_receive(scene.engine, &receive.operation);
    scene_look();
    for (int i = 0; i < 10; i++) {
        int before = flooding.calls;
        write_all(small_peer, "x", 1);
        assert_int_equal(scene_until(&receive), 1);
        /* A few; between threads it is the system's scheduler that gives turns, on a busy machine
         * late ones. */
        assert_true(flooding.calls - before < ahead / 2);
        receive.calls = 0;
        io_receive(scene.engine, &receive.operation);
    }
    io_cancel(scene.engine, &receive.operation);
    while (flooding.result > 0 || receive.calls == 0) {
        io_cancel(scene.engine, &flooding.operation); /* anew while it completes before */
        assert_int_equal(io_wait(scene.engine, -1), 0);
    }
}

/* All of it for each way to send, as far as the engine knows it. */
int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest by_method[] = {
        SCENE(slices_of_all_kinds_reach_a_slow_reader_in_order),
        SCENE(nothing_is_held_back_behind_the_last_byte),
        SCENE(a_file_that_is_too_short_is_an_error),
        SCENE(a_file_that_cannot_be_read_is_an_error),
        SCENE(memory_that_is_gone_is_an_error),
        SCENE(a_peer_that_vanishes_ends_a_send_with_an_error),
        SCENE(a_long_send_lets_others_have_their_turn),
        SCENE(a_send_that_was_cancelled_is_done_once),
    };
    const struct CMUnitTest of_memory[] = {
        SCENE(nothing_to_send_is_sent),
        SCENE(more_slices_than_one_call_takes),
        SCENE(nothing_is_held_back_for_slices_without_bytes),
        SCENE(a_peer_that_floods_lets_others_have_their_turn),
    };
    int failed = scene_run_all(of_memory, sizeof of_memory / sizeof of_memory[0]);
    for (unsigned i = 0; (scene_engine = io_name(i)) != NULL; i++)
        for (unsigned j = 0; (scene_send = io_send_name(j)) != NULL; j++)
            failed += scene_run(by_method, sizeof by_method / sizeof by_method[0]);
    return failed;
}
