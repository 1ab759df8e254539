/*
 * ready.h - the reactor: what engines have in common that are told when a socket is ready. Internal
 * to io/; owned by the engine that embeds it, called by its thread only.
 *
 * A send is tried when it is submitted, a receive or accept once its descriptor is known to be
 * readable. What would block is parked until the engine reports its direction ready, and then tried
 * again. Every attempt moves a bounded number of bytes, and what has more to move goes behind all
 * others that are ready. done() is called from ready_wait only.
 */
#pragma once

#include "io/sockets.h"
#include "os/event.h"

enum ready_events {
    READY_IN = 1,
    READY_OUT = 2,
    READY_ODD = 4, /* end, error, urgent bytes: a short read does not mean that all was read */
};

struct ready_list {
    struct io_operation *first, *last;
};

struct ready;
struct sender;

/* What an engine adds to the reactor. */
struct ready_hooks {
    /* Waits, not at all with 0 and without limit below 0, calls ready_event for all that is ready,
     * ready_woken when the flag's descriptor is readable. 0, or an error: the engine's end. */
    int (*look)(struct ready *ready, int64_t timeout_ns);
    /* An operation was parked: from now on look must tell when its direction is ready, also when it
     * is by now (ready_event may be called at once); when it is settling, READY_ODD. May be NULL.
     */
    int (*park)(struct ready *ready, const struct io_operation *operation);
};

struct ready {
    struct io_engine engine;
    const struct ready_hooks *hooks;
    struct io_limits limits;
    struct sender *sender;
    struct event_flag wake;
    struct ready_list queue;  /* to be tried, or done but not told, at the next wait */
    struct ready_list parked; /* until their direction is ready */
    uint8_t *buffer;          /* of limits.buffer_bytes */
    struct sockets sockets;
};

int ready_open(struct ready *ready, const struct io_methods *methods,
               const struct ready_hooks *hooks, const struct io_limits *limits);
void ready_close(struct ready *ready); /* frees what it holds, not the struct */
int ready_add(struct ready *ready, int fd);
void ready_remove(struct ready *ready, int fd);

/* For look. */
void ready_event(struct ready *ready, int fd, unsigned events);
void ready_woken(struct ready *ready);
/* What is parked on the descriptor in that direction, or NULL. */
const struct io_operation *ready_parked(const struct ready *ready, int fd,
                                        enum direction direction);
/* Instead: tries everything that is parked; true: something was done, or will be. */
bool ready_try(struct ready *ready);
/* Milliseconds for calls that count in them, rounded up. */
int ready_milliseconds(int64_t timeout_ns);

/* For the table of methods, as they are. */
void ready_submit(struct io_engine *engine, struct io_operation *operation);
void ready_cancel(struct io_engine *engine, struct io_operation *operation);
int ready_wait(struct io_engine *engine, int64_t timeout_ns);
void ready_wake(struct io_engine *engine);
