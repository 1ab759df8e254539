/*
 * engine.h - waiting for sockets: operations that complete. One engine a worker thread; everything
 * but io_wake is called by that thread only. README.md tells how engines do it.
 *
 * The interface is shaped as completion, since readiness can imitate completion and not the
 * reverse. An operation belongs to its caller, who fills it, submits it, and leaves it alone until
 * done() is called: exactly once, from io_wait, also after io_cancel, never from within the call
 * that submits. Within done() new operations may be submitted, this one too, and its memory may go.
 * At most one operation a direction is under way on a descriptor (accept and receive are one), a
 * second one fails; descriptors are closed by their owner when none is. An operation begins as
 * zeroes. No socket is served more than LIMIT_TURN_BYTES before all others that are ready.
 *
 * Errors come with a text (base/error.h) that is valid within done(); it does not name the peer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct io_engine;

/* A piece of what is sent: bytes in memory, and where they lie in a file (-1: nowhere). They stay
 * as they are until done(). */
struct io_slice {
    const uint8_t *at;
    size_t size;
    int fd;            /* of the file that at maps, or -1 */
    uint64_t position; /* in the file */
};

struct io_operation {
    /* The caller's. */
    int fd; /* non-blocking socket */
    void (*done)(struct io_operation *operation, int result);
    uint8_t *buffer; /* receive: where to; NULL: a buffer of the engine, valid within done() */
    size_t size; /* receive: how many bytes at most, 1 or more; unused with the engine's buffer */
    struct io_slice *slices; /* send: changed while it goes on */
    uint32_t count;          /* send: slices */

    /* The result beside `result`. */
    const uint8_t *received; /* receive: the bytes, in buffer or in the engine's */
    bool copied;             /* send by zerocopy: the kernel copied after all, as on loopback */

    /* The engine's. */
    struct io_operation *next, *previous;
    struct sender_hold *hold; /* a send: bytes taken out of the file that the socket did not take */
    uint32_t sent;            /* slices */
    uint32_t unsettled;       /* a send by zerocopy: calls whose pages the kernel still reads */
    int error;                /* errno of an attempt that failed before done() could be called */
    int result;               /* of an attempt by another thread than done()'s */
    bool brief;               /* a send: the last call took less than all, without "would block" */
    bool by_copy;             /* a send by zerocopy: the present slice is copied after all */
    bool settling;            /* a send: all is handed over, the kernel still reads it */
    uint8_t kind;
    uint8_t state; /* 0 while it is the caller's */
};

struct io_limits {
    uint32_t descriptors;  /* that may be in operation at a time */
    uint32_t buffer_bytes; /* of the engine's own receive buffer */
    uint32_t memory_bytes; /* method "auto": file slices below this size are sent from memory,
                              others by sendfile */
    const char *send;      /* how file slices go, io_send_name(); NULL: "auto" */
};

/* name: as io_name() has them. MAPLOG_INVALID (the text names those there are, engines or methods),
 * MAPLOG_UNSUPPORTED by this kernel or this build, MAPLOG_NO_MEMORY, MAPLOG_LIMIT. The process must
 * ignore or block SIGPIPE (os/signals.h does): sendfile cannot be told not to raise it. */
int io_open(const char *name, const struct io_limits *limits, struct io_engine **engine);
const char *io_name(unsigned index);      /* of engine 0, 1, ...; NULL behind the last */
const char *io_send_name(unsigned index); /* of ways to send a file; NULL behind the last */
void io_close(struct io_engine *engine);  /* no operation may be under way; accepts NULL */

/* Takes a descriptor into the engine before its first operation, and out of it after its last.
 * MAPLOG_LIMIT, MAPLOG_NO_MEMORY, MAPLOG_INVALID (it is there already), MAPLOG_IO. */
int io_add(struct io_engine *engine, int fd);
void io_remove(struct io_engine *engine, int fd);

/* result of done(): a new descriptor (non-blocking, close-on-exec) that is the caller's;
 * MAPLOG_LIMIT when the process has no descriptor left; MAPLOG_IO; MAPLOG_CLOSED after a cancel. */
void io_accept(struct io_engine *engine, struct io_operation *operation);
/* result: bytes, 0: the peer has ended its sending, MAPLOG_IO (the peer vanished), MAPLOG_CLOSED.
 */
void io_receive(struct io_engine *engine, struct io_operation *operation);
/* result: 0 when all is handed to the kernel, MAPLOG_IO (the peer vanished), MAPLOG_CLOSED, or
 * MAPLOG_CORRUPT: a file ends before its slice does or cannot be read; slices[sent] is that one.
 * Behind an error the stream cannot go on. */
void io_send(struct io_engine *engine, struct io_operation *operation);
/* done(MAPLOG_CLOSED) follows, unless it completed already. */
void io_cancel(struct io_engine *engine, struct io_operation *operation);

/* Runs completions: those that are there, or waits for some for at most timeout_ns (< 0: no limit;
 * rounded up to milliseconds where the system counts in these). 0 also without any, as when woken
 * or interrupted by a signal; an error is the engine's end. */
int io_wait(struct io_engine *engine, int64_t timeout_ns);
/* Ends a wait, now or the next one; cheap when it was called already. What was written before is
 * seen behind that wait. Any thread, and signal handlers. */
void io_wake(struct io_engine *engine);
