/*
 * What does it cost to append to a file by memory while it grows?
 *
 * Records of 100 bytes, 256 MiB of them, into a file on a disk's file system that did not exist:
 * by memory through maplog_file_*, which grows in steps of 64 MiB and ends with its true size (each
 * page faults at its first touch, or the step is populated ahead; both are counted), by a pwrite(2)
 * for each record, and by fwrite(3) with its buffer. Nothing is synced. Roof: the copy alone, into
 * anonymous memory that is populated before the clock starts. The methods take turns, run by run.
 *
 * Then the price of the calls: maplog_file_guard() around one touch of the file, beside a bare call
 * through a pointer; maplog_file_grow() by 1 MiB, beside a bare fallocate(2).
 *
 * A file loses its name as soon as it is open: nothing is left of it, however the program ends.
 */
#include <fcntl.h>
#include <maplog_file.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/bench.h"

#define RECORD_BYTES 100
#define FILE_BYTES (256u << 20)
#define STEPS 4               /* in which an appending program makes its file so long */
#define GROW_BYTES (1u << 20) /* whose price is measured */
#define GROWTHS 256
#define CALLS 1000000

static char record[RECORD_BYTES];

static uint64_t file_bytes(void)
{
    return bench_quick() ? FILE_BYTES / 10 : FILE_BYTES;
}

