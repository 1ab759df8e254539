/*
 * residency.h - where the bytes of a file are: which of its pages are in memory, dirty, being
 * written, mapped; and who maps it. Nothing is touched by looking. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESIDENCY_PAGE 4096
#define RESIDENCY_PATH 4096
#define RESIDENCY_NAME 32 /* of a process, with the NUL */

enum residency_source {
    RESIDENCY_CACHESTAT, /* Linux 6.5: all of the counts */
    RESIDENCY_MINCORE,   /* before, or where it is refused: only `cached` */
};

struct residency {
    enum residency_source source;
    uint64_t pages;  /* of the range */
    uint64_t cached; /* in memory */
    /* With RESIDENCY_CACHESTAT only: */
    uint64_t dirty, writeback;
    uint64_t evicted;        /* were in memory once and have left a trace of it */
    uint64_t evicted_lately; /* as lately as other pages that are still in use */
};

/* Pages of `length` bytes from `position`, a multiple of RESIDENCY_PAGE. MAPLOG_DENIED: the kernel
 * tells only who owns the file or may write to it. */
int residency_read(int fd, const char *path, uint64_t position, uint64_t length,
                   struct residency *residency);

/* A mapping of a file by a process. */
struct residency_mapping {
    int pid;
    char name[RESIDENCY_NAME];
    const char *path; /* of the file, valid during the visit */
    uint64_t address, position, length;
    bool writable;
    uint64_t rss, pss;     /* bytes: in its page tables; each page shared out among all */
    uint64_t minor, major; /* faults of the process since it began */
};

/* The path of an open directory as the kernel shows it in lists of mappings; path names it in
 * errors. */
int residency_resolve(int fd, const char *path, char to[static RESIDENCY_PATH]);
/* Calls visit for every mapping of a file below such a directory, processes by their numbers; a
 * non-zero answer ends the walk and is returned. *hidden: how many processes this one may not look
 * into (root may look into all). */
int residency_mappings(const char *directory,
                       int (*visit)(void *context, const struct residency_mapping *mapping),
                       void *context, unsigned *hidden);

/* Pages of one file that processes have mapped, and which of them lie in a large folio: one that
 * the kernel handles as a whole, of more than one page. */
struct residency_folios {
    uint8_t *seen;  /* a bit for each page of the file, zero at first; the caller's */
    uint64_t pages; /* of the file */
    uint64_t mapped, large;
};
/* Adds what this process's page tables tell. MAPLOG_DENIED: only root may see it; MAPLOG_NOT_FOUND:
 * the process has ended, or the kernel has no such table. */
int residency_folios(const struct residency_mapping *mapping, struct residency_folios *folios);
