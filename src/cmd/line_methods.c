/* line_methods.c - fgets, getline, read, mmap, and lines_find. */
#define _GNU_SOURCE 1
#include "cmd/line_methods.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/lines.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/guard.h"
#include "os/map.h"

#define READ_BYTES (256u << 10)
#define FGETS_BYTES (64u << 10) /* longer lines come in pieces, as with every fgets */
#define FOUND 4096
#define TOUCH_AHEAD 2048
#define RUNS_MAX 16
#define ROOF_RUNS 5

/* The line is in the caller's hands: the compiler must not leave anything out. */
static inline void deliver(struct line_sum *sum, const char *line, size_t length)
{
    __asm__ volatile("" : : "r"(line), "r"(length));
    sum->lines++;
    sum->bytes += length;
}

/* ---- the C library's streams ----------------------------------------------------------------- */

static int by_fgets(const char *path, struct line_sum *sum)
{
    static char buffer[FGETS_BYTES];
    FILE *file = fopen(path, "re");
    if (!file)
        return error_errno(errno, "cannot open %s", path);
    while (fgets(buffer, sizeof buffer, file)) {
        size_t length = strlen(buffer);
        deliver(sum, buffer, length - (length > 0 && buffer[length - 1] == '\n'));
    }
    fclose(file);
    return 0;
}

static int by_getline(const char *path, struct line_sum *sum)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return error_errno(errno, "cannot open %s", path);
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    while ((length = getline(&line, &capacity, file)) >= 0)
        deliver(sum, line, (size_t)length - (line[length - 1] == '\n'));
    free(line);
    fclose(file);
    return 0;
}

/* ---- read and memchr ------------------------------------------------------------------------- */

/* Delivers the whole lines of [buffer, end); returns where the rest begins. */
static char *split_by_memchr(char *at, char *end, struct line_sum *sum)
{
    char *newline;
    while ((newline = memchr(at, '\n', (size_t)(end - at)))) {
        deliver(sum, at, (size_t)(newline - at));
        at = newline + 1;
    }
    return at;
}

static int read_all(int fd, const char *path, struct line_sum *sum)
{
    size_t capacity = READ_BYTES, used = 0, got = 1;
    char *buffer = malloc(capacity);
    int result = buffer ? 0 : MAPLOG_NO_MEMORY;
    while (!result && got > 0) {
        result = file_read_stream(fd, path, buffer + used, capacity - used, &got);
        if (result || got == 0)
            break;
        used += got;
        char *rest = split_by_memchr(buffer, buffer + used, sum);
        used -= (size_t)(rest - buffer);
        memmove(buffer, rest, used);
        if (used == capacity) {
            char *larger = realloc(buffer, capacity *= 2);
            result = larger ? 0 : MAPLOG_NO_MEMORY;
            buffer = larger ? larger : buffer;
        }
    }
    if (!result && used > 0)
        deliver(sum, buffer, used);
    free(buffer);
    return result == MAPLOG_NO_MEMORY ? error_set(result, "no memory for a line of %s", path)
                                      : result;
}

static int by_read(const char *path, struct line_sum *sum)
{
    int fd;
    int result = file_open(AT_FDCWD, path, O_RDONLY, 0, &fd);
    if (result)
        return result;
    result = read_all(fd, path, sum);
    file_close(fd);
    return result;
}

/* ---- mappings -------------------------------------------------------------------------------- */

struct mapped {
    char *text;
    size_t size;
    struct line_sum *sum;
};

static int with_mapping(const char *path, struct line_sum *sum, int (*run)(void *mapped))
{
    int fd;
    int result = file_open(AT_FDCWD, path, O_RDONLY, 0, &fd);
    if (result)
        return result;
    struct file_identity file;
    void *text = NULL;
    result = file_identify(fd, path, &file);
    if (!result && file.size > 0)
        result = map_file(fd, path, 0, file.size, MAP_MODE_READ, &text);
    file_close(fd);
    if (result || !text)
        return result;
    struct mapped mapped = {.text = text, .size = file.size, .sum = sum};
    result = guard_run(text, file.size, path, run, &mapped);
    map_remove(text, file.size);
    return result;
}

