/*
 * warmer.h - populates this process's mapping ahead of the tail, in 2 MiB steps, so that appends
 * meet no page fault. One round is called by the keeper's thread.
 */
#pragma once

#include "log/partition.h"

/* Returns bytes populated. Never more than LIMIT_WARM_PARTITION ahead; never for a partition with a
 * durable policy; `budget` is what is left of LIMIT_WARM_DIRECTORY. */
uint64_t warmer_round(struct partition *partition, uint64_t budget);
