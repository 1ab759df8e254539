/*
 * append.c - the experiment `append`: how to put records at the end of a file. A store into its
 * mapping against the calls that write, with the pages in each state a log meets.
 */
#include <errno.h>
#include <maplog.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"
#include "lab/append_ring.h"
#include "lab/experiment.h"
#include "lab/passes.h"
#include "lab/scratch.h"

#define GATHER 64 /* records of a writev, and of a submission to io_uring */
#define LARGEST ((size_t)1 << 20)
#define HUGE ((size_t)2 << 20)
#define RECORDS_MAX ((size_t)200000)

struct append {
    struct scratch scratch;
    enum scratch_pages pages;
    size_t size; /* of a record */
    const uint8_t *record;
    uint8_t *memory; /* what the roof stores into: touched, anonymous, as large as the file */
    struct append_ring *ring;
    maplog_producer *producer;
};

/* Of a pass: as many as fit, but for small ones, which are slow. */
static size_t records(const struct append *append)
{
    size_t fit = append->scratch.size / append->size;
    return fit < RECORDS_MAX ? fit : RECORDS_MAX;
}

static double bytes_of(const struct append *append)
{
    return (double)records(append) * (double)append->size;
}

/* ---- ways ------------------------------------------------------------------------------------ */

static void store(const struct append *append, uint8_t *to)
{
    for (size_t i = 0, count = records(append); i < count; i++)
        memcpy(to + i * append->size, append->record, append->size);
}

static int run_roof(void *context)
{
    const struct append *append = context;
    store(append, append->memory);
    return 0;
}

static int run_store(void *context)
{
    const struct append *append = context;
    store(append, append->scratch.map);
    return 0;
}

static int written(ssize_t got, size_t wanted)
{
    if (got == (ssize_t)wanted)
        return 0;
    return error_errno(got < 0 ? errno : ENOSPC, "cannot write %zu bytes", wanted);
}

static int run_write(void *context)
{
    const struct append *append = context;
    int result = 0;
    for (size_t i = 0, count = records(append); i < count && !result; i++)
        result = written(write(append->scratch.fd, append->record, append->size), append->size);
    return result;
}

static int run_pwrite(void *context)
{
    const struct append *append = context;
    int result = 0;
    for (size_t i = 0, count = records(append); i < count && !result; i++)
        result = written(
            pwrite(append->scratch.fd, append->record, append->size, (off_t)(i * append->size)),
            append->size);
    return result;
}

static int run_writev(void *context)
{
    const struct append *append = context;
    struct iovec parts[GATHER];
    int result = 0;
    for (int i = 0; i < GATHER; i++)
        parts[i] = (struct iovec){(void *)(uintptr_t)append->record, append->size};
    for (size_t left = records(append); left > 0 && !result;) {
        size_t count = left < GATHER ? left : GATHER;
        result = written(writev(append->scratch.fd, parts, (int)count), count * append->size);
        left -= count;
    }
    return result;
}

static int run_ring(void *context)
{
    const struct append *append = context;
    const struct append_ring_write write = {append->scratch.fd, append->record, append->size};
    int result = append->ring ? 0 : append_ring_refusal();
    for (size_t at = 0, count = records(append); at < count && !result; at += GATHER)
        result =
            append_ring_write(append->ring, &write, at, count - at < GATHER ? count - at : GATHER);
    return result;
}

static int prepare(void *context)
{
    struct append *append = context;
    return scratch_prepare(&append->scratch, append->pages);
}

static const struct way {
    const char *name;
    int (*run)(void *context);
    bool gathers;
} ways[] = {
    {"store into the mapping", run_store, false}, {"write", run_write, false},
    {"writev, 64 records", run_writev, true},     {"pwrite", run_pwrite, false},
    {"io_uring, 64 records", run_ring, true},
};
enum { STORE, WRITE, WAYS = sizeof ways / sizeof *ways };
_Static_assert(WAYS <= PASSES_AT_A_TIME, "all ways take turns");

/* ---- maplog itself --------------------------------------------------------------------------- */

