/*
 * echo_server - sends back what it receives, in each I/O model that Linux has: one program over
 * epoll, poll, select, nonblocking, sigio, blocking, pool, aio or uring.
 *
 *     echo_server --io uring 127.0.0.1:7007
 *
 * SIGTERM or ^C: it accepts no more, and ends when nobody says anything for a tenth of a second and
 * all is sent back; a second one ends it at once. Built in the source tree: src/io/engine.h is no
 * public header.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/clock.h"
#include "os/signals.h"
#include "os/socket.h"
#include "support/door.h"

#define BUFFER_BYTES (16 << 10)
#define MOST 1024          /* descriptors: as many as select and aio can have */
#define QUIET_NS 100000000 /* so long nobody must have said anything before it ends */

/* It receives, sends that, and so on: one of its two operations is under way. */
static struct connection {
    struct io_operation receive, send;
    struct io_slice slice;
    uint8_t bytes[BUFFER_BYTES];
} * connections[MOST]; /* by descriptor */

static struct io_engine *engine;
static int open_connections;
static int64_t heard_ns; /* when something came last */
static bool stopping;

/* Ends the program when a call failed. */
static void check(int answer)
{
    if (answer < 0) {
        fprintf(stderr, "echo_server: %s\n", error_text());
        exit(1);
    }
}

static void leave(int fd)
{
    io_remove(engine, fd);
    socket_close(fd);
    free(connections[fd]);
    connections[fd] = NULL;
    open_connections--;
}

static void received(struct io_operation *receive, int bytes)
{
    struct connection *connection = connections[receive->fd];
    heard_ns = clock_monotonic_ns();
    if (bytes <= 0) { /* its end, and all before it was sent back; or ours; or an error */
        leave(receive->fd);
        return;
    }
    connection->slice = (struct io_slice){connection->bytes, (size_t)bytes, -1, 0};
    connection->send.slices = &connection->slice;
    connection->send.count = 1;
    io_send(engine, &connection->send);
}

static void sent(struct io_operation *send, int result)
{
    if (result < 0 || stopping)
        leave(send->fd);
    else
        io_receive(engine, &connections[send->fd]->receive);
}

static int accepted(int fd)
{
    struct connection *connection = fd < MOST ? calloc(1, sizeof *connection) : NULL;
    if (!connection)
        return MAPLOG_LIMIT;
    connection->receive = (struct io_operation){.fd = fd, .done = received};
    connection->receive.buffer = connection->bytes;
    connection->receive.size = BUFFER_BYTES;
    connection->send = (struct io_operation){.fd = fd, .done = sent};
    connections[fd] = connection;
    open_connections++;
    io_receive(engine, &connection->receive);
    return 0;
}

static void stop(void)
{
    heard_ns = clock_monotonic_ns();
    while (clock_monotonic_ns() - heard_ns < QUIET_NS && open_connections > 0 && !signals_take())
        check(io_wait(engine, QUIET_NS));
    stopping = true;
    for (int fd = 0; fd < MOST; fd++)
        if (connections[fd])
            io_cancel(engine, &connections[fd]->receive); /* of no effect while it sends */
}

int main(int argc, char **argv)
{
    struct io_limits limits = {MOST, BUFFER_BYTES, BUFFER_BYTES, NULL};
    if (argc != 4 || strcmp(argv[1], "--io") != 0) {
        fprintf(stderr, "usage: echo_server --io ENGINE HOST:PORT|unix:///PATH\n");
        return 2;
    }
    check(io_open(argv[2], &limits, &engine)); /* its error names the engines that there are */
    check(door_run(engine, argv[3], accepted));
    stop();
    if (!door_wait(engine, &open_connections)) {
        fprintf(stderr, "echo_server: %d connections had not ended\n", open_connections);
        return 1;
    }
    io_close(engine);
    return 0;
}
