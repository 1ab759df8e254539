/*
 * varint.h - LEB128 integers: zigzag ones as Kafka's records use them (varint 32 bits, varlong 64
 * bits), and the unsigned ones of its messages. Pure; any thread.
 * Format: https://kafka.apache.org/protocol (VARINT, VARLONG, UNSIGNED_VARINT).
 */
#pragma once

#include "base/bytes.h"

#define VARINT_SIZE_MAX 5   /* bytes of the longest 32-bit varint */
#define VARLONG_SIZE_MAX 10 /* bytes of the longest 64-bit varlong */

static inline uint64_t varint_zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

/* Bytes that varint_put(value) writes. */
static inline size_t varint_size(int64_t value)
{
    uint64_t zigzag = varint_zigzag(value) | 1;
    return (size_t)(70 - __builtin_clzll(zigzag)) / 7;
}

/* Writes value at `to` (room for VARLONG_SIZE_MAX); returns the byte after it. */
static inline uint8_t *varint_put(uint8_t *to, int64_t value)
{
    uint64_t zigzag = varint_zigzag(value);
    while (zigzag >= 0x80) {
        *to++ = (uint8_t)(zigzag | 0x80);
        zigzag >>= 7;
    }
    *to++ = (uint8_t)zigzag;
    return to;
}

/* Takes a varlong; sets failed on truncation or more than VARLONG_SIZE_MAX bytes. */
static inline int64_t bytes_take_varlong(struct bytes *in)
{
    uint64_t zigzag = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (in->failed || in->at == in->end)
            break;
        uint8_t byte = *in->at++;
        if (shift == 63 && byte > 1)
            break;
        zigzag |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return (int64_t)(zigzag >> 1) ^ -(int64_t)(zigzag & 1);
    }
    in->failed = true;
    return 0;
}

/* Takes a varint; a value outside 32 bits sets failed, and so does more than VARINT_SIZE_MAX bytes,
 * which Kafka's own readers refuse. */
static inline int32_t bytes_take_varint(struct bytes *in)
{
    const uint8_t *first = in->at;
    int64_t value = bytes_take_varlong(in);
    if (value != (int32_t)value || in->at - first > VARINT_SIZE_MAX) {
        in->failed = true;
        return 0;
    }
    return (int32_t)value;
}

/* Writes value at `to` (room for VARINT_SIZE_MAX); returns the byte after it. */
static inline uint8_t *uvarint_put(uint8_t *to, uint32_t value)
{
    while (value >= 0x80) {
        *to++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *to++ = (uint8_t)value;
    return to;
}

/* Takes an unsigned varint; sets failed on truncation or a value beyond 32 bits. */
static inline uint32_t bytes_take_uvarint(struct bytes *in)
{
    uint32_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        if (in->failed || in->at == in->end)
            break;
        uint8_t byte = *in->at++;
        if (shift == 28 && byte > 0xf)
            break;
        value |= (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    in->failed = true;
    return 0;
}
