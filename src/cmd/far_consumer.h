/*
 * far_consumer.h - a consumer of a topic behind a server, with the meanings of <maplog.h>'s: record
 * batches are fetched whole and unfolded here. In a group it is a member like any Kafka client.
 * One thread.
 */
#pragma once

#include <maplog.h>

#include "remote/connection.h"

struct far_consumer;

struct far_consumer_options {
    const char *group;         /* NULL: none */
    const int32_t *partitions; /* NULL: all; not with a group */
    size_t partition_count;
    bool at_end;
    bool check_crcs;
    bool follow; /* partitions that are made later are wanted too */
    /* In a group: partitions may go to others after this; what was taken is to be delivered and
     * committed. An error ends what the consumer was doing. */
    int (*yield)(void *context);
    void *context;
};

int far_consumer_open(struct remote *remote, const char *topic,
                      const struct far_consumer_options *options, struct far_consumer **far);
/* 1 with a message that is valid until the next call, 0: none came within timeout_ms. A server that
 * is gone for a while is waited for. */
int far_consume(struct far_consumer *far, struct maplog_message *message, int timeout_ms);
int far_seek(struct far_consumer *far, int32_t partition, int64_t offset);
int far_seek_time(struct far_consumer *far, int32_t partition, int64_t time);
/* MAPLOG_GROUP_BUSY: another member of the group has the partition. */
int far_position(struct far_consumer *far, int32_t partition, int64_t *offset);
int far_commit(struct far_consumer *far);
void far_consumer_close(struct far_consumer *far); /* commits nothing; NULL is fine */
