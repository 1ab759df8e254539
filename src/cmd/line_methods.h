/*
 * line_methods.h - ways of getting the lines of a text file, to be measured side by side: by
 * `maplog bench lines` and bench/lines.c. One thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* What a way found; all ways find the same. */
struct line_sum {
    uint64_t lines;
    uint64_t bytes; /* without newlines */
};

struct line_method {
    const char *name;
    /* Takes every line of the file as pointer and length, once. */
    int (*run)(const char *path, struct line_sum *sum);
};

/* The way with this number, from 0; NULL behind the last. The last one is lines_find. */
const struct line_method *line_method(size_t i);
/* Seconds that reading every byte of the file takes at best, without looking for lines: the roof.
 */
int line_roof(const char *path, double *seconds);
/* Median seconds of `runs` (at most 16) runs; *sum is what was found. */
int line_measure(const struct line_method *method, const char *path, unsigned runs, double *seconds,
                 struct line_sum *sum);
