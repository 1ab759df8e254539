/*
 * read.c - the experiment `read`: read() against a mapping, with the file on the disk or in memory,
 * the mapping advised or populated. Reading by many threads is in read_threads.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "lab/experiment.h"
#include "lab/passes.h"
#include "lab/read_threads.h"
#include "lab/scratch.h"
#include "shm/order.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

#define CHUNK ((size_t)256 << 10) /* of a read() */
#define HUGE ((size_t)2 << 20)
#define AHEAD_STEP ((size_t)2 << 20)    /* a helper's piece, */
#define AHEAD_WINDOW ((size_t)32 << 20) /* and how far it stays ahead */

enum before { COLD, CACHED, MAPPED };

struct reading {
    struct scratch *scratch;
    uint8_t *memory; /* warm and anonymous: CHUNK bytes for read(), or the whole for the roof */
    enum before before;
    int advice; /* of madvise, or of posix_fadvise for read(); 0: none */
    uint64_t sum;
    double cached;             /* share in memory when the last pass began */
    _Atomic uint64_t position; /* of the reader, for its helper */
};

/* What a reader does with the bytes: the same everywhere. */
static uint64_t sum(const uint8_t *bytes, size_t length)
{
    uint64_t sums[4] = {0};
    for (size_t at = 0; at + 32 <= length; at += 32) {
        uint64_t words[4];
        memcpy(words, bytes + at, sizeof words);
        for (int i = 0; i < 4; i++)
            sums[i] += words[i];
    }
    return sums[0] + sums[1] + sums[2] + sums[3];
}

/* ---- ways ------------------------------------------------------------------------------------ */

static int run_roof(void *context)
{
    struct reading *reading = context;
    reading->sum += sum(reading->memory, reading->scratch->size);
    return 0;
}

static int run_copy(void *context)
{
    struct reading *reading = context;
    size_t half = reading->scratch->size / 2;
    for (int i = 0; i < 2; i++)
        memcpy(reading->memory + (i ? half : 0), reading->memory + (i ? 0 : half), half);
    return 0;
}

static int run_read(void *context)
{
    struct reading *reading = context;
    int fd = reading->scratch->fd;
    int errnum = posix_fadvise(fd, 0, 0, reading->advice ? reading->advice : POSIX_FADV_NORMAL);
    if (errnum)
        return error_errno(errnum, "cannot advise");
    for (size_t at = 0; at < reading->scratch->size; at += CHUNK) {
        if (read(fd, reading->memory, CHUNK) != (ssize_t)CHUNK)
            return error_errno(errno, "cannot read a scratch file");
        reading->sum += sum(reading->memory, CHUNK);
    }
    return 0;
}

static int run_pread(void *context)
{
    struct reading *reading = context;
    for (size_t at = 0; at < reading->scratch->size; at += CHUNK) {
        if (pread(reading->scratch->fd, reading->memory, CHUNK, (off_t)at) != (ssize_t)CHUNK)
            return error_errno(errno, "cannot read a scratch file");
        reading->sum += sum(reading->memory, CHUNK);
    }
    return 0;
}

static int run_mapped(void *context)
{
    struct reading *reading = context;
    const struct scratch *scratch = reading->scratch;
    if (reading->advice && madvise(scratch->map, scratch->size, reading->advice) != 0)
        return error_errno(errno, "the kernel refuses the advice %d", reading->advice);
    reading->sum += sum(scratch->map, scratch->size);
    return 0;
}

static void *read_ahead(void *context)
{
    struct reading *reading = context;
    for (size_t at = 0; at < reading->scratch->size; at += AHEAD_STEP) {
        while (at > load_relaxed(&reading->position) + AHEAD_WINDOW)
            usleep(50);
        readahead(reading->scratch->fd, (off_t)at, AHEAD_STEP);
    }
    return NULL;
}

static int run_helped(void *context)
{
    struct reading *reading = context;
    pthread_t helper;
    store_relaxed(&reading->position, 0);
    int errnum = pthread_create(&helper, NULL, read_ahead, reading);
    if (errnum)
        return error_errno(errnum, "cannot start a thread");
    for (size_t at = 0; at < reading->scratch->size; at += CHUNK) {
        reading->sum += sum(reading->scratch->map + at, CHUNK);
        store_relaxed(&reading->position, at + CHUNK);
    }
    pthread_join(helper, NULL);
    return 0;
}

