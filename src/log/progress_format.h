/*
 * progress_format.h - the records of __consumer_offsets that carry progress: Kafka's
 * OffsetCommitKey (version 0 and 1) and OffsetCommitValue (0 to 4), written as versions 1 and 3.
 * Pure. Source: OffsetCommitKey.json, OffsetCommitValue.json of Apache Kafka's group coordinator.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

#define PROGRESS_METADATA_MAX 4096 /* bytes of a commit's metadata; Kafka's default limit */
#define PROGRESS_KEY_MAX (2 + 2 + LIMIT_GROUP_NAME + 2 + LIMIT_TOPIC_NAME + 4)
#define PROGRESS_VALUE_MAX(metadata) (2 + 8 + 2 + (metadata) + 8 + 8)

struct progress_key {
    const char *group; /* not NUL-terminated */
    const char *topic;
    size_t group_size;
    size_t topic_size;
    int32_t partition;
};

struct progress_value {
    int64_t offset;
    const char *metadata; /* any bytes */
    size_t metadata_size; /* parsed: at most PROGRESS_METADATA_MAX, longer ones are cut */
    int32_t leader_epoch; /* -1: none */
    int64_t committed_ms;
    int64_t expires_ms; /* -1: none */
};

/* Partition of the group: |String.hashCode()| % partitions, as Kafka places it. */
int32_t progress_place(const char *group, int32_t partitions);
/* Write at `to` (PROGRESS_KEY_MAX, PROGRESS_VALUE_MAX bytes); return the size. A value with an
 * expiry is written as version 1, as Kafka does: no later one has that field, but it has no leader
 * epoch. */
size_t progress_put_key(uint8_t *to, const char *group, const char *topic, int32_t partition);
size_t progress_put_value(uint8_t *to, const struct progress_value *value);
/* Is it the key of a committed offset, in whatever state? The others are of group members. */
bool progress_is_key(const void *bytes, size_t size);
/* Is the text, NUL-terminated, the one of a key? */
bool progress_is_text(const char *text, const char *of_key, size_t size);
/* false for other records of the log (group metadata) and damaged ones. What they point at lies in
 * bytes. */
bool progress_parse_key(const void *bytes, size_t size, struct progress_key *key);
bool progress_parse_value(const void *bytes, size_t size, struct progress_value *value);
