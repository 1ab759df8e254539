#include "log/appender.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "base/varint.h"
#include "log/directory.h"
#include "log/keeper.h"
#include "log/roll.h"
#include "os/fault.h"
#include "os/map.h"
#include "shm/bell.h"

int appender_open(struct partition *partition, uint32_t seat, int64_t timeout_ns,
                  struct appender *appender)
{
    struct directory *directory = partition->directory;
    if (directory->read_only)
        return error_set(MAPLOG_DENIED, "%s is attached read-only", directory->path);
    int result = partition_check_live(partition);
    if (result)
        return result;
    struct settings settings;
    uint64_t generation;
    result = partition_settings(partition, &settings, &generation);
    if (result)
        return result;
    *appender = (struct appender){.partition = partition,
                                  .directory = directory,
                                  .settings = settings,
                                  .settings_generation = generation,
                                  .timeout_ns = timeout_ns};
    lease_init(&appender->lease, &directory->view, partition->slot, seat);
    return 0;
}

void appender_close(struct appender *appender)
{
    if (!appender->partition)
        return;
    lease_drop(&appender->lease);
    segment_drop(appender->segment);
    appender->segment = NULL;
    appender->partition = NULL;
}

/* Becomes the writer with everything up to date. On failure nobody is inside. */
static int begin(struct appender *appender)
{
    int result = lease_enter(&appender->lease, appender->timeout_ns);
    if (__builtin_expect(result < 0, 0))
        return result;
    if (__builtin_expect(result > 0, 0)) {
        result = roll_reload(appender);
        if (result) {
            lease_leave(&appender->lease);
            lease_drop(&appender->lease); /* the next append reloads again */
            return result;
        }
    }
    const struct control_header *header = &appender->directory->view.control->header;
    if (__builtin_expect(
            load_acquire(&header->settings_generation) != appender->settings_generation, 0)) {
        result = roll_settings(appender);
        if (result) {
            lease_leave(&appender->lease);
            return result;
        }
    }
    return 0;
}

/* Makes `size` bytes with `records` offsets at the tail visible: the commit point, then what
 * follows from it. */
static inline void publish(struct appender *appender, uint32_t size, uint32_t records,
                           int64_t max_timestamp)
{
    struct control_partition *control = appender->partition->control;
    uint32_t position = appender->position;
    uint32_t last_relative = appender->relative + records - 1;
    appender->position = position + size;
    appender->relative = last_relative + 1;
    uint64_t word = PUBLISHED_WORD(appender->position, appender->relative);
    store_release(appender->published, word); /* pairs with partition_end and reader.c */
    bell_ring(&appender->directory->view, appender->partition->slot);
    bool due = indexer_add(&appender->indexer, size, max_timestamp, last_relative);
    if (__builtin_expect(due, 0))
        roll_index(appender, position, last_relative);
    /* Notes for the next writer; valid once noted_published equals the commit word. */
    store_relaxed(&control->max_timestamp, (uint64_t)appender->indexer.max_timestamp);
    store_relaxed(&control->max_timestamp_offset,
                  (uint64_t)appender->indexer.max_timestamp_relative);
    store_relaxed(&control->bytes_since_index, appender->indexer.bytes_since);
    store_release(&control->noted_published, word);
}

static int too_large(const struct appender *appender, size_t size)
{
    return error_set(MAPLOG_TOO_LARGE, "a batch of %zu bytes for %s: max.message.bytes is %lld",
                     size, appender->partition->name,
                     (long long)appender->settings.max_message_bytes);
}

/* Room for a batch at the tail; the writer only. */
static inline int make_room(struct appender *appender, size_t size, uint32_t records,
                            int64_t now_ms)
{
    if (__builtin_expect((uint64_t)appender->position + size + APPENDER_SLACK <= appender->limit &&
                             (uint64_t)appender->relative + records <= INT32_MAX &&
                             now_ms < appender->roll_at_ms,
                         1))
        return 0;
    return roll_make_room(appender, size, records, now_ms);
}

/* LogAppendTime: all records of the batch have the time of the append. */
static int64_t stamp_append_time(uint8_t *batch, size_t size, int64_t now_ms)
{
    uint16_t attributes = bytes_load16(batch + BATCH_ATTRIBUTES);
    bytes_store16(batch + BATCH_ATTRIBUTES, attributes | ATTRIBUTE_LOG_APPEND_TIME);
    bytes_store64(batch + BATCH_MAX_TIMESTAMP, (uint64_t)now_ms);
    uint32_t crc = crc32c(0, batch + BATCH_ATTRIBUTES, size - BATCH_ATTRIBUTES);
    bytes_store32(batch + BATCH_CRC, crc);
    return now_ms;
}

