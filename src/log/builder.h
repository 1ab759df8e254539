/*
 * builder.h - gathers records into one batch in private memory. One thread. The finished bytes are
 * appended with appender_append(); base offset and leader epoch are set there.
 */
#pragma once

#include <maplog.h>
#include <stdbool.h>

#include "log/record.h"

struct builder {
    uint8_t *bytes; /* owned; BATCH_HEADER_BYTES are kept free in front */
    size_t size;    /* used, header included */
    size_t capacity;
    int32_t records;
    int64_t base_timestamp;
    int64_t max_timestamp;
    enum maplog_compression codec;
    uint8_t *packed; /* owned: the compressed batch, after builder_finish */
    size_t packed_capacity;
};

void builder_init(struct builder *builder, enum maplog_compression codec);
void builder_free(struct builder *builder);
/* Forgets the records, keeps the memory. */
void builder_clear(struct builder *builder);
/* Bytes of the batch if the record were added (uncompressed). */
size_t builder_size_with(const struct builder *builder, const struct maplog_record *record,
                         int64_t timestamp);
/* Adds a record that passed record_check. MAPLOG_NO_MEMORY, MAPLOG_LIMIT. */
int builder_add(struct builder *builder, const struct maplog_record *record, int64_t timestamp);
/* Fast path: a record without key and headers. */
int builder_add_value(struct builder *builder, const void *value, size_t size, int64_t timestamp);
/* Compresses if asked (always, as Kafka's producer does),
 * fills header and CRC. *batch, *size: the whole batch, valid until the next call on builder.
 * MAPLOG_INVALID when there is no record. */
int builder_finish(struct builder *builder, uint8_t **batch, size_t *size);
