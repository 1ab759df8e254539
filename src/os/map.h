/*
 * map.h - mappings of files, one thin call each. Any thread. path names the file in errors.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum map_mode {
    MAP_MODE_READ,    /* PROT_READ, shared */
    MAP_MODE_WRITE,   /* PROT_READ | PROT_WRITE, shared */
    MAP_MODE_PRIVATE, /* PROT_READ | PROT_WRITE, copy on write: nobody else sees a change */
};

#define MAP_PAGE_BYTES 4096

/* To the end, and to the beginning, of the page. */
static inline uint64_t map_page_up(uint64_t bytes)
{
    return (bytes + MAP_PAGE_BYTES - 1) & ~(uint64_t)(MAP_PAGE_BYTES - 1);
}

static inline uint64_t map_page_down(uint64_t bytes)
{
    return bytes & ~(uint64_t)(MAP_PAGE_BYTES - 1);
}

/* madvise(2) of what a process may say of files. */
enum map_advice {
    MAP_ADVICE_WILL_NEED,
    MAP_ADVICE_DROP, /* MADV_DONTNEED: this process's view; private changes are gone */
    MAP_ADVICE_COLD, /* Linux 5.4 */
    MAP_ADVICE_RANDOM,
    MAP_ADVICE_SEQUENTIAL,
};

/* Maps length bytes of fd from position (a multiple of MAP_PAGE_BYTES). The range may lie past the
 * end of the file; only touching such pages is an error (SIGBUS). */
int map_file(int fd, const char *path, uint64_t position, size_t length, enum map_mode mode,
             void **address);
/* The same for reading, twice, one behind the other: what runs over the end goes on at the
 * beginning. length: whole pages. Removed with 2 * length. */
int map_file_twice(int fd, const char *path, uint64_t position, size_t length, void **address);
int map_anonymous(size_t length, void **address); /* private memory, zero */
void map_remove(void *address, size_t length);    /* accepts NULL */
/* Populates for writing (MADV_POPULATE_WRITE) or reading; MAPLOG_UNSUPPORTED before Linux 5.14. */
int map_populate(void *address, size_t length, bool write);
/* Whole pages. MAPLOG_UNSUPPORTED where the kernel does not know the advice. */
int map_advise(void *address, size_t length, enum map_advice advice);
/* True when all of these bytes of a mapping are in the page cache, as far as the kernel tells. fd
 * and position: where they come from. */
bool map_cached(const void *address, size_t length, int fd, uint64_t position);
int map_sync(void *address, size_t length, const char *path); /* msync(MS_SYNC) */
/* A word that tells a process from its forked children: not 0 here, and 0 in every child that fork
 * or clone makes (MADV_WIPEONFORK) until the child calls this function itself, which gives it a
 * number that none of its ancestors had. So a handle keeps the number of its process and is
 * inherited when the word differs. The address never changes; NULL when there is no memory. */
const volatile uint32_t *map_wiped_on_fork(void);
