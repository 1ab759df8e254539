/*
 * builder.h - gathers records into one batch in private memory. One thread. The finished bytes are
 * appended with appender_append(); base offset and leader epoch are set there.
 */
#pragma once

#include <maplog.h>
#include <stdbool.h>

#include "base/varint.h"
#include "log/codec.h"
#include "log/record.h"

struct builder {
    uint8_t *bytes; /* owned; BATCH_HEADER_BYTES are kept free in front */
    size_t size;    /* used, header included */
    size_t capacity;
    int32_t records;
    int64_t base_timestamp; /* of the first record */
    int64_t max_timestamp;
    enum maplog_compression codec; /* may be changed until builder_finish */
    int64_t producer_id;           /* these three as well; -1 each: not idempotent */
    int32_t base_sequence;
    int16_t producer_epoch;
    struct codec_buffer packed; /* the compressed batch, after builder_finish */
};

void builder_init(struct builder *builder, enum maplog_compression codec);
void builder_free(struct builder *builder);
/* Forgets the records, keeps the memory. */
void builder_clear(struct builder *builder);
/* Bytes of the batch if the record were added (uncompressed). */
size_t builder_size_with(const struct builder *builder, const struct maplog_record *record,
                         int64_t timestamp);
/* Adds a record that passed record_check. MAPLOG_NO_MEMORY, MAPLOG_LIMIT (more bytes or records
 * than the batch's int32 fields can say); the batch is then as before. */
int builder_add(struct builder *builder, const struct maplog_record *record, int64_t timestamp);

/* What builder_add_value() handles itself: sizes and deltas of at most two varint bytes. */
#define BUILDER_FAST_VALUE 8000
#define BUILDER_FAST_RECORDS 8192
#define BUILDER_FAST_ZIGZAG (1u << 14)
#define BUILDER_FAST_OVERHEAD 16 /* more than such a record takes besides its value */

/* builder_add_value() for every case. */
int builder_add_any_value(struct builder *builder, const void *value, size_t size,
                          int64_t timestamp);

/* Writes a zigzag number below BUILDER_FAST_ZIGZAG. */
static inline uint8_t *builder_put_short(uint8_t *to, uint32_t zigzag)
{
    if (zigzag < 0x80) {
        *to = (uint8_t)zigzag;
        return to + 1;
    }
    to[0] = (uint8_t)(zigzag | 0x80);
    to[1] = (uint8_t)(zigzag >> 7);
    return to + 2;
}

/* Fast path: a record without key and headers. value NULL with size 0: a null value. */
static inline int builder_add_value(struct builder *builder, const void *value, size_t size,
                                    int64_t timestamp)
{
    uint64_t time_delta =
        varint_zigzag((int64_t)((uint64_t)timestamp - (uint64_t)builder->base_timestamp));
    uint32_t records = (uint32_t)builder->records;
    /* The first record is not for here either: it sets the base timestamp. */
    if (__builtin_expect(!value || size > BUILDER_FAST_VALUE || time_delta >= BUILDER_FAST_ZIGZAG ||
                             records - 1 >= BUILDER_FAST_RECORDS - 1 ||
                             builder->capacity - builder->size < size + BUILDER_FAST_OVERHEAD,
                         0))
        return builder_add_any_value(builder, value, size, timestamp);
    uint32_t offset = records * 2, value_size = (uint32_t)size * 2; /* zigzag */
    uint32_t body =
        (uint32_t)size + 6u + (time_delta >= 0x80) + (offset >= 0x80) + (value_size >= 0x80);
    uint8_t *at = builder_put_short(builder->bytes + builder->size, body * 2);
    *at++ = 0; /* attributes */
    at = builder_put_short(at, (uint32_t)time_delta);
    at = builder_put_short(at, offset);
    *at++ = 1; /* no key: -1 */
    at = builder_put_short(at, value_size);
    memcpy(at, value, size);
    at[size] = 0; /* no headers */
    /* Not from `at`: the next record need not wait for the steps above. */
    builder->size += body + 1 + (body >= 0x40);
    builder->records = (int32_t)records + 1;
    if (timestamp > builder->max_timestamp)
        builder->max_timestamp = timestamp;
    return 0;
}

/* Compresses if asked (always, also when it does not help, as Kafka's producer does), fills header
 * and CRC. *batch, *size: the whole batch, valid until the next call on builder; may be called
 * again, also with another codec. MAPLOG_INVALID when there is no record, MAPLOG_NO_MEMORY. */
int builder_finish(struct builder *builder, uint8_t **batch, size_t *size);
