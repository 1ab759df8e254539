/*
 * names.h - the names in a data directory that mean something: partitions ("orders-0") and segments
 * ("00000000000000000042.log"). Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/uuid.h"

#define PARTITION_METADATA "partition.metadata" /* of a partition: its topic's id, Kafka's file */
#define NAMES_PARTITION_SIZE (LIMIT_TOPIC_NAME + 16) /* "topic-number" and the NUL */

/* Splits "orders-0"; false for any other name. */
bool names_split(const char *name, char topic[static LIMIT_TOPIC_NAME + 1], int32_t *number);
/* Kafka's name for a partition's directory that is out of use: "orders-0.ID-delete", the topic cut
 * so that it fits. suffix: NAMES_DELETE (removed by the next process that attaches alone) or
 * NAMES_STRAY (kept). */
#define NAMES_DELETE "delete"
#define NAMES_STRAY "stray"
#define NAMES_ASIDE_SIZE 256
void names_aside(char to[static NAMES_ASIDE_SIZE], const char *topic, int32_t number,
                 const struct uuid *id, const char *suffix);
/* The base offset in a segment's file name with that suffix; false for any other name. */
bool names_segment(const char *name, const char *suffix, int64_t *base);

/* Partition names. Owned; names_free. */
struct names {
    char **items;
    size_t count;
};
int names_add(struct names *names, const char *name);
void names_sort(struct names *names); /* by topic, then by number */
/* Adds the directories in directory_fd that are named like partitions, unsorted. */
int names_list(struct names *names, int directory_fd);
void names_free(struct names *names);
