/*
 * append_by_memory - appends lines to a file by storing them to memory, from any number of
 * processes at a time, while the file grows in place.
 *
 *     one | append_by_memory notes & another | append_by_memory notes; wait
 *
 * While some process is at it, the file is longer than its lines, with zeros behind them. The last
 * one to end trims it. FILE.end is where they agree on what comes next; it stays.
 *
 * cc append_by_memory.c $(pkg-config --cflags --libs maplog)
 */
#include <fcntl.h>
#include <inttypes.h>
#include <maplog_file.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#define GROWTH (1u << 20) /* the file grows by so much at a time, ahead of the lines */

/* Gives the answer of a call back, or ends the program with what went wrong. */
static int check(int answer)
{
    if (answer < 0) {
        fprintf(stderr, "append_by_memory: %s\n", maplog_error_text());
        exit(1);
    }
    return answer;
}

static maplog_file *open_file(const char *path)
{
    struct maplog_file_options options = {.flags = MAPLOG_FILE_CREATE};
    maplog_file *file;
    check(maplog_file_open(path, &options, &file));
    return file;
}

/* Where the next line goes, at byte 0 of FILE.end: one addition gives it a place of its own. */
static _Atomic uint64_t *open_end(maplog_file *end, const maplog_file *file)
{
    uint64_t unknown = 0, size = maplog_file_size(file);
    check(maplog_file_grow(end, sizeof(uint64_t))); /* zero, of whoever makes it first */
    _Atomic uint64_t *next = maplog_file_address(end);
    /* A file that was there before FILE.end is appended to. */
    atomic_compare_exchange_strong(next, &unknown, size);
    return next;
}

static void append(maplog_file *file, _Atomic uint64_t *next, const char *line, size_t size)
{
    uint64_t position = atomic_fetch_add(next, size); /* these bytes are ours alone */
    if (position + size > maplog_file_size(file))     /* room first: no full disk can kill us */
        check(maplog_file_grow(file, (position + size + GROWTH) / GROWTH * GROWTH));
    memcpy((char *)maplog_file_address(file) + position, line, size);
}

int main(int argc, char **argv)
{
    char name[4096];
    if (argc != 2 || snprintf(name, sizeof name, "%s.end", argv[1]) >= (int)sizeof name) {
        fprintf(stderr, "usage: append_by_memory FILE <LINES\n");
        return 2;
    }
    maplog_file *file = open_file(argv[1]), *end = open_file(name);
    _Atomic uint64_t *next = open_end(end, file);

    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    uint64_t lines = 0;
    for (; (size = getline(&line, &room, stdin)) > 0; lines++)
        append(file, next, line, (size_t)size);
    free(line);
    if (ferror(stdin)) {
        perror("append_by_memory: standard input");
        return 1;
    }

    /* One after the other asks whether it is the last one, and only then lets go. */
    int turn = open(name, O_RDONLY | O_CLOEXEC);
    if (turn < 0 || flock(turn, LOCK_EX) != 0) {
        perror(name);
        return 1;
    }
    int trimmed = maplog_file_shrink(file, atomic_load(next));
    if (trimmed != MAPLOG_BUSY)
        check(trimmed);
    maplog_file_close(file);
    maplog_file_close(end);
    printf("%" PRIu64 " lines%s\n", lines, trimmed ? "" : "; the file is trimmed");
    return 0; /* the lock goes with the process */
}
