/*
 * How fast does a consumer read what lies in the page cache, in place, touching every byte?
 *
 * 1 KiB values, 16 a batch, 1 GiB in one segment, read by a process that maps it for the first
 * time. Roof: the same summing over the same file's bytes, mapped, without looking at any batch.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/bench.h"

#define VALUE_BYTES 1024

static const char *directory;

/* Adds up all bytes, eight at a time; simple enough for the compiler to use vectors. */
static uint64_t sum_bytes(const uint8_t *bytes, size_t size)
{
    uint64_t sum = 0;
    for (size_t at = 0; at + 8 <= size; at += 8) {
        uint64_t word;
        memcpy(&word, bytes + at, sizeof word);
        sum += word;
    }
    return sum;
}

static void fill(uint64_t records)
{
    const char *const configs[] = {"segment.bytes=2147483647", NULL};
    maplog *log = bench_log(directory, configs);
    struct maplog_producer_options options = {.batch_bytes = 16 * (VALUE_BYTES + 12) + 61};
    maplog_producer *producer;
    bench_check(maplog_producer_open(log, "bench", &options, &producer), "producer");
    uint8_t value[VALUE_BYTES];
    memset(value, 7, sizeof value);
    struct maplog_record record = {.value = value, .value_size = sizeof value};
    for (uint64_t i = 0; i < records; i++)
        bench_check(maplog_produce(producer, &record, NULL), "produce");
    bench_check(maplog_producer_close(producer), "close");
    maplog_close(log);
}

/* Bytes of values a second. */
static double consume_all(uint64_t records)
{
    bench_pin(0);
    maplog *log = bench_log(directory, NULL);
    maplog_consumer *consumer;
    bench_check(maplog_consumer_open(log, "bench", NULL, &consumer), "consumer");
    struct maplog_message message;
    uint64_t sum = 0;
    double begun = bench_now();
    for (uint64_t i = 0; i < records; i++) {
        int got = maplog_consume(consumer, &message, 0);
        bench_check(got, "consume");
        if (got != 1 || message.value_size != VALUE_BYTES)
            bench_check(MAPLOG_CORRUPT, "a record is missing");
        sum += sum_bytes(message.value, VALUE_BYTES);
    }
    double seconds = bench_now() - begun;
    if (sum != records * (VALUE_BYTES / 8) * 0x0707070707070707ull)
        bench_check(MAPLOG_CORRUPT, "wrong sum");
    maplog_consumer_close(consumer);
    maplog_close(log);
    return (double)records * VALUE_BYTES / seconds;
}

static double sum_file(void)
{
    char path[256];
    snprintf(path, sizeof path, "%s/bench-0/00000000000000000000.log", directory);
    int fd = open(path, O_RDONLY);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        perror(path);
        exit(1);
    }
    size_t size = (size_t)status.st_size;
    double begun = bench_now();
    uint8_t *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        perror(path);
        exit(1);
    }
    uint64_t sum = sum_bytes(map, size);
    double seconds = bench_now() - begun;
    munmap(map, size);
    close(fd);
    return sum ? (double)size / seconds : 0;
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    uint64_t records = bench_quick() ? 100000 : 1000000;
    directory = bench_directory(false);
    fill(records);
    bench_note("read: %llu records of %d B in the page cache, mapped anew in each run",
               (unsigned long long)records, VALUE_BYTES);
    double rates[BENCH_RUNS], roofs[BENCH_RUNS];
    for (int i = 0; i < BENCH_RUNS; i++) {
        roofs[i] = sum_file();
        rates[i] = consume_all(records);
    }
    bench_rate("read_in_place", bench_median(rates, BENCH_RUNS) / 1e9, "GB/s",
               bench_median(roofs, BENCH_RUNS) / 1e9);
    return 0;
}
