/* uring_test.c - what only this engine does: refusals of the kernel, buffers that it shares with
 * it, sends without copies. The rest is in tests/engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "io/uring.h"
#include "os/socket.h"

#define CROWD 300 /* more than there are buffers for */

static struct io_engine *engine;
static struct {
    struct io_operation operation;
    int ends[2]; /* [0] is with the engine */
    int calls, result;
    uint8_t first; /* byte received */
} many[CROWD];

static void note(struct io_operation *operation, int result)
{
    for (int i = 0; i < CROWD; i++)
        if (&many[i].operation == operation) {
            many[i].calls++;
            many[i].result = result;
            if (operation->received && result > 0)
                many[i].first = operation->received[0];
        }
}

static int open_engine(const char *send)
{
    const struct io_limits limits = {CROWD, 4096, 4096, send};
    return io_open("uring", &limits, &engine);
}

/* ---- refusals -------------------------------------------------------------------------------- */

/* In a child whose system calls of that number fail: what io_open says. */
static void expect_refusal(uint32_t call, int errnum, const char *text)
{
    pid_t child = fork();
    if (child == 0) {
        struct sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)errnum),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {sizeof code / sizeof code[0], code};
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
            _exit(2);
        bool refused = open_engine(NULL) == MAPLOG_UNSUPPORTED && strstr(error_text(), text);
        if (!refused)
            fprintf(stderr, "it said: %s\n", error_text());
        _exit(refused ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_kernel_that_refuses_is_told_of(void **state)
{
    (void)state;
    expect_refusal(SYS_io_uring_setup, ENOSYS, "built without io_uring");
    expect_refusal(SYS_io_uring_setup, EPERM, "kernel.io_uring_disabled");
    expect_refusal(SYS_io_uring_setup, EINVAL, "too old");
    expect_refusal(SYS_io_uring_register, EINVAL, "too old");
}

/* ---- an engine ------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    (void)state;
    memset(many, 0, sizeof many);
    for (int i = 0; i < CROWD; i++)
        many[i].ends[0] = many[i].ends[1] = -1;
    return open_engine(NULL);
}

static void pair(int i)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, many[i].ends), 0);
    assert_int_equal(io_add(engine, many[i].ends[0]), 0);
    many[i].operation = (struct io_operation){.fd = many[i].ends[0], .done = note};
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < CROWD; i++) {
        if (many[i].ends[0] >= 0)
            io_remove(engine, many[i].ends[0]);
        socket_close(many[i].ends[0]);
        socket_close(many[i].ends[1]);
    }
    io_close(engine);
    return 0;
}

static void until(int i)
{
    while (many[i].calls == 0)
        assert_int_equal(io_wait(engine, -1), 0);
}

static void more_receives_than_buffers_all_get_their_bytes(void **state)
{
    (void)state;
    for (int i = 0; i < CROWD; i++) {
        uint8_t byte = (uint8_t)i;
        pair(i);
        assert_int_equal(write(many[i].ends[1], &byte, 1), 1);
        io_receive(engine, &many[i].operation);
    }
    for (int i = 0; i < CROWD; i++) {
        until(i);
        assert_int_equal(many[i].calls, 1);
        assert_int_equal(many[i].result, 1);
        assert_int_equal(many[i].first, (uint8_t)i);
    }
}

/* The kernel may have received by then: either way no byte is lost. */
static void a_cancelled_receive_loses_no_bytes(void **state)
{
    (void)state;
    char sent = 0;
    uint8_t next = 0;
    pair(0);
    for (int round = 0; round < 200; round++) {
        many[0].calls = 0;
        io_receive(engine, &many[0].operation);
        assert_int_equal(io_wait(engine, 0), 0);
        if (round % 2)
            assert_int_equal(write(many[0].ends[1], &sent, 1), 1);
        sent = (char)(sent + round % 2);
        io_cancel(engine, &many[0].operation);
        until(0);
        if (many[0].result == MAPLOG_CLOSED && round % 2) {
            many[0].calls = 0;
            io_receive(engine, &many[0].operation);
            until(0);
        }
        assert_int_equal(many[0].result, round % 2 ? 1 : MAPLOG_CLOSED);
        if (round % 2)
            assert_int_equal(many[0].first, next++);
    }
}

#define CALM 10 /* receives, one after the other: the kernel then delivers by itself */

/* Bytes 0, 1, 2, ... arrive, each for a receive that waits for it. */
static void calm_down(int i)
{
    for (uint8_t byte = 0; byte < CALM; byte++) {
        many[i].calls = 0;
        io_receive(engine, &many[i].operation);
        assert_int_equal(io_wait(engine, 0), 0);
        assert_int_equal(write(many[i].ends[1], &byte, 1), 1);
        until(i);
        assert_int_equal(many[i].result, 1);
        assert_int_equal(many[i].first, byte);
    }
}

static uint8_t flood[64u << 10];
static size_t flooded; /* bytes that the peer of many[0] got rid of */

/* The peer writes until it is held back, for some turns. */
static void write_flood(void)
{
    for (int blocked = 0; blocked < 5;) {
        for (size_t i = 0; i < sizeof flood; i++)
            flood[i] = (uint8_t)((flooded + i) % 251);
        ssize_t written = write(many[0].ends[1], flood, sizeof flood);
        blocked = written > 0 ? 0 : blocked + 1;
        flooded += written > 0 ? (size_t)written : 0;
        assert_true(flooded < (16u << 20));
        assert_int_equal(io_wait(engine, 1000000), 0);
    }
}

static void a_flood_that_nobody_receives_is_held_back_and_starves_nobody(void **state)
{
    (void)state;
    size_t received = CALM;
    flooded = CALM;
    pair(0);
    pair(1);
    calm_down(0); /* from here on nobody receives */
    write_flood();
    for (int i = 0; i < 3; i++) {
        many[1].calls = 0;
        io_receive(engine, &many[1].operation);
        assert_int_equal(write(many[1].ends[1], "x", 1), 1);
        until(1);
        assert_int_equal(many[1].result, 1);
    }
    while (received < flooded) {
        static uint8_t own[1000];
        many[0].operation.buffer = received % 2 ? own : NULL; /* both find what was held */
        many[0].operation.size = sizeof own;
        many[0].calls = 0;
        io_receive(engine, &many[0].operation);
        until(0);
        assert_true(many[0].result > 0);
        assert_int_equal(many[0].first, received % 251);
        received += (size_t)many[0].result;
    }
    assert_int_equal(received, flooded);
}

static void what_was_delivered_is_dropped_with_its_socket(void **state)
{
    (void)state;
    for (int round = 0; round < 2 * 256; round++) { /* more often than there are buffers */
        pair(0);
        calm_down(0);
        assert_int_equal(write(many[0].ends[1], "b", 1), 1);
        assert_int_equal(io_wait(engine, 0), 0);
        io_remove(engine, many[0].ends[0]);
        socket_close(many[0].ends[0]);
        socket_close(many[0].ends[1]);
    }
    many[0].ends[0] = many[0].ends[1] = -1;
}

/* Which leaves a poll for those that have no buffer of their own only. */
static void a_receive_that_finds_no_shared_buffer_left_goes_on_into_its_own(void **state)
{
    (void)state;
    struct uring *uring = (struct uring *)engine;
    static uint8_t own[4] = "....";
    pair(0);
    struct socket_entry *socket = sockets_find(&uring->sockets, many[0].ends[0]);
    struct io_operation *receive = &many[0].operation;
    assert_int_equal(io_wait(engine, 0), 0);
    assert_int_equal(write(many[0].ends[1], "abcdefgh", 8), 8);
    receive->buffer = own;
    receive->size = 3;
    receive->kind = IO_RECEIVE;
    assert_int_equal(sockets_begin(&uring->sockets, receive), 0);
    /* As if the socket had been armed, and were asked to stop, when the last buffer went. */
    socket->armed = socket->disarmed = true;
    receive->state = URING_WAITING;
    const struct io_uring_cqe starved = {
        .user_data = ((uint64_t)receive->fd << 8 | socket->generation) * URING_TAGS,
        .res = -ENOBUFS};
    uring_stream_completed(uring, &starved, false);
    until(0);
    assert_int_equal(many[0].result, 3);
    assert_memory_equal(own, "abc.", 4);
}

/* ---- accepts --------------------------------------------------------------------------------- */

static void connections_that_came_early_are_accepted_in_order(void **state)
{
    (void)state;
    enum { EARLY = 20 };
    int listeners[SOCKET_LISTENERS];
    char address[SOCKET_TEXT];
    assert_int_equal(socket_listen("127.0.0.1:0", EARLY, listeners), 1);
    socket_local(listeners[0], address);
    assert_int_equal(io_add(engine, listeners[0]), 0);
    struct io_operation *accept = &many[0].operation;
    *accept = (struct io_operation){.fd = listeners[0], .done = note};
    for (int i = 0; i < EARLY; i++)
        assert_int_equal(socket_connect(address, 10000, &many[i].ends[1]), 0);
    for (int i = 0; i < EARLY / 2; i++) { /* the others wait in the engine, or in the kernel */
        char own[SOCKET_TEXT], peer[SOCKET_TEXT];
        many[0].calls = 0;
        io_accept(engine, accept);
        until(0);
        socket_local(many[i].ends[1], own);
        socket_peer(many[0].result, peer);
        assert_string_equal(own, peer);
        socket_close(many[0].result);
        assert_int_equal(io_wait(engine, 0), 0);
    }
    io_remove(engine, listeners[0]); /* closes those that wait */
    socket_close_listener(listeners[0]);
    assert_int_equal(io_wait(engine, 0), 0);
    for (int i = EARLY / 2; i < EARLY; i++) {
        char byte;
        assert_int_equal(fcntl(many[i].ends[1], F_SETFL, 0), 0);
        assert_true(recv(many[i].ends[1], &byte, 1, 0) <= 0);
    }
}

/* ---- sends without copies -------------------------------------------------------------------- */

#define FILE_BYTES (3u << 20)

/* Over a connection of that kind: a header and a mapped file reach the peer. */
static void send_without_copies(int ends[2])
{
    static char in[4 + FILE_BYTES], bytes[FILE_BYTES];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7 + i / 1000);
    struct io_slice slices[] = {{(const uint8_t *)"head", 4, -1, 0},
                                {(const uint8_t *)bytes, sizeof bytes, ends[1], 0}};
    io_close(engine);
    assert_int_equal(open_engine("zerocopy"), 0);
    assert_int_equal(io_add(engine, ends[0]), 0);
    memcpy(many[0].ends, ends, sizeof many[0].ends);
    many[0].operation =
        (struct io_operation){.fd = ends[0], .done = note, .slices = slices, .count = 2};
    io_send(engine, &many[0].operation);
    for (size_t have = 0; have < sizeof in;) {
        assert_int_equal(io_wait(engine, 0), 0);
        ssize_t got = recv(ends[1], in + have, sizeof in - have, MSG_DONTWAIT);
        have += got > 0 ? (size_t)got : 0;
    }
    until(0);
    assert_int_equal(many[0].result, 0);
    assert_int_equal(many[0].calls, 1);
    assert_memory_equal(in, "head", 4);
    assert_memory_equal(in + 4, bytes, sizeof bytes);
}

