/*
 * recover.h - finds the end of a log that nobody vouches for, and makes it the published end.
 *
 * recover_scan() only reads: it runs on read-only and private mappings too, for inspect --recover
 * --dry-run and for read-only attachers. recover_apply() cuts, zeroes nothing below the end,
 * rebuilds the indexes and fills the control slot. Under LOCK_SETUP.
 */
#pragma once

#include <stdbool.h>

#include "log/partition.h"

struct recovered {
    int64_t log_start;
    int64_t end_offset;
    int64_t active_base;     /* -1: no segment */
    uint32_t active_position; /* published end within the active segment */
    int32_t leader_epoch;    /* highest found, +1 when records were cut or that cannot be ruled out */
    bool epoch_raised;
    bool damaged;            /* a bad batch was found (not only a zero tail) */
    int64_t cut_base;        /* where the first bad batch stands; -1: none */
    uint32_t cut_position;
    uint64_t cut_bytes;      /* non-zero bytes that fall away, later segments included */
    uint32_t dropped_segments;
    char reason[160];        /* why the batch at the cut is bad */
    int64_t max_timestamp;   /* of the active segment */
    int64_t max_timestamp_offset;
};

/* recovery_point: everything below it was durable and is not scanned. trusted: same boot, same
 * file: nothing can be missing, the epoch stays. */
int recover_scan(struct partition *partition, int64_t recovery_point, bool trusted,
                 struct recovered *found);
int recover_apply(struct partition *partition, const struct recovered *found);
