/* worker.c - the loop of a worker: completions, wake-ups, deadlines, idle connections. */
#include "server/worker.h"

#include <stdlib.h>

#include "base/error.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/thread.h"
#include "server/connection.h"
#include "server/note.h"

#define ENGINE_BUFFER (64u << 10)    /* bytes: what an idle connection receives into */
#define SEND_FROM_MEMORY (12u << 10) /* bytes: below, sendfile costs more than the copy */
#define SWEEP_MS 1000
#define THIRSTY_MS 10 /* until those who wait for memory look again: others may have given some */

static int64_t take_arrived(struct worker *worker, struct connection **arrived)
{
    pthread_mutex_lock(&worker->lock);
    *arrived = worker->arrived;
    worker->arrived = NULL;
    int64_t stop_ms = worker->stop_ms;
    pthread_mutex_unlock(&worker->lock);
    return stop_ms;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void resume_woken(struct worker *worker)
{
    struct exchange *exchange;
    bool warmed;
    while ((exchange = exchange_take(worker, &warmed))) {
        if (warmed)
            exchange->cold = false;
        if (warmed || exchange->parked)
            connection_resume(exchange->connection);
    }
}

static void resume_due(struct worker *worker, int64_t now_ms)
{
    struct timer *first;
    while ((first = timers_first(&worker->deadlines)) && first->due_ms <= now_ms) {
        timers_clear(&worker->deadlines, first);
        struct exchange *exchange =
            (struct exchange *)((char *)first - offsetof(struct exchange, deadline));
        connection_resume(exchange->connection);
    }
}

static int64_t longest_wait_ns(const struct worker *worker, int64_t now_ms, int64_t stop_ms)
{
    const struct timer *first = timers_first(&worker->deadlines);
    int64_t next = worker->sweep_ms;
    if (first && first->due_ms < next)
        next = first->due_ms;
    if (stop_ms > now_ms && stop_ms < next) /* later only cold work is waited for, which wakes us */
        next = stop_ms;
    if (worker->thirsty && next > now_ms + THIRSTY_MS)
        next = now_ms + THIRSTY_MS;
    return next <= now_ms ? 0 : (next - now_ms) * 1000000;
}

/* Those to whom nothing is owed go at once, all others when the time is over. */
static void drain(struct worker *worker, bool all)
{
    struct connection *next;
    for (struct connection *each = worker->oldest; each; each = next) {
        next = connection_newer(each);
        if (all || !connection_owed(each))
            connection_close(each);
    }
}

static void take_connections(struct connection *arrived)
{
    while (arrived) {
        struct connection *next = connection_next_arrived(arrived);
        connection_begin(arrived);
        arrived = next;
    }
}

static void *run(void *argument)
{
    struct worker *worker = argument;
    exchange_serve(worker);
    int64_t stop_ms = 0;
    int64_t now_ms = clock_monotonic_ms();
    worker->sweep_ms = now_ms + SWEEP_MS;
    while (!stop_ms || worker->newest) {
        int result = io_wait(worker->engine, longest_wait_ns(worker, now_ms, stop_ms));
        if (result < 0) {
            note('E', "a worker ends: %s", error_text());
            /* It counts as full: nobody is sent here any more. */
            add_full(&worker->connections, worker->place->connections_limit);
            break;
        }
        struct connection *arrived;
        stop_ms = take_arrived(worker, &arrived);
        take_connections(arrived);
        resume_woken(worker);
        now_ms = clock_monotonic_ms();
        resume_due(worker, now_ms);
        if (worker->thirsty)
            connection_quench(worker);
        if (now_ms >= worker->sweep_ms) {
            connection_sweep(worker, now_ms);
            worker->sweep_ms = now_ms + SWEEP_MS;
        }
        if (stop_ms)
            drain(worker, now_ms >= stop_ms);
        connection_bury(worker);
    }
    return NULL;
}

/* ---- from outside ---------------------------------------------------------------------------- */

int worker_open(struct workplace *place, struct worker *worker)
{
    *worker = (struct worker){.place = place};
    worker->woken_end = &worker->woken;
    struct io_limits limits = {.descriptors = place->connections_limit,
                               .buffer_bytes = ENGINE_BUFFER,
                               .memory_bytes = SEND_FROM_MEMORY,
                               .send = place->send};
    int result = io_open(place->engine, &limits, &worker->engine);
    if (!result)
        pthread_mutex_init(&worker->lock, NULL);
    return result;
}

int worker_begin(struct worker *worker)
{
    return thread_start(&worker->thread, "maplog-worker", run, worker);
}

int worker_take(struct worker *worker, int fd, const struct listener_socket *listener)
{
    if (load_relaxed(&worker->connections) >= worker->place->connections_limit) {
        file_close(fd);
        return error_set(MAPLOG_LIMIT, "max.connections is reached (%u for each worker)",
                         worker->place->connections_limit);
    }
    struct connection *connection = connection_make(worker, fd, listener);
    if (!connection) {
        file_close(fd);
        return error_set(MAPLOG_NO_MEMORY, "no memory for a connection");
    }
    add_full(&worker->connections, 1);
    pthread_mutex_lock(&worker->lock);
    connection_set_next_arrived(connection, worker->arrived);
    worker->arrived = connection;
    pthread_mutex_unlock(&worker->lock);
    io_wake(worker->engine);
    return 0;
}

void worker_stop(struct worker *worker, int64_t stop_ms)
{
    pthread_mutex_lock(&worker->lock);
    worker->stop_ms = stop_ms;
    pthread_mutex_unlock(&worker->lock);
    io_wake(worker->engine);
}

void worker_join(struct worker *worker)
{
    thread_join(worker->thread);
}

void worker_free(struct worker *worker)
{
    struct connection *arrived;
    take_arrived(worker, &arrived);
    while (arrived) { /* it came while the worker was ending */
        struct connection *next = connection_next_arrived(arrived);
        connection_discard(arrived);
        arrived = next;
    }
    while (worker->spare) {
        struct exchange *next = worker->spare->next;
        free(worker->spare);
        worker->spare = next;
    }
    timers_free(&worker->deadlines);
    pthread_mutex_destroy(&worker->lock);
    io_close(worker->engine);
}
