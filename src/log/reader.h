/*
 * reader.h - walks the batches of one partition, below the published end (I2). One thread.
 * Bytes lie in the segment's mapping and stay valid while the segment is kept (segment_keep).
 */
#pragma once

#include "log/batch.h"
#include "log/partition.h"
#include "shm/bell.h"

struct reader {
    struct partition *partition;
    struct segment *segment; /* a reference; NULL before the first batch */
    uint64_t rolls;          /* of segment when it was seen active; 0: it is sealed */
    uint64_t word;           /* commit word seen last, for bell_watch */
    uint32_t position;       /* of the next batch */
    uint32_t end;            /* readable end of segment as far as known */
    int64_t offset;          /* next offset wanted */
};

void reader_init(struct reader *reader, struct partition *partition, int64_t offset);
void reader_close(struct reader *reader);
/* Next read begins at offset (no check before reader_next). */
void reader_seek(struct reader *reader, int64_t offset);
/*
 * Takes the next batch whose last offset is at or above the wanted one (the first may begin below
 * it): 1, 0 at the published end, or an error: MAPLOG_OFFSET_OUT_OF_RANGE, MAPLOG_CORRUPT (file and
 * position named), MAPLOG_TOPIC_DELETED (at the end of what is readable).
 */
int reader_next(struct reader *reader, struct batch *batch);
/* The next batch if nothing needs looking for, not yet taken; false: ask reader_next(). */
static inline bool reader_peek(const struct reader *reader, struct batch *batch)
{
    return reader->position < reader->end &&
           batch_read(reader->segment->log + reader->position, reader->end - reader->position,
                      batch) == 0 &&
           batch->base_offset >= reader->offset;
}
/* Takes the batch that was peeked at. */
static inline void reader_take(struct reader *reader, const struct batch *batch)
{
    reader->position += batch->size;
    reader->offset = batch->last_offset + 1;
}
/* For bell_wait: what this reader has seen. */
void reader_watch(const struct reader *reader, struct bell_watch *watch);
