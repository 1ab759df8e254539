#include "log/builder.h"

#include <stdlib.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "base/limits.h"

#define FIRST_CAPACITY 4096

void builder_init(struct builder *builder, enum maplog_compression codec)
{
    /* No memory yet; capacity is what is used, so that the first record finds no room. */
    *builder = (struct builder){.codec = codec,
                                .capacity = BATCH_HEADER_BYTES,
                                .producer_id = -1,
                                .base_sequence = -1,
                                .producer_epoch = -1};
    builder_clear(builder);
}

void builder_free(struct builder *builder)
{
    if (!builder)
        return;
    free(builder->bytes);
    codec_buffer_free(&builder->packed);
    builder_init(builder, builder->codec);
}

void builder_clear(struct builder *builder)
{
    builder->size = BATCH_HEADER_BYTES;
    builder->records = 0;
    builder->base_timestamp = 0;
    builder->max_timestamp = INT64_MIN;
}

static int64_t time_delta(const struct builder *builder, int64_t timestamp)
{
    if (builder->records == 0)
        return 0;
    return (int64_t)((uint64_t)timestamp - (uint64_t)builder->base_timestamp);
}

size_t builder_size_with(const struct builder *builder, const struct maplog_record *record,
                         int64_t timestamp)
{
    return builder->size + record_size(record, time_delta(builder, timestamp), builder->records);
}

static int grow(struct builder *builder, size_t needed)
{
    size_t capacity = builder->bytes ? builder->capacity : FIRST_CAPACITY;
    while (capacity < needed)
        capacity *= 2;
    uint8_t *bytes = realloc(builder->bytes, capacity);
    if (!bytes)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a batch of %zu bytes", capacity);
    builder->bytes = bytes;
    builder->capacity = capacity;
    return 0;
}

int builder_add(struct builder *builder, const struct maplog_record *record, int64_t timestamp)
{
    int64_t delta = time_delta(builder, timestamp);
    size_t needed = builder->size + record_size(record, delta, builder->records);
    if (needed > (size_t)INT32_MAX)
        return error_set(MAPLOG_LIMIT, "a batch of %zu bytes, it has at most %d", needed,
                         INT32_MAX);
    if (builder->records >= LIMIT_BATCH_RECORDS)
        return error_set(MAPLOG_LIMIT, "a batch has at most %d records", LIMIT_BATCH_RECORDS);
    /* With what the next values need, so that the fast path finds room. */
    int result = needed + BUILDER_FAST_OVERHEAD > builder->capacity
                     ? grow(builder, needed + BUILDER_FAST_OVERHEAD)
                     : 0;
    if (result)
        return result;
    record_put(builder->bytes + builder->size, record, delta, builder->records);
    builder->size = needed;
    if (builder->records++ == 0)
        builder->base_timestamp = timestamp;
    if (timestamp > builder->max_timestamp)
        builder->max_timestamp = timestamp;
    return 0;
}

int builder_add_any_value(struct builder *builder, const void *value, size_t size,
                          int64_t timestamp)
{
    struct maplog_record record = {.value = value, .value_size = size};
    return builder_add(builder, &record, timestamp);
}

static void put_header(const struct builder *builder, enum maplog_compression codec, uint8_t *batch,
                       size_t size)
{
    bytes_store64(batch + BATCH_BASE_OFFSET, 0);
    bytes_store32(batch + BATCH_LENGTH, (uint32_t)(size - BATCH_PREFIX_BYTES));
    bytes_store32(batch + BATCH_LEADER_EPOCH, 0);
    batch[BATCH_MAGIC] = BATCH_MAGIC_V2;
    bytes_store16(batch + BATCH_ATTRIBUTES, (uint16_t)codec);
    bytes_store32(batch + BATCH_LAST_OFFSET_DELTA, (uint32_t)builder->records - 1);
    bytes_store64(batch + BATCH_BASE_TIMESTAMP, (uint64_t)builder->base_timestamp);
    bytes_store64(batch + BATCH_MAX_TIMESTAMP, (uint64_t)builder->max_timestamp);
    bytes_store64(batch + BATCH_PRODUCER_ID, (uint64_t)builder->producer_id);
    bytes_store16(batch + BATCH_PRODUCER_EPOCH, (uint16_t)builder->producer_epoch);
    bytes_store32(batch + BATCH_BASE_SEQUENCE, (uint32_t)builder->base_sequence);
    bytes_store32(batch + BATCH_RECORD_COUNT, (uint32_t)builder->records);
    bytes_store32(batch + BATCH_CRC, crc32c(0, batch + BATCH_ATTRIBUTES, size - BATCH_ATTRIBUTES));
}

int builder_finish(struct builder *builder, uint8_t **batch, size_t *size)
{
    if (builder->records == 0)
        return error_set(MAPLOG_INVALID, "a batch without records");
    uint8_t *made = builder->bytes;
    size_t made_size = builder->size;
    if (builder->codec != MAPLOG_COMPRESSION_NONE) {
        int result =
            codec_compress(builder->codec, made + BATCH_HEADER_BYTES,
                           made_size - BATCH_HEADER_BYTES, BATCH_HEADER_BYTES, &builder->packed);
        if (result)
            return result;
        made = builder->packed.bytes;
        made_size = builder->packed.size;
    }
    put_header(builder, builder->codec, made, made_size);
    *batch = made;
    *size = made_size;
    return 0;
}
