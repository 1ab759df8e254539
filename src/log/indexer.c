#include "log/indexer.h"

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
    if (parts->index_room - parts->index_bytes < INDEX_ENTRY_BYTES)
        return;
    index_put(parts->index, parts->index_bytes, last_relative, position);
    parts->index_bytes += INDEX_ENTRY_BYTES;
    indexer_end(indexer, parts);
}
