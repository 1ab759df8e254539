/* lane.c - a producer's hold on one partition: its appender and its open batch. */
#include "client/producer.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "log/durable.h"

/* More than a record without key and headers takes besides its value, batch header included. */
#define VALUE_OVERHEAD 128

int lane_refresh(struct maplog_producer *producer, struct lane *lane)
{
    struct settings settings;
    uint64_t generation;
    int result = partition_settings(lane->partition, &settings, &generation);
    if (result)
        return result;
    size_t largest = (size_t)settings.max_message_bytes;
    if (largest > (size_t)settings.segment_bytes)
        largest = (size_t)settings.segment_bytes;
    lane->limit = producer->options.batch_bytes < largest ? producer->options.batch_bytes : largest;
    return 0;
}

int lane_open(struct maplog_producer *producer, int32_t partition, struct lane **lane)
{
    struct lane *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for partition %d of %s", (int)partition,
                         producer->topic);
    int result =
        directory_partition(producer->directory, producer->topic, partition, &made->partition);
    if (!result)
        result = lane_refresh(producer, made);
    if (!result)
        result =
            appender_open(made->partition, producer->seat, producer->timeout_ns, &made->appender);
    if (result) {
        free(made);
        return result;
    }
    builder_init(&made->builder, producer->options.compression);
    if (producer->options.acks == MAPLOG_ACKS_DISK)
        durable_announce(made->partition);
    producer->lanes[partition] = made;
    *lane = made;
    return 0;
}

void lane_close(struct maplog_producer *producer, struct lane *lane)
{
    if (!lane)
        return;
    if (directory_forked(producer->directory))
        segment_drop(lane->appender.segment);
    else
        appender_close(&lane->appender);
    builder_free(&lane->builder);
    free(lane);
}

static void count_append(struct maplog_producer *producer)
{
    /* It only makes things faster: an error is not the caller's concern. */
    if (__builtin_expect(producer->appends <= LANE_KEEPER_AFTER, 0) &&
        producer->appends++ == LANE_KEEPER_AFTER)
        keeper_begin(producer->directory);
}

int lane_acknowledge(const struct maplog_producer *producer, struct lane *lane)
{
    if (producer->options.acks != MAPLOG_ACKS_DISK) {
        int64_t every = lane->appender.settings.flush_messages;
        if (__builtin_expect(every == INT64_MAX || lane->end == 0, 1))
            return 0;
        int64_t durable = (int64_t)load_acquire(&lane->partition->control->durable_offset);
        if (lane->end - durable < every)
            return 0;
        if (every > 1 && producer->directory->kind == FILE_SYSTEM_MEMORY)
            return 0;
    } else if (lane->end == 0) {
        return 0;
    }
    /* While this one sleeps others append: they need not revoke what it gives up. */
    lease_drop(&lane->appender.lease);
    int result = durable_wait(lane->partition, lane->end, producer->timeout_ns);
    return result
               ? error_prefix(result,
                              "%s: published up to offset %" PRId64 " but not known to be on disk",
                              lane->partition->name, lane->end - 1)
               : 0;
}

int lane_append(struct maplog_producer *producer, struct lane *lane,
                const struct maplog_record *record, int64_t *offset)
{
    int64_t at;
    int result =
        appender_append_record(&lane->appender, record, keeper_now_ms(producer->directory), &at);
    if (result)
        return result;
    lane->end = at + 1;
    count_append(producer);
    result = lane_acknowledge(producer, lane);
    if (!result && offset)
        *offset = at;
    return result;
}

int lane_publish(struct lane *lane)
{
    struct builder *builder = &lane->builder;
    if (builder->records == 0)
        return 0;
    uint8_t *batch;
    size_t size;
    struct appended appended;
    int result = builder_finish(builder, &batch, &size);
    if (!result)
        result = appender_append(&lane->appender, batch, size, &appended);
    if (result == MAPLOG_TOO_LARGE && builder->codec != MAPLOG_COMPRESSION_NONE) {
        /* Bytes that do not compress grow a little: as they are they may fit. */
        enum maplog_compression codec = builder->codec;
        builder->codec = MAPLOG_COMPRESSION_NONE;
        result = builder_finish(builder, &batch, &size);
        if (!result)
            result = appender_append(&lane->appender, batch, size, &appended);
        builder->codec = codec;
    }
    if (result)
        return result;
    lane->end = appended.last_offset + 1;
    lane->due_ms = 0;
    builder_clear(builder);
    return 0;
}

static bool plain_value(const struct maplog_record *record)
{
    return record->value && !record->key && !record->key_size && !record->header_count;
}

bool lane_fits(const struct lane *lane, const struct maplog_record *record)
{
    const struct builder *builder = &lane->builder;
    if (builder->records == 0)
        return true;
    if (plain_value(record) && record->value_size < lane->limit &&
        builder->size + record->value_size + VALUE_OVERHEAD <= lane->limit)
        return true;
    if (record_check(record))
        return true; /* gathering it tells what is wrong */
    int64_t timestamp = record->timestamp ? record->timestamp : builder->max_timestamp;
    return builder_size_with(builder, record, timestamp) <= lane->limit;
}

/* A record that is larger than a batch may be goes alone. */
static int gather_alone(struct maplog_producer *producer, struct lane *lane,
                        const struct maplog_record *record, int64_t timestamp, int64_t *offset)
{
    int result = builder_add(&lane->builder, record, timestamp);
    if (!result)
        result = lane_publish(lane);
    if (result) {
        builder_clear(&lane->builder);
        return result;
    }
    result = lane_acknowledge(producer, lane);
    if (!result && offset)
        *offset = lane->end - 1;
    return result;
}

/* The record does not surely fit, or is not a plain value. */
static int gather_any(struct maplog_producer *producer, struct lane *lane,
                      const struct maplog_record *record, int64_t timestamp, int64_t *offset)
{
    struct builder *builder = &lane->builder;
    int result = record_check(record);
    if (result)
        return result;
    if (builder->records && builder_size_with(builder, record, timestamp) > lane->limit) {
        result = lane_publish(lane);
        if (!result)
            result = lane_acknowledge(producer, lane);
        if (result)
            return error_prefix(result, "this record was not taken");
    }
    if (builder->records == 0 && builder_size_with(builder, record, timestamp) > lane->limit)
        return gather_alone(producer, lane, record, timestamp, offset);
    result = builder_add(builder, record, timestamp);
    if (!result && offset)
        *offset = -1;
    return result;
}

int lane_gather(struct maplog_producer *producer, struct lane *lane,
                const struct maplog_record *record, int64_t *offset)
{
    struct builder *builder = &lane->builder;
    int64_t now = keeper_now_ms(producer->directory);
    int64_t timestamp = record->timestamp ? record->timestamp : now;
    int result;
    if (plain_value(record) && record->value_size < lane->limit &&
        builder->size + record->value_size + VALUE_OVERHEAD <= lane->limit) {
        result = builder_add_value(builder, record->value, record->value_size, timestamp);
        if (!result && offset)
            *offset = -1;
    } else {
        result = gather_any(producer, lane, record, timestamp, offset);
    }
    count_append(producer);
    if (producer->lingers && !result && builder->records && lane->due_ms == 0)
        linger_arm(producer, lane, now);
    return result;
}
