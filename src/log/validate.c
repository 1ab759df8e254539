#include "log/validate.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "log/codec.h"
#include "log/record.h"

#define NO_TIMESTAMP (-1)
#define WHOLE_BATCH (-1)

static enum validate_reason refuse(struct validated *validated, enum validate_reason reason,
                                   int32_t record, const char *format, ...)
    __attribute__((format(printf, 4, 5), cold));

static enum validate_reason refuse(struct validated *validated, enum validate_reason reason,
                                   int32_t record, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(validated->text, sizeof validated->text, format, arguments);
    va_end(arguments);
    validated->record = record;
    return validated->reason = reason;
}

static enum validate_reason refuse_batch(struct validated *validated, const char *text)
{
    return refuse(validated, VALIDATE_INVALID_RECORD, WHOLE_BATCH, "%s", text);
}

/* ---- timestamps ------------------------------------------------------------------------------ */

/* Those that are allowed: from `earliest` on, `width` more. */
struct window {
    int64_t earliest;
    uint64_t width;
};

static struct window window_of(const struct validate_rules *rules)
{
    int64_t earliest, latest;
    bool any = rules->settings->timestamp_type == TIMESTAMP_LOG_APPEND_TIME;
    if (any || rules->timestamp_before_max_ms == INT64_MAX ||
        __builtin_sub_overflow(rules->now_ms, rules->timestamp_before_max_ms, &earliest))
        earliest = INT64_MIN;
    if (any || rules->timestamp_after_max_ms == INT64_MAX ||
        __builtin_add_overflow(rules->now_ms, rules->timestamp_after_max_ms, &latest))
        latest = INT64_MAX;
    return (struct window){earliest, (uint64_t)latest - (uint64_t)earliest};
}

static inline bool is_outside(const struct window *window, int64_t timestamp)
{
    return (uint64_t)timestamp - (uint64_t)window->earliest > window->width &&
           timestamp != NO_TIMESTAMP;
}

static void print_time(char text[VALIDATE_TEXT], const struct window *window, int64_t timestamp)
{
    snprintf(text, VALIDATE_TEXT,
             "timestamp %" PRId64 " is out of range: from %" PRId64 " to %" PRId64 " is allowed",
             timestamp, window->earliest, (int64_t)((uint64_t)window->earliest + window->width));
}

static enum validate_reason refuse_time(struct validated *validated, const struct window *window,
                                        int64_t timestamp)
{
    char text[VALIDATE_TEXT];
    print_time(text, window, timestamp);
    return refuse(validated, VALIDATE_TIMESTAMP, WHOLE_BATCH, "%s", text);
}

/* ---- the header ------------------------------------------------------------------------------ */

/* Exactly one batch in the newest format. */
static enum validate_reason check_frame(const uint8_t *bytes, size_t size,
                                        struct validated *validated)
{
    if (size == 0)
        return refuse_batch(validated, "no batch was sent");
    if (size > BATCH_MAGIC && bytes[BATCH_MAGIC] < BATCH_MAGIC_V2)
        return refuse(validated, VALIDATE_INVALID_RECORD, WHOLE_BATCH,
                      "the batch has magic %u, only %d is accepted", bytes[BATCH_MAGIC],
                      BATCH_MAGIC_V2);
    int32_t length = size < BATCH_HEADER_BYTES ? -1 : (int32_t)bytes_load32(bytes + BATCH_LENGTH);
    if (length < BATCH_HEADER_BYTES - BATCH_PREFIX_BYTES ||
        (size_t)length + BATCH_PREFIX_BYTES > size || bytes[BATCH_MAGIC] != BATCH_MAGIC_V2) {
        batch_refuse(bytes, size);
        return refuse(validated, VALIDATE_CORRUPT, WHOLE_BATCH, "%s", error_text());
    }
    if ((size_t)length + BATCH_PREFIX_BYTES < size)
        return refuse_batch(validated, "more than one batch was sent for the partition");
    uint32_t stored = bytes_load32(bytes + BATCH_CRC);
    uint32_t computed = crc32c(0, bytes + BATCH_ATTRIBUTES, size - BATCH_ATTRIBUTES);
    if (stored != computed)
        return refuse(validated, VALIDATE_CORRUPT, WHOLE_BATCH,
                      "the batch has CRC %08" PRIx32 ", its bytes give %08" PRIx32, stored,
                      computed);
    return VALIDATE_GOOD;
}

