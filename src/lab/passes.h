/*
 * passes.h - measures pieces of work side by side: a pass of each in turn, round by round, so that
 * what disturbs the machine disturbs all alike. One thread.
 *
 * The first round is counted by the kernel (os/counters.h) and not timed, since counting system
 * calls makes them slower; the others are timed and not counted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lab/sheet.h"
#include "os/counters.h"

#define PASSES_ROUNDS 15   /* most timed rounds */
#define PASSES_WHY 128     /* bytes of a reason with the NUL */
#define PASSES_AT_A_TIME 8 /* most pieces of work that take turns */

struct work {
    int (*prepare)(void *context); /* before each pass, not measured; may be NULL */
    int (*run)(void *context);
    void *context;
};

struct measured {
    int result;             /* not 0: nothing could be had, for this reason: */
    char why[PASSES_WHY];   /*   text of the error */
    double seconds;         /* of a pass, the median of the rounds */
    double cpu_seconds;     /* of the whole process, the median */
    double spread;          /* of the seconds: from the shortest to the longest, by the median */
    bool counted[COUNTERS]; /* of the first round, the calling thread and what it started */
    double counts[COUNTERS];
    char refusals[COUNTERS][PASSES_WHY]; /* why it is not counted */
    unsigned rounds;
    double all_seconds[PASSES_ROUNDS], all_cpu_seconds[PASSES_ROUNDS];
};

/* Work that fails is left out from there on and says so in its `result`; the others go on. */
void passes_run(const struct work *works, size_t count, unsigned rounds, struct measured *measured);
/* The median, over the rounds, of what b's pass took by what a's did: pairs, so that a drift of the
 * machine cancels out. 0 when one of them failed. least and most: the smallest and largest ratio.
 */
double passes_ratio(const struct measured *a, const struct measured *b, bool cpu, double *least,
                    double *most);

/* Cells: bytes / seconds / 1e9; CPU seconds for 1e9 bytes; a count by `per`; the spread in %. Each
 * says why when there is none. */
void passes_speed(struct sheet *sheet, const struct measured *measured, double bytes);
void passes_cpu(struct sheet *sheet, const struct measured *measured, double bytes);
void passes_count(struct sheet *sheet, const struct measured *measured, enum counter counter,
                  double per);
void passes_spread(struct sheet *sheet, const struct measured *measured);
