/*
 * door_producer.h - a producer through either door. One thread.
 */
#pragma once

#include "cmd/door.h"
#include "cmd/far_producer.h"

struct door_producer {
    maplog_producer *near; /* NULL: behind a server */
    struct far_producer *far;
};

static inline int door_producer_open(struct door *door, const char *topic,
                                     const struct maplog_producer_options *options,
                                     struct door_producer *producer)
{
    return door->remote ? far_producer_open(door->remote, topic, options, &producer->far)
                        : maplog_producer_open(door->log, topic, options, &producer->near);
}

/* partition -1: by key, else evenly. */
static inline int door_produce(struct door_producer *producer, int32_t partition,
                               const struct maplog_record *record)
{
    if (producer->far)
        return far_produce(producer->far, partition, record);
    return partition < 0 ? maplog_produce(producer->near, record, NULL)
                         : maplog_produce_to(producer->near, partition, record, NULL);
}

static inline int door_flush(struct door_producer *producer)
{
    return producer->far ? far_flush(producer->far) : maplog_flush(producer->near);
}

/* Flushes first. */
static inline int door_producer_close(struct door_producer *producer)
{
    return producer->far ? far_producer_close(producer->far)
                         : maplog_producer_close(producer->near);
}
