/*
 * durable.h - group commit (I5): one process flushes, many wait, durability is a watermark.
 */
#pragma once

#include "log/partition.h"

/* Returns 0 when everything below `offset` is durable; flushes when nobody else does. After a sync
 * that failed: MAPLOG_IO for ever, the segment is named. MAPLOG_NOT_PERSISTENT, MAPLOG_TIMED_OUT. */
int durable_wait(struct partition *partition, int64_t offset, int64_t timeout_ns);
/* Announces that durable acks will be asked for: the partition is not populated ahead any more. */
void durable_announce(struct partition *partition);