static int run_maplog(void *context)
{
    const struct append *append = context;
    const struct maplog_record record = {.value = append->record, .value_size = append->size};
    int result = 0;
    for (size_t i = 0, count = records(append); i < count && !result; i++)
        result = maplog_produce_to(append->producer, 0, &record, NULL);
    return result;
}

/* Of the pages that the records and their batches' headers need. */
static int prepare_maplog(void *context)
{
    const struct append *append = context;
    return maplog_prepare(append->producer, 0, (append->size + 80) * records(append));
}

/* As it comes, and with its pages prepared. A log of its own below the directory, which the lab
 * removes. */
static void measure_maplog(struct append *append, const char *directory, unsigned rounds,
                           struct measured *measured)
{
    char path[512];
    const char *const configs[] = {"max.message.bytes=4194304", "segment.bytes=1073741824", NULL};
    const struct maplog_open_options options = {.flags = MAPLOG_CREATE};
    const struct work works[] = {{NULL, run_maplog, append}, {prepare_maplog, run_maplog, append}};
    maplog *log = NULL;
    snprintf(path, sizeof path, "%s/append-%zu", directory, append->size);
    int result = maplog_open(path, &options, &log);
    if (!result)
        result = maplog_topic_create(log, "records", 1, configs);
    if (!result)
        result = maplog_producer_open(log, "records", NULL, &append->producer);
    if (!result) {
        passes_run(&works[0], 1, rounds, &measured[0]);
        passes_run(&works[1], 1, rounds, &measured[1]);
    }
    for (int i = 0; i < 2 && result; i++) {
        measured[i] = (struct measured){.result = result};
        snprintf(measured[i].why, sizeof measured[i].why, "%s", error_text());
    }
    maplog_producer_close(append->producer);
    append->producer = NULL;
    if (log)
        maplog_topic_delete(log, "records");
    maplog_close(log);
}

/* ---- table ----------------------------------------------------------------------------------- */

enum { PAGES, WAY, SPEED, TIME, FAULTS, CALLS, CPU, SPREAD, COLUMNS };

static const struct sheet_column columns[COLUMNS] = {
    [PAGES] = {"pages", "", 0},
    [WAY] = {"way", "", 0},
    [SPEED] = {"speed", "GB/s", 2},
    [TIME] = {"time", "ns per record", 0},
    [FAULTS] = {"page faults", "per MiB", 2},
    [CALLS] = {"system calls", "per record", 3},
    [CPU] = {"CPU", "s per GB", 3},
    [SPREAD] = {"spread", "%", 0},
};

static void add_row(struct sheet *sheet, const struct append *append, const char *pages,
                    const char *way, const struct measured *measured)
{
    double count = (double)records(append), bytes = bytes_of(append);
    bool roof = strcmp(pages, "anonymous, touched") == 0;
    sheet_row(sheet, roof ? SHEET_ROOF : SHEET_MEASURED);
    sheet_text(sheet, "%s", pages);
    sheet_text(sheet, "%s", way);
    passes_speed(sheet, measured, bytes);
    if (measured->result)
        sheet_refused(sheet, "%s", measured->why);
    else
        sheet_number(sheet, measured->seconds / count * 1e9);
    passes_count(sheet, measured, COUNTER_FAULTS, bytes / (1 << 20));
    passes_count(sheet, measured, COUNTER_CALLS, count);
    passes_cpu(sheet, measured, bytes);
    passes_spread(sheet, measured);
}

/* ---- words ----------------------------------------------------------------------------------- */

struct results {
    struct measured ways[SCRATCH_STATES][WAYS];
    struct measured roof, maplog[2]; /* as it comes, prepared */
};

/* How many times as long b takes as a. */
static double times(const struct measured *a, const struct measured *b)
{
    return a->result || b->result ? 0 : b->seconds / a->seconds;
}

