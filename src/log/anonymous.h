/*
 * anonymous.h - this process's side of an anonymous log: where things lie in the memfd, and which
 * slots its readers pin. Owned by struct directory; made by anonymous.c, used by store_memory.c.
 */
#pragma once

#include <pthread.h>

#include "log/segment.h"
#include "shm/memory_layout.h"

struct anonymous {
    struct memory_header *header; /* shared */
    uint32_t slots;               /* copied and checked: the shared header is not asked again */
    uint64_t segment_bytes;
    struct segment_sizes areas; /* of each slot */

    pthread_mutex_t lock; /* guards what follows, and this process's word `pinned` */
    uint32_t pins[LIMIT_ANONYMOUS_SLOTS];      /* segments open for reading */
    uint64_t sequences[LIMIT_ANONYMOUS_SLOTS]; /* of the segment that is pinned */
};

static inline uint64_t anonymous_slot_bytes(const struct anonymous *anonymous)
{
    return anonymous->areas.log + anonymous->areas.index + anonymous->areas.timeindex;
}

static inline uint64_t anonymous_slot_at(const struct anonymous *anonymous, uint32_t slot)
{
    return MEMORY_SLOTS_AT + slot * anonymous_slot_bytes(anonymous);
}
