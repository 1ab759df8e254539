/*
 * partition.h - one partition's log as this process sees it: the control slot that all processes
 * share, and what this process cached of it. Owned by the directory; any thread.
 */
#pragma once

#include <maplog.h>
#include <pthread.h>

#include "base/uuid.h"
#include "log/segment.h"
#include "log/settings.h"
#include "shm/control.h"
#include "shm/order.h"

struct partition {
    struct directory *directory;
    struct control_partition *control;
    const struct store *store;
    struct partition *older; /* a deleted topic's, that had the slot before; owned */
    struct uuid topic_id;
    uint32_t slot;  /* index of control */
    int32_t number; /* partition number within the topic */
    char topic[LIMIT_TOPIC_NAME + 1];
    char name[LIMIT_TOPIC_NAME + 12]; /* "orders-0": directory name */

    pthread_mutex_t lock; /* guards what follows, within this process */
    struct settings settings;
    uint64_t settings_generation; /* of settings; others read it under lock */
    struct segment *active;       /* last active segment mapped writable here; a reference */
    struct segment_list sealed;   /* as of the next two; slice.c fills it when it is needed */
    uint64_t sealed_rolls;        /* 0: never */
    int64_t sealed_start;
    _Atomic int64_t appended_ms; /* last append of this process, for the warmer */
};

/* A consistent look at the commit point (shm/layout.h: rolls, base, published). */
struct partition_end {
    uint64_t rolls;    /* 0: no segment yet */
    int64_t base;      /* of the active segment */
    uint32_t position; /* published end within it */
    int64_t offset;    /* next offset */
    uint64_t word;     /* published[rolls & 1] */
};

#define PUBLISHED_WORD(position, relative) ((uint64_t)(position) << 32 | (uint32_t)(relative))

void partition_end(const struct partition *partition, struct partition_end *end);
static inline int64_t partition_start(const struct partition *partition)
{
    return (int64_t)load_acquire(&partition->control->log_start);
}
/* MAPLOG_TOPIC_DELETED, or 0. */
int partition_check_live(const struct partition *partition);
/* Settings as of now, copied; reloads the catalog when the generation moved. */
int partition_settings(struct partition *partition, struct settings *settings,
                       uint64_t *generation);
/* Start, end, durable end, sizes. */
int partition_describe(struct partition *partition, struct maplog_partition *found);
/* First offset whose record has timestamp >= time (record-exact); *offset -1 when none. */
int partition_find_time(struct partition *partition, int64_t time, int64_t *offset,
                        int64_t *timestamp);
/* The first record with the largest timestamp; *offset and *timestamp -1 when there is none. */
int partition_find_max_timestamp(struct partition *partition, int64_t *offset, int64_t *timestamp);
/* Moves log_start up to `before` (-1: end) and removes whole segments below it. */
int partition_delete_records(struct partition *partition, int64_t before);
