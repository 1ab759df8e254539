/* exchange.c - a worker's inbox: requests that were woken or warmed. */
#include "server/exchange.h"

#include <stdlib.h>

#include "log/format.h"
#include "log/segment.h"

/* Its own wake-ups need no system call. */
static _Thread_local struct worker *this_worker;

void exchange_serve(struct worker *worker)
{
    this_worker = worker;
}

static void post(struct exchange *exchange, bool warmed)
{
    struct worker *worker = exchange->worker;
    pthread_mutex_lock(&worker->lock);
    if (!exchange->woken) {
        exchange->woken = true;
        exchange->next = NULL;
        *worker->woken_end = exchange;
        worker->woken_end = &exchange->next;
    }
    exchange->warmed |= warmed;
    pthread_mutex_unlock(&worker->lock);
    if (worker != this_worker)
        io_wake(worker->engine);
}

void exchange_wake(struct exchange *exchange)
{
    post(exchange, false);
}

void exchange_warmed(struct exchange *exchange)
{
    post(exchange, true);
}

struct exchange *exchange_take(struct worker *worker, bool *warmed)
{
    pthread_mutex_lock(&worker->lock);
    struct exchange *exchange = worker->woken;
    if (exchange) {
        worker->woken = exchange->next;
        if (!worker->woken)
            worker->woken_end = &worker->woken;
        *warmed = exchange->warmed;
        exchange->woken = exchange->warmed = false;
    }
    pthread_mutex_unlock(&worker->lock);
    return exchange;
}

static void forget_woken(struct worker *worker, struct exchange *exchange)
{
    pthread_mutex_lock(&worker->lock);
    struct exchange **at = &worker->woken;
    while (exchange->woken && *at != exchange)
        at = &(*at)->next;
    if (exchange->woken) {
        *at = exchange->next;
        if (!*at)
            worker->woken_end = at;
        exchange->woken = false;
    }
    pthread_mutex_unlock(&worker->lock);
}

struct exchange *exchange_new(struct worker *worker)
{
    struct exchange *exchange = worker->spare;
    if (exchange)
        worker->spare = exchange->next;
    else if (!(exchange = malloc(sizeof *exchange)))
        return NULL;
    *exchange = (struct exchange){.worker = worker};
    exchange->request.arena.limit = LIMIT_REQUEST_MEMORY;
    exchange->request.server = exchange;
    return exchange;
}

const char *exchange_file(const struct exchange *exchange, uint32_t slice,
                          char text[static EXCHANGE_FILE])
{
    const struct wire_output *output = &exchange->request.output;
    const struct segment *segment = slice < output->count ? output->slices[slice].source : NULL;
    text[0] = '\0';
    if (segment)
        segment_path(segment->partition, segment->base, SEGMENT_LOG_SUFFIX ": ", text,
                     EXCHANGE_FILE);
    return text;
}

void exchange_free(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    forget_woken(worker, exchange);
    timers_clear(&worker->deadlines, &exchange->deadline);
    arena_reset(&exchange->request.arena);
    exchange->next = worker->spare;
    worker->spare = exchange;
}