static void say_faults(struct sheet *sheet, const struct append *append,
                       const struct results *results)
{
    const struct measured *fresh = &results->ways[SCRATCH_FRESH][STORE];
    const struct measured *recycled = &results->ways[SCRATCH_RECYCLED][STORE];
    if (fresh->result || recycled->result || !fresh->counted[COUNTER_FAULTS] ||
        fresh->counts[COUNTER_FAULTS] < 1)
        return;
    double faults = fresh->counts[COUNTER_FAULTS], pages = bytes_of(append) / SCRATCH_PAGE;
    double nanoseconds = (fresh->seconds - recycled->seconds) * 1e9;
    sheet_say(sheet,
              "A store into fresh pages costs %.0f ns a page more than into recycled ones: %.0f "
              "page faults, by the kernel's count, of %.0f ns, each for %.1f pages.",
              nanoseconds / pages, faults, nanoseconds / faults, pages / faults);
}

static void say_writes(struct sheet *sheet, const struct results *results)
{
    const struct measured *fresh = &results->ways[SCRATCH_FRESH][WRITE];
    double recycled =
        times(&results->ways[SCRATCH_RECYCLED][STORE], &results->ways[SCRATCH_RECYCLED][WRITE]);
    double there = times(fresh, &results->ways[SCRATCH_RECYCLED][WRITE]);
    if (recycled > 0)
        sheet_say(sheet,
                  "\"A mapping avoids the call and the copy\": with pages that are there, write "
                  "takes %.1f times as long as a store. Both copy the bytes once, from the "
                  "producer's memory to the page cache: a store saves the call, not a copy.",
                  recycled);
    if (there > 1.3)
        sheet_say(
            sheet,
            "A write into pages that are there takes %.1f times as long as one into fresh "
            "pages: page faults made them in large folios, and here a call costs the more the "
            "larger the folio is that it writes into. A log that is written by write is "
            "better not populated by faults.",
            there);
}

static void say_claims(struct sheet *sheet, const struct append *append,
                       const struct results *results)
{
    double fresh =
        times(&results->ways[SCRATCH_FRESH][STORE], &results->ways[SCRATCH_FRESH][WRITE]);
    double roof = times(&results->roof, &results->ways[SCRATCH_RECYCLED][STORE]);
    const struct measured *own = &results->maplog[1];
    double more = times(&results->ways[SCRATCH_POPULATED][STORE], own);
    say_writes(sheet, results);
    if (fresh > 0)
        sheet_say(sheet,
                  "\"Page faults eat what a mapping saves\": with fresh pages, write takes %.1f "
                  "times as long as a store: that %s here.",
                  fresh, fresh < 1.05 ? "holds" : "does not hold");
    if (roof > 0)
        sheet_say(sheet,
                  "A store into recycled pages takes %.2f times as long as memcpy into anonymous "
                  "memory, the roof.",
                  roof);
    if (more > 0)
        sheet_say(sheet,
                  "maplog's own append into prepared pages, with header, checksum and index, takes "
                  "%.1f times as long as a bare store into populated ones: %.0f ns more a record.",
                  more,
                  (own->seconds - results->ways[SCRATCH_POPULATED][STORE].seconds) /
                      (double)records(append) * 1e9);
}

/* The fastest way; visible: of those that show each record at once, and do not gather them. */
static int fastest(const struct measured *measured, bool visible)
{
    int best = -1;
    for (int i = 0; i < WAYS; i++)
        if (!measured[i].result && !(visible && ways[i].gathers) &&
            (best < 0 || measured[i].seconds < measured[best].seconds))
            best = i;
    return best;
}

static void advise(struct sheet *sheet, const struct append *append, const struct results *results)
{
    for (int pages = SCRATCH_FRESH; pages <= SCRATCH_RECYCLED; pages += SCRATCH_RECYCLED) {
        const struct measured *measured = results->ways[pages];
        int best = fastest(measured, false), visible = fastest(measured, true);
        if (best < 0 || visible < 0)
            continue;
        double bytes = bytes_of(append) / 1e9;
        const char *name = scratch_pages_name((enum scratch_pages)pages);
        sheet_advise(sheet,
                     "Records of %zu bytes into %s pages, each visible at once: %s, %.2f GB/s.",
                     append->size, name, ways[visible].name, bytes / measured[visible].seconds);
        if (best != visible)
            sheet_advise(sheet, "Gathered they go faster: %s, %.2f GB/s.", ways[best].name,
                         bytes / measured[best].seconds);
    }
}

