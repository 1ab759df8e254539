/*
 * retain.h - retention by size and age, Kafka's rules. Unlinks whole segments, oldest first, never
 * the active one (I1: readers keep what they mapped). The log start moves before anything is
 * unlinked. Any process and thread, several at once; takes no lease but for an expired active one.
 */
#pragma once

#include "log/partition.h"

/* Applies retention.bytes and retention.ms, and removes segments below log_start. */
int retain_apply(struct partition *partition, int64_t now_ms);
/* The same; *next_ms: when the oldest segment left expires, INT64_MAX: never. */
int retain_check(struct partition *partition, int64_t now_ms, int64_t *next_ms);
/* The same for segments that are sealed already: the active one stays however old it is. */
int retain_sealed(struct partition *partition, int64_t now_ms);
/* Removes segments that lie wholly below log_start. */
int retain_remove_below_start(struct partition *partition);
/* Begins a new segment if the active one holds anything, as a writer that waits for nobody:
 * MAPLOG_BUSY. */
int retain_roll(struct partition *partition);
