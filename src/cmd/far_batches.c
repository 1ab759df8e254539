#include "cmd/far_batches.h"

#include "base/error.h"

void far_batches_begin(struct far_batches *batches, const uint8_t *bytes, size_t size)
{
    batches->open = false;
    batches->at = bytes;
    batches->left = size;
}

void far_batches_free(struct far_batches *batches)
{
    codec_buffer_free(&batches->unfolded);
}

/* Opens the batch at `at`: 1, 0 when what is left is cut off: a server sends as many bytes as were
 * asked for, wherever that is. */
static int open_batch(struct far_batches *batches)
{
    if (batches->left < BATCH_PREFIX_BYTES)
        return 0;
    uint64_t size = (uint64_t)bytes_load32(batches->at + BATCH_LENGTH) + BATCH_PREFIX_BYTES;
    if (size > batches->left)
        return 0;
    int result = batch_read(batches->at, batches->left, &batches->batch);
    if (!result && batches->check_crcs)
        result = batch_check_crc(&batches->batch);
    const void *records = NULL;
    size_t records_size = 0;
    bool control = !result && batches->batch.attributes & ATTRIBUTE_CONTROL;
    if (!result && !control)
        result = codec_open_batch(&batches->batch, &batches->unfolded, &records, &records_size);
    if (result)
        return result;
    if (control)
        batches->batch.records = 0;
    batches->at += batches->batch.size;
    batches->left -= batches->batch.size;
    record_begin(&batches->cursor, &batches->batch, records, records_size);
    batches->open = true;
    return 1;
}

static void fill(const struct far_batches *batches, const struct record *record,
                 struct maplog_message *message)
{
    *message = (struct maplog_message){
        .key = record->key,
        .value = record->value,
        .key_size = record->key_size,
        .value_size = record->value_size,
        .offset = record->offset,
        .timestamp = record->timestamp,
        .leader_epoch = batches->batch.leader_epoch,
        .header_count = record->header_count,
        .timestamp_type = batches->cursor.log_append_time,
        .headers = record->headers,
        .headers_size = record->headers_size,
    };
}

int far_batches_next(struct far_batches *batches, int64_t *position, struct maplog_message *message)
{
    for (;;) {
        struct record record;
        int result = batches->open ? record_next(&batches->cursor, &record) : 0;
        if (result < 0)
            return result;
        if (result && record.offset >= *position) {
            if (record.header_count > 0 && record_check_headers(&record) != 0)
                return MAPLOG_CORRUPT;
            *position = record.offset + 1;
            fill(batches, &record, message);
            return 1;
        }
        if (result)
            continue; /* a batch may begin before what was asked for */
        if (batches->open && *position <= batches->batch.last_offset)
            *position = batches->batch.last_offset + 1;
        batches->open = false;
        result = open_batch(batches);
        if (result <= 0)
            return result;
    }
}
