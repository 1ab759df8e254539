/*
 * producers.h - what one partition knows of its idempotent producers: the last five batches of each
 * producer id, so that a batch that is sent again is found again (KIP-98).
 *
 * Only a Kafka door appends batches with producer ids, and there is one at a time (LOCK_SERVER), so
 * the table lies in the server's own memory. It is rebuilt from a snapshot and the batches behind
 * it. One thread at a time: the caller's lock.
 */
#pragma once

#include "log/batch.h"
#include "log/partition.h"

struct producers;

enum producers_verdict {
    PRODUCERS_APPEND = 0,   /* append it, then producers_add() */
    PRODUCERS_DUPLICATE,    /* it is there already: answer *offset */
    PRODUCERS_OUT_OF_ORDER, /* a gap in its sequence */
    PRODUCERS_FENCED,       /* its epoch is older than one seen */
};

struct producers_found {
    int64_t base_offset; /* of the batch that is there, for PRODUCERS_DUPLICATE */
    int64_t timestamp;   /* its largest */
};

/* Reads the newest snapshot of the partition and the headers of the batches behind it, at least of
 * the last two segments; without a snapshot of all, and then writes one: may take long, for a
 * helper thread. What is damaged is passed over, and told in *note (the caller's, 256 bytes; ""
 * when there is nothing to tell). */
int producers_load(struct partition *partition, char *note, struct producers **producers);
void producers_free(struct producers *producers); /* accepts NULL */
/* A batch of a producer (producer_id >= 0) before it is appended. */
enum producers_verdict producers_check(struct producers *producers, const struct batch *batch,
                                       struct producers_found *found);
/* It was appended at base_offset. Its last offset and largest timestamp are kept: with
 * LogAppendTime the caller puts that time into batch->max_timestamp before. */
int producers_add(struct producers *producers, const struct batch *batch, int64_t base_offset);
/* Forgets ids whose last batch is older than this. */
void producers_expire(struct producers *producers, int64_t before_ms);
/* Tells what is known, for DescribeProducers and snapshots. visit returns not 0 to stop. */
struct producers_entry {
    int64_t producer_id;
    int16_t epoch;
    int32_t last_sequence; /* -1: none */
    int64_t last_offset;   /* -1: no batch, only the epoch is known */
    int32_t offset_delta;  /* of the last batch */
    int64_t timestamp;
};
int producers_list(const struct producers *producers,
                   int (*visit)(void *context, const struct producers_entry *entry), void *context);
/* Writes the snapshot that belongs to a segment which begins at `offset`: the state of everything
 * below. For the one that appends, when it sees that a segment began; also at a stop, with the end
 * of the log. Batches at or above the offset may be known already: they are left out. A snapshot
 * that is lost costs time only: nothing is synced. */
int producers_store(const struct producers *producers, int64_t offset);
/* The bytes of that snapshot, for those who keep it elsewhere; *bytes is the caller's to free. */
int producers_encode(const struct producers *producers, int64_t offset, uint8_t **bytes,
                     size_t *size);
