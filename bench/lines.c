/* lines.c - splitting text into lines, one thread: what programs do, and what maplog does. */
#include "support/bench.h"

#include "cmd/line_methods.h"

#include <stdio.h>
#include <stdlib.h>

#define FILE_BYTES (1u << 30)
#define LINE_BYTES 130 /* on average, newline included */
#define RUNS 5

/* Lines of 1 to 2 * LINE_BYTES - 1 bytes, from a generator that is the same everywhere. */
static void write_text(const char *path, size_t bytes)
{
    char line[2 * LINE_BYTES];
    FILE *file = fopen(path, "w");
    uint32_t state = 1;
    size_t written = 0;
    if (!file) {
        perror(path);
        exit(1);
    }
    setvbuf(file, NULL, _IOFBF, 1u << 20); /* written in large pieces, as cp does */
    while (written < bytes) {
        size_t length = 0;
        state = state * 1664525u + 1013904223u;
        size_t wanted = (state >> 8) % (2 * LINE_BYTES - 1);
        while (length < wanted) {
            line[length] = (char)('a' + (length + (state >> 24)) % 26);
            length++;
        }
        line[length++] = '\n';
        if (fwrite(line, 1, length, file) != length) {
            perror(path);
            exit(1);
        }
        written += length;
    }
    fclose(file);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    char path[256];
    snprintf(path, sizeof path, "%s/text", bench_directory(false));
    size_t bytes = bench_quick() ? FILE_BYTES / 10 : FILE_BYTES;
    write_text(path, bytes);
    bench_note("%zu MiB of text in the page cache, lines of %d bytes on average, one thread",
               bytes >> 20, LINE_BYTES);
    bench_pin(0);
    double seconds, roof;
    bench_check(line_roof(path, &seconds), "reading every byte");
    roof = (double)bytes / seconds / 1e9;
    for (size_t i = 0; line_method(i); i++) {
        struct line_sum sum;
        char name[64];
        bench_check(line_measure(line_method(i), path, RUNS, &seconds, &sum), "splitting lines");
        snprintf(name, sizeof name, "lines_%s", line_method(i)->name);
        bench_rate(name, (double)(sum.bytes + sum.lines) / seconds / 1e9, "GB/s", roof);
    }
    return 0;
}
