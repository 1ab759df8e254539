/*
 * checkpoint.h - Kafka's small text files: offsets of partitions, and leader epochs. Replaced
 * atomically. Formats: org.apache.kafka.storage CheckpointFile: a version line "0", a count line,
 * then one entry a line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

/* At the top of the directory: "topic partition offset". */
#define CHECKPOINT_RECOVERY_POINT "recovery-point-offset-checkpoint"
#define CHECKPOINT_LOG_START "log-start-offset-checkpoint"
#define CHECKPOINT_LEADER_EPOCH                                                                    \
    "leader-epoch-checkpoint" /* in a partition: "epoch startOffset"                               \
                               */

struct checkpoint_offset {
    char topic[LIMIT_TOPIC_NAME + 1];
    int32_t partition;
    int64_t offset;
};

struct checkpoint_epoch {
    int32_t epoch;
    int64_t start_offset;
};

/* *entries is the caller's to free. A missing file gives none. MAPLOG_CORRUPT names the line. */
int checkpoint_load_offsets(int directory_fd, const char *path, struct checkpoint_offset **entries,
                            size_t *count);
int checkpoint_store_offsets(int directory_fd, const char *path,
                             const struct checkpoint_offset *entries, size_t count, bool durable);
int checkpoint_load_epochs(int directory_fd, const char *path, struct checkpoint_epoch **entries,
                           size_t *count);
int checkpoint_store_epochs(int directory_fd, const char *path,
                            const struct checkpoint_epoch *entries, size_t count, bool durable);
