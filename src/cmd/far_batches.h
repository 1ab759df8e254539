/*
 * far_batches.h - the records of fetched batches, one after the other. One thread.
 */
#pragma once

#include <maplog.h>
#include <stdbool.h>

#include "log/codec.h"
#include "log/record.h"

/* Begin with {.check_crcs = ...}. */
struct far_batches {
    bool check_crcs;
    bool open; /* batch and cursor are of the batch being read */
    const uint8_t *at;
    size_t left;
    struct batch batch;
    struct record_cursor cursor;
    struct codec_buffer unfolded;
};

/* From now on these; they must stay until the next call. */
void far_batches_begin(struct far_batches *batches, const uint8_t *bytes, size_t size);
/* The next record whose offset is at least *position: 1 with all of *message but the partition; 0:
 * no whole batch is left. *position moves on, also past what holds no records: control batches, and
 * offsets that compaction removed. MAPLOG_CORRUPT, MAPLOG_LIMIT, MAPLOG_NO_MEMORY. */
int far_batches_next(struct far_batches *batches, int64_t *position,
                     struct maplog_message *message);
void far_batches_free(struct far_batches *batches);
