/* conformance_test.c - what every engine must do, run for each of them by its name. */
#include "bytes.h"
#include "echo.h"

/* ---- completions ----------------------------------------------------------------------------- */

static void done_is_never_called_by_the_call_that_submits(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    struct probe receive = probe_on(fd), send = probe_on(fd);
    struct io_slice slice = memory_slice("abc", 3);
    send.operation.slices = &slice;
    send.operation.count = 1;
    write_all(peer, "x", 1);
    io_receive(scene.engine, &receive.operation);
    io_send(scene.engine, &send.operation);
    assert_int_equal(receive.calls, 0);
    assert_int_equal(send.calls, 0);
    assert_int_equal(scene_until(&receive), 1);
    assert_int_equal(scene_until(&send), 0);
    scene_look();
    assert_int_equal(receive.calls, 1);
    assert_int_equal(send.calls, 1);
}

static void a_receive_without_a_buffer_uses_the_engines(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    char own[4];
    struct probe into_engine = probe_on(fd), into_own = probe_on(fd);
    io_receive(scene.engine, &into_engine.operation);
    scene_look();
    write_all(peer, "hello", 5);
    assert_int_equal(scene_until(&into_engine), 5);
    assert_memory_equal(into_engine.operation.received, "hello", 5);
    write_all(peer, "goodbye", 7);
    into_own.operation.buffer = (uint8_t *)own;
    into_own.operation.size = sizeof own;
    io_receive(scene.engine, &into_own.operation);
    assert_int_equal(scene_until(&into_own), 4);
    assert_ptr_equal(into_own.operation.received, own);
    assert_memory_equal(own, "good", 4);
    into_own.calls = 0;
    io_receive(scene.engine, &into_own.operation);
    assert_int_equal(scene_until(&into_own), 3);
    assert_memory_equal(own, "bye", 3);
}

static void bytes_wait_for_a_receive_that_comes_later(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    write_all(peer, "abc", 3);
    scene_look();
    struct probe receive = probe_on(fd);
    io_receive(scene.engine, &receive.operation);
    assert_int_equal(scene_until(&receive), 3);
    write_all(peer, "d", 1);
    scene_look();
    receive.calls = 0;
    io_receive(scene.engine, &receive.operation);
    assert_int_equal(scene_until(&receive), 1);
    assert_int_equal(receive.operation.received[0], 'd');
}

static void a_stream_is_echoed_in_order_from_within_done(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    struct echo echo;
    uint8_t out[20000], in[20000];
    for (size_t i = 0; i < sizeof out; i++)
        out[i] = byte_at(i);
    echo_begin(&echo, fd);
    write_all(peer, out, sizeof out); /* 200 buffers */
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    while (!echo.ended)
        assert_int_equal(io_wait(scene.engine, -1), 0);
    assert_int_equal(echo.total, sizeof out);
    read_all(peer, in, sizeof in);
    assert_memory_equal(in, out, sizeof out);
}

static void a_unix_socket_does_as_well(void **state)
{
    (void)state;
    int peer, fd = scene_unix_pair(&peer);
    struct echo echo;
    char in[3];
    echo_begin(&echo, fd);
    for (int i = 0; i < 100; i++) {
        write_all(peer, "abc", 3);
        while (echo.total < 3 * ((size_t)i + 1))
            assert_int_equal(io_wait(scene.engine, -1), 0);
        read_all(peer, in, 3);
        assert_memory_equal(in, "abc", 3);
    }
    echo_end(&echo);
}

/* ---- accepting ------------------------------------------------------------------------------- */

static void a_process_without_descriptors_accepts_later(void **state)
{
    (void)state;
    int listener = scene_listen();
    struct rlimit before, none;
    scene_connect(listener);
    getrlimit(RLIMIT_NOFILE, &before);
    int next = dup(listener); /* the number that would be given */
    close(next);
    none = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    struct probe accept = probe_on(listener);
    io_accept(scene.engine, &accept.operation);
    int result = scene_until(&accept);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(result, MAPLOG_LIMIT);
    accept.calls = 0;
    io_accept(scene.engine, &accept.operation);
    scene_add(scene_until(&accept));
}

/* ---- endings --------------------------------------------------------------------------------- */

