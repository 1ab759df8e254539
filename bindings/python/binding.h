/*
 * binding.h - what maplog.py needs beside <maplog.h>: many records in one call. Read by cffi, too,
 * so plain declarations only.
 */
#pragma once

/* Messages that lie in one piece of memory, which the hold keeps. */
struct binding_run {
    struct maplog_hold *hold;
    const char *base; /* all that the messages point to lies in [base, base + size) */
    size_t size;
    int32_t count;
    int32_t capacity;
    struct maplog_message *messages;
};

/* A consumer that is read a run at a time. The message that ended a run, since it lies elsewhere,
 * waits here for the next. */
struct binding_reader {
    struct maplog_consumer *consumer;
    struct maplog_hold *hold; /* of `ahead`; NULL: none waits */
    struct maplog_message ahead;
};

/* Takes up to `limit` messages, or about `bytes`; waits for the first only. 1 with a run for
 * binding_run_free(), 0, or an error. */
int binding_fetch(struct binding_reader *reader, int32_t limit, size_t bytes, int timeout_ms,
                  struct binding_run **run);
void binding_run_free(struct binding_run *run);
/* Where a piece lies, as a position from base; -1: NULL. */
ptrdiff_t binding_run_place(const struct binding_run *run, const void *piece);
/* Where all values lie, start and end of each; -1: null. */
void binding_run_values(const struct binding_run *run, int64_t *starts, int64_t *ends);
/* What was taken ahead is given back to the consumer: the messages of the run (or NULL) from
 * `index` on, and the one that waits. */
int binding_rewind(struct binding_reader *reader, const struct binding_run *run, int32_t index);
/* maplog_position() as seen by who has taken the messages of the run up to `index`. */
int binding_position(struct binding_reader *reader, const struct binding_run *run, int32_t index,
                     int32_t partition, int64_t *offset);
/* Also closes the consumer. */
void binding_reader_close(struct binding_reader *reader);

/* memcpy() between memory and a mapped file: 0, or MAPLOG_IO instead of SIGBUS. */
int binding_file_copy(struct maplog_file *file, void *to, const void *from, size_t size);

/* One record; returns its offset, -1 while it lies in an open batch, or an error less
 * BINDING_ERROR. partition -1: by its key. Sizes of -1: null. */
enum { BINDING_ERROR = -1000 };
int64_t binding_produce(struct maplog_producer *producer, int32_t partition, const char *key,
                        ptrdiff_t key_size, const char *value, ptrdiff_t value_size);

/* Records whose keys and values lie one behind the other. */
struct binding_rows {
    const char *keys;
    const int64_t *key_sizes; /* NULL: no keys; -1: no key */
    const char *values;
    const int64_t *value_sizes; /* -1: null; NULL: all have value_size */
    int64_t value_size;
    int64_t size; /* of all values */
    int64_t count;
    int64_t timestamp;
    int32_t partition; /* -1: by key */
};

/* Appends them in order; *done of them before an error. */
int binding_produce_rows(struct maplog_producer *producer, const struct binding_rows *rows,
                         int64_t *done);
/* The same for values of which number i lies at values[offsets[i], offsets[i + 1]); BINDING_ERROR
 * when that one does not. */
int binding_produce_slices(struct maplog_producer *producer, const struct binding_rows *rows,
                           const int64_t *offsets, int64_t *done);
