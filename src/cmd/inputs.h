/*
 * inputs.h - mapped input files, given out in consecutive chunks to any number of threads.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct input {
    const char *path;
    int fd;
    char *text; /* mapping */
    uint64_t size;
    uint64_t claimed;  /* bytes that were given out */
    size_t references; /* chunks under work, and one until all are given out; 0: not open */
};

struct inputs {
    uint64_t bytes; /* of all files, when they were looked at first */
    size_t chunk_bytes;
    pthread_mutex_t lock; /* guards what follows */
    struct input *list;
    size_t count;
    size_t next;          /* of list */
    uint32_t next_ticket; /* of a chunk */
};

/* What lies in [begin, end) of input. */
struct chunk {
    struct input *input;
    uint64_t begin, end;
    size_t number;   /* of input, from 0 */
    uint32_t ticket; /* of the chunk, from 0, over all inputs */
};

/* Looks at every file, so that a mistyped name is found before anything is done. */
int inputs_open(struct inputs *inputs, const char *const *paths, size_t count, size_t chunk_bytes);
void inputs_close(struct inputs *inputs);
/* The next chunk: 1, 0 when there is none, or an error (then only the ticket is given out, and no
 * chunk follows). */
int inputs_claim(struct inputs *inputs, struct chunk *chunk);
/* The chunk's bytes are not needed any more. */
void inputs_release(struct inputs *inputs, struct chunk *chunk);
/* Is the file still as long as it was? A page that a shorter file ends in reads as zeros, without
 * any fault; so look here after reading. */
int inputs_check(const struct input *input);
