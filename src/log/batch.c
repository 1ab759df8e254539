#include "log/batch.h"

#include <inttypes.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "log/codec.h"
#include "log/record.h"

/* batch_read() decided; this looks again, slowly, for the sentence. */
int batch_refuse(const uint8_t *bytes, size_t available)
{
    if (available < BATCH_HEADER_BYTES)
        return error_set(MAPLOG_CORRUPT, "%zu bytes are left, a batch header has %d", available,
                         BATCH_HEADER_BYTES);
    int32_t length = (int32_t)batch_load32(bytes + BATCH_LENGTH);
    int32_t last_delta = (int32_t)batch_load32(bytes + BATCH_LAST_OFFSET_DELTA);
    int32_t records = (int32_t)batch_load32(bytes + BATCH_RECORD_COUNT);
    int64_t base_offset = (int64_t)batch_load64(bytes + BATCH_BASE_OFFSET);
    int codec = bytes_load16(bytes + BATCH_ATTRIBUTES) & ATTRIBUTE_CODEC;
    if (bytes[BATCH_MAGIC] != BATCH_MAGIC_V2)
        return error_set(MAPLOG_CORRUPT, "batch magic %u, expected %d", bytes[BATCH_MAGIC],
                         BATCH_MAGIC_V2);
    if (length < BATCH_HEADER_BYTES - BATCH_PREFIX_BYTES)
        return error_set(MAPLOG_CORRUPT, "batch length %" PRId32 ", the least is %d", length,
                         BATCH_HEADER_BYTES - BATCH_PREFIX_BYTES);
    if ((size_t)length + BATCH_PREFIX_BYTES > available)
        return error_set(MAPLOG_CORRUPT, "a batch of %zu bytes, only %zu are left",
                         (size_t)length + BATCH_PREFIX_BYTES, available);
    if (base_offset < 0)
        return error_set(MAPLOG_CORRUPT, "base offset %" PRId64, base_offset);
    if (last_delta < 0 || base_offset >= INT64_MAX - last_delta) /* there is a next offset */
        return error_set(MAPLOG_CORRUPT, "base offset %" PRId64 " with last offset delta %" PRId32,
                         base_offset, last_delta);
    if (records < 0 || records - 1 > last_delta)
        return error_set(MAPLOG_CORRUPT, "%" PRId32 " records with last offset delta %" PRId32,
                         records, last_delta);
    if (codec > MAPLOG_COMPRESSION_ZSTD)
        return error_set(MAPLOG_CORRUPT, "compression codec %d is not known", codec);
    return error_set(MAPLOG_CORRUPT, "the batch header changed while it was read");
}

int batch_check_crc(const struct batch *batch)
{
    uint32_t stored = batch_load32(batch->bytes + BATCH_CRC);
    uint32_t computed = crc32c(0, batch->bytes + BATCH_ATTRIBUTES, batch->size - BATCH_ATTRIBUTES);
    if (stored == computed)
        return 0;
    return error_set(MAPLOG_CORRUPT,
                     "batch at offset %" PRId64 ": CRC %08" PRIx32 ", its bytes give %08" PRIx32,
                     batch->base_offset, stored, computed);
}

static int check_record(const struct batch *batch, const struct record *record, int64_t *previous)
{
    if (record->offset <= *previous)
        return error_set(MAPLOG_CORRUPT, "record offset %" PRId64 " behind %" PRId64,
                         record->offset, *previous);
    *previous = record->offset;
    if (record->timestamp > batch->max_timestamp)
        return error_set(MAPLOG_CORRUPT,
                         "record offset %" PRId64 ": timestamp %" PRId64
                         " is above the batch's largest, %" PRId64,
                         record->offset, record->timestamp, batch->max_timestamp);
    return record_check_headers(record);
}

int batch_check_deep(const uint8_t *bytes, size_t available, struct batch *batch)
{
    struct batch found;
    int result = batch_read(bytes, available, &found);
    if (!result)
        result = batch_check_crc(&found);
    struct codec_buffer buffer = {0};
    const void *records = NULL;
    size_t size = 0;
    if (!result)
        result = codec_open_batch(&found, &buffer, &records, &size);
    if (!result) {
        struct record_cursor cursor;
        struct record record;
        int64_t previous = found.base_offset - 1;
        record_begin(&cursor, &found, records, size);
        while (!result && (result = record_next(&cursor, &record)) == 1)
            result = check_record(&found, &record, &previous);
    }
    codec_buffer_free(&buffer);
    if (!result)
        *batch = found;
    return result;
}
