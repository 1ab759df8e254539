/*
 * record.h - the records within a batch. Pure; any thread.
 */
#pragma once

#include <maplog.h>
#include <stdbool.h>

#include "log/batch.h"

/* Largest encoded record; a batch of it alone still has an int32 length. */
#define RECORD_SIZE_MAX (INT32_MAX - BATCH_HEADER_BYTES)

/* One record as views into the batch's (decompressed) bytes. */
struct record {
    int64_t offset;
    int64_t timestamp;
    const void *key;   /* NULL: null */
    const void *value; /* NULL: null */
    size_t key_size;
    size_t value_size;
    const void *headers; /* header_count encoded headers, not looked at yet: record_header_next */
    size_t headers_size;
    int32_t header_count;
};

/* Walks the records of a batch. */
struct record_cursor {
    struct bytes in;
    int64_t base_offset;
    int64_t base_timestamp;
    int64_t append_timestamp; /* of all records, when log_append_time */
    int32_t last_offset_delta;
    int32_t left;
    bool log_append_time;
};

/* records: the batch's record bytes, decompressed: see codec_open_batch in codec.h. */
static inline void record_begin(struct record_cursor *cursor, const struct batch *batch,
                                const void *records, size_t size)
{
    *cursor = (struct record_cursor){
        .in = bytes_over(records, size),
        .base_offset = batch->base_offset,
        .base_timestamp = batch->base_timestamp,
        .append_timestamp = batch->max_timestamp,
        .last_offset_delta = (int32_t)(batch->last_offset - batch->base_offset),
        .left = batch->records,
        .log_append_time = batch->attributes & ATTRIBUTE_LOG_APPEND_TIME,
    };
}

/* record_next() for every case: short input, headers, long varints, errors. */
int record_next_any(struct record_cursor *cursor, struct record *record);

/* Bytes that record_next() may look at before it compares with a length again: five varints of at
 * most 3 bytes, and the attributes. */
#define RECORD_AHEAD 16

/* Takes a varint of at most 3 bytes; false: it is longer. */
static inline bool record_take_short(const uint8_t **at, int32_t *value)
{
    uint32_t zigzag = *(*at)++;
    if (__builtin_expect(zigzag >= 0x80, 0)) {
        uint32_t next = *(*at)++;
        zigzag = (zigzag & 0x7f) | next << 7;
        if (next >= 0x80) {
            next = *(*at)++;
            zigzag = (zigzag & 0x3fff) | next << 14;
            if (next >= 0x80)
                return false;
        }
    }
    __asm__("" : "+r"(zigzag)); /* read once: what is checked is what is used */
    *value = (int32_t)(zigzag >> 1) ^ -(int32_t)(zigzag & 1);
    return true;
}

/* Takes the next: 1; 0 behind the last; MAPLOG_CORRUPT (an offset outside the batch, lengths that
 * do not add up, trailing bytes behind the last record). */
static inline int record_next(struct record_cursor *cursor, struct record *record)
{
    /* Anything unusual is left, untouched, to record_next_any(). */
    const uint8_t *at = cursor->in.at, *limit = cursor->in.end;
    int32_t length, time_delta, offset_delta, key_size, value_size;
    if (__builtin_expect(cursor->left == 0 || limit - at < RECORD_AHEAD, 0) ||
        !record_take_short(&at, &length) || (uint32_t)length > (size_t)(limit - at))
        return record_next_any(cursor, record);
    const uint8_t *end = at + length;
    at++; /* attributes: none is known */
    if (!record_take_short(&at, &time_delta) || !record_take_short(&at, &offset_delta) ||
        !record_take_short(&at, &key_size) ||
        (uint32_t)offset_delta > (uint32_t)cursor->last_offset_delta)
        return record_next_any(cursor, record);
    const uint8_t *key = NULL;
    if (key_size >= 0) {
        key = at;
        if (key_size + 3 > limit - at) /* the value's size may be looked at */
            return record_next_any(cursor, record);
        at += key_size;
    }
    if (!record_take_short(&at, &value_size))
        return record_next_any(cursor, record);
    const uint8_t *value = value_size >= 0 ? at : NULL;
    int32_t value_bytes = value_size >= 0 ? value_size : 0;
    if (__builtin_expect(key_size < -1 || value_size < -1 || end - at != value_bytes + 1, 0) ||
        at[value_bytes] != 0) /* headers */
        return record_next_any(cursor, record);
    cursor->in.at = end;
    cursor->left--;
    *record = (struct record){
        .offset = cursor->base_offset + offset_delta,
        .timestamp = cursor->log_append_time ? cursor->append_timestamp
                                             : (int64_t)((uint64_t)cursor->base_timestamp +
                                                         (uint64_t)(int64_t)time_delta),
        .key = key,
        .value = value,
        .key_size = key ? (size_t)key_size : 0,
        .value_size = (size_t)value_bytes,
    };
    return 1;
}

/* Next header of in (a view of record.headers): 1, 0 or MAPLOG_CORRUPT. Name is not terminated. */
int record_header_next(struct bytes *in, const char **name, size_t *name_size, const void **value,
                       size_t *value_size);

/* The headers are as many as the record says, and fill it: 0 or MAPLOG_CORRUPT. */
int record_check_headers(const struct record *record);

/* Bytes that the record takes in a batch, and writing it: `to` has room for record_size() bytes.
 * Returns the byte behind it. The record's fields were checked by record_check. */
size_t record_size(const struct maplog_record *record, int64_t timestamp_delta,
                   int32_t offset_delta);
uint8_t *record_put(uint8_t *to, const struct maplog_record *record, int64_t timestamp_delta,
                    int32_t offset_delta);
/* Encoded size at most RECORD_SIZE_MAX, header names not NULL, NULL pointers only with size 0:
 * MAPLOG_INVALID, MAPLOG_TOO_LARGE, MAPLOG_LIMIT (LIMIT_HEADERS). */
int record_check(const struct maplog_record *record);
