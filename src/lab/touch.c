/*
 * touch.c - the experiment `touch`: the road of a page from mmap to the disk, one step after the
 * other. Counts are those of the last round, when all of the program's own pages have been touched;
 * times are the median of all. The kernel's own events are recorded in a round apart, since
 * recording takes time.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "lab/experiment.h"
#include "lab/median.h"
#include "lab/touch_steps.h"
#include "lab/touch_trace.h"

#define ROUNDS 51
#define QUICK_ROUNDS 5

struct touching {
    struct touch_result results[TOUCH_STEPS]; /* of the last round */
    double us[TOUCH_STEPS][ROUNDS];
    unsigned rounds;
};

static int go_round(struct touching *touching, const char *directory)
{
    struct touch touch;
    struct touch_result result;
    int code = touch_open(&touch, directory);
    if (code)
        return code;
    for (unsigned i = 0; i < TOUCH_STEPS; i++) {
        touch_do(&touch, &touch_steps[i], NULL, &result);
        touching->us[i][touching->rounds] = (double)result.ns / 1000;
        touching->results[i] = result;
    }
    touching->rounds++;
    touch_close(&touch);
    return 0;
}

/* ---- the table ------------------------------------------------------------------------------- */

enum { STEP, TIME, MINOR, MAJOR, MAPPED, WRITTEN, COPIES, CACHED, DIRTY, COLUMNS };

static double median_us(const struct touching *touching, unsigned step)
{
    return median(touching->us[step], touching->rounds, NULL, NULL);
}

static void put_step(struct sheet *sheet, const struct touching *touching, unsigned step)
{
    const struct touch_result *result = &touching->results[step];
    sheet_row(sheet, step == TOUCH_LOAD_AGAIN ? SHEET_ROOF : SHEET_MEASURED);
    sheet_text(sheet, "%s", touch_steps[step].name);
    if (result->result) {
        for (int i = TIME; i < COLUMNS; i++)
            sheet_refused(sheet, "%s", result->why);
        return;
    }
    sheet_number(sheet, median_us(touching, step));
    sheet_number(sheet, (double)result->minor);
    sheet_number(sheet, (double)result->major);
    sheet_number(sheet, (double)result->mapping.mapped);
    sheet_number(sheet, (double)result->mapping.dirty);
    sheet_number(sheet, (double)result->mapping.anonymous);
    sheet_number(sheet, (double)result->cache.cached);
    if (result->cache.source == RESIDENCY_CACHESTAT)
        sheet_number(sheet, (double)result->cache.dirty);
    else
        sheet_refused(sheet, "the kernel tells it since Linux 6.5 (cachestat)");
}

/* ---- what follows ---------------------------------------------------------------------------- */

/* The step, when it could be done; else NULL. */
static const struct touch_result *done(const struct touching *touching, enum touch_number step)
{
    return touching->results[step].result ? NULL : &touching->results[step];
}

static void say_loads(struct sheet *sheet, const struct touching *touching)
{
    const struct touch_result *mapped = done(touching, TOUCH_MMAP),
                              *load = done(touching, TOUCH_LOAD),
                              *next = done(touching, TOUCH_LOAD_NEXT);
    if (mapped)
        sheet_say(sheet,
                  "mmap made one line in /proc/self/maps, %" PRIu64 " KiB %s, and brought "
                  "%" PRIu64 " pages.",
                  (mapped->mapping.end - mapped->mapping.begin) >> 10, mapped->mapping.mode,
                  mapped->mapping.mapped);
    if (load && next && load->mapping.mapped > 1)
        sheet_say(
            sheet,
            "The first load entered %" PRIu64 " pages into the page table: its neighbours that "
            "are in memory come along (fault-around). Faults of the load of page 1: %" PRIu64 ".",
            load->mapping.mapped, next->minor + next->major);
}

static void say_stores(struct sheet *sheet, const struct touching *touching)
{
    const struct touch_result *store = done(touching, TOUCH_STORE),
                              *again = done(touching, TOUCH_STORE_AGAIN),
                              *synced = done(touching, TOUCH_STORE_SYNCED),
                              *copy = done(touching, TOUCH_STORE_PRIVATE);
    if (store && again && synced && synced->minor > 0 && again->minor + again->major == 0)
        sheet_say(
            sheet,
            "A page that was only read has a read-only entry, so that the kernel learns by a fault "
            "what is dirty. Faults of the first store: %" PRIu64 ", of the second: 0. "
            "Write-back makes the entry read-only again; faults of the store after msync: "
            "%" PRIu64 ".",
            store->minor + store->major, synced->minor + synced->major);
    if (store && store->minor + store->major == 0)
        sheet_say(sheet, "The first store into a page that was only read took no fault: a file "
                         "system in memory has nothing to write back, and its entries may be "
                         "written at once.");
    if (copy && copy->mapping.anonymous > 0)
        sheet_say(sheet,
                  "The store into the private mapping copied the page: the mapping now has %" PRIu64
                  " that is its own among %" PRIu64 ", and the file does not see it.",
                  copy->mapping.anonymous, copy->mapping.mapped);
}

