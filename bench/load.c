/*
 * load.c - how fast does the program turn a text file into a topic on fresh segments, and print it?
 *
 * 2 GiB of lines of about 130 bytes, in the page cache. Roof of loading: writing the same bytes,
 * from memory, into a fresh file by one thread, as cp does after it has read them. Roof of
 * printing: reading every byte.
 */
#include "support/bench.h"

#include "cmd/line_methods.h"
#include "support/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_BYTES (2ull << 30)
#define PIECE_BYTES (1u << 20)
#define RUNS 3

static char program[256];

/* Runs the program with these words and its output thrown away; seconds. */
static double run(char *const words[])
{
    double begun = bench_now();
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDOUT_FILENO);
        execv(program, words);
        perror(program);
        _exit(127);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        fprintf(stderr, "bench: %s %s failed\n", program, words[1]);
        exit(1);
    }
    return bench_now() - begun;
}

static double write_fresh(const char *text, size_t bytes, const char *path)
{
    double begun = bench_now();
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (size_t at = 0; at < bytes;) {
        size_t piece = bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES;
        ssize_t written = write(fd, text + at, piece);
        if (written <= 0) {
            perror(path);
            exit(1);
        }
        at += (size_t)written;
    }
    close(fd);
    double seconds = bench_now() - begun;
    unlink(path);
    return seconds;
}

static double load_roof(const char *path, size_t bytes)
{
    char copy[300];
    double seconds[RUNS];
    int fd = open(path, O_RDONLY);
    char *text = mmap(NULL, bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (text == MAP_FAILED) {
        perror(path);
        exit(1);
    }
    snprintf(copy, sizeof copy, "%s.copy", path);
    for (int i = 0; i < RUNS; i++)
        seconds[i] = write_fresh(text, bytes, copy);
    munmap(text, bytes);
    close(fd);
    return (double)bytes / bench_median(seconds, RUNS) / 1e9;
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    const char *slash = strrchr(argv[0], '/');
    snprintf(program, sizeof program, "%.*s/../maplog", slash ? (int)(slash - argv[0]) : 1,
             slash ? argv[0] : ".");
    char path[256], data[256];
    const char *scratch = bench_directory(false);
    snprintf(path, sizeof path, "%s/text", scratch);
    snprintf(data, sizeof data, "%s/data", scratch);
    size_t bytes = (size_t)(bench_quick() ? FILE_BYTES / 10 : FILE_BYTES);
    bench_write_text(path, bytes);
    bench_note("%zu MiB of text in the page cache, fresh segments on %s", bytes >> 20, scratch);
    double roof = load_roof(path, bytes);
    double loads[RUNS], prints[RUNS], touched;
    double cpu = bench_cpu_seconds();
    for (int i = 0; i < RUNS; i++) {
        char *produce[] = {"maplog", "produce", "text", "--lines", path, "--data", data, NULL};
        char *delete[] = {"maplog", "topic", "delete", "text", "--data", data, NULL};
        char *create[] = {"maplog", "topic", "create", "text", "--data", data, NULL};
        if (i > 0)
            run(delete);
        run(create);
        loads[i] = run(produce);
    }
    cpu = (bench_cpu_seconds() - cpu) / RUNS;
    for (int i = 0; i < RUNS; i++) {
        char *consume[] = {"maplog", "consume", "text", "--data", data, NULL};
        prints[i] = run(consume);
    }
    bench_check(line_roof(path, &touched), "reading every byte");
    bench_rate("load_lines", (double)bytes / bench_median(loads, RUNS) / 1e9, "GB/s", roof);
    bench_rate("load_lines_cpu", cpu / ((double)bytes / 1e9), "CPU-s/GB", 0);
    bench_rate("print_lines", (double)bytes / bench_median(prints, RUNS) / 1e9, "GB/s",
               (double)bytes / touched / 1e9);
    return 0;
}
