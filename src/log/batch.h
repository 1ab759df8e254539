/*
 * batch.h - reading and checking record batches. Pure; any thread.
 *
 * The bytes may come from disk or lie in memory that another process writes: each field is copied
 * once, the copy is checked, and only the copy is used from then on.
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
    int64_t
        base_timestamp; /* with ATTRIBUTE_DELETE_HORIZON the horizon; deltas count from it too */
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

/* Says what is wrong with a header that batch_read refused: MAPLOG_CORRUPT with a text. */
int batch_refuse(const uint8_t *bytes, size_t available) __attribute__((cold));

/* Loads that the compiler may not repeat: what was checked is what is used. */
static inline uint32_t batch_load32(const uint8_t *at)
{
    uint32_t value = bytes_load32(at);
    __asm__("" : "+r"(value));
    return value;
}

static inline uint64_t batch_load64(const uint8_t *at)
{
    uint64_t value = bytes_load64(at);
    __asm__("" : "+r"(value));
    return value;
}

/*
 * Reads and checks the header of the batch at bytes, of which `available` may be looked at: length
 * within available, magic, known codec, offsets not negative and with a next one behind the last,
 * and no more records than offsets (fewer, or none at all, is what compaction leaves). Does not
 * look at the CRC. MAPLOG_CORRUPT with a text that says what is wrong, but not where: the caller
 * adds file and position. *batch is untouched on failure.
 */
static inline int batch_read(const uint8_t *bytes, size_t available, struct batch *batch)
{
    if (__builtin_expect(available < BATCH_HEADER_BYTES, 0))
        return batch_refuse(bytes, available), MAPLOG_CORRUPT;
    uint32_t length = batch_load32(bytes + BATCH_LENGTH);
    uint32_t last_delta = batch_load32(bytes + BATCH_LAST_OFFSET_DELTA);
    uint32_t records = batch_load32(bytes + BATCH_RECORD_COUNT);
    uint64_t base_offset = batch_load64(bytes + BATCH_BASE_OFFSET);
    uint64_t next_offset = base_offset + last_delta + 1;
    /* Bytes 16 to 23 at once: magic, CRC, attributes. */
    uint64_t middle = batch_load64(bytes + BATCH_MAGIC);
    uint16_t attributes = (uint16_t)(middle >> 8);
    bool negative =
        (int32_t)(length | last_delta | records) < 0 || (int64_t)(base_offset | next_offset) < 0;
    bool outside = (uint64_t)length - (BATCH_HEADER_BYTES - BATCH_PREFIX_BYTES) >
                   available - BATCH_HEADER_BYTES;
    if (__builtin_expect(negative | outside | (middle >> 56 != BATCH_MAGIC_V2) |
                             (records > last_delta + 1) |
                             ((attributes & ATTRIBUTE_CODEC) > MAPLOG_COMPRESSION_ZSTD),
                         0))
        return batch_refuse(bytes, available), MAPLOG_CORRUPT;
    *batch = (struct batch){
        .bytes = bytes,
        .size = length + BATCH_PREFIX_BYTES,
        .records = (int32_t)records,
        .base_offset = (int64_t)base_offset,
        .last_offset = (int64_t)(next_offset - 1),
        .base_timestamp = (int64_t)bytes_load64(bytes + BATCH_BASE_TIMESTAMP),
        .max_timestamp = (int64_t)bytes_load64(bytes + BATCH_MAX_TIMESTAMP),
        .producer_id = (int64_t)bytes_load64(bytes + BATCH_PRODUCER_ID),
        .base_sequence = (int32_t)bytes_load32(bytes + BATCH_BASE_SEQUENCE),
        .leader_epoch = (int32_t)bytes_load32(bytes + BATCH_LEADER_EPOCH),
        .producer_epoch = (int16_t)bytes_load16(bytes + BATCH_PRODUCER_EPOCH),
        .attributes = attributes,
    };
    return 0;
}

/* Checks the CRC of a batch that was read. */
int batch_check_crc(const struct batch *batch);
/* All rules, for bytes of unknown origin: batch_read, CRC, and every record within (decompressed):
 * offset deltas ascending and within the batch, no timestamp above the batch's largest, lengths of
 * records and headers that add up. *batch is untouched on failure. MAPLOG_CORRUPT, MAPLOG_LIMIT
 * (unfolds to more than LIMIT_DECOMPRESSED), MAPLOG_NO_MEMORY. */
int batch_check_deep(const uint8_t *bytes, size_t available, struct batch *batch);
