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
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "io/engine.h"
#include "os/socket.h"

#define SCENE_SOCKETS 4096
#define SCENE_PEERS_FROM 1100 /* descriptors */
#define SCENE_MEMORY_BYTES (32u << 10) /* file slices below are sent from memory */
#define SCENE_BUFFER_BYTES (64u << 10)

static const char *scene_engine; /* its name */

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
    struct io_limits limits = {SCENE_SOCKETS, SCENE_BUFFER_BYTES, SCENE_MEMORY_BYTES};
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

/* A file of so many bytes, each of which tells its position, and its mapping. */
struct mapped_file {
    int fd;
    size_t size;
    uint8_t *at;
};

static inline uint8_t byte_at(size_t position)
{
    return (uint8_t)(position * 31 + position / 251);
}

static inline struct mapped_file mapped_file_make(size_t size)
{
    struct mapped_file file = {.fd = memfd_create("engine-test", MFD_CLOEXEC), .size = size};
    assert_true(file.fd >= 0);
    assert_int_equal(ftruncate(file.fd, (off_t)size), 0);
    file.at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, 0);
    assert_ptr_not_equal(file.at, MAP_FAILED);
    for (size_t i = 0; i < size; i++)
        file.at[i] = byte_at(i);
    return file;
}

static inline void mapped_file_close(struct mapped_file *file)
{
    munmap(file->at, file->size);
    close(file->fd);
}

static inline struct io_slice file_slice(const struct mapped_file *file, size_t from, size_t size)
{
    return (struct io_slice){file->at + from, size, file->fd, from};
}

static inline struct io_slice memory_slice(const void *at, size_t size)
{
    return (struct io_slice){at, size, -1, 0};
}
