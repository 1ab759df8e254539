/* crowd_test.c - many connections at a time, by every engine: how many it takes, and what those
 * that rest, read slowly, vanish or are stopped do to the others. */
#include "bytes.h"
#include "echo.h"

#include "os/clock.h"

#define CROWD 1000
#define FEW 100

static struct echo echoes[CROWD];

/* A connection whose engine's end is *fd, not with the engine yet. */
static void connect_one(int listener, int *fd)
{
    static struct probe accept;
    scene_connect(listener);
    accept = probe_on(listener);
    io_accept(scene.engine, &accept.operation);
    *fd = scene_until(&accept);
    assert_true(*fd >= 0);
}

static void end_echoes(int count)
{
    for (int i = 0; i < count; i++)
        io_cancel(scene.engine, &echoes[i].receive);
    for (int i = 0; i < count; i++)
        echo_end(&echoes[i]);
}

/* Each of them, all under way at a time. */
static void expect_echoes(int count)
{
    int back;
    for (int i = 0; i < count; i++) {
        echoes[i].total = 0;
        write_all(scene.peers[i], &i, sizeof i);
    }
    for (int i = 0; i < count; i++)
        while (echoes[i].total < sizeof i)
            assert_int_equal(io_wait(scene.engine, -1), 0);
    for (int i = 0; i < count; i++) {
        while (recv(scene.peers[i], &back, sizeof back, MSG_DONTWAIT | MSG_PEEK) < 0)
            assert_int_equal(io_wait(scene.engine, 1000000), 0);
        read_all(scene.peers[i], &back, sizeof back);
        assert_int_equal(back, i);
    }
}

/* ---- how many -------------------------------------------------------------------------------- */

/* All of them; an engine with a limit of its own says so, and serves those below it. */
static void a_thousand_connections_are_served(void **state)
{
    (void)state;
    int listener = scene_listen(), count = 0, refused = 0;
    scene_raise_limits();
    while (count < CROWD) {
        int fd;
        connect_one(listener, &fd);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        int result = io_add(scene.engine, fd);
        if (result == 0) {
            scene.added[scene.added_count++] = fd;
            echo_begin(&echoes[count++], fd);
            continue;
        }
        assert_int_equal(result, MAPLOG_LIMIT);
        assert_non_null(strstr(error_text(), scene_engine)); /* says whose limit it is */
        socket_close(fd);
        socket_close(scene.peers[--scene.peer_count]);
        if (++refused == 3)
            break;
    }
    assert_true(count >= FEW);
    expect_echoes(count);
    end_echoes(count);
}

/* Beyond what a bitmap of descriptors has room for. */
static void a_high_descriptor_is_served_or_refused(void **state)
{
    (void)state;
    int peer, low = scene_unix_pair(&peer), pair[2];
    char in[3];
    scene_raise_limits();
    echo_begin(&echoes[0], low);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    int high = fcntl(pair[0], F_DUPFD_CLOEXEC, FD_SETSIZE);
    assert_true(high >= FD_SETSIZE);
    close(pair[0]);
    int result = io_add(scene.engine, high);
    if (strcmp(scene_engine, "select") == 0) {
        assert_int_equal(result, MAPLOG_LIMIT);
        assert_non_null(strstr(error_text(), "1024"));
        close(high);
    } else {
        assert_int_equal(result, 0);
        scene.added[scene.added_count++] = high;
        echo_begin(&echoes[1], high);
        write_all(pair[1], "abc", 3);
        while (echoes[1].total < 3)
            assert_int_equal(io_wait(scene.engine, -1), 0);
        echo_end(&echoes[1]);
        read_all(pair[1], in, 3);
        assert_memory_equal(in, "abc", 3);
    }
    write_all(peer, "def", 3);
    while (echoes[0].total < 3)
        assert_int_equal(io_wait(scene.engine, -1), 0);
    echo_end(&echoes[0]);
    read_all(peer, in, 3);
    assert_memory_equal(in, "def", 3);
    close(pair[1]);
}

/* ---- those that rest ------------------------------------------------------------------------- */

static int64_t cpu_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * 1000000000 + time.tv_nsec;
}

static void who_only_waits_uses_no_cpu(void **state)
{
    (void)state;
    const int64_t idle_ns = 300000000;
    int peer;
    for (int i = 0; i < FEW; i++)
        echo_begin(&echoes[i], i % 2 ? scene_pair(&peer) : scene_unix_pair(&peer));
    int listener = scene_listen();
    struct probe accept = probe_on(listener);
    io_accept(scene.engine, &accept.operation);
    expect_echoes(FEW); /* so that nothing is still beginning */
    int64_t cpu = cpu_ns(), begun = clock_monotonic_ns(), now = begun;
    for (; now - begun < idle_ns; now = clock_monotonic_ns())
        assert_int_equal(io_wait(scene.engine, idle_ns - (now - begun)), 0);
    cpu = cpu_ns() - cpu;
    /* A tenth of one CPU is a hundred times what they need; the one that polls needs all of it. */
    if (strcmp(scene_engine, "nonblocking") != 0)
        assert_true(cpu < (now - begun) / 10);
    io_cancel(scene.engine, &accept.operation);
    assert_int_equal(scene_until(&accept), MAPLOG_CLOSED);
    end_echoes(FEW);
}

/* ---- those that do harm ---------------------------------------------------------------------- */

