/*
 * output.h - gathers what a command prints and writes it in large pieces. One thread.
 */
#pragma once

#include <stddef.h>

#define OUTPUT_BYTES (256u << 10)

struct output {
    int fd;
    size_t used;
    int failed; /* 0, or what the first failed write returned: nothing is written any more */
    char bytes[OUTPUT_BYTES];
};

/* Memory for an output on fd; NULL when there is none. Freed with free(). */
struct output *output_open(int fd);
/* Adds bytes; writes when the buffer is full. Errors show at the next output_flush. */
void output_put(struct output *output, const void *bytes, size_t size);
void output_text(struct output *output, const char *text);
void output_number(struct output *output, long long number);
/* Writes what is there; 0, or the first error so far (MAPLOG_CLOSED: nobody reads any more). */
int output_flush(struct output *output);
