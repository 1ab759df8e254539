/* words.h - a table of words, and how often each was seen. One thread at a time. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct word {
    const char *at; /* bytes of somebody else's, which stay; NULL: a free slot */
    size_t size;
    uint64_t hash, count;
};

/* Begins as zeroes. */
struct words {
    struct word *slots; /* a hash table with linear probing */
    size_t size, used;  /* slots in all, a power of two; those with a word */
};

/* Adds the word's count to what is known of it. -1: no memory, nothing is changed. */
int words_add(struct words *words, const struct word *word);
int words_add_all(struct words *words, const struct words *others);
/* The commonest first, in slots[0, used); equally common ones by their bytes. It is no table any
 * more: nothing may be added. */
void words_sort(struct words *words);