/* What the fields say, each for itself and together. Reads the batch. */
static enum validate_reason check_fields(const uint8_t *bytes, size_t size,
                                         struct validated *validated)
{
    int32_t last_delta = (int32_t)bytes_load32(bytes + BATCH_LAST_OFFSET_DELTA);
    int32_t records = (int32_t)bytes_load32(bytes + BATCH_RECORD_COUNT);
    if (records <= 0 || last_delta != records - 1)
        return refuse(validated, VALIDATE_INVALID_RECORD, WHOLE_BATCH,
                      "a batch of %" PRId32 " records with last offset delta %" PRId32, records,
                      last_delta);
    uint8_t header[BATCH_HEADER_BYTES];
    memcpy(header, bytes, sizeof header);
    bytes_store64(header + BATCH_BASE_OFFSET, 0);
    struct batch batch;
    if (batch_read(header, size, &batch) != 0)
        return refuse(validated, VALIDATE_INVALID_RECORD, WHOLE_BATCH, "%s", error_text());
    batch.bytes = bytes;
    validated->batch = batch;
    if (batch.attributes & ATTRIBUTE_CONTROL)
        return refuse_batch(validated, "clients may not write control batches");
    if (batch.attributes & ATTRIBUTE_TRANSACTIONAL)
        return refuse_batch(validated, "transactions are not supported here");
    if (batch.attributes & ATTRIBUTE_DELETE_HORIZON)
        return refuse_batch(validated, "clients may not set a delete horizon");
    if (batch.producer_id >= 0 && (batch.base_sequence < 0 || batch.producer_epoch < 0))
        return refuse(validated, VALIDATE_INVALID_RECORD, WHOLE_BATCH,
                      "producer %" PRId64 " with epoch %d and sequence %" PRId32, batch.producer_id,
                      batch.producer_epoch, batch.base_sequence);
    if (batch.attributes & ATTRIBUTE_LOG_APPEND_TIME)
        return refuse(validated, VALIDATE_TIMESTAMP, WHOLE_BATCH,
                      "clients may not set the timestamp type LogAppendTime");
    return VALIDATE_GOOD;
}

/* ---- the records ----------------------------------------------------------------------------- */

/* true: go on, others are wanted, too. The batch is refused for what is wrong with the first one,
 * but for a timestamp when any is wrong, as in Kafka. */
__attribute__((cold)) static bool blame(const struct validate_rules *rules,
                                        struct validated *validated, enum validate_reason reason,
                                        int32_t record, const char *text)
{
    bool first = validated->reason == VALIDATE_GOOD;
    if (first || (reason == VALIDATE_TIMESTAMP && validated->reason != reason))
        refuse(validated, reason, first ? record : validated->record, "%s", text);
    return rules->blame && rules->blame(rules->context, record, text);
}

__attribute__((cold)) static bool blame_time(const struct validate_rules *rules,
                                             struct validated *validated,
                                             const struct window *window, int32_t record,
                                             int64_t timestamp)
{
    char text[VALIDATE_TEXT];
    print_time(text, window, timestamp);
    return blame(rules, validated, VALIDATE_TIMESTAMP, record, text);
}

/* All of them, unfolded. *largest: timestamp; -1 when none has one. */
static enum validate_reason walk_records(const struct validate_rules *rules, const void *records,
                                         size_t size, struct validated *validated, int64_t *largest)
{
    const struct window window = window_of(rules);
    const bool keys = rules->settings->compact;
    struct record_cursor cursor;
    struct record record;
    int64_t offset = 0, found = NO_TIMESTAMP;
    int result;
    record_begin(&cursor, &validated->batch, records, size);
    while ((result = record_next(&cursor, &record)) == 1) {
        if (__builtin_expect(record.offset != offset, 0)) {
            result = error_set(MAPLOG_CORRUPT,
                               "a record has offset delta %" PRId64 " where %" PRId64 " is next",
                               record.offset, offset);
            break;
        }
        if (record.header_count && (result = record_check_headers(&record)) != 0)
            break;
        if (__builtin_expect(keys && !record.key, 0)) {
            if (!blame(rules, validated, VALIDATE_INVALID_RECORD, (int32_t)offset,
                       "a compacted topic cannot accept a record without key"))
                return validated->reason;
        } else if (__builtin_expect(is_outside(&window, record.timestamp), 0)) {
            if (!blame_time(rules, validated, &window, (int32_t)offset, record.timestamp))
                return validated->reason;
        }
        if (record.timestamp > found)
            found = record.timestamp;
        offset++;
    }
    if (result)
        blame(rules, validated, VALIDATE_INVALID_RECORD, (int32_t)offset, error_text());
    *largest = found;
    return validated->reason;
}

