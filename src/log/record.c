#include "log/record.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/varint.h"

/* Largest encoding of a record apart from keys, values and header names: varints and attributes. */
#define RECORD_OVERHEAD_MAX 40

static int corrupt(const struct record_cursor *cursor, const char *what)
{
    return error_set(MAPLOG_CORRUPT,
                     "batch at offset %" PRId64 ", %" PRId32 " records before its end: %s",
                     cursor->base_offset, cursor->left, what);
}

/* Takes a size and that many bytes; *from is NULL for a null (size -1). */
static bool take_sized(struct bytes *in, const void **from, size_t *size)
{
    int32_t length = bytes_take_varint(in);
    if (in->failed || length < -1)
        return false;
    *size = length < 0 ? 0 : (size_t)length;
    *from = length < 0 ? NULL : bytes_take(in, *size);
    return !in->failed;
}

int record_next_any(struct record_cursor *cursor, struct record *record)
{
    if (cursor->left == 0)
        return bytes_left(&cursor->in) == 0 ? 0 : corrupt(cursor, "bytes behind the last record");
    struct bytes in = cursor->in;
    int32_t length = bytes_take_varint(&in);
    if (in.failed || length < 0 || (size_t)length > bytes_left(&in))
        return corrupt(cursor, "a record reaches past the end");
    struct bytes body = bytes_over(in.at, (size_t)length);
    struct record found = {0};
    bytes_take8(&body); /* attributes: none is known */
    int64_t time_delta = bytes_take_varlong(&body);
    int32_t offset_delta = bytes_take_varint(&body);
    if (!take_sized(&body, &found.key, &found.key_size))
        return corrupt(cursor, "a record's key reaches past its end");
    if (!take_sized(&body, &found.value, &found.value_size))
        return corrupt(cursor, "a record's value reaches past its end");
    found.header_count = bytes_take_varint(&body);
    /* A header has at least two bytes. */
    if (body.failed || found.header_count < 0 || (size_t)found.header_count > bytes_left(&body) / 2)
        return corrupt(cursor, "a record's headers reach past its end");
    if (found.header_count == 0 && bytes_left(&body) > 0)
        return corrupt(cursor, "bytes behind a record's end");
    if (offset_delta < 0 || offset_delta > cursor->last_offset_delta)
        return corrupt(cursor, "a record's offset is outside the batch");
    found.headers = found.header_count ? body.at : NULL;
    found.headers_size = bytes_left(&body);
    found.offset = cursor->base_offset + offset_delta;
    found.timestamp = cursor->log_append_time
                          ? cursor->append_timestamp
                          : (int64_t)((uint64_t)cursor->base_timestamp + (uint64_t)time_delta);
    cursor->in.at = body.end;
    cursor->left--;
    *record = found;
    return 1;
}

int record_header_next(struct bytes *in, const char **name, size_t *name_size, const void **value,
                       size_t *value_size)
{
    if (bytes_left(in) == 0)
        return 0;
    struct bytes rest = *in;
    const void *found_name, *found_value;
    size_t found_name_size, found_value_size;
    if (!take_sized(&rest, &found_name, &found_name_size) || !found_name)
        return error_set(MAPLOG_CORRUPT, "a header's name reaches past the record's end");
    if (!take_sized(&rest, &found_value, &found_value_size))
        return error_set(MAPLOG_CORRUPT, "a header's value reaches past the record's end");
    *in = rest;
    *name = found_name;
    *name_size = found_name_size;
    *value = found_value;
    *value_size = found_value_size;
    return 1;
}

int record_check_headers(const struct record *record)
{
    struct bytes in = bytes_over(record->headers, record->headers_size);
    for (int32_t i = 0; i < record->header_count; i++) {
        int32_t name_size = bytes_take_varint(&in);
        if (name_size < 0 || !bytes_take(&in, (size_t)name_size))
            return error_set(MAPLOG_CORRUPT, "a header's name reaches past the record's end");
        int32_t value_size = bytes_take_varint(&in);
        if (value_size < -1 || !bytes_take(&in, value_size < 0 ? 0 : (size_t)value_size))
            return error_set(MAPLOG_CORRUPT, "a header's value reaches past the record's end");
    }
    if (bytes_left(&in) > 0)
        return error_set(MAPLOG_CORRUPT, "bytes behind the last of %" PRId32 " headers",
                         record->header_count);
    return 0;
}

