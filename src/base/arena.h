/*
 * arena.h - memory that is given back all at once: what one request needs. Takes blocks from the
 * heap, never more than its limit in all. One thread at a time.
 */
#pragma once

#include <stddef.h>

struct arena_block;

/* Begin with {.limit = bytes}. */
struct arena {
    struct arena_block *blocks; /* newest first */
    char *at, *end;             /* free part of the newest block */
    size_t used;                /* bytes of all blocks */
    size_t limit;
};

/* Zeroed, aligned to 16; NULL when the heap or the limit is at its end. size 0 is fine. */
void *arena_take(struct arena *arena, size_t size);
/* count elements of size bytes; NULL also when the product overflows. */
void *arena_take_array(struct arena *arena, size_t count, size_t size);
/* A NUL-terminated copy. */
char *arena_copy(struct arena *arena, const char *text, size_t length);
/* printf into the arena; NULL without memory. */
char *arena_print(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Gives everything back; the arena can be used again. */
void arena_reset(struct arena *arena);
