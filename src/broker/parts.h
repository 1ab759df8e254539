/*
 * parts.h - what a broker is made of; for src/broker alone. Every part locks itself, and none calls
 * another while it holds its lock, but for the order of this list.
 */
#pragma once

#include "broker/broker.h"
#include "broker/settings.h"
#include "wire/errors.h"

struct groups;       /* groups.h: members and generations */
struct sessions;     /* sessions.h: incremental fetches */
struct writers;      /* writers.h: open appenders, and the producer state that goes with them */
struct waiters;      /* waiters.h: parked requests by the partitions they wait for */
struct progress;     /* log/progress.h: committed offsets */
struct producer_ids; /* log/producer_ids.h */
struct segment_cache; /* log/segment_cache.h */
struct listener;     /* log/listener.h: calls broker_moved() */

struct broker {
    struct directory *directory;
    const struct broker_host *host;
    char cluster_id[64]; /* as in meta.properties */
    int32_t node_id;

    pthread_mutex_t settings_lock; /* broker_configure() against copies */
    struct broker_settings settings;

    struct groups *groups;
    struct sessions *sessions;
    struct writers *writers;
    struct waiters *waiters;
    struct progress *progress;
    struct producer_ids *producer_ids;
    struct segment_cache *segments;
    struct listener *listener;
};

#define BROKER_LEADER_EPOCH_NONE (-1)

/* errors.c: Kafka's code for a MAPLOG_* code. */
int16_t broker_error(int code);
