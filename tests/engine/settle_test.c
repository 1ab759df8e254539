/* settle_test.c - sends that are over when the kernel gives their pages back (zerocopy), which it
 * does not as long as the peer's window is closed. */
#include "scene.h"

#include "os/clock.h"

#define SLICE_BYTES 400000 /* more than the peer's window, less than a socket takes */
#define WATCHED_MS 100
#define MOST_WAITS 50 /* in that time; one that spins makes thousands */

static bool supported;

static int zerocopy_begin(void **state)
{
    (void)state;
    struct io_limits limits = {SCENE_SOCKETS, SCENE_BUFFER_BYTES, SCENE_MEMORY_BYTES, "zerocopy"};
    scene.added_count = scene.peer_count = 0;
    scene.engine = NULL;
    int error = io_open(scene_engine, &limits, &scene.engine);
    supported = error == 0;
    return error == MAPLOG_UNSUPPORTED ? 0 : error;
}

static void what_settles_is_waited_for_without_spinning(void **state)
{
    (void)state;
    if (!supported) /* select, and kernels before 4.14 */
        return;
    int peer, fd = scene_pair(&peer);
    int file = memfd_create("settle-test", MFD_CLOEXEC);
    assert_int_equal(ftruncate(file, SLICE_BYTES), 0);
    uint8_t *bytes = mmap(NULL, SLICE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    assert_ptr_not_equal(bytes, MAP_FAILED);
    for (size_t i = 0; i < SLICE_BYTES; i++)
        bytes[i] = (uint8_t)(i / 251);
    static uint8_t in[SLICE_BYTES];
    struct io_slice slice = {bytes, SLICE_BYTES, file, 0};
    struct probe send = probe_on(fd), receive = probe_on(fd);
    send.operation.slices = &slice;
    send.operation.count = 1;
    /* Requests of the same peer are there, and more are wanted. */
    write_all(peer, "abc", 3);
    io_receive(scene.engine, &receive.operation);
    assert_int_equal(scene_until(&receive), 3);
    write_all(peer, "unread", 6);
    io_send(scene.engine, &send.operation);
    unsigned waits = 0;
    for (int64_t end = clock_monotonic_ms() + WATCHED_MS; clock_monotonic_ms() < end; waits++)
        assert_int_equal(io_wait(scene.engine, 10000000), 0);
    assert_int_equal(send.calls, 0);
    if (strcmp(scene_engine, "nonblocking") != 0)
        assert_in_range(waits, 1, MOST_WAITS);
    for (size_t have = 0; have < sizeof in;) {
        ssize_t got = recv(peer, in + have, sizeof in - have, MSG_DONTWAIT);
        have += got > 0 ? (size_t)got : 0;
        assert_int_equal(io_wait(scene.engine, 1000000), 0);
    }
    assert_int_equal(scene_until(&send), 0);
    assert_memory_equal(in, bytes, sizeof in);
    receive.calls = 0;
    io_receive(scene.engine, &receive.operation);
    assert_int_equal(scene_until(&receive), 6);
    munmap(bytes, SLICE_BYTES);
    close(file);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_settles_is_waited_for_without_spinning, zerocopy_begin,
                                        scene_end),
    };
    int failed = 0;
    for (unsigned i = 0; (scene_engine = io_name(i)) != NULL; i++)
        failed += cmocka_run_group_tests_name(scene_engine, tests, NULL, NULL);
    return failed;
}