/* at: the offset that the batch must get; -1: any. */
static int append_batch(struct appender *appender, uint8_t *batch, size_t size, int64_t at,
                        struct appended *appended)
{
    uint32_t records = bytes_load32(batch + BATCH_LAST_OFFSET_DELTA) + 1;
    int64_t now_ms = keeper_now_ms(appender->directory);
    int result = begin(appender);
    if (result)
        return result;
    int64_t append_time = -1;
    if ((int64_t)size > appender->settings.max_message_bytes) {
        result = too_large(appender, size);
        goto leave;
    }
    int64_t base_offset = appender->base + appender->relative;
    if (at >= 0 && at != base_offset) {
        result = error_set(MAPLOG_BUSY, "%s ends at offset %lld now, not at %lld",
                           appender->partition->name, (long long)base_offset, (long long)at);
        goto leave;
    }
    if (appender->settings.timestamp_type == TIMESTAMP_LOG_APPEND_TIME)
        append_time = stamp_append_time(batch, size, now_ms);
    result = make_room(appender, size, records, now_ms);
    if (result)
        goto leave;
    bytes_store64(batch + BATCH_BASE_OFFSET, (uint64_t)base_offset);
    bytes_store32(batch + BATCH_LEADER_EPOCH, appender->leader_epoch);
    fault_point("append-begun");
    memcpy(appender->log + appender->position, batch, size);
    fault_point("append-copied");
    publish(appender, (uint32_t)size, records, (int64_t)bytes_load64(batch + BATCH_MAX_TIMESTAMP));
    fault_point("append-published");
    *appended = (struct appended){base_offset, base_offset + records - 1, append_time};
    store_relaxed(&appender->partition->appended_ms, now_ms);
leave:
    lease_leave(&appender->lease);
    return result;
}

int appender_append(struct appender *appender, uint8_t *batch, size_t size,
                    struct appended *appended)
{
    return append_batch(appender, batch, size, -1, appended);
}

int appender_append_at(struct appender *appender, uint8_t *batch, size_t size, int64_t at,
                       struct appended *appended)
{
    return append_batch(appender, batch, size, at, appended);
}

/* Header, and record up to its value, for values of this size stamped with this time. */
static void build_template(struct appender *appender, size_t value_size, int64_t timestamp)
{
    struct appender_template *made = &appender->template;
    bool append_time = appender->settings.timestamp_type == TIMESTAMP_LOG_APPEND_TIME;
    uint8_t *at = made->bytes;
    memset(at, 0, sizeof made->bytes);
    at[BATCH_MAGIC] = BATCH_MAGIC_V2;
    bytes_store16(at + BATCH_ATTRIBUTES, append_time ? ATTRIBUTE_LOG_APPEND_TIME : 0);
    bytes_store64(at + BATCH_BASE_TIMESTAMP, (uint64_t)timestamp);
    bytes_store64(at + BATCH_MAX_TIMESTAMP, (uint64_t)timestamp);
    bytes_store64(at + BATCH_PRODUCER_ID, UINT64_MAX);
    bytes_store16(at + BATCH_PRODUCER_EPOCH, UINT16_MAX);
    bytes_store32(at + BATCH_BASE_SEQUENCE, UINT32_MAX);
    bytes_store32(at + BATCH_RECORD_COUNT, 1);
    /* attributes, timestamp delta 0, offset delta 0, no key, value, no headers */
    size_t body = 4 + varint_size((int64_t)value_size) + value_size + 1;
    uint8_t *record = varint_put(at + BATCH_HEADER_BYTES, (int64_t)body);
    *record++ = 0;
    *record++ = 0;
    *record++ = 0;
    record = varint_put(record, -1);
    record = varint_put(record, (int64_t)value_size);
    made->prefix = (uint32_t)(record - at);
    made->size = (uint32_t)(made->prefix + value_size + 1);
    bytes_store32(at + BATCH_LENGTH, made->size - BATCH_PREFIX_BYTES);
    made->crc = crc32c(0, at + BATCH_ATTRIBUTES, made->prefix - BATCH_ATTRIBUTES);
    made->value_size = value_size;
    made->timestamp = timestamp;
    bytes_store32(at + BATCH_LEADER_EPOCH, appender->leader_epoch);
}

/* A record with a key, headers or a null value. */
static int append_built(struct appender *appender, const struct maplog_record *record,
                        int64_t timestamp, int64_t *offset)
{
    int result = record_check(record);
    if (result)
        return result;
    struct builder builder;
    builder_init(&builder, MAPLOG_COMPRESSION_NONE);
    uint8_t *batch;
    size_t size;
    struct appended appended;
    result = builder_add(&builder, record, timestamp);
    if (!result)
        result = builder_finish(&builder, &batch, &size);
    if (!result)
        result = appender_append(appender, batch, size, &appended);
    builder_free(&builder);
    if (!result && offset)
        *offset = appended.base_offset;
    return result;
}