static void a_mapped_file_goes_out_without_copies(void **state)
{
    (void)state;
    int listeners[SOCKET_LISTENERS], ends[2];
    char address[SOCKET_TEXT];
    assert_int_equal(socket_listen("127.0.0.1:0", 1, listeners), 1);
    socket_local(listeners[0], address);
    assert_int_equal(socket_connect(address, 10000, &ends[1]), 0);
    ends[0] = accept4(listeners[0], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(ends[0] >= 0);
    socket_close_listener(listeners[0]);
    send_without_copies(ends);
    assert_true(many[0].operation.copied); /* loopback always does; the kernel says so */
}

static void a_socket_that_cannot_do_without_copies_sends_all_the_same(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    send_without_copies(ends);
}

static void a_cancelled_send_does_not_wait_for_the_network(void **state)
{
    (void)state;
    static char bytes[16u << 20];
    int listeners[SOCKET_LISTENERS], *ends = many[0].ends;
    char address[SOCKET_TEXT];
    io_close(engine);
    assert_int_equal(open_engine("zerocopy"), 0);
    assert_int_equal(socket_listen("127.0.0.1:0", 1, listeners), 1);
    socket_local(listeners[0], address);
    assert_int_equal(socket_connect(address, 10000, &ends[1]), 0);
    ends[0] = accept4(listeners[0], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    socket_close_listener(listeners[0]);
    assert_int_equal(io_add(engine, ends[0]), 0);
    struct io_slice slice = {(const uint8_t *)bytes, sizeof bytes, ends[1], 0};
    many[0].operation =
        (struct io_operation){.fd = ends[0], .done = note, .slices = &slice, .count = 1};
    io_send(engine, &many[0].operation);
    for (int i = 0; i < 5; i++)
        assert_int_equal(io_wait(engine, 1000000), 0);
    assert_int_equal(many[0].calls, 0); /* nobody reads */
    io_cancel(engine, &many[0].operation);
    until(0);
    assert_int_equal(many[0].result, MAPLOG_CLOSED);
    for (int i = 0; i < 5; i++) /* notices that come now are nobody's */
        assert_int_equal(io_wait(engine, 1000000), 0);
    assert_int_equal(many[0].calls, 1);
}

static void the_kernel_allows_io_uring(void **state)
{
    (void)state;
    skip();
}

int main(void)
{
    if (open_engine(NULL) == MAPLOG_UNSUPPORTED) {
        const struct CMUnitTest none[] = {cmocka_unit_test(the_kernel_allows_io_uring)};
        fprintf(stderr, "%s\n", error_text());
        return cmocka_run_group_tests(none, NULL, NULL);
    }
    io_close(engine);
#define ENGINE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kernel_that_refuses_is_told_of),
        ENGINE(more_receives_than_buffers_all_get_their_bytes),
        ENGINE(a_cancelled_receive_loses_no_bytes),
        ENGINE(a_flood_that_nobody_receives_is_held_back_and_starves_nobody),
        ENGINE(what_was_delivered_is_dropped_with_its_socket),
        ENGINE(a_receive_that_finds_no_shared_buffer_left_goes_on_into_its_own),
        ENGINE(connections_that_came_early_are_accepted_in_order),
        ENGINE(a_mapped_file_goes_out_without_copies),
        ENGINE(a_socket_that_cannot_do_without_copies_sends_all_the_same),
        ENGINE(a_cancelled_send_does_not_wait_for_the_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
