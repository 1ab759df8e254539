/*
 * record.h - the records within a batch. Pure; any thread.
 */
#pragma once

#include <maplog.h>
#include <stdbool.h>

#include "log/batch.h"

/* One record as views into the batch's (decompressed) bytes. */
struct record {
    int64_t offset;
    int64_t timestamp;
    const void *key; /* NULL: null */
    const void *value; /* NULL: null */
    size_t key_size;
    size_t value_size;
    const void *headers; /* header_count encoded headers */
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
void record_begin(struct record_cursor *cursor, const struct batch *batch, const void *records,
                  size_t size);
/* Takes the next: 1; 0 behind the last; MAPLOG_CORRUPT (lengths that do not add up, trailing
 * bytes behind the last record). */
int record_next(struct record_cursor *cursor, struct record *record);
/* Next header of in (a view of record.headers): 1, 0 or MAPLOG_CORRUPT. Name is not terminated. */
int record_header_next(struct bytes *in, const char **name, size_t *name_size, const void **value,
                       size_t *value_size);

/* Bytes that the record takes in a batch, and writing it: `to` has room for record_size() bytes.
 * Returns the byte behind it. The record's fields were checked by record_check. */
size_t record_size(const struct maplog_record *record, int64_t timestamp_delta,
                   int32_t offset_delta);
uint8_t *record_put(uint8_t *to, const struct maplog_record *record, int64_t timestamp_delta,
                    int32_t offset_delta);
/* Sizes within int32, header names not NULL, NULL pointers only with size 0: MAPLOG_INVALID,
 * MAPLOG_TOO_LARGE, MAPLOG_LIMIT. */
int record_check(const struct maplog_record *record);
