/*
 * receive_words.h - the sheet of the experiment `receive`, and what its figures say about receiving
 * straight into the log. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lab/experiment.h"
#include "lab/receive_verdict.h"

#define RECEIVE_CHUNK_MAX ((size_t)1 << 20)

struct receive_table;

/* Adds the sheet; `bytes` is what a pass receives. NULL without memory; freed with free(). */
struct receive_table *receive_table_new(struct lab *lab, bool local, size_t bytes);
/* The row of the socket alone, before the points of this chunk. */
void receive_table_roof(struct receive_table *table, size_t chunk, const struct measured *plain,
                        const struct measured *checked);
void receive_table_add(struct receive_table *table, const struct receive_point *point);
void receive_table_words(struct receive_table *table); /* behind the last */
