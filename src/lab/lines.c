/*
 * lines.c - the experiment `lines`: how a program gets the lines of a text file, from fgets to the
 * splitter of `maplog produce`, beside reading and copying the same bytes. One thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <maplog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/lines.h"
#include "cmd/line_methods.h"
#include "lab/experiment.h"
#include "lab/passes.h"

#define BYTES ((size_t)128 << 20)
#define QUICK_BYTES ((size_t)8 << 20)
#define ROUNDS 7
#define QUICK_ROUNDS 3
#define BUFFER ((size_t)256 << 10)
#define PATH_BYTES 4200
#define ROOFS 2
#define WAYS PASSES_AT_A_TIME

struct way {
    const char *path;
    size_t bytes;
    const struct line_method *method; /* NULL: a roof */
    struct line_sum sum;
};

/* ---- the text -------------------------------------------------------------------------------- */

/* Lines of letters, from 1 to twice the average, with always the same lengths. */
static int write_text(const char *path, size_t average, size_t bytes)
{
    char line[2 * 4096];
    uint32_t state = 1;
    FILE *file = fopen(path, "we");
    if (!file)
        return error_errno(errno, "cannot write %s", path);
    for (size_t written = 0; written < bytes;) {
        state = state * 1664525u + 1013904223u;
        size_t length = (state >> 8) % (2 * average - 1) + 1;
        memset(line, 'a' + (int)(state >> 27) % 26, length);
        line[length - 1] = '\n';
        written += fwrite(line, 1, length, file);
        if (ferror(file))
            break;
    }
    int failed = ferror(file), errnum = errno;
    if (fclose(file) != 0 || failed)
        return error_errno(errnum, "cannot write %s", path);
    return 0;
}

/* ---- ways ------------------------------------------------------------------------------------ */

static int read_roof(void *context)
{
    struct way *way = context;
    char *buffer = malloc(BUFFER);
    int fd = open(way->path, O_RDONLY | O_CLOEXEC);
    ssize_t got = buffer ? 1 : -1;
    while (fd >= 0 && got > 0)
        got = read(fd, buffer, BUFFER);
    int result = fd < 0 || got < 0 ? error_errno(errno, "cannot read %s", way->path) : 0;
    if (fd >= 0)
        close(fd);
    free(buffer);
    return result;
}

/* Out of a new mapping, its page faults included, into a buffer that stays in the CPU's cache. */
static int copy_roof(void *context)
{
    struct way *way = context;
    char *buffer = malloc(BUFFER);
    int fd = open(way->path, O_RDONLY | O_CLOEXEC);
    char *text = fd < 0 ? MAP_FAILED : mmap(NULL, way->bytes, PROT_READ, MAP_SHARED, fd, 0);
    int errnum = errno;
    if (fd >= 0)
        close(fd);
    if (!buffer || text == MAP_FAILED) {
        free(buffer);
        return error_errno(buffer ? errnum : ENOMEM, "cannot map %s", way->path);
    }
    for (size_t at = 0; at < way->bytes; at += BUFFER) {
        size_t length = way->bytes - at < BUFFER ? way->bytes - at : BUFFER;
        memcpy(buffer, text + at, length);
        __asm__ volatile("" : : "r"(buffer) : "memory");
    }
    munmap(text, way->bytes);
    free(buffer);
    return 0;
}

static int split(void *context)
{
    struct way *way = context;
    way->sum = (struct line_sum){0};
    return way->method->run(way->path, &way->sum);
}

static const char *way_name(const struct way *way, size_t number)
{
    static const char *const roofs[ROOFS] = {"read, 256 KiB a call", "memcpy out of a mapping"};
    static const char *const names[][2] = {
        {"read+memchr", "memchr over read's buffer"},
        {"mmap+memchr", "memchr over a mapping"},
        {"maplog", "maplog's splitter over a mapping"},
    };
    if (!way->method)
        return roofs[number];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i][0], way->method->name) == 0)
            return names[i][1];
    return way->method->name;
}

/* ---- a sheet for each length ----------------------------------------------------------------- */

enum { WAY, SPEED, RATE, TIME, CPU, CALLS, FAULTS, SPREAD, COLUMNS };

static void put_way(struct sheet *sheet, const struct way *way, const char *name,
                    const struct measured *measured)
{
    double bytes = (double)way->bytes, lines = (double)way->sum.lines;
    sheet_row(sheet, way->method ? SHEET_MEASURED : SHEET_ROOF);
    sheet_text(sheet, "%s", name);
    passes_speed(sheet, measured, bytes);
    if (!way->method || measured->result) {
        sheet_text(sheet, "%s", "");
        sheet_text(sheet, "%s", "");
    } else {
        sheet_number(sheet, lines / measured->seconds / 1e6);
        sheet_number(sheet, measured->seconds * 1e9 / lines);
    }
    passes_cpu(sheet, measured, bytes);
    passes_count(sheet, measured, COUNTER_CALLS, bytes / (1 << 20));
    passes_count(sheet, measured, COUNTER_FAULTS, bytes / (1 << 20));
    passes_spread(sheet, measured);
}

