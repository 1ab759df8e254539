/* murmur2.c - murmur2 as Java's Kafka client computes it: little-endian words, seed 0x9747b28c. */
#include "base/murmur2.h"

#include <string.h>

uint32_t murmur2(const void *key, size_t length)
{
    const uint32_t factor = 0x5bd1e995;
    const uint8_t *at = key;
    uint32_t hash = 0x9747b28c ^ (uint32_t)length;
    for (; length >= 4; at += 4, length -= 4) {
        uint32_t word;
        memcpy(&word, at, sizeof word);
        word *= factor;
        word ^= word >> 24;
        word *= factor;
        hash = hash * factor ^ word;
    }
    if (length >= 3)
        hash ^= (uint32_t)at[2] << 16;
    if (length >= 2)
        hash ^= (uint32_t)at[1] << 8;
    if (length >= 1)
        hash = (hash ^ at[0]) * factor;
    hash ^= hash >> 13;
    hash *= factor;
    return hash ^ hash >> 15;
}

int32_t murmur2_partition(const void *key, size_t length, int32_t partitions)
{
    return (int32_t)(murmur2(key, length) & 0x7fffffff) % partitions;
}