static int prepare(void *context)
{
    struct reading *reading = context;
    struct scratch *scratch = reading->scratch;
    int result = 0;
    if (madvise(scratch->map, scratch->size, MADV_NORMAL) != 0 ||
        lseek(scratch->fd, 0, SEEK_SET) != 0)
        return error_errno(errno, "cannot prepare a scratch file");
    if (reading->before == COLD)
        result = scratch_evict(scratch);
    else if (reading->before == CACHED)
        result = scratch_unmap(scratch);
    if (!result)
        result = scratch_cached(scratch, &reading->cached);
    return result;
}

/* ---- table ----------------------------------------------------------------------------------- */

static const struct way {
    enum before before;
    const char *name;
    int (*run)(void *context);
    int advice;
} ways[] = {
    {COLD, "read", run_read, 0},
    {COLD, "read, SEQUENTIAL", run_read, POSIX_FADV_SEQUENTIAL},
    {COLD, "mapped", run_mapped, 0},
    {COLD, "mapped, SEQUENTIAL", run_mapped, MADV_SEQUENTIAL},
    {COLD, "mapped, WILLNEED", run_mapped, MADV_WILLNEED},
    {COLD, "mapped, POPULATE_READ", run_mapped, MADV_POPULATE_READ},
    {COLD, "mapped, a helper reads ahead", run_helped, 0},
    {CACHED, "read", run_read, 0},
    {CACHED, "pread", run_pread, 0},
    {CACHED, "mapped, first touch", run_mapped, 0},
    {CACHED, "mapped, SEQUENTIAL", run_mapped, MADV_SEQUENTIAL},
    {CACHED, "mapped, WILLNEED", run_mapped, MADV_WILLNEED},
    {CACHED, "mapped, POPULATE_READ", run_mapped, MADV_POPULATE_READ},
    {MAPPED, "mapped, touched before", run_mapped, 0},
};
enum {
    COLD_READ,
    COLD_MAPPED = 2,
    COLD_HELPED = 6,
    CACHED_READ = 7,
    FIRST_TOUCH = 9,
    TOUCHED = 13
};
enum { WAYS = sizeof ways / sizeof *ways };

enum { BEFORE, WAY, CACHE, SPEED, FAULTS, MAJOR, CALLS, CPU, SPREAD, COLUMNS };

static const struct sheet_column columns[COLUMNS] = {
    [BEFORE] = {"file", "", 0},
    [WAY] = {"way", "", 0},
    [CACHE] = {"in memory before", "%", 1},
    [SPEED] = {"speed", "GB/s", 2},
    [FAULTS] = {"page faults", "per MiB", 2},
    [MAJOR] = {"of these, waited for the disk", "per MiB", 2},
    [CALLS] = {"system calls", "per MiB", 2},
    [CPU] = {"CPU", "s per GB", 3},
    [SPREAD] = {"spread", "%", 0},
};

static void add_figures(struct sheet *sheet, const struct measured *measured, double bytes)
{
    double megabytes = bytes / (1 << 20);
    passes_speed(sheet, measured, bytes);
    passes_count(sheet, measured, COUNTER_FAULTS, megabytes);
    passes_count(sheet, measured, COUNTER_MAJOR_FAULTS, megabytes);
    passes_count(sheet, measured, COUNTER_CALLS, megabytes);
    passes_cpu(sheet, measured, bytes);
    passes_spread(sheet, measured);
}

static void add_roofs(struct sheet *sheet, struct reading *reading, unsigned rounds)
{
    const struct work works[] = {{NULL, run_roof, reading}, {NULL, run_copy, reading}};
    struct measured measured[2];
    passes_run(works, 2, rounds, measured);
    for (int i = 0; i < 2; i++) {
        sheet_row(sheet, SHEET_ROOF);
        sheet_text(sheet, "memory");
        sheet_text(sheet, "%s", i ? "memcpy" : "sum");
        sheet_refused(sheet, "no file");
        add_figures(sheet, &measured[i], (double)reading->scratch->size);
    }
}

static void add_row(struct sheet *sheet, const struct way *way, const struct reading *reading,
                    const struct measured *measured)
{
    static const char *const names[] = {"cold", "in memory", "in memory and mapped"};
    sheet_row(sheet, SHEET_MEASURED);
    sheet_text(sheet, "%s", names[way->before]);
    sheet_text(sheet, "%s", way->name);
    if (measured->result)
        sheet_refused(sheet, "%s", measured->why);
    else
        sheet_number(sheet, 100 * reading->cached);
    add_figures(sheet, measured, (double)reading->scratch->size);
}

/* ---- words ----------------------------------------------------------------------------------- */

