/* progress_fixture.h - a log directory with group progress, and short words for both. */
#pragma once

#include "log_fixture.h"

#include "log/progress.h"
#include "log/progress_format.h"

static struct progress *progress;

static inline int progress_make(void **state)
{
    return log_make(state) || progress_open(log_directory, LONG_NS, &progress);
}

static inline int progress_end(void **state)
{
    progress_close(progress);
    progress = NULL;
    return log_remove(state);
}

static inline struct progress_entry entry_of(const char *group, const char *topic,
                                             int32_t partition, int64_t offset)
{
    return (struct progress_entry){.group = group,
                                   .topic = topic,
                                   .partition = partition,
                                   .offset = offset,
                                   .leader_epoch = -1,
                                   .metadata = "",
                                   .committed_ms = -1,
                                   .expires_ms = -1};
}

/* Commits an offset as a local consumer does. */
static inline int commit(struct progress *to, const char *group, const char *topic,
                         int32_t partition, int64_t offset)
{
    struct progress_entry entry = entry_of(group, topic, partition, offset);
    return progress_commit(to, &entry, 1, true);
}

/* The committed offset, or -1. */
static inline int64_t fetch(struct progress *from, const char *group, const char *topic,
                            int32_t partition)
{
    struct progress_entry entry;
    int result = progress_fetch(from, group, topic, partition, &entry, NULL);
    if (result < 0)
        fail_msg("%s (%s)", error_name(result), error_text());
    return result ? entry.offset : -1;
}

/* The partition of __consumer_offsets that has the group. */
static inline struct partition *partition_of(const char *group)
{
    struct partition *partition;
    assert_ok(directory_partition(log_directory, PROGRESS_TOPIC,
                                  progress_place(group, PROGRESS_PARTITIONS), &partition));
    return partition;
}

/* A progress topic whose segments are full after some dozen commits. */
static inline void use_small_segments(void)
{
    assert_ok(commit(progress, "g", "t", 0, 0));
    log_alter(PROGRESS_TOPIC, "segment.bytes=4096");
}
