/* batch_fuzz.c - any bytes as a batch, as they are and with length, magic and CRC set right: views
 * stay inside, both ways through the records agree, and a good batch can be built again. */
#include "base/crc32c.h"
#include "log/builder.h"
#include "log/codec.h"

#include <stdlib.h>

#define HEADERS_REBUILT 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static void check_view(const void *view, size_t size, const uint8_t *bytes, size_t length)
{
    const uint8_t *first = view;
    check(size <= length && (!view || (first >= bytes && first + size <= bytes + length)));
    check(view || size == 0);
}

/* The record's headers, as far as they are good; false when they are damaged. */
static bool read_headers(const struct record *record, struct maplog_header *headers, size_t *count)
{
    struct bytes in = bytes_over(record->headers, record->headers_size);
    const char *name;
    const void *value;
    size_t name_size, value_size;
    int result;
    *count = 0;
    while ((result = record_header_next(&in, &name, &name_size, &value, &value_size)) == 1) {
        check_view(name, name_size, record->headers, record->headers_size);
        check_view(value, value_size, record->headers, record->headers_size);
        char *copy = *count < HEADERS_REBUILT ? calloc(1, name_size + 1) : NULL;
        if (copy) {
            memcpy(copy, name, name_size);
            headers[(*count)++] = (struct maplog_header){copy, value, value_size};
        }
    }
    check(result == 0 || result == MAPLOG_CORRUPT);
    return result == 0;
}

/* Adds the record to a batch of our own and looks at it there. */
static void rebuild(const struct record *record)
{
    struct maplog_header headers[HEADERS_REBUILT];
    struct maplog_record again = {.key = record->key,
                                  .key_size = record->key_size,
                                  .value = record->value,
                                  .value_size = record->value_size,
                                  .headers = headers};
    struct builder builder;
    builder_init(&builder, MAPLOG_COMPRESSION_NONE);
    if (read_headers(record, headers, &again.header_count)) {
        uint8_t *bytes;
        size_t size;
        struct batch batch;
        check(record_check(&again) == 0);
        size_t expected = builder_size_with(&builder, &again, record->timestamp);
        check(builder_add(&builder, &again, record->timestamp) == 0);
        check(builder_finish(&builder, &bytes, &size) == 0 && size == expected);
        check(batch_check_deep(bytes, size, &batch) == 0 && batch.records == 1);
        check(batch.max_timestamp == record->timestamp);
    }
    builder_free(&builder);
    for (size_t i = 0; i < again.header_count; i++)
        free((char *)headers[i].name);
}

static int walk(const struct batch *batch, const uint8_t *records, size_t size)
{
    struct record_cursor cursor, checked;
    record_begin(&cursor, batch, records, size);
    checked = cursor;
    for (int count = 0;; count++) {
        struct record record = {0}, again = {0};
        int result = record_next(&cursor, &record);
        check(result == record_next_any(&checked, &again));
        check(cursor.in.at == checked.in.at && cursor.left == checked.left);
        if (result != 1) {
            check(result == MAPLOG_CORRUPT || (result == 0 && count == batch->records));
            return result;
        }
        check(record.offset == again.offset && record.timestamp == again.timestamp);
        check(record.value == again.value && record.value_size == again.value_size);
        check(record.key == again.key && record.key_size == again.key_size);
        check(record.offset >= batch->base_offset && record.offset <= batch->last_offset);
        check_view(record.key, record.key_size, records, size);
        check_view(record.value, record.value_size, records, size);
        check_view(record.headers, record.headers_size, records, size);
        if (count < 16)
            rebuild(&record);
    }
}

static void look(const uint8_t *bytes, size_t size)
{
    struct batch batch, deep;
    int result = batch_read(bytes, size, &batch);
    check(result == 0 || result == MAPLOG_CORRUPT);
    int deep_result = batch_check_deep(bytes, size, &deep);
    if (result) {
        check(deep_result == result);
        return;
    }
    check(batch.size >= BATCH_HEADER_BYTES && batch.size <= size);
    check(batch.base_offset >= 0 && batch.last_offset >= batch.base_offset);
    struct codec_buffer buffer = {0};
    const void *records;
    size_t records_size;
    if (codec_open_batch(&batch, &buffer, &records, &records_size) == 0) {
        int walked = walk(&batch, records, records_size);
        check(deep_result != 0 || walked == 0);
    } else {
        check(deep_result != 0);
    }
    codec_buffer_free(&buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    look(data, size);
    if (size < BATCH_HEADER_BYTES)
        return 0;
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return 0;
    memcpy(bytes, data, size);
    bytes_store32(bytes + BATCH_LENGTH, (uint32_t)size - BATCH_PREFIX_BYTES);
    bytes[BATCH_MAGIC] = BATCH_MAGIC_V2;
    bytes_store32(bytes + BATCH_CRC, crc32c(0, bytes + BATCH_ATTRIBUTES, size - BATCH_ATTRIBUTES));
    look(bytes, size);
    free(bytes);
    return 0;
}
