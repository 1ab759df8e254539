/*
 * append_ring.h - writes through io_uring, for the experiment `append`; where this build has
 * liburing and the kernel allows it. One thread.
 */
#pragma once

#include <stddef.h>

struct append_ring;

struct append_ring_write {
    int fd;
    const void *record;
    size_t size;
};

/* A ring for `entries` writes; NULL: append_ring_refusal() says why. */
struct append_ring *append_ring_open(unsigned entries);
void append_ring_close(struct append_ring *ring); /* accepts NULL */
/* MAPLOG_UNSUPPORTED, with the reason as the thread's error text. */
int append_ring_refusal(void);
/* Writes the record `count` times (at most the ring's entries), the first as record number `at` of
 * the file; returns when all are written. */
int append_ring_write(struct append_ring *ring, const struct append_ring_write *write, size_t at,
                      size_t count);
