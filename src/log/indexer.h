/*
 * indexer.h - decides which batches of a segment get an entry in its indexes, as Kafka does: the
 * appender and a rebuild of the indexes must come to the same bytes. Pure; one thread.
 */
#pragma once

#include "log/index.h"

struct indexer {
    uint32_t interval;              /* index.interval.bytes */
    uint32_t bytes_since;           /* bytes of batches since the last entry, or the beginning */
    int64_t max_timestamp;          /* largest of the segment so far; -1: none */
    int64_t max_timestamp_relative; /* last offset of the batch that holds it */
};

/* The index parts of a segment in memory: how much is filled, and what there is room for. */
struct indexer_parts {
    uint8_t *index;
    size_t index_bytes;
    size_t index_room;
    uint8_t *timeindex;
    size_t timeindex_bytes;
    size_t timeindex_room;
};

/* Of an empty segment. */
static inline void indexer_init(struct indexer *indexer, uint32_t interval)
{
    *indexer = (struct indexer){.interval = interval, .max_timestamp = -1};
}

/* Takes note of the next batch, without an entry for it. */
static inline void indexer_note(struct indexer *indexer, uint32_t size, int64_t max_timestamp,
                                uint32_t last_relative)
{
    if (max_timestamp > indexer->max_timestamp) {
        indexer->max_timestamp = max_timestamp;
        indexer->max_timestamp_relative = last_relative;
    }
    indexer->bytes_since += size;
}

/* The same; true: entries are due for this batch, see indexer_put. */
static inline bool indexer_add(struct indexer *indexer, uint32_t size, int64_t max_timestamp,
                               uint32_t last_relative)
{
    bool due = indexer->bytes_since > indexer->interval;
    if (__builtin_expect(due, 0))
        indexer->bytes_since = 0;
    indexer_note(indexer, size, max_timestamp, last_relative);
    return due;
}

/* Is the largest timestamp above that of the last entry? Only then it is worth a new one. */
bool indexer_time_due(const struct indexer *indexer, const uint8_t *timeindex, size_t bytes);

/* Adds the entries that are due for the batch at position. Without room nothing is added: an index
 * may have fewer entries, a look-up then walks further. */
void indexer_put(const struct indexer *indexer, struct indexer_parts *parts, uint32_t position,
                 uint32_t last_relative);
/* Adds the last time entry of a segment that is complete (rolled, or detached). */
void indexer_end(const struct indexer *indexer, struct indexer_parts *parts);

/* Is what indexer_put would add there already, behind index_bytes and timeindex_bytes, within the
 * room? Then it counts as added. */
bool indexer_agrees(const struct indexer *indexer, struct indexer_parts *parts, uint32_t position,
                    uint32_t last_relative);

/* Indexes the batches of log[0, size) into empty parts, from an indexer_init()ed state on. Looks at
 * headers only. Returns the position behind the last whole batch. */
uint32_t indexer_build(struct indexer *indexer, const uint8_t *log, uint64_t size, int64_t base,
                       struct indexer_parts *parts);
/* Are all bytes of the parts entries that ascend? */
bool indexer_whole(const struct indexer_parts *parts);
/* Do the parts look like what indexer_build and indexer_end give for log[0, size)? Entries ascend,
 * the last ones name batches of the log, and none is missing behind them. The room tells how many
 * entries could have been put. */
bool indexer_sound(uint32_t interval, const uint8_t *log, uint64_t size, int64_t base,
                   const struct indexer_parts *parts);
