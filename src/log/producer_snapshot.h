/*
 * producer_snapshot.h - Kafka's file of producer state: 00000000000000000042.snapshot in a
 * partition's directory says what every producer had appended below offset 42.
 *
 * A help, never the truth: without it the batches tell the same, slowly. So it is not synced, and a
 * damaged one is passed over. Any thread; one at a time may write for a partition.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "log/producers.h"

#define PRODUCER_SNAPSHOT_SUFFIX ".snapshot"
#define PRODUCER_SNAPSHOT_HEADER                                                                   \
    10                             /* int16 version, uint32 CRC-32C of what follows, int32 count   \
                                    */
#define PRODUCER_SNAPSHOT_ENTRY 46 /* bytes of a producer */
/* So many of a partition stay, the newest: the others are for the case that one is damaged or that
 * a recovery cuts below it. */
#define PRODUCER_SNAPSHOT_KEPT 3

/* Where a partition's files lie. */
struct producer_place {
    int directory_fd;
    const char *partition; /* name of its directory: "orders-0" */
};

/* Reads the bytes of a snapshot; *entries is the caller's to free. MAPLOG_CORRUPT, MAPLOG_VERSION,
 * MAPLOG_NO_MEMORY. */
int producer_snapshot_decode(const void *bytes, size_t size, struct producers_entry **entries,
                             size_t *count);
/* *bytes is the caller's to free. MAPLOG_LIMIT (LIMIT_SNAPSHOT), MAPLOG_NO_MEMORY. */
int producer_snapshot_encode(const struct producers_entry *entries, size_t count, uint8_t **bytes,
                             size_t *size);

/* Offsets of the snapshots there, ascending; to be freed with segment_list_free(). */
int producer_snapshot_list(const struct producer_place *place, struct segment_list *list);
int producer_snapshot_load(const struct producer_place *place, int64_t offset,
                           struct producers_entry **entries, size_t *count);
/* Replaces it; durable: synced. */
int producer_snapshot_store(const struct producer_place *place, int64_t offset,
                            const uint8_t *bytes, size_t size, bool durable);
/* Removes those above `end`, all but the newest PRODUCER_SNAPSHOT_KEPT of the others, and what a
 * dead process left half-written. */
int producer_snapshot_prune(const struct producer_place *place, int64_t end);
/* Copies the ones that would stay; what cannot be read is left out. */
int producer_snapshot_copy(const struct producer_place *from, const struct producer_place *to,
                           int64_t end, bool durable);
