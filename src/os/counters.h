/*
 * counters.h - what the kernel counts for a process: system calls, switches, faults, CPU time. Any
 * thread; one struct is one thread's at a time.
 *
 * perf_event_open(2): a tracepoint for system calls, software events for all else. A kernel, a
 * container or a setting (kernel.perf_event_paranoid) may refuse each by itself; who counts then
 * says so, and nothing is estimated.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum counter {
    COUNTER_CALLS,        /* system calls entered */
    COUNTER_SWITCHES,     /* context switches, both kinds */
    COUNTER_FAULTS,       /* page faults, minor and major */
    COUNTER_MAJOR_FAULTS, /* those that waited for a disk */
    COUNTER_CPU_NS,       /* nanoseconds on a CPU, in both modes */
    COUNTERS
};

struct counters {
    int fds[COUNTERS];    /* -1: refused */
    int errors[COUNTERS]; /* errno of the refusal */
};

/* Counts from now on: thread `tid` (0: the calling one), and every thread and process that it
 * starts from now on, as long as they run and when they have ended. For a whole process: before it
 * makes threads, as between fork and exec. Never fails as a whole. */
void counters_open(struct counters *counters, int tid);
void counters_close(struct counters *counters);
/* Since counters_open; false when this one is refused. */
bool counters_read(const struct counters *counters, enum counter counter, uint64_t *value);
/* Why it is refused, and what to set: static text or one of the thread's that lasts until the next
 * call. NULL when it is not. */
const char *counters_refusal(const struct counters *counters, enum counter counter);
