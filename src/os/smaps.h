/*
 * smaps.h - one mapping of this process as the kernel's list of mappings shows it
 * (/proc/self/smaps): its line, and how many of its pages the page table holds. Any thread.
 */
#pragma once

#include <stdint.h>

#define SMAPS_MODE 8

struct smaps {
    uint64_t begin, end;   /* addresses */
    uint64_t position;     /* in the file */
    char mode[SMAPS_MODE]; /* "rw-s": may be read, written, not executed; shared (p: private) */
    /* Pages: */
    uint64_t mapped;    /* in the page table */
    uint64_t dirty;     /* of these, written since they were read or written back */
    uint64_t anonymous; /* of these, not the file's any more, but this process's own copies */
};

/* The mapping that holds the address; MAPLOG_NOT_FOUND: there is none. The numbers of its pages
 * belong to the whole mapping, which the kernel may have merged with its neighbours. */
int smaps_read(const void *address, struct smaps *smaps);
