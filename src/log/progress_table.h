/*
 * progress_table.h - the live records of one partition of __consumer_offsets: the latest of each
 * key of a committed offset. What Kafka's coordinator writes there of group members is passed over:
 * it means nothing without that coordinator. Read on from the log; one thread at a time
 * (progress.c's mutex).
 */
#pragma once

#include "log/codec.h"
#include "log/reader.h"

struct progress_row;

/* A record that counts. Its key has version 1, whichever the log has. */
struct progress_record {
    const uint8_t *key;
    const uint8_t *value;
    size_t key_size;
    size_t value_size;
    int64_t offset;
    int64_t timestamp;
};

struct progress_table {
    struct reader reader;
    struct progress_row *rows;
    uint64_t live_bytes; /* about what the rows take in a log */
    struct codec_buffer buffer;
};

void progress_table_init(struct progress_table *table, struct partition *partition);
void progress_table_free(struct progress_table *table);
/* Reads on to the published end; table->reader.offset is that end then. */
int progress_table_refresh(struct progress_table *table);
/* false when the key has no value. */
bool progress_table_find(const struct progress_table *table, const uint8_t *key, size_t key_size,
                         struct progress_record *record);
/* Calls visit for each, in the order of their offsets; a non-zero answer ends the walk and is
 * returned. */
int progress_table_walk(const struct progress_table *table,
                        int (*visit)(void *context, const struct progress_record *record),
                        void *context);
