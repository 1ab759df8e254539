/* receive_words.c - rows of pairs, and the verdict in words. */
#include "lab/receive_words.h"

#include <stdlib.h>
#include <string.h>

#define POINTS (2 * SCRATCH_STATES)

struct receive_table {
    struct sheet *sheet;
    double bytes;
    unsigned count;
    struct receive_point points[POINTS];
};

enum {
    POINT,
    WAY,
    SPEED,
    CPU,
    SPREAD,
    CHECKED_SPEED,
    CHECKED_CPU,
    CHECKED_SPREAD,
    TIME_RATIO,
    CPU_RATIO,
    FAULTS,
    CALLS,
    COLUMNS
};

static const struct sheet_column columns[COLUMNS] = {
    [POINT] = {"chunk, pages", "", 0},
    [WAY] = {"way", "", 0},
    [SPEED] = {"speed", "GB/s", 2},
    [CPU] = {"receiver's CPU", "s per GB", 3},
    [SPREAD] = {"spread", "%", 0},
    [CHECKED_SPEED] = {"with CRC-32C", "GB/s", 2},
    [CHECKED_CPU] = {"CPU with CRC-32C", "s per GB", 3},
    [CHECKED_SPREAD] = {"spread with CRC-32C", "%", 0},
    [TIME_RATIO] = {"time with CRC by copy's", "times", 2},
    [CPU_RATIO] = {"CPU with CRC by copy's", "times", 2},
    [FAULTS] = {"page faults", "per MiB", 2},
    [CALLS] = {"system calls", "per MiB", 1},
};

static const char *const names[RECEIVE_WAYS] = {
    [RECEIVE_COPY] = "copy: recv, memcpy",
    [RECEIVE_DIRECT] = "direct: recv into the mapping",
    [RECEIVE_WRITE] = "recv, write",
    [RECEIVE_SPLICE] = "splice",
};

struct receive_table *receive_table_new(struct lab *lab, bool local, size_t bytes)
{
    struct receive_table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    table->bytes = (double)bytes;
    table->sheet = local ? lab_sheet(lab, "receive-unix", "From a Unix socket into the log")
                         : lab_sheet(lab, "receive-tcp", "From TCP over the loopback into the log");
    if (!table->sheet) {
        free(table);
        return NULL;
    }
    sheet_columns(table->sheet, columns, COLUMNS);
    return table;
}

static void add_ratio(struct sheet *sheet, const struct receive_point *point, int way, bool cpu)
{
    double least, most;
    const struct measured *measured = &point->checked[way];
    double ratio = passes_ratio(&point->checked[RECEIVE_COPY], measured, cpu, &least, &most);
    if (ratio > 0)
        sheet_number(sheet, ratio);
    else
        sheet_refused(sheet, "%s", measured->why);
}

static void add_speeds(const struct receive_table *table, const struct measured *plain,
                       const struct measured *checked)
{
    passes_speed(table->sheet, plain, table->bytes);
    passes_cpu(table->sheet, plain, table->bytes);
    passes_spread(table->sheet, plain);
    passes_speed(table->sheet, checked, table->bytes);
    passes_cpu(table->sheet, checked, table->bytes);
    passes_spread(table->sheet, checked);
}

static void add_row(const struct receive_table *table, const struct receive_point *point, int way)
{
    struct sheet *sheet = table->sheet;
    const struct measured *plain = &point->plain[way], *checked = &point->checked[way];
    double megabytes = table->bytes / (1 << 20);
    sheet_row(sheet, SHEET_MEASURED);
    sheet_text(sheet, "%zu KiB, %s", point->chunk >> 10, scratch_pages_name(point->pages));
    sheet_text(sheet, "%s", names[way]);
    add_speeds(table, plain, checked);
    add_ratio(sheet, point, way, false);
    add_ratio(sheet, point, way, true);
    passes_count(sheet, plain, COUNTER_FAULTS, megabytes);
    passes_count(sheet, plain, COUNTER_CALLS, megabytes);
}

