/*
 * slice.h - whole batches as they lie in a segment, to be sent as they are. Any thread.
 *
 * Nothing here waits for another process. Pages may have to come from disk: slice_cold() tells.
 */
#pragma once

#include "log/partition.h"
#include "log/segment_cache.h"

struct slice {
    struct segment *segment; /* a reference, segment_drop() it; NULL when size is 0 */
    const uint8_t *at;       /* first byte, in the segment's mapping */
    uint32_t position;       /* of it, in the segment's log */
    uint32_t size;           /* bytes, whole batches; 0: nothing there yet */
    int64_t base_offset;     /* of the first batch; above the offset asked for only behind a gap */
};

/* The batches from the one that contains `offset` on, of one segment, below the published end (I2),
 * as many as fit into max_bytes, and at least one when `at_least_one`. An offset at the end gives
 * an empty slice. MAPLOG_OFFSET_OUT_OF_RANGE, MAPLOG_CORRUPT (segment and position named),
 * MAPLOG_TOPIC_DELETED. */
int slice_find(struct segment_cache *cache, struct partition *partition, int64_t offset,
               uint32_t max_bytes, bool at_least_one, struct slice *slice);
/* Bytes from `offset` to the published end, at most `enough`: cheap, for a fetch's min.bytes. */
int64_t slice_available(struct segment_cache *cache, struct partition *partition, int64_t offset,
                        int64_t enough);
/* True when sending the slice would wait for the disk. */
bool slice_cold(const struct slice *slice);
/* Brings its pages in; waits for the disk. */
void slice_warm(const struct slice *slice);
