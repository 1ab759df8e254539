/*
 * pages_look.h - what the kernel says of the pages of a log's segments, gathered once. Main thread.
 * Nothing is attached, touched or changed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log/names.h"
#include "os/residency.h"

#define PAGES_CELLS 64 /* of a segment's picture */
#define PAGES_WHY 256  /* bytes of a reason with the NUL */

struct pages_segment {
    char name[NAMES_PARTITION_SIZE + 32]; /* "orders-0/00000000000000000042.log" */
    int64_t base;
    uint64_t bytes;
    bool refused; /* the kernel does not tell: what follows is not known */
    struct residency residency;
    unsigned cells;           /* in use: one for each page of a small segment */
    float share[PAGES_CELLS]; /* in memory, of each cell */
    struct residency_folios folios;
    unsigned mappings;
};

/* A process that maps segments; sums over what it maps. */
struct pages_process {
    struct residency_mapping mapping; /* the last one; path is not valid any more */
    uint64_t rss, pss;
    unsigned segments; /* mappings of segments */
};

/* Process `process` maps segment `segment`: their numbers. */
struct pages_link {
    uint32_t segment, process;
};

struct pages {
    struct pages_segment *segments; /* by partition and base offset */
    size_t segment_count;
    uint32_t *by_name;               /* their numbers, sorted by name */
    struct pages_process *processes; /* by pid */
    size_t process_count;
    struct pages_link *links;
    size_t link_count;
    char refused_why[PAGES_WHY];    /* why a segment is; "": none is */
    unsigned hidden;                /* processes that may not be looked into */
    char folios_why[PAGES_WHY];     /* why folios are not known; "": they are */
    char directory[RESIDENCY_PATH]; /* resolved */
};

/* topic NULL: all. Begin with {0}, end with pages_free also after an error. MAPLOG_NOT_FOUND,
 * MAPLOG_DENIED, MAPLOG_CORRUPT or MAPLOG_VERSION (no maplog directory). */
int pages_look(const char *data, const char *topic, struct pages *pages);
void pages_free(struct pages *pages);