static int memchr_mapped(void *context)
{
    struct mapped *mapped = context;
    char *end = mapped->text + mapped->size;
    char *rest = split_by_memchr(mapped->text, end, mapped->sum);
    if (rest < end)
        deliver(mapped->sum, rest, (size_t)(end - rest));
    return 0;
}

static int by_mmap(const char *path, struct line_sum *sum)
{
    return with_mapping(path, sum, memchr_mapped);
}

static int find_mapped(void *context)
{
    struct mapped *mapped = context;
    uint32_t ends[FOUND];
    size_t at = 0, searched = 0;
    while (searched < mapped->size) {
        size_t left = mapped->size - searched;
        size_t length = left < UINT32_MAX / 2 ? left : UINT32_MAX / 2;
        size_t found = lines_find(mapped->text + searched, length, ends, FOUND);
        for (size_t i = 0; i < found; i++) {
            size_t end = searched + ends[i];
            deliver(mapped->sum, mapped->text + at, end - at);
            at = end + 1;
        }
        searched = found == FOUND ? at : searched + length;
    }
    if (at < mapped->size)
        deliver(mapped->sum, mapped->text + at, mapped->size - at);
    return 0;
}

static int by_lines_find(const char *path, struct line_sum *sum)
{
    return with_mapping(path, sum, find_mapped);
}

typedef uint64_t words __attribute__((vector_size(16)));

static inline words load_words(const char *at)
{
    words loaded;
    memcpy(&loaded, at, sizeof loaded);
    return loaded;
}

static int touch_mapped(void *context)
{
    struct mapped *mapped = context;
    words a = {0}, b = {0}, c = {0}, d = {0};
    const char *at = mapped->text;
    const char *end = at + mapped->size;
    for (; (size_t)(end - at) >= 4 * sizeof a; at += 4 * sizeof a) {
        __builtin_prefetch(at + TOUCH_AHEAD); /* the CPU's own stops at each page */
        a += load_words(at);
        b += load_words(at + 16);
        c += load_words(at + 32);
        d += load_words(at + 48);
    }
    a += b + c + d;
    __asm__ volatile("" : : "m"(a));
    return 0;
}

/* ---- measuring ------------------------------------------------------------------------------- */

const struct line_method *line_method(size_t i)
{
    static const struct line_method methods[] = {
        {"fgets", by_fgets},      {"getline", by_getline},   {"read+memchr", by_read},
        {"mmap+memchr", by_mmap}, {"maplog", by_lines_find},
    };
    return i < sizeof methods / sizeof methods[0] ? &methods[i] : NULL;
}

static int by_seconds(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Seconds of each run, ascending. */
static int measure(const struct line_method *method, const char *path, unsigned runs,
                   double times[static RUNS_MAX], struct line_sum *sum)
{
    for (unsigned i = 0; i < runs; i++) {
        *sum = (struct line_sum){0};
        int64_t begun = clock_monotonic_ns();
        int result = method->run(path, sum);
        if (result)
            return result;
        times[i] = (double)(clock_monotonic_ns() - begun) / 1e9;
    }
    qsort(times, runs, sizeof *times, by_seconds);
    return 0;
}

int line_measure(const struct line_method *method, const char *path, unsigned runs, double *seconds,
                 struct line_sum *sum)
{
    double times[RUNS_MAX];
    if (runs < 1 || runs > RUNS_MAX)
        return error_set(MAPLOG_INVALID, "%u runs", runs);
    int result = measure(method, path, runs, times, sum);
    if (!result)
        *seconds = times[runs / 2];
    return result;
}

static int by_touch(const char *path, struct line_sum *sum)
{
    return with_mapping(path, sum, touch_mapped);
}

int line_roof(const char *path, double *seconds)
{
    static const struct line_method touch = {"touch", by_touch};
    struct line_sum sum;
    double times[RUNS_MAX];
    int result = measure(&touch, path, ROOF_RUNS, times, &sum);
    if (!result)
        *seconds = times[0];
    return result;
}
