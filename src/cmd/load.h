/*
 * load.h - produce's ways of turning input into records; the options that they share. Main thread.
 */
#pragma once

#include <maplog.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cmd/door_producer.h"
#include "cmd/meter.h"
#include "cmd/options.h"

/* What becomes of a line. */
struct produce_how {
    const char *topic;
    int32_t partition;     /* -1: by key, else evenly */
    const char *separator; /* between key and value; NULL: no keys */
    size_t separator_size;
    const struct maplog_header *headers; /* of every record */
    size_t header_count;
};

/* The record of a line (without its newline). A line without the separator has no key. */
void load_record(const struct produce_how *how, const char *line, size_t size,
                 struct maplog_record *record);

/* Appends the lines of standard input in order; each read's lines are published at once. */
int load_stream(struct door_producer *producer, const struct produce_how *how, struct meter *meter);

/* Appends the lines of mapped files, on all CPUs, in order within each file. Of a topic with
 * several partitions each file's lines without key go to one. The producer only lends its place:
 * its own batches must be flushed. On failure the error text names file and place; what was
 * appended is a prefix of each file. */
int load_lines(maplog_producer *producer, const struct produce_how *how, const struct words *files,
               struct meter *meter);
/* The same through a server: one file after the other is read. */
int load_lines_far(struct door_producer *producer, const struct produce_how *how,
                   const struct words *files, struct meter *meter);

/* Appends each file as one record. */
int load_files(struct door_producer *producer, const struct produce_how *how,
               const struct words *files, struct meter *meter);