static void say_disk(struct sheet *sheet, const struct touching *touching)
{
    const struct touch_result *forgotten = done(touching, TOUCH_LOAD_FORGOTTEN),
                              *evicted = done(touching, TOUCH_LOAD_EVICTED),
                              *allocated = done(touching, TOUCH_STORE_ALLOCATED);
    if (forgotten && forgotten->major == 0)
        sheet_say(sheet, "MADV_DONTNEED of a shared mapping forgets entries of the page table, not "
                         "the file's pages: what is loaded again comes from memory.");
    if (evicted && evicted->major > 0)
        sheet_say(sheet,
                  "From the disk came %" PRIu64 " pages, not one: the kernel reads around what is "
                  "asked for (readahead).",
                  evicted->cache.cached);
    if (allocated && allocated->major > 0)
        sheet_say(sheet,
                  "The store into what was only allocated counts as a major fault although "
                  "no disk was asked: the page was not in memory, which is what is counted.");
}

static void advise(struct sheet *sheet, const struct touching *touching)
{
    if (done(touching, TOUCH_STORE_ALLOCATED) && done(touching, TOUCH_POPULATE))
        sheet_advise(sheet,
                     "What is sure to be written: MADV_POPULATE_WRITE ahead, %.2f us a page. A "
                     "store that finds no page waits %.2f us, one that finds it %.2f us.",
                     median_us(touching, TOUCH_POPULATE) / TOUCH_PAGES,
                     median_us(touching, TOUCH_STORE_ALLOCATED),
                     median_us(touching, TOUCH_STORE_POPULATED));
    const struct touch_result *synced = done(touching, TOUCH_STORE_SYNCED);
    if (synced && synced->minor > 0)
        sheet_advise(sheet,
                     "msync seldom, and of much at once: it took %.1f us for two pages, and the "
                     "next store into each takes %.2f us instead of %.2f us.",
                     median_us(touching, TOUCH_MSYNC), median_us(touching, TOUCH_STORE_SYNCED),
                     median_us(touching, TOUCH_STORE_AGAIN));
}

static void put_trace(struct lab *lab, struct sheet *steps, const char *directory)
{
    struct touch_spans spans = {0};
    int result = touch_trace(directory, &spans);
    if (result)
        sheet_say(steps, "The kernel's own trace events of each step are left out: %s.",
                  error_text());
    if (!result && spans.count) {
        struct sheet *sheet =
            lab_sheet(lab, "touch-trace", "What the kernel says of each step: its trace events");
        touch_spans_print(&spans, sheet);
        sheet_say(sheet, "Of this thread and its child, by tracefs, in a round of its own. The "
                         "time runs from the step's first event. A step without a line met "
                         "nothing that is traced.");
    }
    touch_spans_free(&spans);
}

static void put_steps(struct lab *lab, const struct touching *touching, const char *directory)
{
    static const struct sheet_column columns[COLUMNS] = {
        [STEP] = {"step", "", 0},
        [TIME] = {"time", "us", 2},
        [MINOR] = {"minor faults", "", 0},
        [MAJOR] = {"major faults", "", 0},
        [MAPPED] = {"mapping: mapped", "pages", 0},
        [WRITTEN] = {"mapping: dirty", "pages", 0},
        [COPIES] = {"mapping: copies", "pages", 0},
        [CACHED] = {"file: in memory", "pages", 0},
        [DIRTY] = {"file: dirty", "pages", 0},
    };
    struct sheet *sheet = lab_sheet(lab, "touch", "From mmap to the disk and back, step by step");
    sheet_columns(sheet, columns, COLUMNS);
    for (unsigned i = 0; i < TOUCH_STEPS; i++)
        put_step(sheet, touching, i);
    sheet_plot(sheet, &(struct sheet_plot){"Time of each step, us", SHEET_BARS, STEP, TIME, -1,
                                           false, true});
    sheet_say(sheet,
              "A file of %d pages of 4 KiB: 0 to %d were written and are in memory, the others "
              "are only allocated. Times are medians of %u rounds, with the looks at the clock.",
              2 * TOUCH_PAGES, TOUCH_PAGES - 1, touching->rounds);
    say_loads(sheet, touching);
    say_stores(sheet, touching);
    say_disk(sheet, touching);
    advise(sheet, touching);
    put_trace(lab, sheet, directory);
}

static int run(struct lab *lab)
{
    struct touching *touching = calloc(1, sizeof *touching);
    unsigned rounds = lab_quick(lab) ? QUICK_ROUNDS : ROUNDS;
    const char *directory = lab_directory(lab, false);
    int result = directory ? 0 : MAPLOG_IO;
    if (!touching)
        result = error_set(MAPLOG_NO_MEMORY, "no memory for an experiment");
    for (unsigned i = 0; i < rounds && !result && !lab_stopped(lab); i++) {
        lab_progress(lab, i, rounds, "touch: round %u", i + 1);
        result = go_round(touching, directory);
    }
    if (!result && touching->rounds)
        put_steps(lab, touching, directory);
    free(touching);
    return result || !lab_stopped(lab) ? result : error_set(MAPLOG_CLOSED, "interrupted");
}

const struct experiment lab_touch = {
    "touch", "What happens when a page of a mapping is touched, and what does each step cost?",
    run,     5,
    2,
};
