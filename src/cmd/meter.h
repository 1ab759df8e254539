/*
 * meter.h - how far long work is and how fast it goes, on standard error when that is a terminal
 * (or when it is asked for) and the work takes more than a second. One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct meter {
    const char *verb; /* "produced" */
    uint64_t records;
    uint64_t bytes;
    uint64_t total_bytes; /* 0: not known beforehand */
    int64_t begun_ns;
    int64_t drawn_ns;  /* 0: nothing was shown yet */
    uint64_t unlooked; /* records since the last look at the clock */
    bool forced;       /* sum up in any case */
    bool live;         /* a line that is drawn again and again: a terminal */
};

/* forced: sum up at the end, also when standard error is no terminal. */
void meter_begin(struct meter *meter, const char *verb, bool forced);
/* Counts; draws now and then. */
void meter_add(struct meter *meter, uint64_t records, uint64_t bytes);
/* The last line. */
void meter_end(struct meter *meter);
