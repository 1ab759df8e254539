/*
 * nonblocking.c - the engine that never asks: it tries whatever is parked, again and again. A wait
 * costs a call for every operation and round, and a CPU as long as it lasts.
 *
 * Between rounds that moved nothing it lets others have the CPU (sched_yield), for they may be
 * those that it waits for. Echo of 64 bytes, one connection, its client on the same CPU: 154,000
 * round trips a second; 40,000 to 55,000 when it sleeps a microsecond instead, which timers make
 * 50; down to 48,000 when it spins on. With a CPU of its own: 59,000, 46,000 and 56,000.
 */
#include <stdlib.h>

#include "base/error.h"
#include "io/ready.h"
#include "os/clock.h"
#include "os/thread.h"

static int look(struct ready *ready, int64_t timeout_ns)
{
    int64_t begun = timeout_ns > 0 ? clock_monotonic_ns() : 0;
    for (;;) {
        bool woken =
            event_is_raised(&ready->wake); /* a load: rounds ask the kernel for nothing else */
        if (woken)
            ready_woken(ready);
        if (ready_try(ready) || woken || timeout_ns == 0)
            return 0;
        if (timeout_ns > 0 && clock_monotonic_ns() - begun >= timeout_ns)
            return 0;
        thread_yield();
    }
}

static const struct ready_hooks hooks = {look, NULL};

static int nonblocking_add(struct io_engine *engine, int fd)
{
    return ready_add((struct ready *)engine, fd);
}

static void nonblocking_remove(struct io_engine *engine, int fd)
{
    ready_remove((struct ready *)engine, fd);
}

static void nonblocking_close(struct io_engine *engine)
{
    ready_close((struct ready *)engine);
    free(engine);
}

static int nonblocking_open(const struct io_limits *limits, struct io_engine **engine)
{
    struct ready *ready = malloc(sizeof *ready);
    if (!ready)
        return error_set(MAPLOG_NO_MEMORY, "no memory for an engine");
    int error = ready_open(ready, &io_nonblocking, &hooks, limits);
    if (error)
        free(ready);
    else
        *engine = &ready->engine;
    return error;
}

const struct io_methods io_nonblocking = {"nonblocking",   nonblocking_open,   nonblocking_close,
                                          nonblocking_add, nonblocking_remove, ready_submit,
                                          ready_cancel,    ready_wait,         ready_wake};