void receive_table_roof(struct receive_table *table, size_t chunk, const struct measured *plain,
                        const struct measured *checked)
{
    sheet_row(table->sheet, SHEET_ROOF);
    sheet_text(table->sheet, "%zu KiB, none", chunk >> 10);
    sheet_text(table->sheet, "recv, kept nowhere");
    add_speeds(table, plain, checked);
    sheet_text(table->sheet, "%s", ""); /* by copy's: of no round with it */
    sheet_text(table->sheet, "%s", "");
    passes_count(table->sheet, plain, COUNTER_FAULTS, table->bytes / (1 << 20));
    passes_count(table->sheet, plain, COUNTER_CALLS, table->bytes / (1 << 20));
}

void receive_table_add(struct receive_table *table, const struct receive_point *point)
{
    for (int way = 0; way < RECEIVE_WAYS; way++)
        add_row(table, point, way);
    if (table->count < POINTS)
        table->points[table->count++] = *point;
}

/* ---- words ----------------------------------------------------------------------------------- */

static void say_point(struct sheet *sheet, const struct receive_point *point)
{
    static const char *const words[] = {"worse", "no difference beyond the spread", "better"};
    struct receive_comparison found = receive_compare(point);
    if (found.known)
        sheet_say(sheet,
                  "%s pages, chunks of %zu KiB, with the check: direct takes %.2f of copy's time "
                  "(pairs from %.2f to %.2f) and %.2f of its CPU (%.2f to %.2f): %s.",
                  scratch_pages_name(point->pages), point->chunk >> 10, found.time,
                  found.least_time, found.most_time, found.cpu, found.least_cpu, found.most_cpu,
                  words[found.better + 1]);
}

static void say_splice(const struct receive_table *table)
{
    double least, most, sum = 0;
    unsigned count = 0;
    for (unsigned i = 0; i < table->count; i++) {
        const struct receive_point *point = &table->points[i];
        double cpu = passes_ratio(&point->plain[RECEIVE_WRITE], &point->plain[RECEIVE_SPLICE], true,
                                  &least, &most);
        sum += cpu;
        count += cpu > 0;
    }
    if (count)
        sheet_say(table->sheet,
                  "\"splice moves pages without a copy\": from a socket into a file it takes %.2f "
                  "times the CPU of recv and write, on average of the points: the file system "
                  "copies the bytes into pages of its own.",
                  sum / count);
}

static void advise(const struct receive_table *table)
{
    struct receive_verdict verdict = receive_judge(table->points, table->count, table->bytes);
    if (!verdict.points)
        return;
    sheet_say(table->sheet,
              "On prepared pages direct saves %.3f CPU-s for each GB; preparing the pages saves "
              "%.3f, whatever the way.",
              verdict.direct_saves, verdict.preparing_saves);
    sheet_advise(table->sheet,
                 "%s: on prepared pages direct takes %.2f of copy's time and %.2f of its CPU, on "
                 "average; of %u points it is better at %u and worse at %u.",
                 verdict.direct_pays ? "Direct pays, where a partition has a single, fast producer"
                                     : "Receive by copy",
                 verdict.time, verdict.cpu, verdict.points, verdict.better, verdict.worse);
}

void receive_table_words(struct receive_table *table)
{
    for (unsigned i = 0; i < table->count; i++)
        say_point(table->sheet, &table->points[i]);
    say_splice(table);
    sheet_say(table->sheet,
              "direct also has a price that no column shows: while a peer sends, the end of its "
              "partition is kept for it alone, so that all other writers wait for the slowest "
              "sender; and bytes that nobody has checked yet lie in a file that others map.");
    advise(table);
    sheet_plot(table->sheet, &(struct sheet_plot){"Speed with the check", SHEET_BARS, POINT,
                                                  CHECKED_SPEED, WAY, false, false});
}
