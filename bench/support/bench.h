/*
 * bench.h - what the benchmarks share: reporting, pinning, child processes, scratch directories.
 *
 * A benchmark prints lines `name value unit roof ratio` (--json: one JSON object a line with these
 * keys). The roof is the machine's own limit for the same work, measured in the same run; the ratio
 * is how much of it was reached (for times: roof / value), so it lasts when the machine changes.
 */
#pragma once

#include <maplog.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BENCH_RUNS 5 /* the median of so many is reported */

/* Parses --json and --quick (a tenth of the work); exits with usage on anything else. */
void bench_begin(int argc, char **argv);
bool bench_quick(void);

/* More is better: ratio = value / roof. roof 0: there is none. */
void bench_rate(const char *name, double value, const char *unit, double roof);
/* Less is better: ratio = roof / value. */
void bench_time(const char *name, double value, const char *unit, double roof);
/* A line for people, on stderr: page state, sizes. */
void bench_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

double bench_now(void); /* seconds, monotonic */
uint64_t bench_ns(void);
void bench_pin(unsigned cpu); /* does nothing where that CPU is not ours */
double bench_median(double *values, size_t count);
double bench_cpu_seconds(void); /* user and system time of this process and its waited children */

void *bench_shared(size_t bytes); /* zeroed memory that forked children share */
/* Runs run(argument) in a child process, which then exits. */
pid_t bench_child(void (*run)(void *argument), void *argument);
void bench_wait(pid_t child); /* exits when the child failed */

/* A fresh scratch directory, removed when the program ends: below $MAPLOG_BENCH_DIR, else /var/tmp;
 * in_memory: below /dev/shm. */
const char *bench_directory(bool in_memory);
void bench_forget(const char *directory); /* removes it now, its text becomes invalid */
/* Gives up with the library's text. */
void bench_check(int result, const char *what);
/* A log in a fresh directory with one topic "bench" of one partition. */
maplog *bench_log(const char *directory, const char *const *configs);
