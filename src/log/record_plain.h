/*
 * record_plain.h - the short way to the commonest records, for readers in a hurry: no key and no
 * headers. Whatever is not of this kind, or damaged, is left to record_next(). Pure; any thread.
 */
#pragma once

#include "log/record.h"

/* The value of the only record of a batch, if its bytes are what maplog's own producers write: no
 * key, no headers, the batch's offset and time, sizes in two bytes (or in one) each. records: size
 * bytes. NULL: look closer. */
static inline const uint8_t *record_only_value(const uint8_t *records, size_t size,
                                               size_t *value_size)
{
    uint64_t expected, found, length, value;
    if (__builtin_expect(size - 73 <= 8193 - 73, 1)) { /* 2 + 4 + 2, the value, 1 */
        length = 2 * (size - 2);
        value = 2 * (size - 9);
        expected = (length & 0x7f) | 0x80 | length >> 7 << 8 | 1ull << 40 |
                   ((value & 0x7f) | 0x80 | value >> 7 << 8) << 48;
        memcpy(&found, records, sizeof found);
        *value_size = size - 9;
        return found == expected && records[size - 1] == 0 ? records + 8 : NULL;
    }
    if (size >= 8 && size <= 64) { /* 1 + 4 + 1, the value, 1 */
        expected = 2 * (size - 1) | 1ull << 32 | 2 * (size - 7) << 40;
        memcpy(&found, records, sizeof found);
        *value_size = size - 7;
        return (found ^ expected) << 16 == 0 && records[size - 1] == 0 ? records + 6 : NULL;
    }
    return NULL;
}

/* Sizes and deltas below 8192, nothing before the batch's base. */
struct record_plain {
    const uint8_t *value;
    uint32_t value_size;
    uint32_t time_delta;
    uint32_t offset_delta;
};

/* Takes a varint of at most 2 bytes, in zigzag form still. */
static inline bool record_take_shorter(const uint8_t **at, uint32_t *zigzag)
{
    uint32_t value = *(*at)++;
    if (value >= 0x80) {
        uint32_t next = *(*at)++;
        if (__builtin_expect(next >= 0x80, 0))
            return false;
        value = (value & 0x7f) | next << 7;
    }
    __asm__("" : "+r"(value)); /* read once */
    *zigzag = value;
    return true;
}

/* The record at `at` of a batch whose records end at limit; the byte behind it. NULL: it is not a
 * plain one, or damaged; record_next() knows. The caller compares offset_delta with the batch. */
static inline __attribute__((always_inline)) const uint8_t *
record_take_plain(const uint8_t *at, const uint8_t *limit, struct record_plain *plain)
{
    uint32_t length, time_delta, offset_delta, value_size;
    if (limit - at < RECORD_AHEAD || !record_take_shorter(&at, &length))
        return NULL;
    const uint8_t *end = at + (length >> 1);
    at++; /* attributes: none is known */
    if (!record_take_shorter(&at, &time_delta) || !record_take_shorter(&at, &offset_delta) ||
        *at++ != 1 /* no key */ || !record_take_shorter(&at, &value_size))
        return NULL;
    if (((length | time_delta | offset_delta | value_size) & 1) != 0 || end > limit ||
        end - at != (ptrdiff_t)(value_size >> 1) + 1 || end[-1] != 0)
        return NULL;
    plain->value = at;
    plain->value_size = value_size >> 1;
    plain->time_delta = time_delta >> 1;
    plain->offset_delta = offset_delta >> 1;
    return end;
}
