#include "broker/waiters.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/limits.h"

#define STRIPES 64 /* locks; partitions of one stripe share it */

struct waiters {
    const struct broker_host *host;
    pthread_mutex_t locks[STRIPES];
    struct waiter *first[LIMIT_PARTITIONS]; /* pages that are never touched cost nothing */
};

int waiters_open(const struct broker_host *host, struct waiters **waiters)
{
    struct waiters *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for waiting requests");
    made->host = host;
    for (int i = 0; i < STRIPES; i++)
        pthread_mutex_init(&made->locks[i], NULL);
    *waiters = made;
    return 0;
}

void waiters_close(struct waiters *waiters)
{
    if (!waiters)
        return;
    for (int i = 0; i < STRIPES; i++)
        pthread_mutex_destroy(&waiters->locks[i]);
    free(waiters);
}

static pthread_mutex_t *lock_of(struct waiters *waiters, uint32_t slot)
{
    return &waiters->locks[slot % STRIPES];
}

void waiters_add(struct waiters *waiters, struct waiter *waiter)
{
    pthread_mutex_t *lock = lock_of(waiters, waiter->slot);
    pthread_mutex_lock(lock);
    struct waiter **first = &waiters->first[waiter->slot];
    waiter->next = *first;
    waiter->link = first;
    if (waiter->next)
        waiter->next->link = &waiter->next;
    *first = waiter;
    pthread_mutex_unlock(lock);
}

void waiters_remove(struct waiters *waiters, struct waiter *waiter)
{
    if (!waiter->link) /* only its own request lists it */
        return;
    pthread_mutex_t *lock = lock_of(waiters, waiter->slot);
    pthread_mutex_lock(lock);
    *waiter->link = waiter->next;
    if (waiter->next)
        waiter->next->link = waiter->link;
    waiter->link = NULL;
    pthread_mutex_unlock(lock);
}

void waiters_wake(struct waiters *waiters, uint32_t slot)
{
    if (slot >= LIMIT_PARTITIONS)
        return;
    pthread_mutex_t *lock = lock_of(waiters, slot);
    pthread_mutex_lock(lock);
    /* Under the lock: who is listed cannot end meanwhile. */
    for (struct waiter *waiter = waiters->first[slot]; waiter; waiter = waiter->next)
        waiters->host->wake(waiters->host->context, waiter->request);
    pthread_mutex_unlock(lock);
}
