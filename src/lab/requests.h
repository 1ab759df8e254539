/*
 * requests.h - a log for servers to serve, and requests to them as finished bytes, so that a client
 * costs little more than its system calls. One thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define REQUESTS_TOPIC "lab"
#define REQUESTS_BATCH                                                                             \
    1000 /* bytes of a batch, which is one record: they begin anywhere in pages */

struct request {
    uint8_t *bytes; /* owned */
    size_t size;
    /* The offset in it walks: each request asks for the next chunk, and from `end` on for the first
     * again. step 0: all are alike. */
    size_t offset_at;
    int64_t step, end;
};

/* Makes a log in the directory, with one topic of one partition and `batches` in one segment: they
 * are in the page cache then. */
int requests_make_log(const char *directory, int64_t batches);

/* Fetch of as many whole batches as `max_bytes` hold, at least one, at once. */
int request_fetch(int32_t max_bytes, int64_t batches, struct request *request);
void request_free(struct request *request);
/* Batches that come with max_bytes. */
int64_t request_batches(int32_t max_bytes);
/* Writes it, asking from the offset on. */
void request_write(const struct request *request, int64_t offset, uint8_t *to);
/* The offset behind that one. */
int64_t request_next(const struct request *request, int64_t offset);
/* 0 when the answer, with the prefix of its frame, has `bytes` of records. */
int request_check(const uint8_t *answer, size_t size, size_t bytes);
