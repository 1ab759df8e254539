/*
 * epochs.h - leader epochs of a partition: one begins with each recovery that cut, or could not
 * prove that it did not (I6). Any thread; may read a small file, or look at some batches.
 */
#pragma once

#include "log/partition.h"

/* Of appends from now on. */
int32_t epochs_current(const struct partition *partition);
/* The largest epoch <= `epoch` that has records, or is the current one, and the offset at which it
 * ended: the start of the next one, or the end of the log. Both -1 when there is none, or `epoch`
 * is above the current one: this log never had it (KIP-320, OffsetForLeaderEpoch). */
int epochs_find_end(struct partition *partition, int32_t epoch, int32_t *found,
                    int64_t *end_offset);
/* Epoch of the batch at this offset; -1 when there is none. */
int32_t epochs_of_offset(struct partition *partition, int64_t offset);