static size_t sized(const void *bytes, size_t size)
{
    return varint_size(bytes ? (int64_t)size : -1) + size;
}

/* Bytes behind the record's length. */
static size_t body_size(const struct maplog_record *record, int64_t timestamp_delta,
                        int32_t offset_delta)
{
    size_t size = 1 + varint_size(timestamp_delta) + varint_size(offset_delta) +
                  sized(record->key, record->key_size) + sized(record->value, record->value_size) +
                  varint_size((int64_t)record->header_count);
    for (size_t i = 0; i < record->header_count; i++) {
        const struct maplog_header *header = &record->headers[i];
        size +=
            sized(header->name, strlen(header->name)) + sized(header->value, header->value_size);
    }
    return size;
}

size_t record_size(const struct maplog_record *record, int64_t timestamp_delta,
                   int32_t offset_delta)
{
    size_t body = body_size(record, timestamp_delta, offset_delta);
    return varint_size((int64_t)body) + body;
}

static uint8_t *put_sized(uint8_t *to, const void *bytes, size_t size)
{
    to = varint_put(to, bytes ? (int64_t)size : -1);
    if (size > 0)
        memcpy(to, bytes, size);
    return to + size;
}

uint8_t *record_put(uint8_t *to, const struct maplog_record *record, int64_t timestamp_delta,
                    int32_t offset_delta)
{
    to = varint_put(to, (int64_t)body_size(record, timestamp_delta, offset_delta));
    *to++ = 0; /* attributes */
    to = varint_put(to, timestamp_delta);
    to = varint_put(to, offset_delta);
    to = put_sized(to, record->key, record->key_size);
    to = put_sized(to, record->value, record->value_size);
    to = varint_put(to, (int64_t)record->header_count);
    for (size_t i = 0; i < record->header_count; i++) {
        const struct maplog_header *header = &record->headers[i];
        to = put_sized(to, header->name, strlen(header->name));
        to = put_sized(to, header->value, header->value_size);
    }
    return to;
}

/* Adds to *total; false when it is more than a record may have. */
static bool add_size(size_t *total, size_t size)
{
    if (size > RECORD_SIZE_MAX - *total)
        return false;
    *total += size;
    return true;
}

static int too_large(void)
{
    return error_set(MAPLOG_TOO_LARGE, "a record has at most %d bytes", RECORD_SIZE_MAX);
}

int record_check(const struct maplog_record *record)
{
    if (!record->key && record->key_size)
        return error_set(MAPLOG_INVALID, "the key is NULL, its size %zu", record->key_size);
    if (!record->value && record->value_size)
        return error_set(MAPLOG_INVALID, "the value is NULL, its size %zu", record->value_size);
    if (record->header_count > LIMIT_HEADERS)
        return error_set(MAPLOG_LIMIT, "%zu headers, a record has at most %d", record->header_count,
                         LIMIT_HEADERS);
    if (record->header_count && !record->headers)
        return error_set(MAPLOG_INVALID, "the headers are NULL, their count %zu",
                         record->header_count);
    size_t total = RECORD_OVERHEAD_MAX;
    if (!add_size(&total, record->key_size) || !add_size(&total, record->value_size))
        return too_large();
    for (size_t i = 0; i < record->header_count; i++) {
        const struct maplog_header *header = &record->headers[i];
        if (!header->name)
            return error_set(MAPLOG_INVALID, "the name of header %zu is NULL", i);
        if (!header->value && header->value_size)
            return error_set(MAPLOG_INVALID, "the value of header %s is NULL, its size %zu",
                             header->name, header->value_size);
        if (!add_size(&total, strlen(header->name)) || !add_size(&total, header->value_size) ||
            !add_size(&total, (size_t)2 * VARINT_SIZE_MAX))
            return too_large();
    }
    return 0;
}
