/*
 * kafka.h - requests as finished bytes, for the topic "bench", so that a client costs little more
 * than its system calls.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct bench_bytes {
    uint8_t *at; /* freed with free() */
    size_t size;
};

/* A batch of records without keys; random bytes as values. */
struct bench_bytes bench_batch(int32_t records, size_t value_size);
/* Produce of that batch to a partition, acks 1 or -1. */
struct bench_bytes bench_produce_request(const struct bench_bytes *batch, int32_t partition,
                                         int16_t acks);
/* Fetch from one partition; *offset_at: where the offset lies, for bench_set_offset(). */
struct bench_bytes bench_fetch_request(int32_t partition, int32_t max_bytes, int32_t max_wait_ms,
                                       size_t *offset_at);
void bench_set_offset(struct bench_bytes *fetch, size_t offset_at, int64_t offset);
struct bench_bytes bench_metadata_request(void); /* of all topics */
struct bench_bytes bench_versions_request(void);

/* Takes one answer whole into a buffer of `room` bytes; its size with the prefix. */
size_t bench_take_answer(int fd, uint8_t *to, size_t room);
/* Exits unless the answer is one to bench_produce_request() without an error. */
void bench_check_produced(const uint8_t *answer, size_t size);
/* Bytes of records in an answer to bench_fetch_request(); exits when it tells an error. */
size_t bench_check_fetched(const uint8_t *answer, size_t size);