static void an_answer_goes_out_after_the_peer_ended_its_sending(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    struct probe receive = probe_on(fd), send = probe_on(fd);
    char in[7];
    io_receive(scene.engine, &receive.operation);
    scene_look();
    write_all(peer, "request", 7);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    assert_int_equal(scene_until(&receive), 7);
    receive.calls = 0;
    io_receive(scene.engine, &receive.operation);
    assert_int_equal(scene_until(&receive), 0);
    struct io_slice slice = memory_slice("answer!", 7);
    send.operation.slices = &slice;
    send.operation.count = 1;
    io_send(scene.engine, &send.operation);
    assert_int_equal(scene_until(&send), 0);
    read_all(peer, in, 7);
    assert_memory_equal(in, "answer!", 7);
}

static void the_end_is_seen_by_a_receive_that_waits_and_by_a_later_one(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    struct probe receive = probe_on(fd);
    io_receive(scene.engine, &receive.operation);
    scene_look();
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    assert_int_equal(scene_until(&receive), 0);
    receive.calls = 0;
    io_receive(scene.engine, &receive.operation);
    assert_int_equal(scene_until(&receive), 0);
}

static void a_reset_ends_a_receive_with_an_error(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    struct probe receive = probe_on(fd);
    io_receive(scene.engine, &receive.operation);
    scene_look();
    scene.peer_count--;
    socket_abort(peer);
    assert_int_equal(scene_until(&receive), MAPLOG_IO);
    assert_non_null(strstr(receive.text, "reset"));
}

/* The kernel tells it once, maybe to an engine that receives ahead. */
static void a_reset_while_nobody_receives_is_told_to_the_next_receive(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    struct probe receive = probe_on(fd);
    for (int i = 0; i < 10; i++) {
        receive.calls = 0;
        io_receive(scene.engine, &receive.operation);
        assert_int_equal(io_wait(scene.engine, 0), 0);
        write_all(peer, "x", 1);
        assert_int_equal(scene_until(&receive), 1);
    }
    scene.peer_count--;
    socket_abort(peer);
    scene_look();
    receive.calls = 0;
    io_receive(scene.engine, &receive.operation);
    assert_int_equal(scene_until(&receive), MAPLOG_IO);
    assert_non_null(strstr(receive.text, "reset"));
}

static void urgent_bytes_hold_nothing_up(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    char in[4];
    write_all(peer, "ab", 2);
    assert_int_equal(send(peer, "!", 1, MSG_OOB), 1);
    write_all(peer, "cd", 2);
    scene_look();
    for (size_t have = 0; have < sizeof in;) {
        struct probe receive = probe_on(fd);
        io_receive(scene.engine, &receive.operation);
        int got = scene_until(&receive);
        assert_true(got > 0 && have + (size_t)got <= sizeof in);
        memcpy(in + have, receive.operation.received, (size_t)got);
        have += (size_t)got;
    }
    assert_memory_equal(in, "abcd", 4);
}

/* ---- cancelling ------------------------------------------------------------------------------ */

static void expect_closed_once(struct probe *probe)
{
    io_cancel(scene.engine, &probe->operation);
    io_cancel(scene.engine, &probe->operation);
    assert_int_equal(probe->calls, 0);
    assert_int_equal(scene_until(probe), MAPLOG_CLOSED);
    io_cancel(scene.engine, &probe->operation); /* it is over: nothing happens */
    scene_look();
    assert_int_equal(probe->calls, 1);
}

static void what_waits_is_cancelled_once(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer), listener = scene_listen();
    struct probe accept = probe_on(listener), receive = probe_on(fd), send = probe_on(fd);
    struct io_slice slice = file_slice(big_file(), 0, big_file()->size);
    io_accept(scene.engine, &accept.operation);
    io_receive(scene.engine, &receive.operation);
    send.operation.slices = &slice;
    send.operation.count = 1;
    io_send(scene.engine, &send.operation);
    scene_look();
    expect_closed_once(&accept);
    expect_closed_once(&receive);
    expect_closed_once(&send);
}

static void what_was_just_submitted_is_cancelled_too(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    struct probe receive = probe_on(fd);
    write_all(peer, "abc", 3);
    scene_look();
    io_receive(scene.engine, &receive.operation);
    expect_closed_once(&receive);
    receive.calls = 0;
    io_receive(scene.engine, &receive.operation); /* the bytes are still there */
    assert_int_equal(scene_until(&receive), 3);
}

static struct probe *cancelled_by_done;

