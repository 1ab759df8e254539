/* helpers.c - a queue of cold work and the threads that do it. */
#include "server/helpers.h"

#include <stdlib.h>

#include "base/error.h"
#include "os/thread.h"
#include "server/note.h"

struct helpers {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct exchange *first, **last; /* queue */
    uint32_t queued;
    uint32_t idle;
    uint32_t count;
    bool closing;
    pthread_t threads[LIMIT_HELPERS];
};

static struct exchange *take(struct helpers *helpers)
{
    pthread_mutex_lock(&helpers->lock);
    helpers->idle++;
    while (!helpers->first && !helpers->closing)
        pthread_cond_wait(&helpers->changed, &helpers->lock);
    helpers->idle--;
    struct exchange *exchange = helpers->first;
    if (exchange) {
        helpers->queued--;
        helpers->first = exchange->next_cold;
        if (!helpers->first)
            helpers->last = &helpers->first;
    }
    pthread_mutex_unlock(&helpers->lock);
    return exchange;
}

static void *run(void *argument)
{
    struct helpers *helpers = argument;
    struct exchange *exchange;
    while ((exchange = take(helpers))) {
        exchange->request.work(&exchange->request);
        exchange_warmed(exchange);
    }
    return NULL;
}

int helpers_open(struct helpers **helpers)
{
    struct helpers *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for helper threads");
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->changed, NULL);
    made->last = &made->first;
    /* One at once: without any, cold requests would wait for ever. */
    int result = thread_start(&made->threads[0], "maplog-helper", run, made);
    if (result) {
        free(made);
        return result;
    }
    made->count = 1;
    *helpers = made;
    return 0;
}

/* One more when all are at work. The caller holds lock. */
static void grow(struct helpers *helpers)
{
    if (helpers->queued <= helpers->idle || helpers->count == LIMIT_HELPERS)
        return;
    if (thread_start(&helpers->threads[helpers->count], "maplog-helper", run, helpers) < 0)
        note('W', "cold work waits: %s", error_text());
    else
        helpers->count++;
}

void helpers_submit(struct helpers *helpers, struct exchange *exchange)
{
    pthread_mutex_lock(&helpers->lock);
    exchange->next_cold = NULL;
    *helpers->last = exchange;
    helpers->last = &exchange->next_cold;
    helpers->queued++;
    grow(helpers);
    pthread_cond_signal(&helpers->changed);
    pthread_mutex_unlock(&helpers->lock);
}

void helpers_close(struct helpers *helpers)
{
    if (!helpers)
        return;
    pthread_mutex_lock(&helpers->lock);
    helpers->closing = true;
    pthread_cond_broadcast(&helpers->changed);
    pthread_mutex_unlock(&helpers->lock);
    for (uint32_t i = 0; i < helpers->count; i++)
        thread_join(helpers->threads[i]);
    pthread_cond_destroy(&helpers->changed);
    pthread_mutex_destroy(&helpers->lock);
    free(helpers);
}
