/*
 * ring_reader.h - the rings of the kernel module (shm/ring_layout.h), mapped: reads their records
 * in place and moves their tails.
 *
 * Whatever stands in a ring is copied, checked, then used: a header that lies or changes ends in
 * MAPLOG_CORRUPT, with a text that names the ring, the byte and what to do. One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shm/ring_layout.h"

struct ring_reader;

enum ring_role {
    RING_READER,   /* takes records; fd is open for reading and writing */
    RING_OBSERVER, /* looks at headers only; fd is open for reading */
};

/* A record where it lies. The bytes stay until ring_reader_release(). */
struct ring_entry {
    const void *payload;
    uint32_t length;
    uint32_t dropped; /* records lost before this one, after the one before */
    uint64_t time_ns; /* since 1970 */
    uint32_t cpu;
    enum ring_source source;
};

/* What a ring's header says; not checked but for what never changes. */
struct ring_status {
    uint32_t cpu; /* or RING_EVERY_CPU */
    enum ring_memory memory;
    uint64_t data_bytes;
    uint64_t filled; /* bytes that the reader has not done with; more than data_bytes: nonsense */
    uint64_t records, dropped, dropped_bytes, refused_tails; /* since the module was loaded */
};

/* Maps all rings of the device behind fd, which stays the caller's and open; path names it in
 * errors. The reader begins at each ring's tail. MAPLOG_CORRUPT, MAPLOG_VERSION (the module is
 * another version's), MAPLOG_IO, MAPLOG_DENIED, MAPLOG_NO_MEMORY. */
int ring_reader_open(int fd, const char *path, enum ring_role role, struct ring_reader **reader);
void ring_reader_close(struct ring_reader *reader); /* NULL is fine; does not release */

uint32_t ring_reader_rings(const struct ring_reader *reader);
void ring_reader_status(const struct ring_reader *reader, uint32_t ring,
                        struct ring_status *status);

/* The next record of a ring: 1, or 0 when there is none at present. MAPLOG_CORRUPT, and again at
 * each further call: the reader stays where it is. RING_READER, as are the rest. */
int ring_reader_next(struct ring_reader *reader, uint32_t ring, struct ring_entry *entry);
/* The record that ring_reader_next() gave last of the ring comes again. */
void ring_reader_unread(struct ring_reader *reader, uint32_t ring, const struct ring_entry *entry);
/* The kernel may overwrite all that ring_reader_next() gave of the ring. */
void ring_reader_release(struct ring_reader *reader, uint32_t ring);
/* Gives up what the ring holds, damaged or not, and goes on at its head; how many bytes that were.
 */
uint64_t ring_reader_skip(struct ring_reader *reader, uint32_t ring);
