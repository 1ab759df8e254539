/*
 * warmer.h - populates this process's mapping ahead of the tail, in 2 MiB steps, so that appends
 * meet no page fault. Only a partition that this process appends to, never one with a durable
 * policy (a populated page makes each sync write a whole large folio), and never beyond what the
 * writer allocated. Takes no lease and changes nothing shared. Called by the keeper's helper thread
 * only.
 */
#pragma once

#include "log/partition.h"

/* What was seen and done of one partition. */
struct warmer {
    struct partition *partition;
    uint64_t rolls;        /* of the segment that the next two are about */
    uint32_t position;     /* published end seen last */
    uint32_t populated;    /* populated up to here */
    int64_t window_ms;     /* when the present window of WARMER_WINDOW_MS began */
    uint64_t window_bytes; /* appended in it so far */
    uint64_t recent_bytes; /* appended in the one before */
};

#define WARMER_WINDOW_MS 100 /* populated ahead: what was appended in such a time */
#define WARMER_STEP (2u << 20)

/* One step at most. Returns the bytes populated. Never more than LIMIT_WARM_PARTITION ahead;
 * `budget` is what is left of LIMIT_WARM_DIRECTORY. */
uint64_t warmer_round(struct warmer *warmer, int64_t now_ms, uint64_t budget);

/* Bytes that lie ready ahead of the tail. */
static inline uint64_t warmer_ahead(const struct warmer *warmer)
{
    return warmer->populated > warmer->position ? warmer->populated - warmer->position : 0;
}