int appender_append_record(struct appender *appender, const struct maplog_record *record,
                           int64_t now_ms, int64_t *offset)
{
    int64_t timestamp = record->timestamp ? record->timestamp : now_ms;
    size_t value_size = record->value_size;
    if (__builtin_expect(record->key || record->key_size || record->header_count ||
                             !record->value || value_size > INT32_MAX / 2,
                         0))
        return append_built(appender, record, timestamp, offset);
    int result = begin(appender);
    if (__builtin_expect(result, 0))
        return result;
    struct appender_template *template = &appender->template;
    if (__builtin_expect(appender->settings.timestamp_type == TIMESTAMP_LOG_APPEND_TIME, 0))
        timestamp = now_ms;
    if (__builtin_expect(template->value_size != value_size || template->timestamp != timestamp, 0))
        build_template(appender, value_size, timestamp);
    if (__builtin_expect(template->size > appender->settings.max_message_bytes, 0)) {
        result = too_large(appender, template->size);
        goto leave;
    }
    result = make_room(appender, template->size, 1, now_ms);
    if (__builtin_expect(result, 0))
        goto leave;
    uint8_t *tail = appender->log + appender->position;
    memcpy(tail, template->bytes, APPENDER_TEMPLATE_BYTES);
    uint8_t *value = tail + template->prefix;
    memcpy(value, record->value, value_size);
    value[value_size] = 0; /* no headers */
    /* The CRC of the value comes from the caller's bytes, which are in this CPU's cache. */
    uint32_t crc = crc32c_inline(template->crc, record->value, value_size);
    crc = crc32c_inline(crc, &(const uint8_t){0}, 1);
    int64_t assigned = appender->base + appender->relative;
    bytes_store64(tail + BATCH_BASE_OFFSET, (uint64_t)assigned);
    bytes_store32(tail + BATCH_CRC, crc);
    publish(appender, template->size, 1, timestamp);
    if (offset)
        *offset = assigned;
    store_relaxed(&appender->partition->appended_ms, now_ms);
leave:
    lease_leave(&appender->lease);
    return result;
}

int appender_append_kept(struct appender *appender, const uint8_t *batch, size_t size)
{
    int64_t base_offset = (int64_t)bytes_load64(batch + BATCH_BASE_OFFSET);
    uint32_t last_delta = bytes_load32(batch + BATCH_LAST_OFFSET_DELTA);
    int result = begin(appender);
    if (result)
        return result;
    int64_t now_ms = keeper_now_ms(appender->directory);
    int64_t end = appender->base + appender->relative;
    if (base_offset < end) {
        result = error_set(MAPLOG_INVALID, "%s ends at offset %lld, a batch begins at %lld",
                           appender->partition->name, (long long)end, (long long)base_offset);
        goto leave;
    }
    int64_t span = base_offset - end + last_delta + 1;
    if (span > INT32_MAX)
        result = error_set(MAPLOG_LIMIT, "a gap of %lld offsets in %s", (long long)span,
                           appender->partition->name);
    else
        result = make_room(appender, size, (uint32_t)span, now_ms);
    if (result)
        goto leave;
    memcpy(appender->log + appender->position, batch, size);
    publish(appender, (uint32_t)size, (uint32_t)span,
            (int64_t)bytes_load64(batch + BATCH_MAX_TIMESTAMP));
    store_relaxed(&appender->partition->appended_ms, now_ms);
leave:
    lease_leave(&appender->lease);
    return result;
}

int appender_roll(struct appender *appender)
{
    int result = begin(appender);
    if (result)
        return result;
    if (appender->segment && appender->position > 0)
        result = roll_segment(appender, keeper_now_ms(appender->directory));
    lease_leave(&appender->lease);
    return result;
}

int appender_prepare(struct appender *appender, uint64_t bytes)
{
    if (bytes > LIMIT_SEGMENT_BYTES)
        bytes = LIMIT_SEGMENT_BYTES;
    int result = begin(appender);
    if (result)
        return result;
    result = roll_allocate(appender, bytes, keeper_now_ms(appender->directory));
    struct segment *segment = result ? NULL : segment_keep(appender->segment);
    uint64_t from = map_page_down(appender->position);
    uint64_t to = appender->position + bytes;
    uint64_t allocated = load_relaxed(&appender->partition->control->allocated[appender->parity]);
    to = to < allocated ? to : allocated;
    lease_leave(&appender->lease);
    if (!result)
        result = map_populate(segment->log + from, to - from, true);
    segment_drop(segment);
    return result;
}
