/*
 * recover.h - finds the end of a log that nobody vouches for, and makes it the published end.
 *
 * recover_scan() and recover_clean() only read: they run for read-only attachers and for inspect
 * --recover --dry-run too. recover_apply() cuts, touches nothing below the end, rebuilds indexes
 * and fills the control slot. Under LOCK_SETUP, by one thread; partition->settings are loaded.
 */
#pragma once

#include <stdbool.h>

#include "log/indexer.h"
#include "log/partition.h"

struct recovered {
    int64_t log_start;
    int64_t end_offset;
    int64_t durable_offset;   /* everything below is known to be on disk */
    int64_t active_base;      /* -1: no segment */
    uint32_t active_position; /* published end within the active segment */
    int32_t leader_epoch;     /* highest found, +1 when epoch_raised */
    bool epoch_raised;        /* records were cut, or that cannot be ruled out */
    bool damaged;             /* a bad batch was found (not only a zero tail) */
    int64_t scanned_from;     /* base of the first segment whose batches were looked at; -1: none */
    int64_t cut_base;         /* where the first bad batch stands; -1: none */
    uint32_t cut_position;
    uint64_t cut_bytes; /* that fall away, later segments included; zero tails do not count */
    uint32_t dropped_segments;
    char reason[160]; /* why the batch at the cut is bad */
    /* Of the active segment. */
    struct indexer indexer; /* after its last batch */
    bool indexed; /* its indexes hold what they should, in so many bytes; else build them anew */
    uint32_t index_bytes;
    uint32_t timeindex_bytes;
    int64_t first_timestamp; /* largest of its first batch; -1: none */
};

/*
 * Looks at every batch from the segment that holds recovery_point on. Below that point everything
 * was durable once: a batch there whose CRC is wrong is kept if the batches behind it are whole.
 * log_start: what CHECKPOINT_LOG_START says, 0 when it says nothing. trusted: same boot, same file:
 * nothing published can be missing, the epoch stays.
 */
int recover_scan(struct partition *partition, int64_t recovery_point, int64_t log_start,
                 bool trusted, struct recovered *found);
/*
 * The same after a clean detach, when all files have exactly their published sizes: looks only at
 * what lies behind the last index entry, and finds all durable. MAPLOG_CORRUPT when something does
 * not fit after all: scan then.
 */
int recover_clean(struct partition *partition, int64_t log_start, struct recovered *found);

/* Writes the raised epoch, removes segments behind the end, cuts the files to their ends, rebuilds
 * the indexes that need it, and publishes. */
int recover_apply(struct partition *partition, const struct recovered *found);
/* Fills the control slot only (after recover_clean, or for a private copy of the control page). */
void recover_publish(struct partition *partition, const struct recovered *found);