/* How many times as long b takes as a; 0: unknown. */
static double times(const struct measured *all, int a, int b)
{
    return all[a].result || all[b].result ? 0 : all[b].seconds / all[a].seconds;
}

static void say(struct sheet *sheet, const struct measured *all)
{
    double first = times(all, FIRST_TOUCH, CACHED_READ), warm = times(all, TOUCHED, CACHED_READ);
    double cold = times(all, COLD_READ, COLD_MAPPED);
    double helped = times(all, COLD_HELPED, COLD_MAPPED);
    if (first > 0 && warm > 0)
        sheet_say(sheet,
                  "\"A mapping saves a copy\": of a file in memory, read takes %.2f times as long "
                  "as a mapping that is touched for the first time, and %.2f times as long as one "
                  "that was touched before: the first touch %s the copy.",
                  first, warm,
                  first < 0.95   ? "costs more than"
                  : first > 1.05 ? "costs less than"
                                 : "costs as much as");
    if (cold > 0)
        sheet_say(sheet,
                  "From the disk a bare mapping takes %.2f times as long as read: %s. That the "
                  "file was on the disk alone was verified by cachestat or mincore before each "
                  "pass.",
                  cold, cold > 1.1 ? "its faults wait for smaller pieces" : "no matter");
    if (helped > 0)
        sheet_say(sheet,
                  "A helper thread that reads ahead makes a cold mapped reader %.2f times "
                  "as fast.",
                  helped);
}

static void advise(struct sheet *sheet, const struct measured *all)
{
    for (int before = COLD; before <= CACHED; before++) {
        int best = -1;
        for (int i = 0; i < WAYS; i++)
            if ((int)ways[i].before == before && !all[i].result &&
                (best < 0 || all[i].seconds < all[best].seconds))
                best = i;
        if (best >= 0)
            sheet_advise(sheet, "A file %s, read once from end to end: %s.",
                         before == COLD ? "on the disk" : "in memory", ways[best].name);
    }
    double warm = times(all, TOUCHED, CACHED_READ);
    if (warm > 1.1)
        sheet_advise(sheet, "Who reads the same pages again keeps them mapped: %.1f times as fast.",
                     warm);
}

/* ---- running --------------------------------------------------------------------------------- */

static int measure_alone(struct lab *lab, struct reading *reading)
{
    static const char title[] = "One reader";
    struct measured measured[WAYS];
    unsigned rounds = lab_quick(lab) ? 2 : 5;
    struct sheet *sheet = lab_sheet(lab, "read", title);
    if (!sheet)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a sheet");
    sheet_columns(sheet, columns, COLUMNS);
    add_roofs(sheet, reading, rounds);
    for (unsigned i = 0; i < WAYS; i++) {
        const struct work work = {prepare, ways[i].run, reading};
        lab_progress(lab, i, WAYS + 1, "read: %s", ways[i].name);
        reading->before = ways[i].before;
        reading->advice = ways[i].advice;
        passes_run(&work, 1, rounds, &measured[i]);
        add_row(sheet, &ways[i], reading, &measured[i]);
        if (lab_stopped(lab))
            return MAPLOG_CLOSED;
    }
    say(sheet, measured);
    advise(sheet, measured);
    sheet_plot(sheet, &(struct sheet_plot){title, SHEET_BARS, WAY, SPEED, BEFORE, false, false});
    return 0;
}

static int run(struct lab *lab)
{
    struct scratch scratch = {0};
    struct reading reading = {.scratch = &scratch};
    const char *directory = lab_directory(lab, false);
    int result = directory ? 0 : MAPLOG_IO;
    if (!result)
        result = scratch_open(&scratch, directory,
                              lab_quick(lab) ? 4 * SCRATCH_QUICK_BYTES : SCRATCH_BYTES);
    if (!result && !(reading.memory = aligned_alloc(HUGE, scratch.size)))
        result = error_set(MAPLOG_NO_MEMORY, "no memory to read into");
    if (!result) {
        madvise(reading.memory, scratch.size, MADV_HUGEPAGE); /* a roof has no TLB misses */
        memset(reading.memory, 'm', scratch.size);
        result = scratch_prepare(&scratch, SCRATCH_ALLOCATED);
    }
    if (!result)
        result = scratch_fill(&scratch);
    if (!result)
        result = measure_alone(lab, &reading);
    if (!result)
        result = read_threads(lab, &scratch);
    free(reading.memory);
    scratch_close(&scratch);
    return result;
}

const struct experiment lab_read = {
    "read", "Is a mapping faster to read than read()? Cold, in memory, by one thread and by many",
    run, 30, 6};
