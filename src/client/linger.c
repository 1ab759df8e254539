/* linger.c - publishes batches that waited for linger_ms, from the directory's helper thread. */
#include "client/producer.h"

#include <stddef.h>

#include "os/clock.h"

/* How long the helper thread waits for another writer: it has other work too. */
#define LINGER_WAIT_NS (20 * 1000000ll)
#define LINGER_RETRY_MS 10 /* after an error: a full disk, a stopped writer */

static struct maplog_producer *producer_of(struct keeper_timer *timer)
{
    return (struct maplog_producer *)((char *)timer - offsetof(struct maplog_producer, timer));
}

static void fire(struct keeper_timer *timer)
{
    struct maplog_producer *producer = producer_of(timer);
    pthread_mutex_lock(&producer->lock);
    int64_t now = clock_wall_ms(); /* the timer came by this clock */
    int64_t next = 0;
    for (int32_t i = 0; i < producer->partitions; i++) {
        struct lane *lane = producer->lanes[i];
        if (!lane || lane->due_ms == 0)
            continue;
        if (lane->due_ms <= now) {
            int64_t timeout_ns = lane->appender.timeout_ns;
            lane->appender.timeout_ns = LINGER_WAIT_NS;
            /* After an error the batch stays open, and the producer's next flush tells. */
            if (lane_publish(lane))
                lane->due_ms = now + LINGER_RETRY_MS;
            lane->appender.timeout_ns = timeout_ns;
        }
        if (lane->due_ms && (next == 0 || lane->due_ms < next))
            next = lane->due_ms;
    }
    if (next)
        keeper_timer_set(producer->directory, timer, next);
    pthread_mutex_unlock(&producer->lock);
}

int linger_begin(struct maplog_producer *producer)
{
    int result = keeper_begin(producer->directory);
    if (result)
        return result;
    pthread_mutex_init(&producer->lock, NULL);
    producer->timer.fire = fire;
    keeper_timer_add(producer->directory, &producer->timer);
    producer->lingers = true;
    return 0;
}

void linger_end(struct maplog_producer *producer)
{
    /* Not under the mutex: this waits for a running fire. */
    keeper_timer_remove(producer->directory, &producer->timer);
    pthread_mutex_destroy(&producer->lock);
    producer->lingers = false;
}

void linger_arm(struct maplog_producer *producer, struct lane *lane, int64_t now_ms)
{
    lane->due_ms = now_ms + producer->options.linger_ms;
    int64_t due = load_relaxed(&producer->timer.due_ms);
    if (due == 0 || lane->due_ms < due)
        keeper_timer_set(producer->directory, &producer->timer, lane->due_ms);
}