static void say(struct sheet *sheet, size_t average, const struct way *ways, size_t count,
                const struct measured *measured)
{
    size_t best = ROOFS;
    bool alike = true;
    for (size_t i = ROOFS; i < count; i++) {
        if (!measured[i].result && measured[i].seconds < measured[best].seconds)
            best = i;
        alike &= measured[i].result || (ways[i].sum.lines == ways[ROOFS].sum.lines &&
                                        ways[i].sum.bytes == ways[ROOFS].sum.bytes);
    }
    if (measured[best].result || measured[0].result || measured[1].result)
        return;
    double least, most;
    double roof =
        measured[0].seconds < measured[1].seconds ? measured[0].seconds : measured[1].seconds;
    sheet_say(sheet, "%s of %llu lines. The file is in the page cache.",
              alike ? "All ways found the same number" : "The ways did not all find the number",
              (unsigned long long)ways[ROOFS].sum.lines);
    sheet_say(sheet,
              "The fastest, %s, takes %.2f times as long as the faster roof, which looks at "
              "no line; maplog's splitter works with %s.",
              way_name(&ways[best], best), measured[best].seconds / roof, lines_variant());
    sheet_advise(sheet, "Lines of %zu bytes on average: %s, %.1f times as fast as fgets.", average,
                 way_name(&ways[best], best),
                 1 / passes_ratio(&measured[ROOFS], &measured[best], false, &least, &most));
}

static int run_length(struct lab *lab, const char *path, size_t average)
{
    static const struct sheet_column columns[COLUMNS] = {
        [WAY] = {"way", "", 0},
        [SPEED] = {"speed", "GB/s", 2},
        [RATE] = {"lines", "million per second", 1},
        [TIME] = {"time", "ns per line", 1},
        [CPU] = {"CPU", "s per GB", 3},
        [CALLS] = {"system calls", "per MiB", 2},
        [FAULTS] = {"page faults", "per MiB", 2},
        [SPREAD] = {"spread", "%", 0},
    };
    char name[64], title[128];
    struct way ways[WAYS] = {{0}};
    struct work works[WAYS] = {{NULL, read_roof, &ways[0]}, {NULL, copy_roof, &ways[1]}};
    struct measured measured[WAYS];
    size_t count = ROOFS;
    for (; count < WAYS && line_method(count - ROOFS); count++) {
        ways[count].method = line_method(count - ROOFS);
        works[count] = (struct work){NULL, split, &ways[count]};
    }
    for (size_t i = 0; i < count; i++) {
        ways[i].path = path;
        ways[i].bytes = lab_quick(lab) ? QUICK_BYTES : BYTES;
    }
    int result = write_text(path, average, ways[0].bytes);
    if (result)
        return result;
    passes_run(works, count, lab_quick(lab) ? QUICK_ROUNDS : ROUNDS, measured);
    unlink(path);
    snprintf(name, sizeof name, "lines-%zu", average);
    snprintf(title, sizeof title, "Lines of %zu bytes on average", average);
    struct sheet *sheet = lab_sheet(lab, name, title);
    sheet_columns(sheet, columns, COLUMNS);
    for (size_t i = 0; i < count; i++)
        put_way(sheet, &ways[i], way_name(&ways[i], i), &measured[i]);
    sheet_plot(sheet, &(struct sheet_plot){title, SHEET_BARS, WAY, SPEED, -1, false, false});
    say(sheet, average, ways, count, measured);
    return 0;
}

static int run(struct lab *lab)
{
    static const size_t averages[] = {20, 100, 1000};
    const unsigned count = sizeof averages / sizeof averages[0];
    char path[PATH_BYTES];
    const char *directory = lab_directory(lab, false);
    int result = directory ? 0 : MAPLOG_IO;
    for (unsigned i = 0; !result && i < count; i++) {
        lab_progress(lab, i, count, "lines: %zu bytes on average", averages[i]);
        snprintf(path, sizeof path, "%s/text", directory);
        result = lab_stopped(lab) ? error_set(MAPLOG_CLOSED, "interrupted")
                                  : run_length(lab, path, averages[i]);
    }
    return result;
}

const struct experiment lab_lines = {
    "lines",
    "How fast does a program get the lines of a text file: fgets, getline, memchr, vectors?",
    run,
    40,
    3,
};
