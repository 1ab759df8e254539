/*
 * batch.h - reading and checking record batches. Pure; any thread.
 */
#pragma once

#include <maplog.h>
#include <stdbool.h>

#include "log/format.h"

/* A batch whose header was copied out and checked (batch_read). */
struct batch {
    const uint8_t *bytes; /* BATCH_HEADER_BYTES of header, then the records as stored */
    uint32_t size;        /* of the whole batch */
    int32_t records;      /* count */
    int64_t base_offset;
    int64_t last_offset;
    int64_t base_timestamp;
    int64_t max_timestamp;
    int64_t producer_id;
    int32_t base_sequence;
    int32_t leader_epoch;
    int16_t producer_epoch;
    uint16_t attributes;
};

static inline enum maplog_compression batch_codec(const struct batch *batch)
{
    return (enum maplog_compression)(batch->attributes & ATTRIBUTE_CODEC);
}

/*
 * Reads and checks the header of the batch at bytes, of which `available` may be looked at: length
 * within available, magic, count and deltas consistent (an empty batch left by compaction is fine),
 * known codec. Does not look at the CRC. MAPLOG_CORRUPT with a text that says what is wrong, but
 * not where: the caller adds file and position. *batch is untouched on failure.
 */
int batch_read(const uint8_t *bytes, size_t available, struct batch *batch);
/* Checks the CRC of a batch that was read. */
int batch_check_crc(const struct batch *batch);
/* All rules, for bytes of unknown origin: batch_read, CRC, and every record within (decompressed):
 * offset deltas ascending and within the batch, timestamps, lengths that add up. */
int batch_check_deep(const uint8_t *bytes, size_t available, struct batch *batch);
