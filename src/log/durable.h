/*
 * durable.h - group commit (I5): one process flushes, many wait, durability is a watermark.
 *
 * Whoever gets the partition's flusher mutex syncs every segment from the durable offset to the
 * published end, in order, and raises the durable offset; the others sleep until the next flush
 * ended. Any thread of any process; takes no lease. A killed flusher leaves nothing: the watermark
 * only rises behind a sync that returned 0.
 */
#pragma once

#include "log/partition.h"

/* Returns 0 when everything below `offset` is durable; flushes when nobody else does. After a sync
 * that failed: MAPLOG_IO for ever, the segment is named. MAPLOG_NOT_PERSISTENT, MAPLOG_TIMED_OUT,
 * MAPLOG_INVALID for an offset behind the end. timeout_ns < 0: no limit; it bounds the wait for
 * others, not a sync of our own. */
int durable_wait(struct partition *partition, int64_t offset, int64_t timeout_ns);
/* Makes the sealed segments durable that begin below `until`, and leaves the active one alone.
 * Never waits for another flusher: MAPLOG_BUSY. */
int durable_sealed(struct partition *partition, int64_t until);
/* Announces that durable acks will be asked for: the partition is not populated ahead any more. */
void durable_announce(struct partition *partition);
