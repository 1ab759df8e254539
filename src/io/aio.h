/*
 * aio.h - what the engine `aio` has of a socket: requests of glibc's that are under way on it, and
 * what they brought. Internal to aio.c, the engine, and aio_stream.c, its reads and writes.
 */
#pragma once

#include <aio.h>

#include "io/sockets.h"
#include "os/event.h"

#define AIO_LISTENERS 64 /* accepts under way */

struct sender;

enum aio_state {
    AIO_IDLE,      /* the caller's */
    AIO_SUBMITTED, /* to be started */
    AIO_MISUSED,   /* the same, but only to fail: error says why */
    AIO_STARTED,
    AIO_TAKEN_BACK, /* in the queue; a send whose write is under way: when that ends */
};

/* A socket. */
struct aio_peer {
    int fd;        /* the caller's: of reads */
    int out;       /* the same socket: of writes */
    bool blocking; /* as it is from its first read or write on */
    bool reading, writing;
    bool ended; /* the peer's sending */
    int error;  /* of a read that nobody was told of */
    struct aiocb read, write;
    uint8_t *buffer; /* of reads */
    size_t from, have;
    uint8_t *piece; /* of a write; NULL: none is needed */
};

struct aio {
    struct io_engine engine;
    struct io_limits limits;
    struct sender *sender;
    struct sockets sockets;
    struct aio_peer **peers; /* by descriptor */
    size_t room;             /* in peers */
    struct event_flag wake;
    bool copies, maps;                 /* files are always read; never */
    struct io_operation *first, *last; /* to be started */
    struct io_operation *accepts[AIO_LISTENERS];
    unsigned accept_count;
    bool told; /* done() was called in this wait */
};

static inline struct aio_peer *aio_find(const struct aio *aio, int fd)
{
    return fd >= 0 && (size_t)fd < aio->room ? aio->peers[fd] : NULL;
}

/* ---- aio.c ----------------------------------------------------------------------------------- */

/* The operation is the caller's again, from done() on also its memory. */
void aio_finish(struct aio *aio, struct io_operation *operation, int result);
void aio_finish_cancelled(struct aio *aio, struct io_operation *operation);

/* ---- aio_stream.c ---------------------------------------------------------------------------- */

/* Begins or finishes it. */
void aio_receive(struct aio *aio, struct aio_peer *peer, struct io_operation *operation);
void aio_send_on(struct aio *aio, struct aio_peer *peer, struct io_operation *operation);
/* What has ended on a descriptor, which done() may remove. */
void aio_reap(struct aio *aio, int fd);
/* Ends its requests; no operation is under way. */
void aio_end_requests(struct aio_peer *peer);
