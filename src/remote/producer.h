/*
 * producer.h - sends finished record batches to a server: several under way at a time, sent again
 * while that helps, without duplicates. Who builds batches asks for their stamp. One thread.
 */
#pragma once

#include "remote/connection.h"

struct remote_producer;

enum remote_acks {
    REMOTE_ACKS_ALL = -1,
    REMOTE_ACKS_NONE = 0, /* no answer comes: what fails is not told */
    REMOTE_ACKS_ONE = 1,
};

/* What the header of a batch says about its producer. */
struct remote_stamp {
    int64_t producer_id; /* -1: not idempotent, with the others */
    int32_t base_sequence;
    int16_t producer_epoch;
};

/* For a topic of so many partitions. Idempotent unless acks is none or the server cannot. */
int remote_producer_open(struct remote *remote, const char *topic, int32_t partitions,
                         enum remote_acks acks, struct remote_producer **producer);
/* timeout_ms: how long a batch may be tried. */
void remote_producer_timeout(struct remote_producer *producer, int timeout_ms);
/* The partition's next batch begins so. */
struct remote_stamp remote_producer_stamp(const struct remote_producer *producer,
                                          int32_t partition);
/*
 * Sends a batch that carries the partition's stamp; its bytes are copied. Waits only while too many
 * are under way. An error may be that of an earlier batch: after it the producer is of no more use,
 * and the text says how much was not acknowledged. MAPLOG_TOO_LARGE, MAPLOG_NOT_FOUND,
 * MAPLOG_TIMED_OUT, MAPLOG_IO, ...
 */
int remote_producer_send(struct remote_producer *producer, int32_t partition, const uint8_t *batch,
                         size_t size, int32_t records);
/* Waits until all are acknowledged. */
int remote_producer_wait(struct remote_producer *producer);
void remote_producer_close(struct remote_producer *producer); /* waits for nothing; NULL is fine */
