/*
 * count_words - how often each word is in a text, counted by all CPUs.
 *
 *     count_words book.txt          # the ten commonest words
 *     count_words book.txt 20 4     # the twenty commonest, by four threads
 *
 * A word is what lies between spaces (also tabs and ends of lines), as it is. The file is memory;
 * each thread has a part of it, from one line's begin to another's, and a table of its own. Lines
 * are found by the library's splitter, so this builds in the source tree.
 */
#include <maplog_file.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/lines.h"
#include "support/words.h"

#define MOST_THREADS 256
#define FOUND 1024       /* line ends that are looked for at a time */
#define PIECE (1u << 30) /* bytes in which they are looked for */

static _Noreturn void fail(const char *why)
{
    fprintf(stderr, "count_words: %s\n", why);
    exit(1);
}

struct part {
    const char *at, *end;
    struct words words; /* that it found */
    uint64_t lines;
    pthread_t thread;
};

static void count_line(struct part *part, const char *at, const char *end)
{
    part->lines++;
    while (at < end) {
        struct word word = {.at = at, .hash = 14695981039346656037u, .count = 1}; /* FNV-1a */
        for (; at < end && *at != ' ' && *at != '\t' && *at != '\r' && *at != '\n'; at++)
            word.hash = (word.hash ^ (unsigned char)*at) * 1099511628211u;
        word.size = (size_t)(at - word.at);
        word.hash ^= word.hash >> 32; /* the low bits choose the slot */
        if (word.size > 0 && words_add(&part->words, &word) != 0)
            fail("no memory");
        at++; /* behind what ends it */
    }
}

static void *count_part(void *argument)
{
    struct part *part = argument;
    const char *line = part->at, *searched = part->at;
    uint32_t ends[FOUND];
    while (searched < part->end) {
        size_t left = (size_t)(part->end - searched), length = left < PIECE ? left : PIECE;
        size_t found = lines_find(searched, length, ends, FOUND);
        for (size_t i = 0; i < found; i++) {
            count_line(part, line, searched + ends[i]);
            line = searched + ends[i] + 1;
        }
        searched = found == FOUND ? line : searched + length;
    }
    if (line < part->end)
        count_line(part, line, part->end); /* the last line has no end */
    return NULL;
}

int main(int argc, char **argv)
{
    struct maplog_file_options options = {.flags = MAPLOG_FILE_READ_ONLY};
    struct part parts[MOST_THREADS] = {0};
    struct words all = {0};
    unsigned long long lines = 0;
    struct timespec begin, end;
    maplog_file *file;
    long top = argc > 2 ? strtol(argv[2], NULL, 10) : 10;
    long threads = argc > 3 ? strtol(argv[3], NULL, 10) : sysconf(_SC_NPROCESSORS_ONLN);
    threads = threads < MOST_THREADS ? threads : MOST_THREADS;
    if (argc < 2 || argc > 4 || top < 0 || threads < 1) {
        fprintf(stderr, "usage: count_words FILE [TOP [THREADS]]\n");
        return 2;
    }
    clock_gettime(CLOCK_MONOTONIC, &begin);
    if (maplog_file_open(argv[1], &options, &file) != 0)
        fail(maplog_error_text());
    const char *text = maplog_file_address(file), *limit = text + maplog_file_size(file);
    for (long i = 0; i < threads; i++) {
        const char *cut = text + (limit - text) / (threads - i);
        const char *line = cut < limit ? memchr(cut, '\n', (size_t)(limit - cut)) : NULL;
        parts[i].at = text;
        parts[i].end = text = line ? line + 1 : limit;
        if (pthread_create(&parts[i].thread, NULL, count_part, &parts[i]) != 0)
            fail("no thread");
    }
    for (long i = 0; i < threads; i++) {
        pthread_join(parts[i].thread, NULL);
        lines += parts[i].lines;
        if (words_add_all(&all, &parts[i].words) != 0)
            fail("no memory");
    }
    words_sort(&all);
    clock_gettime(CLOCK_MONOTONIC, &end);
    for (size_t i = 0; i < all.used && i < (size_t)top; i++)
        printf("%8llu %.*s\n", (unsigned long long)all.slots[i].count, (int)all.slots[i].size,
               all.slots[i].at);
    double seconds =
        (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    printf("%llu lines, %zu words that differ; %.1f million lines a second by %ld threads\n", lines,
           all.used, (double)lines / seconds / 1e6, threads);
    return 0; /* memory and file go with the process */
}
