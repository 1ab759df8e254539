/*
 * uring.h - what the files of the engine on io_uring share. Internal to io/uring*.c; owned by
 * uring.c, called by its thread only.
 */
#pragma once

#include <liburing.h>

#include "io/sender.h"
#include "io/sockets.h"
#include "os/event.h"

#define URING_SUBMISSIONS 256 /* operations handed over by one call */
#define URING_COMPLETIONS 4096
#define URING_VECTORS 1024 /* pieces of memory handed over by one call */
#define URING_BUFFERS 256  /* most */
#define URING_NOTICES 1024 /* sends without copies whose pages the kernel still reads */

/* What the kernel gives back with a completion: a pointer or number, and one of these. */
enum uring_tag {
    URING_OPERATION, /* struct io_operation */
    URING_POLL,      /* struct io_operation that waits for its direction */
    URING_NOTICE,    /* number of a notice */
    URING_WAKE,
    URING_CANCEL,
    URING_STREAM, /* descriptor and generation of a socket that receives */
    URING_LISTEN, /* of one that accepts */
    URING_DISARM, /* of one that shall not do so any more */
    URING_TAGS = 8,
};

enum uring_state {
    URING_IDLE,      /* the caller's */
    URING_QUEUED,    /* to be handed over */
    URING_FINISHED,  /* done() is still to be called; queued */
    URING_CANCELLED, /* the same */
    URING_RUNNING,   /* with the kernel */
    URING_POLLING,   /* with the kernel, waiting for its direction */
    URING_SETTLING,  /* sent, the kernel still reads */
    URING_WAITING,   /* for what an armed socket delivers */
    URING_STOPPING,  /* with the kernel, asked to give it back */
};

/* Bytes for receives without a buffer of their own. */
struct uring_buffers {
    struct io_uring_buf_ring *ring; /* shared with the kernel, which takes buffers out of it */
    uint8_t *memory;                /* of one more, which is the engine's */
    uint32_t count;                 /* a power of two */
    uint32_t bytes;                 /* of each */
};

/* What is in a buffer that was filled before anybody received. */
struct uring_held {
    uint32_t taken, size; /* bytes taken already, and left */
    uint16_t next;        /* buffer of the same socket, plus 1; 0: none */
};

/* A connection that came before anybody accepted. */
struct uring_waiting {
    int listener, fd;
};

/* Calls by zerocopy; they outlive a cancelled operation. */
struct uring_notice {
    struct io_operation *operation; /* NULL: not in use, or the operation is over */
    uint32_t next;                  /* free one */
    bool running;                   /* the call itself is not over */
};

struct uring {
    struct io_engine engine;
    struct io_limits limits;
    struct io_uring ring;
    struct uring_buffers buffers;
    struct sockets sockets;
    struct sender *sender;
    struct event_flag wake;
    struct io_operation *first, *last; /* to be handed over, or done but not told */
    bool begun;                        /* its thread has it */
    bool watched;                      /* the wake, by the kernel */
    bool told;                         /* done() was called in this turn */
    bool zerocopy;                     /* file slices are sent so */
    bool tells_copies;                 /* the kernel does, where it copied after all */
    struct uring_held held[URING_BUFFERS];
    struct uring_waiting *waiting; /* in the order in which they came */
    uint32_t waiting_count, waiting_room;
    uint32_t vectors_used, messages_used;
    struct iovec vectors[URING_VECTORS]; /* the kernel copies them when they are handed over */
    struct msghdr messages[URING_SUBMISSIONS];
    uint32_t free_notice; /* URING_NOTICES: none */
    struct uring_notice notices[URING_NOTICES];
};

/* ---- uring_ring.c: the ring and its buffers -------------------------------------------------- */

/* MAPLOG_UNSUPPORTED says what of the kernel is in the way. */
int uring_ring_open(struct uring *uring);
void uring_ring_close(struct uring *uring);
/* By the thread that waits, once; the ring is its own from here on. */
int uring_ring_begin(struct uring *uring);
/* Hands over what was prepared, and takes note of completions; waits for one, not at all with 0 and
 * without limit below 0. 0, or an error: the engine's end. */
int uring_ring_enter(struct uring *uring, int64_t timeout_ns);
/* The next place for something to hand over, tagged; NULL: the kernel takes nothing at present. */
struct io_uring_sqe *uring_ring_next(struct uring *uring);
void uring_ring_tag(struct io_uring_sqe *sqe, uint64_t what, enum uring_tag tag);
const uint8_t *uring_ring_buffer(const struct uring *uring, uint32_t number);
void uring_ring_give(struct uring *uring, uint32_t number); /* back to the kernel */
/* The same for that of a completion, if it has one. */
void uring_ring_recycle(struct uring *uring, uint32_t cqe_flags);

/* ---- uring.c: operations --------------------------------------------------------------------- */

void uring_enqueue(struct uring *uring, struct io_operation *operation, enum uring_state state);
void uring_finish(struct uring *uring, struct io_operation *operation, int result); /* done() */
/* True: what is no result of it, and may be tried again. */
bool uring_is_passing(const struct io_operation *operation, int errnum);

/* ---- uring_stream.c: accepts and receives ---------------------------------------------------- */

/* True: the operation waits for what its socket delivers, nothing is to be handed over. */
bool uring_stream_goes_on(const struct uring *uring, struct io_operation *operation);
/* False: it is a receive of its own. */
bool uring_stream_start(struct uring *uring, struct io_operation *operation);
void uring_stream_completed(struct uring *uring, const struct io_uring_cqe *cqe, bool listens);
/* The kernel did not disarm it: that is asked for again where it is still needed. */
void uring_stream_refused(struct uring *uring, const struct io_uring_cqe *cqe);
void uring_stream_polled(struct uring *uring, struct io_operation *operation);
void uring_stream_remove(struct uring *uring, int fd);
void uring_stream_close(struct uring *uring);

/* ---- uring_send.c: sends --------------------------------------------------------------------- */

void uring_send_open(struct uring *uring);
/* Hands over what comes next of it. TRANSFER_BLOCKED: it is with the kernel, the state says how;
 * TRANSFER_MORE: to be queued; TRANSFER_SETTLING; TRANSFER_DONE; TRANSFER_FAILED. */
enum transfer uring_send_go(struct uring *uring, struct io_operation *operation);
/* A call is over; as above, TRANSFER_MORE when bytes are left. */
enum transfer uring_send_moved(struct uring *uring, struct io_operation *operation, int result);
/* Of a notice's completion. The operation that it is of, NULL when that is over or goes on. */
struct io_operation *uring_send_noticed(struct uring *uring, const struct io_uring_cqe *cqe,
                                        enum transfer *transfer);
/* What cancels the call that is with the kernel. */
void uring_send_tag_cancel(const struct uring *uring, const struct io_operation *operation,
                           struct io_uring_sqe *sqe);
/* The operation is over: notices that come for it count no more. */
void uring_send_end(struct uring *uring, struct io_operation *operation);