static void cancel_another(struct io_operation *operation, int result)
{
    probe_done(operation, result);
    io_cancel(scene.engine, &cancelled_by_done->operation);
}

static void done_may_cancel_another_operation(void **state)
{
    (void)state;
    int peers[2], fds[2] = {scene_pair(&peers[0]), scene_pair(&peers[1])};
    struct probe first = probe_on(fds[0]), second = probe_on(fds[1]);
    first.operation.done = cancel_another;
    cancelled_by_done = &second;
    io_receive(scene.engine, &first.operation);
    io_receive(scene.engine, &second.operation);
    write_all(peers[0], "x", 1);
    assert_int_equal(scene_until(&first), 1);
    assert_int_equal(scene_until(&second), MAPLOG_CLOSED);
    scene_look();
    assert_int_equal(second.calls, 1);
}

/* ---- descriptors ----------------------------------------------------------------------------- */

static void a_number_may_come_back_for_another_socket(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        int peer, fd = scene_pair(&peer);
        struct probe receive = probe_on(fd);
        write_all(peer, &i, sizeof i);
        scene_look(); /* reported, never received */
        if (i % 2) {
            io_receive(scene.engine, &receive.operation);
            assert_int_equal(scene_until(&receive), sizeof i);
            assert_memory_equal(receive.operation.received, &i, sizeof i);
        }
        scene_drop(fd);
    }
}

static void bytes_from_before_are_found_when_a_socket_is_added_again(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    write_all(peer, "abc", 3);
    scene_look();
    io_remove(scene.engine, fd);
    assert_int_equal(io_add(scene.engine, fd), 0);
    struct probe receive = probe_on(fd);
    io_receive(scene.engine, &receive.operation);
    assert_int_equal(scene_until(&receive), 3);
}

static void misuse_is_an_error_of_the_operation(void **state)
{
    (void)state;
    int peer, fd = scene_pair(&peer);
    struct probe first = probe_on(fd), second = probe_on(fd), stranger = probe_on(fd + 1000);
    io_receive(scene.engine, &first.operation);
    io_receive(scene.engine, &second.operation);
    io_receive(scene.engine, &stranger.operation);
    assert_int_equal(scene_until(&second), MAPLOG_IO);
    assert_int_equal(scene_until(&stranger), MAPLOG_IO);
    write_all(peer, "x", 1);
    assert_int_equal(scene_until(&first), 1);
    assert_int_equal(io_add(scene.engine, fd), MAPLOG_INVALID);
    assert_int_equal(io_add(scene.engine, -1), MAPLOG_INVALID);
}

static void the_limit_of_descriptors_is_kept(void **state)
{
    (void)state;
    struct io_limits limits = {1, 4096, 4096};
    struct io_engine *small;
    int pair[2];
    assert_int_equal(io_open(scene_engine, &limits, &small), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(io_add(small, pair[0]), 0);
    assert_int_equal(io_add(small, pair[1]), MAPLOG_LIMIT);
    io_remove(small, pair[0]);
    assert_int_equal(io_add(small, pair[1]), 0);
    io_remove(small, pair[1]);
    close(pair[0]);
    close(pair[1]);
    io_close(small);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        SCENE(done_is_never_called_by_the_call_that_submits),
        SCENE(a_receive_without_a_buffer_uses_the_engines),
        SCENE(bytes_wait_for_a_receive_that_comes_later),
        SCENE(a_stream_is_echoed_in_order_from_within_done),
        SCENE(a_unix_socket_does_as_well),
        SCENE(a_process_without_descriptors_accepts_later),
        SCENE(an_answer_goes_out_after_the_peer_ended_its_sending),
        SCENE(the_end_is_seen_by_a_receive_that_waits_and_by_a_later_one),
        SCENE(a_reset_ends_a_receive_with_an_error),
        SCENE(a_reset_while_nobody_receives_is_told_to_the_next_receive),
        SCENE(urgent_bytes_hold_nothing_up),
        SCENE(what_waits_is_cancelled_once),
        SCENE(what_was_just_submitted_is_cancelled_too),
        SCENE(done_may_cancel_another_operation),
        SCENE(a_number_may_come_back_for_another_socket),
        SCENE(bytes_from_before_are_found_when_a_socket_is_added_again),
        SCENE(misuse_is_an_error_of_the_operation),
        SCENE(the_limit_of_descriptors_is_kept),
    };
    return scene_run_all(tests, sizeof tests / sizeof tests[0]);
}
