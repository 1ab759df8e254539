/*
 * index.h - Kafka's offset index and time index, on memory that is mapped or read. Pure; any
 * thread. The bytes may be damaged or hostile: a look-up never reads outside them, and its answer
 * is a hint that the caller checks against the batches.
 *
 * Offsets are relative to the segment's base offset. An entry of zero bytes is none: a file may
 * have a tail of allocated zeros, and the first batch of a segment never gets an entry. (A time
 * entry of time 0 and offset 0 counts when another one follows it.)
 */
#pragma once

#include <stdbool.h>

#include "log/format.h"

/*
 * Position from which a walk over the batches finds the one that holds offset `relative`: of the
 * entries whose last offset is <= relative, the position of the last one; 0 when there is none.
 * With last offset == relative the batch at that position is the one, else it lies behind it.
 * bytes: of the index; a tail of zeros is passed over.
 */
uint32_t index_find(const uint8_t *index, size_t bytes, uint32_t relative);
/*
 * The last entry whose position is <= `position`; false, and nothing is set, when there is none. A
 * tail of zeros is passed over.
 */
bool index_find_position(const uint8_t *index, size_t bytes, uint32_t position, uint32_t *relative,
                         uint32_t *found);
/*
 * Relative offset from which a walk finds the first record with at least `timestamp`: one behind
 * the offset of the last entry whose time is below it, since all records up to there are older; 0
 * when there is none. It may lie behind the segment's last record.
 */
uint32_t timeindex_find(const uint8_t *timeindex, size_t bytes, int64_t timestamp);

/* Writes one entry at index + bytes; it must be above the last one. */
void index_put(uint8_t *index, size_t bytes, uint32_t last_relative, uint32_t position);
void timeindex_put(uint8_t *timeindex, size_t bytes, int64_t timestamp, uint32_t last_relative);
/* The last entry of so many valid bytes; false, and nothing is set, when there is none. */
bool index_last(const uint8_t *index, size_t bytes, uint32_t *relative, uint32_t *position);
bool timeindex_last(const uint8_t *timeindex, size_t bytes, int64_t *timestamp, uint32_t *relative);
/* Bytes of the whole entries from the beginning on that ascend strictly and have no negative field;
 * a zero tail ends them. Whether they tell the truth, only the batches know. */
size_t index_valid_bytes(const uint8_t *index, size_t bytes);
size_t timeindex_valid_bytes(const uint8_t *timeindex, size_t bytes);
