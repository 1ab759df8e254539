/*
 * scene.h - what the engines' tests share: an engine, pairs of connected sockets, operations that
 * note how they ended. One scene at a time; everything in it is closed by scene_end.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "io/engine.h"
#include "os/socket.h"

#define SCENE_SOCKETS 4096
#define SCENE_PEERS_FROM 1100          /* descriptors */
#define SCENE_MEMORY_BYTES (32u << 10) /* file slices below are sent from memory */
#define SCENE_BUFFER_BYTES (64u << 10)

static const char *scene_engine; /* its name */
static const char *scene_send;   /* how files are sent; NULL: as the engine would by itself */

static struct {
    struct io_engine *engine;
    int added[SCENE_SOCKETS]; /* with the engine */
    int peers[SCENE_SOCKETS]; /* blocking */
    int added_count, peer_count;
} scene;

/* An operation and how it ended. */
struct probe {
    struct io_operation operation; /* first */
    int calls;
    int result;
    char text[ERROR_TEXT_SIZE]; /* of an error */
};

static inline void probe_done(struct io_operation *operation, int result)
{
    struct probe *probe = (struct probe *)operation;
    probe->calls++;
    probe->result = result;
    if (result < 0)
        snprintf(probe->text, sizeof probe->text, "%s", error_text());
}

static inline struct probe probe_on(int fd)
{
    return (struct probe){.operation = {.fd = fd, .done = probe_done}};
}

static inline int scene_begin(void **state)
{
    (void)state;
    struct io_limits limits = {SCENE_SOCKETS, SCENE_BUFFER_BYTES, SCENE_MEMORY_BYTES, scene_send};
    scene.added_count = scene.peer_count = 0;
    return io_open(scene_engine, &limits, &scene.engine);
}

static inline int scene_end(void **state)
{
    (void)state;
    for (int i = 0; i < scene.added_count; i++) {
        io_remove(scene.engine, scene.added[i]);
        socket_close(scene.added[i]);
    }
    for (int i = 0; i < scene.peer_count; i++)
        socket_close(scene.peers[i]);
    io_close(scene.engine);
    return 0;
}

static inline int scene_add(int fd)
{
    assert_int_equal(io_add(scene.engine, fd), 0);
    scene.added[scene.added_count++] = fd;
    return fd;
}

/* Closes a socket of the engine's side before the scene ends. */
static inline void scene_drop(int fd)
{
    for (int i = 0; i < scene.added_count; i++)
        if (scene.added[i] == fd)
            scene.added[i--] = scene.added[--scene.added_count];
    io_remove(scene.engine, fd);
    socket_close(fd);
}

/* A listener of the engine's on a port of its own. */
static inline int scene_listen(void)
{
    int fds[SOCKET_LISTENERS];
    assert_int_equal(socket_listen("127.0.0.1:0", 1024, fds), 1);
    return scene_add(fds[0]);
}

/* A blocking client of the listener. */
static inline int scene_connect(int listener)
{
    char address[SOCKET_TEXT];
    int fd;
    socket_local(listener, address);
    assert_int_equal(socket_connect(address, 10000, &fd), 0);
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
    /* Low numbers are left to the engine's side, since select knows no others. */
    int high = fcntl(fd, F_DUPFD_CLOEXEC, SCENE_PEERS_FROM);
    if (high >= 0) { /* the process may have such */
        close(fd);
        fd = high;
    }
    return scene.peers[scene.peer_count++] = fd;
}

/* Waits until the probe's operation is done. */
static inline int scene_until(struct probe *probe)
{
    while (probe->calls == 0)
        assert_int_equal(io_wait(scene.engine, -1), 0);
    return probe->result;
}

/* Looks a few times, for what must not happen. */
static inline void scene_look(void)
{
    for (int i = 0; i < 5; i++)
        assert_int_equal(io_wait(scene.engine, 1000000), 0);
}

/* A TCP connection: *peer is the blocking end, the other one is with the engine. */
static inline int scene_pair(int *peer)
{
    int listener = scene_listen();
    *peer = scene_connect(listener);
    struct probe accept = probe_on(listener);
    io_accept(scene.engine, &accept.operation);
    int fd = scene_until(&accept);
    assert_true(fd >= 0);
    scene_drop(listener);
    return scene_add(fd);
}

/* The same of Unix sockets, where what was written is there at once, however busy the machine is.
 */
static inline int scene_unix_pair(int *peer)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    *peer = scene.peers[scene.peer_count++] = pair[1];
    return scene_add(pair[0]);
}

static inline void write_all(int fd, const void *from, size_t length)
{
    const char *at = from;
    while (length > 0) {
        ssize_t written = send(fd, at, length, MSG_NOSIGNAL);
        assert_true(written > 0);
        at += written;
        length -= (size_t)written;
    }
}

static inline void read_all(int fd, void *to, size_t length)
{
    char *at = to;
    while (length > 0) {
        ssize_t got = read(fd, at, length);
        assert_true(got > 0);
        at += got;
        length -= (size_t)got;
    }
}

/* As many descriptors as the system allows. */
static inline void scene_raise_limits(void)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

/* ---- running a list ---------------------------------------------------------------------------
 */

#define SCENE(test) cmocka_unit_test_setup_teardown(test, scene_begin, scene_end)
#define SCENE_TESTS 64 /* in a list */
#define SCENE_NAME 400 /* bytes of a test's name */

static inline void scene_skip(void **state)
{
    (void)state;
    skip();
}

/* Why the engine cannot be tested in this build; NULL: it can. */
static inline const char *scene_unfit(void)
{
#ifdef __SANITIZE_THREAD__
    /* They allocate when they start each other, and its allocator then follows a null pointer. */
    if (strcmp(scene_engine, "aio") == 0)
        return "ThreadSanitizer does not know the threads of glibc's own";
#endif
    return NULL;
}

/* The list for scene_engine and scene_send, which each test's name tells. What io_open says is
 * unsupported, and why, is one test that is skipped. Returns how many failed. */
static inline int scene_run(const struct CMUnitTest *tests, size_t count)
{
    static char names[SCENE_TESTS][SCENE_NAME];
    struct CMUnitTest named[SCENE_TESTS];
    char group[SCENE_NAME / 4];
    const char *unfit = scene_unfit();
    int result = unfit ? MAPLOG_UNSUPPORTED : scene_begin(NULL);
    if (result == 0)
        io_close(scene.engine);
    snprintf(group, sizeof group, "%s%s%s", scene_engine, scene_send ? " by " : "",
             scene_send ? scene_send : "");
    if (result == MAPLOG_UNSUPPORTED) {
        snprintf(names[0], SCENE_NAME, "%s: %s", group, unfit ? unfit : error_text());
        named[0] = (struct CMUnitTest){names[0], scene_skip, NULL, NULL, NULL};
        return _cmocka_run_group_tests(group, named, 1, NULL, NULL);
    }
    for (size_t i = 0; i < count; i++) {
        named[i] = tests[i];
        snprintf(names[i], SCENE_NAME, "%s: %s", group, tests[i].name);
        named[i].name = names[i];
    }
    return _cmocka_run_group_tests(group, named, count, NULL, NULL);
}

/* ... for every engine. */
static inline int scene_run_all(const struct CMUnitTest *tests, size_t count)
{
    int failed = 0;
    scene_send = NULL;
    for (unsigned i = 0; (scene_engine = io_name(i)) != NULL; i++)
        failed += scene_run(tests, count);
    return failed;
}