static void readers_that_do_not_read_hold_nobody_up(void **state)
{
    (void)state;
    enum { STUCK = 20 };
    static struct probe sends[STUCK];
    static struct io_slice slices[STUCK];
    const struct mapped_file *file = big_file();
    int peer, fd = scene_unix_pair(&peer);
    char in[3];
    for (int i = 0; i < STUCK; i++) {
        int unread;
        sends[i] = probe_on(scene_pair(&unread));
        slices[i] = file_slice(file, 0, file->size);
        sends[i].operation.slices = &slices[i];
        sends[i].operation.count = 1;
        io_send(scene.engine, &sends[i].operation);
    }
    echo_begin(&echoes[0], fd);
    for (size_t i = 1; i <= 100; i++) {
        write_all(peer, "abc", 3);
        while (echoes[0].total < 3 * i)
            assert_int_equal(io_wait(scene.engine, -1), 0);
        read_all(peer, in, 3);
    }
    echo_end(&echoes[0]);
    for (int i = 0; i < STUCK; i++) {
        assert_int_equal(sends[i].calls, 0);
        io_cancel(scene.engine, &sends[i].operation);
    }
    for (int i = 0; i < STUCK; i++)
        assert_int_equal(scene_until(&sends[i]), MAPLOG_CLOSED);
}

static void peers_that_vanish_leave_the_others_alone(void **state)
{
    (void)state;
    int peers[FEW];
    scene_raise_limits();
    for (int i = 0; i < FEW; i++)
        echo_begin(&echoes[i], scene_pair(&peers[i]));
    expect_echoes(FEW);
    for (int i = 0; i < FEW; i += 2)
        socket_abort(peers[i]);
    for (int i = 0; i < FEW; i += 2)
        while (!echoes[i].ended)
            assert_int_equal(io_wait(scene.engine, -1), 0);
    for (int i = 1; i < FEW; i += 2) {
        int back;
        assert_false(echoes[i].ended);
        write_all(peers[i], &i, sizeof i);
        while (echoes[i].total < 2 * sizeof i)
            assert_int_equal(io_wait(scene.engine, -1), 0);
        read_all(peers[i], &back, sizeof back);
        assert_int_equal(back, i);
        echo_end(&echoes[i]);
        socket_close(peers[i]);
    }
    scene.peer_count = 0;
}

/* ---- time and the end ------------------------------------------------------------------------ */

/* As a server does it: the time is the caller's, waits end in time for it. */
static void a_deadline_ends_what_waits(void **state)
{
    (void)state;
    int peer, other_peer, fd = scene_pair(&peer), other = scene_pair(&other_peer);
    struct probe late = probe_on(fd), receive = probe_on(other);
    int64_t now = clock_monotonic_ns(), deadline = now + 30000000;
    io_receive(scene.engine, &late.operation);
    io_receive(scene.engine, &receive.operation);
    write_all(other_peer, "x", 1);
    for (; now < deadline; now = clock_monotonic_ns())
        assert_int_equal(io_wait(scene.engine, deadline - now), 0);
    assert_int_equal(receive.calls, 1);
    assert_int_equal(receive.result, 1);
    assert_int_equal(late.calls, 0);
    io_cancel(scene.engine, &late.operation);
    assert_int_equal(scene_until(&late), MAPLOG_CLOSED);
    write_all(peer, "abc", 3); /* the connection itself has lost nothing */
    late.calls = 0;
    io_receive(scene.engine, &late.operation);
    assert_int_equal(scene_until(&late), 3);
}

/* No new connections, no new requests; answers that are on their way arrive whole. */
static void a_graceful_stop_finishes_what_is_under_way(void **state)
{
    (void)state;
    enum { SENDERS = 5, BYTES = 3 << 20 };
    static struct probe sends[SENDERS], receives[SENDERS];
    static struct io_slice slices[SENDERS];
    struct reader readers[SENDERS];
    const struct mapped_file *file = big_file();
    int listener = scene_listen();
    struct probe accept = probe_on(listener);
    io_accept(scene.engine, &accept.operation);
    for (int i = 0; i < SENDERS; i++) {
        int peer, fd = scene_pair(&peer);
        slices[i] = file_slice(file, (size_t)i, BYTES);
        sends[i] = probe_on(fd);
        sends[i].operation.slices = &slices[i];
        sends[i].operation.count = 1;
        receives[i] = probe_on(fd);
        io_send(scene.engine, &sends[i].operation);
        io_receive(scene.engine, &receives[i].operation);
        readers[i] =
            (struct reader){.fd = peer, .step = 50000, .bytes = malloc(BYTES), .expected = BYTES};
    }
    scene_look();
    io_cancel(scene.engine, &accept.operation);
    for (int i = 0; i < SENDERS; i++) {
        io_cancel(scene.engine, &receives[i].operation);
        reader_start(&readers[i]);
    }
    assert_int_equal(scene_until(&accept), MAPLOG_CLOSED);
    scene_drop(listener);
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(scene_until(&receives[i]), MAPLOG_CLOSED);
        assert_int_equal(scene_until(&sends[i]), 0);
        scene_drop(sends[i].operation.fd);
    }
    scene_look(); /* an engine may still hold a socket until the next wait */
    for (int i = 0; i < SENDERS; i++) {
        char end;
        pthread_join(readers[i].thread, NULL);
        assert_memory_equal(readers[i].bytes, file->at + i, BYTES);
        assert_int_equal(read(readers[i].fd, &end, 1), 0);
        free(readers[i].bytes);
        assert_int_equal(sends[i].calls, 1);
        assert_int_equal(receives[i].calls, 1);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        SCENE(a_thousand_connections_are_served),
        SCENE(a_high_descriptor_is_served_or_refused),
        SCENE(who_only_waits_uses_no_cpu),
        SCENE(readers_that_do_not_read_hold_nobody_up),
        SCENE(peers_that_vanish_leave_the_others_alone),
        SCENE(a_deadline_ends_what_waits),
        SCENE(a_graceful_stop_finishes_what_is_under_way),
    };
    return scene_run_all(tests, sizeof tests / sizeof tests[0]);
}
