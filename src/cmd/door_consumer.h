/*
 * door_consumer.h - a consumer through either door. One thread.
 */
#pragma once

#include "cmd/door.h"
#include "cmd/far_consumer.h"

struct door_consumer {
    maplog_consumer *near; /* NULL: behind a server */
    struct far_consumer *far;
};

static inline int door_consumer_open(struct door *door, const char *topic,
                                     const struct far_consumer_options *options,
                                     struct door_consumer *consumer)
{
    if (door->remote)
        return far_consumer_open(door->remote, topic, options, &consumer->far);
    struct maplog_consumer_options near = {.group = options->group,
                                           .partitions = options->partitions,
                                           .partition_count = options->partition_count,
                                           .at_end = options->at_end,
                                           .check_crcs = options->check_crcs};
    return maplog_consumer_open(door->log, topic, &near, &consumer->near);
}

static inline void door_consumer_close(struct door_consumer *consumer)
{
    maplog_consumer_close(consumer->near);
    far_consumer_close(consumer->far);
}

static inline int door_consume(struct door_consumer *consumer, struct maplog_message *message,
                               int timeout_ms)
{
    return consumer->far ? far_consume(consumer->far, message, timeout_ms)
                         : maplog_consume(consumer->near, message, timeout_ms);
}

static inline int door_seek(struct door_consumer *consumer, int32_t partition, int64_t offset)
{
    return consumer->far ? far_seek(consumer->far, partition, offset)
                         : maplog_seek(consumer->near, partition, offset);
}

static inline int door_seek_time(struct door_consumer *consumer, int32_t partition, int64_t time)
{
    return consumer->far ? far_seek_time(consumer->far, partition, time)
                         : maplog_seek_time(consumer->near, partition, time);
}

static inline int door_position(struct door_consumer *consumer, int32_t partition, int64_t *offset)
{
    return consumer->far ? far_position(consumer->far, partition, offset)
                         : maplog_position(consumer->near, partition, offset);
}

static inline int door_commit(struct door_consumer *consumer)
{
    return consumer->far ? far_commit(consumer->far) : maplog_commit(consumer->near);
}