static void give_up(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- files without a name -------------------------------------------------------------------- */

static int open_bare(void)
{
    const char *directory = bench_directory(false);
    char path[160];
    snprintf(path, sizeof path, "%s/file", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        give_up(path);
    bench_forget(directory);
    return fd;
}

static maplog_file *open_mapped(uint64_t size)
{
    const char *directory = bench_directory(false);
    char path[160];
    snprintf(path, sizeof path, "%s/file", directory);
    struct maplog_file_options options = {.flags = MAPLOG_FILE_CREATE, .size = size};
    maplog_file *file;
    bench_check(maplog_file_open(path, &options, &file), "open");
    bench_forget(directory);
    return file;
}

/* ---- appending: seconds for so many records -------------------------------------------------- */

static void store(char *at)
{
    memcpy(at, record, RECORD_BYTES);
    __asm__ volatile("" ::: "memory"); /* each by itself, as in a program that does more */
}

static double append_to_memory(uint64_t records)
{
    size_t bytes = records * RECORD_BYTES;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        give_up("mmap");
    double begun = bench_now();
    for (uint64_t i = 0; i < records; i++)
        store(memory + i * RECORD_BYTES);
    double seconds = bench_now() - begun;
    munmap(memory, bytes);
    return seconds;
}

static double append_by_memory(uint64_t records, bool populate)
{
    maplog_file *file = open_mapped(0);
    char *memory = maplog_file_address(file);
    uint64_t end = 0, size = 0, step = file_bytes() / STEPS;
    double begun = bench_now();
    for (uint64_t i = 0; i < records; i++) {
        if (end + RECORD_BYTES > size) {
            bench_check(maplog_file_grow(file, size + step), "grow");
            if (populate)
                bench_check(maplog_file_advise(file, size, step, MAPLOG_FILE_POPULATE), "populate");
            size += step;
        }
        store(memory + end);
        end += RECORD_BYTES;
    }
    bench_check(maplog_file_shrink(file, end), "shrink");
    double seconds = bench_now() - begun;
    maplog_file_close(file);
    return seconds;
}

static double append_unpopulated(uint64_t records)
{
    return append_by_memory(records, false);
}

static double append_populated(uint64_t records)
{
    return append_by_memory(records, true);
}

static double append_by_pwrite(uint64_t records)
{
    int fd = open_bare();
    double begun = bench_now();
    for (uint64_t i = 0; i < records; i++)
        if (pwrite(fd, record, RECORD_BYTES, (off_t)(i * RECORD_BYTES)) != RECORD_BYTES)
            give_up("pwrite");
    double seconds = bench_now() - begun;
    close(fd);
    return seconds;
}

static double append_by_fwrite(uint64_t records)
{
    FILE *file = fdopen(open_bare(), "w");
    if (!file)
        give_up("fdopen");
    double begun = bench_now();
    for (uint64_t i = 0; i < records; i++)
        if (fwrite(record, RECORD_BYTES, 1, file) != 1)
            give_up("fwrite");
    if (fflush(file) != 0)
        give_up("fflush");
    double seconds = bench_now() - begun;
    fclose(file);
    return seconds;
}

static void measure_appending(void)
{
    static const struct {
        const char *name;
        double (*append)(uint64_t records);
    } methods[] = {
        {"roof", append_to_memory},
        {"file_append_memory", append_unpopulated},
        {"file_append_memory_populated", append_populated},
        {"file_append_pwrite", append_by_pwrite},
        {"file_append_fwrite", append_by_fwrite},
    };
    enum { METHODS = sizeof methods / sizeof *methods };
    uint64_t records = file_bytes() / RECORD_BYTES;
    double rates[METHODS][BENCH_RUNS];
    for (int run = 0; run < BENCH_RUNS; run++)
        for (int i = 0; i < METHODS; i++)
            rates[i][run] = (double)records / methods[i].append(records) / 1e6;
    double roof = bench_median(rates[0], BENCH_RUNS);
    for (int i = 1; i < METHODS; i++)
        bench_rate(methods[i].name, bench_median(rates[i], BENCH_RUNS), "Mrecords/s", roof);
}

/* ---- the price of a call, in ns -------------------------------------------------------------- */

static int touch(void *context)
{
    return *(volatile char *)context;
}

static void measure_guard(void)
{
    maplog_file *file = open_mapped(1);
    void *byte = maplog_file_address(file);
    int (*volatile call)(void *) = touch;
    int calls = bench_quick() ? CALLS / 10 : CALLS;
    double guarded[BENCH_RUNS], bare[BENCH_RUNS];
    for (int run = 0; run < BENCH_RUNS; run++) {
        uint64_t begun = bench_ns();
        for (int i = 0; i < calls; i++)
            call(byte);
        bare[run] = (double)(bench_ns() - begun) / calls;
        begun = bench_ns();
        for (int i = 0; i < calls; i++)
            bench_check(maplog_file_guard(file, call, byte), "guard");
        guarded[run] = (double)(bench_ns() - begun) / calls;
    }
    maplog_file_close(file);
    bench_time("file_guard", bench_median(guarded, BENCH_RUNS), "ns",
               bench_median(bare, BENCH_RUNS));
}

static void measure_growth(void)
{
    double grown[BENCH_RUNS], bare[BENCH_RUNS];
    for (int run = 0; run < BENCH_RUNS; run++) {
        int fd = open_bare();
        uint64_t begun = bench_ns();
        for (uint64_t i = 0; i < GROWTHS; i++)
            if (fallocate(fd, 0, (off_t)(i * GROW_BYTES), GROW_BYTES) != 0)
                give_up("fallocate");
        bare[run] = (double)(bench_ns() - begun) / GROWTHS;
        close(fd);
        maplog_file *file = open_mapped(0);
        begun = bench_ns();
        for (uint64_t i = 1; i <= GROWTHS; i++)
            bench_check(maplog_file_grow(file, i * GROW_BYTES), "grow");
        grown[run] = (double)(bench_ns() - begun) / GROWTHS;
        maplog_file_close(file);
    }
    bench_time("file_grow_1mib", bench_median(grown, BENCH_RUNS), "ns",
               bench_median(bare, BENCH_RUNS));
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    memset(record, 'f', sizeof record);
    bench_note("file: records of %d B into fresh files of %u MiB, in %d steps, nothing synced",
               RECORD_BYTES, (unsigned)(file_bytes() >> 20), STEPS);
    bench_pin(0);
    measure_appending();
    measure_guard();
    measure_growth();
    return 0;
}
