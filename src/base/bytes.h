/*
 * bytes.h - big-endian loads and stores, and a bounds-checked cursor.
 *
 * The cursor is the only way to read bytes that came from disk, the network or another process.
 * Its error is sticky: after one read past the end every further read gives 0 and moves nothing,
 * so that a decoder checks once, at its end. Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t bytes_load16(const void *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return __builtin_bswap16(value);
}

static inline uint32_t bytes_load32(const void *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return __builtin_bswap32(value);
}

static inline uint64_t bytes_load64(const void *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return __builtin_bswap64(value);
}

static inline void bytes_store16(void *at, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(at, &value, sizeof value);
}

static inline void bytes_store32(void *at, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(at, &value, sizeof value);
}

static inline void bytes_store64(void *at, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(at, &value, sizeof value);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "maplog runs on little-endian machines");

/* A cursor over [at, end). */
struct bytes {
    const uint8_t *at;
    const uint8_t *end;
    bool failed; /* a read went past the end, or a varint was malformed */
};

static inline struct bytes bytes_over(const void *data, size_t length)
{
    const uint8_t *first = data;
    /* NULL with length 0 is fine; compilers see that both ways are one. */
    return (struct bytes){.at = first, .end = length ? first + length : first, .failed = false};
}

static inline size_t bytes_left(const struct bytes *in)
{
    return (size_t)(in->end - in->at);
}

/* Takes length bytes; NULL and failed when fewer are left. */
static inline const uint8_t *bytes_take(struct bytes *in, size_t length)
{
    if (in->failed || length > bytes_left(in)) {
        in->failed = true;
        return NULL;
    }
    const uint8_t *taken = in->at;
    in->at += length;
    return taken;
}

static inline uint8_t bytes_take8(struct bytes *in)
{
    const uint8_t *at = bytes_take(in, 1);
    return at ? *at : 0;
}

static inline uint16_t bytes_take16(struct bytes *in)
{
    const uint8_t *at = bytes_take(in, 2);
    return at ? bytes_load16(at) : 0;
}

static inline uint32_t bytes_take32(struct bytes *in)
{
    const uint8_t *at = bytes_take(in, 4);
    return at ? bytes_load32(at) : 0;
}

static inline uint64_t bytes_take64(struct bytes *in)
{
    const uint8_t *at = bytes_take(in, 8);
    return at ? bytes_load64(at) : 0;
}
