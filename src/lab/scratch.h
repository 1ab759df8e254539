/*
 * scratch.h - a file that experiments write and read, mapped, with its pages in a known state. One
 * thread prepares; any may use the mapping. It is removed when it is closed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SCRATCH_PAGE 4096
#define SCRATCH_BYTES ((size_t)256 << 20)      /* most that an experiment keeps in one file, */
#define SCRATCH_QUICK_BYTES ((size_t)16 << 20) /* and with --quick */

enum scratch_pages {
    SCRATCH_FRESH,     /* a hole: no block, no page */
    SCRATCH_ALLOCATED, /* fallocate: blocks, no page */
    SCRATCH_POPULATED, /* allocated, then MADV_POPULATE_WRITE: pages in memory, mapped, dirty */
    SCRATCH_RECYCLED,  /* written full before: the same pages again, as in a reused segment */
    SCRATCH_STATES
};
const char *scratch_pages_name(enum scratch_pages pages);

struct scratch {
    int fd;
    size_t size;
    uint8_t *map; /* all of it, shared, for reading and writing */
};

/* A file without a name in the directory. Negative codes with a text. */
int scratch_open(struct scratch *scratch, const char *directory, size_t size);
void scratch_close(struct scratch *scratch); /* accepts one that is zero */

/* Puts all pages into the state; the file's offset goes to 0. */
int scratch_prepare(struct scratch *scratch, enum scratch_pages pages);
/* Fills it, writes it to the disk. Pages stay in memory, clean and not mapped. */
int scratch_fill(struct scratch *scratch);
/* Forgets what the mapping has of the file: each page faults again. The cache keeps them. */
int scratch_unmap(struct scratch *scratch);
/* Nothing is in memory any more; MAPLOG_UNSUPPORTED when pages stay (a file system in memory). */
int scratch_evict(struct scratch *scratch);
/* Share of the file in memory, from 0 to 1, as the kernel says (cachestat, mincore). */
int scratch_cached(const struct scratch *scratch, double *share);
