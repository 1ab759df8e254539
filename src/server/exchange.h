/*
 * exchange.h - a request on its way through a worker, and the worker's inbox: how other threads
 * tell it that a request can go on. What is not said to be for any thread is for the worker's own.
 */
#pragma once

#include <pthread.h>

#include "broker/broker.h"
#include "io/engine.h"
#include "server/timers.h"
#include "shm/order.h"

struct connection;
struct helpers;
struct listener_socket;

/* What all workers share; the server's. */
struct workplace {
    struct broker *broker;
    struct helpers *helpers;
    const char *engine, *send;   /* names of how it waits, and of how files go out */
    int64_t memory_limit;        /* bytes of all receive buffers; 0: none */
    _Atomic int64_t memory_used; /* bytes */
    _Atomic uint32_t thirsty;    /* connections that wait for memory */
    int64_t idle_ms;             /* connections that say nothing for longer are closed; 0: never */
    uint32_t frame_limit;        /* bytes of the largest request */
    uint32_t connections_limit;  /* of one worker */
};

/* A request on its way; request.server points here. */
struct exchange {
    struct broker_request request;
    struct connection *connection;
    struct worker *worker;
    struct timer deadline;
    struct exchange *next;      /* in worker->woken, or spare */
    struct exchange *next_cold; /* in the helpers' queue */
    bool woken;                 /* it is in worker->woken; under worker->lock */
    bool warmed;                /* its cold work is done; under worker->lock */
    bool parked;                /* waits for a wake or its deadline */
    bool cold;                  /* a helper has it */
};

/* One thread with an engine and its connections; worker.h runs it. */
struct worker {
    struct workplace *place;
    struct io_engine *engine;
    pthread_t thread;
    struct timers deadlines;
    struct connection *newest, *oldest; /* by their last sign of life */
    struct connection *thirsty;         /* wait for memory */
    struct connection *over;            /* to be freed at the end of the turn */
    struct exchange *spare;             /* to be used again */
    _Atomic uint32_t connections;
    int64_t sweep_ms; /* when idle connections are looked for next */

    pthread_mutex_t lock; /* guards what follows */
    struct connection *arrived;
    struct exchange *woken, **woken_end;
    int64_t stop_ms; /* when everything must have ended; 0: not stopping */
};

/* A fresh one; NULL without memory. */
struct exchange *exchange_new(struct worker *worker);
/* After broker_end(): it is not woken any more. */
void exchange_free(struct exchange *exchange);
/* Of which file the answer's slice is, as "orders-0/00000000000000000042.log: ", or "". */
#define EXCHANGE_FILE (LIMIT_TOPIC_NAME + 48)
const char *exchange_file(const struct exchange *exchange, uint32_t slice,
                          char text[static EXCHANGE_FILE]);

/* For broker_host->wake. Any thread. */
void exchange_wake(struct exchange *exchange);
/* The same from a helper thread that has done its cold work. */
void exchange_warmed(struct exchange *exchange);
/* The next one that was woken; NULL: none. *warmed: its cold work is done. */
struct exchange *exchange_take(struct worker *worker, bool *warmed);
/* The calling thread runs this worker: what it wakes there itself needs no system call. */
void exchange_serve(struct worker *worker);
