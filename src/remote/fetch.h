/*
 * fetch.h - takes record batches from a server as they are; whoever reads them unfolds them. One
 * thread.
 */
#pragma once

#include "remote/connection.h"

#define REMOTE_FETCH_BYTES (8u << 20)     /* of one answer, about */
#define REMOTE_FETCH_PARTITION (2u << 20) /* of one partition in it, about */

struct remote_part {
    int32_t partition;
    int64_t offset;      /* in: first offset that is wanted */
    int64_t end;         /* out: behind the last record that is there; -1: not told */
    int error;           /* out: 0 or a MAPLOG_* code; the text is that of the last one */
    int16_t kafka_error; /* out: the server's own code */
    /* Out: whole batches, the first of which holds `offset`; the last one may be cut off. Valid
     * until the remote's next call. */
    const uint8_t *records;
    size_t size;
};

/* Fetches from all parts at a time; waits up to max_wait_ms when there is nothing in any. */
int remote_fetch(struct remote *remote, const char *topic, struct remote_part *parts, size_t count,
                 int max_wait_ms);
