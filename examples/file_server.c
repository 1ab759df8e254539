/*
 * file_server - whoever connects gets the file, sent in one of the ways that Linux has: auto, copy,
 * mmap, sendfile, splice or zerocopy.
 *
 *     file_server --send splice film.mkv 127.0.0.1:7008
 *     nc 127.0.0.1 7008 >film.mkv
 *
 * SIGTERM or ^C: it accepts no more and ends when all have their file; a second one ends it at
 * once. Built in the source tree: src/io/engine.h is no public header.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/file.h"
#include "os/map.h"
#include "os/socket.h"
#include "support/door.h"

#define MOST 1024        /* connections that are expected */
#define SMALL (12 << 10) /* auto: below this, one call that copies is cheaper than two */

/* It gets the file, then an end; then its own end is waited for: to close while it still sends
 * would take from it what is under way. */
struct connection {
    struct io_operation operation; /* the first member: it is known by that */
    struct io_slice slice;
};

static struct io_engine *engine;
static struct io_slice whole; /* the file */
static int open_connections;

/* Ends the program when a call failed. */
static void check(int answer)
{
    if (answer < 0) {
        fprintf(stderr, "file_server: %s\n", error_text());
        exit(1);
    }
}

static void received(struct io_operation *operation, int bytes)
{
    if (bytes > 0) { /* what it says is of no interest */
        io_receive(engine, operation);
        return;
    }
    io_remove(engine, operation->fd);
    socket_close(operation->fd);
    free(operation);
    open_connections--;
}

static void sent(struct io_operation *operation, int result)
{
    int fd = operation->fd;
    *operation = (struct io_operation){.fd = fd, .done = received};
    if (result < 0) { /* the peer vanished, or the file became shorter */
        fprintf(stderr, "file_server: a transfer ended early: %s\n", error_text());
        received(operation, result);
        return;
    }
    socket_end_sending(fd);
    io_receive(engine, operation); /* into the engine's own buffer */
}

static int accepted(int fd)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        return MAPLOG_NO_MEMORY;
    connection->slice = whole; /* a copy: sending changes it */
    connection->operation = (struct io_operation){.fd = fd, .done = sent};
    connection->operation.slices = &connection->slice;
    connection->operation.count = 1;
    open_connections++;
    io_send(engine, &connection->operation);
    return 0;
}

/* Some methods take its bytes from memory, some by its descriptor. */
static void open_file(const char *path)
{
    struct file_identity identity;
    void *address = NULL;
    check(file_open(AT_FDCWD, path, O_RDONLY, 0, &whole.fd));
    check(file_identify(whole.fd, path, &identity));
    whole.size = identity.size;
    if (whole.size > 0) /* a mapping of nothing is an error */
        check(map_file(whole.fd, path, 0, whole.size, MAP_MODE_READ, &address));
    whole.at = address;
}

int main(int argc, char **argv)
{
    struct io_limits limits = {MOST, 4096, SMALL, argc > 2 ? argv[2] : NULL};
    if (argc != 5 || strcmp(argv[1], "--send") != 0) {
        fprintf(stderr, "usage: file_server --send METHOD FILE HOST:PORT|unix:///PATH\n");
        return 2;
    }
    check(io_open(io_name(0), &limits, &engine)); /* its error names the methods that there are */
    open_file(argv[3]);
    check(door_run(engine, argv[4], accepted));
    if (!door_wait(engine, &open_connections)) {
        fprintf(stderr, "file_server: %d transfers had not ended\n", open_connections);
        return 1;
    }
    io_close(engine);
    return 0;
}
