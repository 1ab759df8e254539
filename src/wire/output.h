/*
 * output.h - how the codec fills a struct wire_output. For the codec only.
 *
 * Bytes go into the chunk [.., end) at `at`; what has gone there since `from` becomes a slice when
 * the chunk is full, records come between, or the message ends. After a failure nothing is written.
 */
#pragma once

#include "base/varint.h"
#include "wire/codec.h"

/* A new chunk of at least size bytes; NULL and failed at the arena's end. */
uint8_t *wire_output_grow(struct wire_output *out, size_t size);
/* Makes a slice of what has none yet. */
void wire_output_close(struct wire_output *out);
/* A slice of its own, not copied. */
void wire_output_slice(struct wire_output *out, const struct wire_slice *slice);

/* Where size bytes may be written; `at` moves by those that were. */
static inline uint8_t *wire_output_room(struct wire_output *out, size_t size)
{
    if ((size_t)(out->end - out->at) >= size)
        return out->at;
    return wire_output_grow(out, size);
}

static inline void wire_put8(struct wire_output *out, uint8_t value)
{
    uint8_t *to = wire_output_room(out, sizeof value);
    if (to)
        *out->at++ = value;
}

static inline void wire_put16(struct wire_output *out, uint16_t value)
{
    uint8_t *to = wire_output_room(out, sizeof value);
    if (to) {
        bytes_store16(to, value);
        out->at += sizeof value;
    }
}

static inline void wire_put32(struct wire_output *out, uint32_t value)
{
    uint8_t *to = wire_output_room(out, sizeof value);
    if (to) {
        bytes_store32(to, value);
        out->at += sizeof value;
    }
}

static inline void wire_put64(struct wire_output *out, uint64_t value)
{
    uint8_t *to = wire_output_room(out, sizeof value);
    if (to) {
        bytes_store64(to, value);
        out->at += sizeof value;
    }
}

static inline void wire_put_uvarint(struct wire_output *out, uint32_t value)
{
    uint8_t *to = wire_output_room(out, VARINT_SIZE_MAX);
    if (to)
        out->at = uvarint_put(to, value);
}

static inline void wire_put_data(struct wire_output *out, const void *data, size_t size)
{
    uint8_t *to = size > 0 ? wire_output_room(out, size) : NULL;
    if (to) {
        memcpy(to, data, size);
        out->at += size;
    }
}
