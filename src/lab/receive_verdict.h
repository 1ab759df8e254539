/*
 * receive_verdict.h - from the figures of the experiment `receive`: is it worth while to receive
 * straight into the log? Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lab/passes.h"
#include "lab/scratch.h"

enum receive_way { RECEIVE_COPY, RECEIVE_DIRECT, RECEIVE_WRITE, RECEIVE_SPLICE, RECEIVE_WAYS };

/* One size of chunks and one state of pages: all ways took turns. */
struct receive_point {
    enum scratch_pages pages;
    size_t chunk;
    struct measured plain[RECEIVE_WAYS], checked[RECEIVE_WAYS];
};

/* What direct takes by what copy takes, with the check: medians and extremes of the pairs. */
struct receive_comparison {
    bool known;
    double time, least_time, most_time;
    double cpu, least_cpu, most_cpu;
    int better; /* 1; -1: worse; 0: within the spread */
};
struct receive_comparison receive_compare(const struct receive_point *point);

/* Over the points with prepared pages, populated or recycled: means. CPU seconds for a GB. */
struct receive_verdict {
    unsigned points, better, worse;
    double time, cpu;
    double direct_saves, preparing_saves; /* the latter: populated against allocated, by copy */
    bool direct_pays;
};
/* bytes: of a pass. */
struct receive_verdict receive_judge(const struct receive_point *points, size_t count,
                                     double bytes);
