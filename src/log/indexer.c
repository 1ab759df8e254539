#include "log/indexer.h"

#include "log/batch.h"

#define PREFETCH_BATCHES 8

bool indexer_time_due(const struct indexer *indexer, const uint8_t *timeindex, size_t bytes)
{
    int64_t timestamp = -1;
    uint32_t relative;
    timeindex_last(timeindex, bytes, &timestamp, &relative);
    return indexer->max_timestamp > timestamp;
}

void indexer_end(const struct indexer *indexer, struct indexer_parts *parts)
{
    if (parts->timeindex_room - parts->timeindex_bytes < TIMEINDEX_ENTRY_BYTES ||
        !indexer_time_due(indexer, parts->timeindex, parts->timeindex_bytes))
        return;
    timeindex_put(parts->timeindex, parts->timeindex_bytes, indexer->max_timestamp,
                  (uint32_t)indexer->max_timestamp_relative);
    parts->timeindex_bytes += TIMEINDEX_ENTRY_BYTES;
}

void indexer_put(const struct indexer *indexer, struct indexer_parts *parts, uint32_t position,
                 uint32_t last_relative)
{
    if (parts->index_room - parts->index_bytes >= INDEX_ENTRY_BYTES) {
        index_put(parts->index, parts->index_bytes, last_relative, position);
        parts->index_bytes += INDEX_ENTRY_BYTES;
    }
    indexer_end(indexer, parts);
}

bool indexer_agrees(const struct indexer *indexer, struct indexer_parts *parts, uint32_t position,
                    uint32_t last_relative)
{
    if (parts->index_room - parts->index_bytes < INDEX_ENTRY_BYTES)
        return false;
    const uint8_t *entry = parts->index + parts->index_bytes;
    if (bytes_load32(entry) != last_relative || bytes_load32(entry + 4) != position)
        return false;
    parts->index_bytes += INDEX_ENTRY_BYTES;
    if (!indexer_time_due(indexer, parts->timeindex, parts->timeindex_bytes))
        return true;
    if (parts->timeindex_room - parts->timeindex_bytes < TIMEINDEX_ENTRY_BYTES)
        return false;
    entry = parts->timeindex + parts->timeindex_bytes;
    if ((int64_t)bytes_load64(entry) != indexer->max_timestamp ||
        bytes_load32(entry + 8) != (uint32_t)indexer->max_timestamp_relative)
        return false;
    parts->timeindex_bytes += TIMEINDEX_ENTRY_BYTES;
    return true;
}

uint32_t indexer_build(struct indexer *indexer, const uint8_t *log, uint64_t size, int64_t base,
                       struct indexer_parts *parts)
{
    uint32_t position = 0;
    struct batch batch;
    while (position < size && batch_read(log + position, size - position, &batch) == 0) {
        /* Batches tend to be of one size: have the headers to come on their way. */
        __builtin_prefetch(log + position + (size_t)PREFETCH_BATCHES * batch.size);
        uint32_t last_relative = (uint32_t)(batch.last_offset - base);
        if (indexer_add(indexer, batch.size, batch.max_timestamp, last_relative))
            indexer_put(indexer, parts, position, last_relative);
        position += batch.size;
    }
    return position;
}

/* One time entry of zeros is a tail without entries, but for an index that has no more than that:
 * of a segment whose first record is from 1970, and no later one is younger. */
static bool is_one_zero_entry(const struct indexer_parts *parts)
{
    static const uint8_t zeros[TIMEINDEX_ENTRY_BYTES];
    return parts->timeindex_bytes == sizeof zeros &&
           memcmp(parts->timeindex, zeros, sizeof zeros) == 0;
}

bool indexer_whole(const struct indexer_parts *parts)
{
    return index_valid_bytes(parts->index, parts->index_bytes) == parts->index_bytes &&
           (timeindex_valid_bytes(parts->timeindex, parts->timeindex_bytes) ==
                parts->timeindex_bytes ||
            is_one_zero_entry(parts));
}

bool indexer_sound(uint32_t interval, const uint8_t *log, uint64_t size, int64_t base,
                   const struct indexer_parts *parts)
{
    if (!indexer_whole(parts))
        return false;
    struct indexer indexer;
    indexer_init(&indexer, interval);
    uint32_t relative = 0, position = 0;
    bool indexed = index_last(parts->index, parts->index_bytes, &relative, &position);
    if (indexed && (position == 0 || position >= size))
        return false;
    bool full = parts->index_room - parts->index_bytes < INDEX_ENTRY_BYTES;
    for (bool first = indexed; position < size; first = false) {
        struct batch batch;
        bool read = batch_read(log + position, size - position, &batch) == 0;
        if (first && (!read || batch.last_offset - base != relative))
            return false;
        if (!read)
            break;
        if (indexer_add(&indexer, batch.size, batch.max_timestamp,
                        (uint32_t)(batch.last_offset - base)) &&
            !full)
            return false;
        position += batch.size;
    }
    return !indexer_time_due(&indexer, parts->timeindex, parts->timeindex_bytes);
}
