/*
 * models_words.h - what the experiment `models` found: its sheets, and what the figures say. One
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lab/sheet.h"
#include "os/counters.h"

#define MODELS_SIZES 4 /* numbers of connections */
#define MODELS_FEW 10  /* that are active, of many idle ones */
#define MODELS_MOST 16 /* engines, with the roof */
#define MODELS_WHY 256 /* bytes of a reason with the NUL */

/* One engine at one number of connections, all or few of which ask. */
struct models_point {
    char why[MODELS_WHY]; /* not empty: nothing could be had, for this reason */
    unsigned connections, active;
    bool answered; /* timed: the figures below are there */
    bool killed;   /* it did not end when it was asked to */
    double per_second, p50_us, p99_us;
    double cpu_us, busy;  /* the server's CPU time for a request; of the time, 0 to 1 */
    double private_bytes; /* of a connection */
    unsigned threads;
    bool counted[COUNTERS];
    double counts[COUNTERS]; /* for a request */
    char refusals[COUNTERS][MODELS_WHY];
};

enum models_load { MODELS_IDLE, MODELS_ALL, MODELS_LOADS };

struct model {
    const char *name; /* io_name(), or the roof's */
    bool roof;
    struct models_point points[MODELS_SIZES][MODELS_LOADS];
};

struct models {
    unsigned count, sizes; /* engines; numbers of connections that were tried */
    struct model models[MODELS_MOST];
    size_t request_bytes, answer_bytes;
    bool pinned; /* server and client had a CPU each */
};

/* Columns, rows, words and advice of the sheet for a load; what was not measured is left out. */
void models_words(struct sheet *sheet, const struct models *models, enum models_load load);
