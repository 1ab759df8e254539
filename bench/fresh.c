/*
 * How fast do records go into files that never existed, everything counted?
 *
 * 100-byte values into fresh 1 GiB segments on a disk's file system, 4 GiB in all, one by one and
 * in batches of 64 KiB; producer and helper thread run where the kernel puts them. The CPU time of
 * all threads is reported beside the rate. Roof: a plain program that allocates the
 * same file, maps it and copies the same bytes into it, page faults included.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/bench.h"

#define VALUE_BYTES 100
#define RUNS 3

struct outcome {
    double rate;        /* records a second */
    double cpu_seconds; /* of all threads, for a GB of values */
};

static struct outcome produce(uint64_t records, size_t batch_bytes)
{
    double rates[RUNS], cpu[RUNS];
    for (int run = 0; run < RUNS; run++) {
        const char *directory = bench_directory(false);
        maplog *log = bench_log(directory, NULL);
        struct maplog_producer_options options = {.batch_bytes = batch_bytes};
        maplog_producer *producer;
        bench_check(maplog_producer_open(log, "bench", &options, &producer), "producer");
        char value[VALUE_BYTES];
        memset(value, 'f', sizeof value);
        struct maplog_record record = {.value = value, .value_size = sizeof value};
        double cpu_before = bench_cpu_seconds(), begun = bench_now();
        for (uint64_t i = 0; i < records; i++)
            bench_check(maplog_produce(producer, &record, NULL), "produce");
        bench_check(maplog_producer_close(producer), "close");
        rates[run] = (double)records / (bench_now() - begun);
        cpu[run] = (bench_cpu_seconds() - cpu_before) / ((double)records * VALUE_BYTES / 1e9);
        maplog_close(log);
        bench_forget(directory);
    }
    return (struct outcome){bench_median(rates, RUNS), bench_median(cpu, RUNS)};
}

/* Bytes a second into a fresh mapping. */
static double bare(uint64_t bytes, size_t chunk)
{
    double rates[RUNS];
    static char source[1 << 16];
    for (int run = 0; run < RUNS; run++) {
        const char *directory = bench_directory(false);
        char path[160];
        snprintf(path, sizeof path, "%s/bare", directory);
        int fd = open(path, O_RDWR | O_CREAT, 0600);
        double begun = bench_now();
        if (fd < 0 || posix_fallocate(fd, 0, (off_t)bytes) != 0) {
            perror(path);
            exit(1);
        }
        char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED) {
            perror(path);
            exit(1);
        }
        for (uint64_t at = 0; at + chunk <= bytes; at += chunk)
            memcpy(map + at, source, chunk);
        rates[run] = (double)bytes / (bench_now() - begun);
        munmap(map, bytes);
        close(fd);
        bench_forget(directory);
    }
    return bench_median(rates, RUNS);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    uint64_t bytes = bench_quick() ? 400ull << 20 : 4ull << 30;
    bench_note("fresh: %llu MiB of batches into files that did not exist",
               (unsigned long long)bytes >> 20);
    uint64_t alone = bytes / 170, packed = bytes / 108;
    double roof = bare(bytes, 1 << 16);
    struct outcome one = produce(alone, 0);
    struct outcome batched = produce(packed, 64 << 10);
    bench_rate("fresh_one_by_one", one.rate / 1e6, "Mrecords/s", roof / 170 / 1e6);
    bench_rate("fresh_one_by_one_cpu", one.cpu_seconds, "s/GB", 0);
    bench_rate("fresh_64k_batches", batched.rate * VALUE_BYTES / 1e9, "GB/s", roof / 1e9);
    bench_rate("fresh_64k_batches_cpu", batched.cpu_seconds, "s/GB", 0);
    return 0;
}
