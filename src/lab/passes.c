/* passes.c - rounds, medians, and what the kernel counted. */
#include "lab/passes.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "lab/median.h"

static double now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* ---- the counted round ----------------------------------------------------------------------- */

/* System calls last, or first: so that the calls of reading the others stay outside. */
static void read_counts(const struct counters *counters, bool begin, uint64_t values[COUNTERS])
{
    for (int i = 0; i < COUNTERS; i++) {
        int counter = begin ? COUNTERS - 1 - i : i;
        if (!counters_read(counters, (enum counter)counter, &values[counter]))
            values[counter] = 0;
    }
}
_Static_assert(COUNTER_CALLS == 0, "system calls are read last before a pass and first behind it");

static int count_pass(const struct work *work, struct measured *measured)
{
    struct counters counters;
    uint64_t empty[COUNTERS], begin[COUNTERS], end[COUNTERS];
    counters_open(&counters, 0);
    read_counts(&counters, true, empty);
    read_counts(&counters, false, end);
    for (int i = 0; i < COUNTERS; i++)
        empty[i] = end[i] - empty[i]; /* what the counting itself costs */
    read_counts(&counters, true, begin);
    int result = work->run(work->context);
    read_counts(&counters, false, end);
    for (int i = 0; i < COUNTERS; i++) {
        const char *refusal = counters_refusal(&counters, (enum counter)i);
        measured->counted[i] = !refusal;
        uint64_t count = end[i] - begin[i];
        measured->counts[i] = refusal || count < empty[i] ? 0 : (double)(count - empty[i]);
        if (refusal)
            snprintf(measured->refusals[i], PASSES_WHY, "%s", refusal);
    }
    counters_close(&counters);
    return result;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static int time_pass(const struct work *work, struct measured *measured)
{
    double cpu = now(CLOCK_PROCESS_CPUTIME_ID), begin = now(CLOCK_MONOTONIC);
    int result = work->run(work->context);
    measured->all_seconds[measured->rounds] = now(CLOCK_MONOTONIC) - begin;
    measured->all_cpu_seconds[measured->rounds] = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    measured->rounds++;
    return result;
}

static void pass(const struct work *work, bool count, struct measured *measured)
{
    if (measured->result)
        return;
    int result = work->prepare ? work->prepare(work->context) : 0;
    if (!result)
        result = count ? count_pass(work, measured) : time_pass(work, measured);
    if (result) {
        measured->result = result;
        snprintf(measured->why, PASSES_WHY, "%s", error_text());
    }
}

void passes_run(const struct work *works, size_t count, unsigned rounds, struct measured *measured)
{
    memset(measured, 0, count * sizeof *measured);
    if (rounds > PASSES_ROUNDS)
        rounds = PASSES_ROUNDS;
    for (unsigned round = 0; round <= rounds; round++)
        for (size_t i = 0; i < count; i++)
            pass(&works[i], round == 0, &measured[i]);
    for (size_t i = 0; i < count; i++) {
        struct measured *one = &measured[i];
        double least, most;
        if (one->result || !one->rounds)
            continue;
        one->cpu_seconds = median(one->all_cpu_seconds, one->rounds, &least, &most);
        one->seconds = median(one->all_seconds, one->rounds, &least, &most);
        one->spread = (most - least) / one->seconds;
    }
}

double passes_ratio(const struct measured *a, const struct measured *b, bool cpu, double *least,
                    double *most)
{
    double ratios[PASSES_ROUNDS];
    *least = *most = 0;
    if (a->result || b->result || !a->rounds || a->rounds != b->rounds)
        return 0;
    for (unsigned i = 0; i < a->rounds; i++)
        ratios[i] = cpu ? b->all_cpu_seconds[i] / a->all_cpu_seconds[i]
                        : b->all_seconds[i] / a->all_seconds[i];
    return median(ratios, a->rounds, least, most);
}

/* ---- cells ----------------------------------------------------------------------------------- */

void passes_speed(struct sheet *sheet, const struct measured *measured, double bytes)
{
    if (measured->result)
        sheet_refused(sheet, "%s", measured->why);
    else
        sheet_number(sheet, bytes / measured->seconds / 1e9);
}

void passes_cpu(struct sheet *sheet, const struct measured *measured, double bytes)
{
    if (measured->result)
        sheet_refused(sheet, "%s", measured->why);
    else
        sheet_number(sheet, measured->cpu_seconds / bytes * 1e9);
}

void passes_count(struct sheet *sheet, const struct measured *measured, enum counter counter,
                  double per)
{
    if (measured->result)
        sheet_refused(sheet, "%s", measured->why);
    else if (!measured->counted[counter])
        sheet_refused(sheet, "%s", measured->refusals[counter]);
    else
        sheet_number(sheet, measured->counts[counter] / per);
}

void passes_spread(struct sheet *sheet, const struct measured *measured)
{
    if (measured->result)
        sheet_refused(sheet, "%s", measured->why);
    else
        sheet_number(sheet, 100 * measured->spread);
}