/* ---- running --------------------------------------------------------------------------------- */

static void measure_ways(struct append *append, unsigned rounds, struct measured *measured)
{
    struct work works[WAYS];
    for (int i = 0; i < WAYS; i++)
        works[i] = (struct work){prepare, ways[i].run, append};
    passes_run(works, WAYS, rounds, measured);
}

static int measure_size(struct lab *lab, struct append *append, const char *directory)
{
    char name[32], title[64];
    unsigned rounds = lab_quick(lab) ? 2 : 3;
    const struct work roof = {NULL, run_roof, append};
    snprintf(name, sizeof name, "append-%zu", append->size);
    snprintf(title, sizeof title, "Records of %zu bytes to the end of a file", append->size);
    struct sheet *sheet = lab_sheet(lab, name, title);
    struct results *results = calloc(1, sizeof *results);
    int result = sheet && results ? 0 : error_set(MAPLOG_NO_MEMORY, "no memory for a sheet");
    if (!result) {
        sheet_columns(sheet, columns, COLUMNS);
        passes_run(&roof, 1, rounds, &results->roof);
        add_row(sheet, append, "anonymous, touched", "memcpy", &results->roof);
    }
    for (int pages = 0; pages < SCRATCH_STATES && !result; pages++) {
        append->pages = (enum scratch_pages)pages;
        measure_ways(append, rounds, results->ways[pages]);
        for (int i = 0; i < WAYS; i++)
            add_row(sheet, append, scratch_pages_name(append->pages), ways[i].name,
                    &results->ways[pages][i]);
        result = lab_stopped(lab) ? MAPLOG_CLOSED : 0;
    }
    if (!result) {
        measure_maplog(append, directory, rounds, results->maplog);
        add_row(sheet, append, "as maplog keeps them", "maplog append", &results->maplog[0]);
        add_row(sheet, append, "prepared", "maplog append", &results->maplog[1]);
        say_claims(sheet, append, results);
        say_faults(sheet, append, results);
        advise(sheet, append, results);
        sheet_plot(sheet, &(struct sheet_plot){title, SHEET_BARS, PAGES, SPEED, WAY, false, false});
    }
    free(results);
    return result;
}

static int run_sizes(struct lab *lab, struct append *append, const char *directory)
{
    static const size_t sizes[] = {170, 4096, 65536, LARGEST};
    static const size_t quick_sizes[] = {170, 65536};
    const size_t *asked = lab_quick(lab) ? quick_sizes : sizes;
    unsigned count = lab_quick(lab) ? 2 : 4;
    int result = 0;
    for (unsigned i = 0; i < count && !result; i++) {
        append->size = asked[i];
        lab_progress(lab, i, count, "append: records of %zu bytes", append->size);
        result = measure_size(lab, append, directory);
    }
    return result;
}

static int run(struct lab *lab)
{
    struct append append = {0};
    uint8_t *record = malloc(LARGEST);
    const char *directory = lab_directory(lab, false);
    int result = directory ? 0 : MAPLOG_IO;
    if (!result)
        result = scratch_open(&append.scratch, directory,
                              lab_quick(lab) ? SCRATCH_QUICK_BYTES : SCRATCH_BYTES / 4);
    if (!result) {
        append.memory = aligned_alloc(HUGE, append.scratch.size);
        if (!record || !append.memory)
            result = error_set(MAPLOG_NO_MEMORY, "no memory for the records");
    }
    if (!result) {
        memset(record, 'r', LARGEST);
        madvise(append.memory, append.scratch.size, MADV_HUGEPAGE); /* a roof has no TLB misses */
        memset(append.memory, 'm', append.scratch.size);
        append.record = record;
        append.ring = append_ring_open(GATHER);
        result = run_sizes(lab, &append, directory);
        append_ring_close(append.ring);
    }
    scratch_close(&append.scratch);
    free(append.memory);
    free(record);
    return result;
}

const struct experiment lab_append = {
    "append", "How do records get to the end of a file: store, write, writev, pwrite, io_uring?",
    run, 40, 6};
