/*
 * retain.h - retention by size and age. Unlinks whole segments, oldest first, never the active one
 * (I1: readers keep what they mapped). Any process; takes no lease but for an expired active one.
 */
#pragma once

#include "log/partition.h"

/* Applies retention.bytes and retention.ms, and removes segments below log_start. */
int retain_apply(struct partition *partition, int64_t now_ms);
/* Removes segments that lie wholly below log_start. */
int retain_remove_below_start(struct partition *partition);
