/*
 * crc32c.h - CRC-32C (Castagnoli), the checksum of Kafka's record batches. Pure; any thread.
 *
 * A running value is the plain CRC of the bytes so far; 0 starts one:
 * crc32c(crc32c(0, a), b) == crc32c(0, ab).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Inputs below this many bytes go through the inline loop, longer ones through ISA-L. */
#define CRC32C_SHORT 256

/* Extends crc with length bytes. Short inputs: SSE4.2 inline loop; long ones: ISA-L. */
uint32_t crc32c(uint32_t crc, const void *data, size_t length);

#if defined(__x86_64__)

/* Set before main(), by a constructor. */
extern bool crc32c_short_here;

/* Is the inline loop below allowed on this CPU? One load and a test. */
static inline bool crc32c_has_short(void)
{
    return crc32c_short_here;
}

/* crc32c() for a few hundred bytes at most, inlined into the caller; only where
 * crc32c_has_short(). Written as assembly because a function with a target attribute is not inlined
 * into callers that lack it. */
static inline uint32_t crc32c_short(uint32_t crc, const void *data, size_t length)
{
    const uint8_t *at = data;
    uint64_t state = (uint32_t)~crc;
    for (; length >= 32; at += 32, length -= 32)
        __asm__("crc32q (%1), %0\n\tcrc32q 8(%1), %0\n\tcrc32q 16(%1), %0\n\tcrc32q 24(%1), %0"
                : "+r"(state)
                : "r"(at), "m"(*(const uint8_t(*)[32])at));
    for (; length >= 8; at += 8, length -= 8)
        __asm__("crc32q %1, %0" : "+r"(state) : "m"(*(const uint8_t(*)[8])at));
    uint32_t narrow = (uint32_t)state;
    if (length & 4) {
        uint32_t word;
        memcpy(&word, at, sizeof word);
        __asm__("crc32l %1, %0" : "+r"(narrow) : "r"(word));
        at += 4;
    }
    if (length & 2) {
        uint16_t word;
        memcpy(&word, at, sizeof word);
        __asm__("crc32w %1, %0" : "+r"(narrow) : "r"(word));
        at += 2;
    }
    if (length & 1)
        __asm__("crc32b %1, %0" : "+r"(narrow) : "q"(*at));
    return ~narrow;
}

#else

static inline bool crc32c_has_short(void)
{
    return false;
}

static inline uint32_t crc32c_short(uint32_t crc, const void *data, size_t length)
{
    return crc32c(crc, data, length);
}

#endif

/* crc32c() with the short case inlined into the caller, for the append path. */
static inline uint32_t crc32c_inline(uint32_t crc, const void *data, size_t length)
{
    if (__builtin_expect(length < CRC32C_SHORT && crc32c_has_short(), 1))
        return crc32c_short(crc, data, length);
    return crc32c(crc, data, length);
}
