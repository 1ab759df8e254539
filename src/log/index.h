/*
 * index.h - Kafka's offset index and time index, on memory that is mapped or read. Pure; any
 * thread. The bytes may be damaged or hostile: a look-up never reads outside them, and its answer
 * is a hint that the caller checks against the batches.
 */
#pragma once

#include <stdbool.h>

#include "log/format.h"

/* Largest position whose batch's last offset is <= relative... see .c; 0 when there is none. The
 * batch that holds `relative` begins at or behind the answer. bytes: valid bytes of the index. */
uint32_t index_find(const uint8_t *index, size_t bytes, uint32_t relative);
/* Relative offset from which a search for the first record with at least `timestamp` may begin. */
uint32_t timeindex_find(const uint8_t *timeindex, size_t bytes, int64_t timestamp);

/* Writes one entry at index + bytes. */
void index_put(uint8_t *index, size_t bytes, uint32_t last_relative, uint32_t position);
void timeindex_put(uint8_t *timeindex, size_t bytes, int64_t timestamp, uint32_t last_relative);
/* The last entry; false when there is none. */
bool index_last(const uint8_t *index, size_t bytes, uint32_t *relative, uint32_t *position);
bool timeindex_last(const uint8_t *timeindex, size_t bytes, int64_t *timestamp,
                    uint32_t *relative);
/* Whole entries that ascend strictly (the index of a file may have a zero tail): their bytes. */
size_t index_valid_bytes(const uint8_t *index, size_t bytes);
size_t timeindex_valid_bytes(const uint8_t *timeindex, size_t bytes);
