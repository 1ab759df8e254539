/* lines.c - splitting text into lines, one thread: what programs do, and what maplog does. */
#include "support/bench.h"

#include "cmd/line_methods.h"
#include "support/text.h"

#include <stdio.h>

#define FILE_BYTES (1u << 30)
#define RUNS 5

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    char path[256];
    snprintf(path, sizeof path, "%s/text", bench_directory(false));
    size_t bytes = bench_quick() ? FILE_BYTES / 10 : FILE_BYTES;
    bench_write_text(path, bytes);
    bench_note("%zu MiB of text in the page cache, lines of %d bytes on average, one thread",
               bytes >> 20, BENCH_LINE_BYTES);
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
