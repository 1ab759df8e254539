/*
 * codec.h - gzip, snappy (xerial framing written, raw read too), lz4 frame and zstd, as Kafka's
 * batches hold them. Only to look inside batches: the log stores what the producer sent. Any
 * thread; a codec_buffer belongs to one.
 */
#pragma once

#include <maplog.h>

#include "log/batch.h"

/* Reusable memory; begin with {0}. Its bytes are valid until the next call that fills it. */
struct codec_buffer {
    uint8_t *bytes;
    size_t size;
    size_t capacity;
};

void codec_buffer_free(struct codec_buffer *buffer); /* back to {0} */
/* Fills buffer with `prefix` bytes that are left to the caller and, behind them, what size bytes
 * compress to. MAPLOG_NO_MEMORY, MAPLOG_LIMIT, MAPLOG_INVALID for a codec that is none. */
int codec_compress(enum maplog_compression codec, const void *from, size_t size, size_t prefix,
                   struct codec_buffer *buffer);
/* Fills buffer with what size bytes unfold to, at most LIMIT_DECOMPRESSED. The input must be whole
 * and nothing may follow it. MAPLOG_CORRUPT, MAPLOG_LIMIT, MAPLOG_NO_MEMORY. */
int codec_decompress(enum maplog_compression codec, const void *from, size_t size,
                     struct codec_buffer *buffer);
/* The records of a batch: in place when it is not compressed, else decompressed into buffer. */
int codec_open_batch(const struct batch *batch, struct codec_buffer *buffer, const void **records,
                     size_t *size);
/* "none", "gzip", ...; NULL for an unknown codec. */
const char *codec_name(enum maplog_compression codec);
/* MAPLOG_INVALID with a text that lists the names. */
int codec_parse(const char *name, enum maplog_compression *codec);
