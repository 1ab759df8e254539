/*
 * threads.h - the Proactor made of threads: what engines have in common whose operations are
 * performed by threads that block in the kernel. Internal to io/; owned by the engine that embeds
 * it, called by the engine's thread where nothing else is said.
 *
 * An operation that is submitted starts when the done() that submitted it has returned, or with the
 * next io_wait; until then a cancel takes it back without a trace. Then it belongs to a thread,
 * which ends it by threads_complete, and io_wait calls done(). Descriptors block while they are
 * with the engine.
 */
#pragma once

#include <pthread.h>

#include "io/sockets.h"
#include "io/transfer.h"
#include "os/thread.h"

#define THREADS_SPARES 16 /* receive buffers that are kept for the next ones */

struct threads;
struct sender;

/* What an engine adds. */
struct threads_hooks {
    /* Hands it to a thread. 0, or MAPLOG_LIMIT: there is none, and none is to be had. */
    int (*start)(struct threads *threads, struct io_operation *operation);
    /* One that was started shall end soon, with MAPLOG_CLOSED unless it is done anyway. Also called
     * when its thread has completed it and nobody was told yet. */
    void (*stop)(struct threads *threads, struct io_operation *operation);
    /* It is completed, and becomes the caller's. Not after a start that failed. May be NULL. */
    void (*ended)(struct threads *threads, struct io_operation *operation);
};

struct threads_list {
    struct io_operation *first, *last;
};

struct threads {
    struct io_engine engine;
    const struct threads_hooks *hooks;
    struct io_limits limits;
    struct sender *sender;
    struct sockets sockets;
    struct threads_list submitted; /* not started */
    struct thread_flag flag;       /* something is completed, or io_wake was called */
    pthread_mutex_t lock;          /* guards what follows, and what engines say */
    struct threads_list completed; /* done() is still to be called */
    uint8_t *spares[THREADS_SPARES];
    unsigned spare_count;
};

int threads_open(struct threads *threads, const struct io_methods *methods,
                 const struct threads_hooks *hooks, const struct io_limits *limits);
void threads_close(struct threads *threads); /* frees what it holds, not the struct */
int threads_add(struct threads *threads, int fd);
void threads_remove(struct threads *threads, int fd);
enum direction threads_direction(const struct io_operation *operation);

/* ---- by any thread, one at a time for an operation ------------------------------------------- */

/* Goes on with it by calls that may block. *result: for threads_complete, when it is done or
 * failed. TRANSFER_BLOCKED: a signal came, the descriptor does not block, or it has a limit for
 * waits. */
enum transfer threads_attempt(struct threads *threads, struct io_operation *operation, int *result);
/* result: as of done(); for MAPLOG_IO operation->error has the cause. */
void threads_complete(struct threads *threads, struct io_operation *operation, int result);

/* ---- for the table of methods, as they are --------------------------------------------------- */

void threads_submit(struct io_engine *engine, struct io_operation *operation);
void threads_cancel(struct io_engine *engine, struct io_operation *operation);
int threads_wait(struct io_engine *engine, int64_t timeout_ns);
void threads_wake(struct io_engine *engine); /* any thread, signal handlers */
