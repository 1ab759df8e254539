/*
 * topics.h - a server's topics, with the meanings of <maplog.h>'s calls. One thread at a time.
 */
#pragma once

#include "remote/connection.h"

/* partitions 0: as many as the server gives. configs: "name=value" strings, NULL-terminated, or
 * NULL. MAPLOG_EXISTS, MAPLOG_INVALID. */
int remote_topic_create(struct remote *remote, const char *topic, int32_t partitions,
                        const char *const *configs);
int remote_topic_delete(struct remote *remote, const char *topic);
/* "name=" goes back to the default. */
int remote_topic_alter(struct remote *remote, const char *topic, const char *const *configs);
int remote_topic_grow(struct remote *remote, const char *topic, int32_t partitions);
/* MAPLOG_NOT_FOUND; found->name is the caller's string. */
int remote_topic_describe(struct remote *remote, const char *topic, struct maplog_topic *found);
/* In the order of names; visit may call the remote. */
int remote_topic_list(struct remote *remote,
                      int (*visit)(void *context, const struct maplog_topic *topic), void *context);
/* visit must not call the remote; the texts are valid within. */
int remote_topic_configs(struct remote *remote, const char *topic,
                         int (*visit)(void *context, const char *name, const char *value,
                                      int is_default),
                         void *context);
/* One setting; the value is copied and cut to `size` bytes with the NUL. MAPLOG_NOT_FOUND. */
int remote_topic_config(struct remote *remote, const char *topic, const char *name, char *value,
                        size_t size);
/* All partitions, 0 to count - 1. What a server does not tell is -1: durable offset, segments, and
 * bytes where it has no DescribeLogDirs. */
int remote_partitions_describe(struct remote *remote, const char *topic, int32_t count,
                               struct maplog_partition *found);
/* Moves the start to `before` (-1: the end). */
int remote_delete_records(struct remote *remote, const char *topic, int32_t partition,
                          int64_t before);

/* Special times of remote_list_offsets. */
#define REMOTE_LATEST (-1)
#define REMOTE_EARLIEST (-2)

struct remote_offset {
    int32_t partition;
    int32_t leader_epoch; /* out; -1: not told */
    int64_t offset;       /* out; of a time: -1 when no record is as young */
};
/* For each partition of the list: the offset of the first record whose timestamp is at least
 * `time`, or REMOTE_LATEST, REMOTE_EARLIEST. */
int remote_list_offsets(struct remote *remote, const char *topic, int64_t time,
                        struct remote_offset *offsets, size_t count);
