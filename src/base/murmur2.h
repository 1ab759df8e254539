/* murmur2.h - Kafka's default partitioner hash (murmur2, seed 0x9747b28c). Pure; any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The 32-bit hash that Java's org.apache.kafka.common.utils.Utils.murmur2 gives for the key. */
uint32_t murmur2(const void *key, size_t length);

/* Partition of a keyed record, 0..partitions-1: (murmur2 & 0x7fffffff) % partitions. */
int32_t murmur2_partition(const void *key, size_t length, int32_t partitions);