/* Of a compressed batch that stays folded, the header must do. */
static enum validate_reason check_folded(const struct validate_rules *rules,
                                         struct validated *validated)
{
    const struct window window = window_of(rules);
    const struct batch *batch = &validated->batch;
    if (is_outside(&window, batch->max_timestamp))
        return refuse_time(validated, &window, batch->max_timestamp);
    if (is_outside(&window, batch->base_timestamp))
        return refuse_time(validated, &window, batch->base_timestamp);
    return VALIDATE_GOOD;
}

static void correct_largest(uint8_t *bytes, size_t size, int64_t largest,
                            struct validated *validated)
{
    bytes_store64(bytes + BATCH_MAX_TIMESTAMP, (uint64_t)largest);
    bytes_store32(bytes + BATCH_CRC, crc32c(0, bytes + BATCH_ATTRIBUTES, size - BATCH_ATTRIBUTES));
    validated->batch.max_timestamp = largest;
}

static enum validate_reason check_records(uint8_t *bytes, size_t size,
                                          const struct validate_rules *rules,
                                          struct validated *validated)
{
    const struct batch *batch = &validated->batch;
    bool create_time = rules->settings->timestamp_type == TIMESTAMP_CREATE_TIME;
    if (batch_codec(batch) != MAPLOG_COMPRESSION_NONE && !rules->settings->compact &&
        !(create_time && batch->max_timestamp < batch->base_timestamp))
        return check_folded(rules, validated);
    struct codec_buffer buffer = {0};
    const void *records;
    size_t records_size;
    int64_t largest = NO_TIMESTAMP;
    int result = codec_open_batch(batch, &buffer, &records, &records_size);
    enum validate_reason reason =
        result == 0
            ? walk_records(rules, records, records_size, validated, &largest)
            : refuse(validated,
                     result == MAPLOG_NO_MEMORY ? VALIDATE_CORRUPT : VALIDATE_INVALID_RECORD,
                     WHOLE_BATCH, "%s", error_text());
    codec_buffer_free(&buffer);
    if (reason == VALIDATE_GOOD && create_time && largest != batch->max_timestamp)
        correct_largest(bytes, size, largest, validated);
    return reason;
}

enum validate_reason validate_batch(uint8_t *bytes, size_t size, const struct validate_rules *rules,
                                    struct validated *validated)
{
    const struct settings *settings = rules->settings;
    validated->text[0] = '\0';
    validated->record = WHOLE_BATCH;
    validated->reason = VALIDATE_GOOD;
    if (size > (uint64_t)settings->max_message_bytes)
        return refuse(validated, VALIDATE_TOO_LARGE, WHOLE_BATCH,
                      "the batch has %zu bytes, max.message.bytes is %" PRId64, size,
                      settings->max_message_bytes);
    enum validate_reason reason = check_frame(bytes, size, validated);
    if (reason == VALIDATE_GOOD)
        reason = check_fields(bytes, size, validated);
    if (reason == VALIDATE_GOOD && !rules->zstd &&
        batch_codec(&validated->batch) == MAPLOG_COMPRESSION_ZSTD)
        reason = refuse(validated, VALIDATE_CODEC, WHOLE_BATCH,
                        "this version of the request knows no zstd");
    if (reason == VALIDATE_GOOD)
        reason = check_records(bytes, size, rules, validated);
    if (reason == VALIDATE_GOOD && size > (uint64_t)settings->segment_bytes)
        reason = refuse(validated, VALIDATE_SEGMENT_TOO_SMALL, WHOLE_BATCH,
                        "the batch has %zu bytes, segment.bytes is %" PRId64, size,
                        settings->segment_bytes);
    return reason;
}
