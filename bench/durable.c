/*
 * What does a durable acknowledgement cost, and what do producers gain that share commits?
 *
 * 1 KiB values, MAPLOG_ACKS_DISK, each acknowledged before the next. Roof for one producer:
 * pwrite and fdatasync of the same bytes to an allocated file of the same file system. Sixteen
 * producers (processes) against one. Bytes that reached the disk come from the block device's own
 * counter, other writers of the machine included.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "support/bench.h"

#define VALUE_BYTES 1024
#define BATCH_BYTES 1096
#define MANY 16

static const char *directory;
static uint64_t records;

struct shared {
    _Atomic int ready;
    _Atomic int go;
};
static struct shared *shared;

/* Sectors written to the device that holds the directory; -1 where it cannot be told. */
static double written_bytes(void)
{
    struct stat status;
    char path[128];
    if (stat(directory, &status) != 0)
        return -1;
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u/stat", major(status.st_dev),
             minor(status.st_dev));
    FILE *file = fopen(path, "r");
    unsigned long long sectors;
    int got = file ? fscanf(file, "%*u %*u %*u %*u %*u %*u %llu", &sectors) : 0;
    if (file)
        fclose(file);
    return got == 1 ? (double)sectors * 512 : -1;
}

static void produce(void *argument)
{
    (void)argument;
    maplog *log = bench_log(directory, NULL);
    struct maplog_producer_options options = {.acks = MAPLOG_ACKS_DISK};
    maplog_producer *producer;
    bench_check(maplog_producer_open(log, "bench", &options, &producer), "producer");
    char value[VALUE_BYTES];
    memset(value, 'd', sizeof value);
    struct maplog_record record = {.value = value, .value_size = sizeof value};
    bench_check(maplog_produce(producer, &record, NULL), "produce"); /* makes the segment */
    atomic_fetch_add(&shared->ready, 1);
    while (!atomic_load(&shared->go))
        usleep(100);
    for (uint64_t i = 0; i < records; i++)
        bench_check(maplog_produce(producer, &record, NULL), "produce");
    bench_check(maplog_producer_close(producer), "close");
    maplog_close(log);
}

/* Acknowledged records a second; bytes: written to the disk for each. */
static double run(int producers, double *bytes)
{
    double rates[BENCH_RUNS], volumes[BENCH_RUNS];
    for (int i = 0; i < BENCH_RUNS; i++) {
        directory = bench_directory(false);
        maplog *log = bench_log(directory, NULL);
        shared = bench_shared(sizeof *shared);
        pid_t children[MANY];
        for (int p = 0; p < producers; p++)
            children[p] = bench_child(produce, NULL);
        while (atomic_load(&shared->ready) < producers)
            usleep(1000);
        double before = written_bytes(), begun = bench_now();
        atomic_store(&shared->go, 1);
        for (int p = 0; p < producers; p++)
            bench_wait(children[p]);
        double acknowledged = (double)records * producers;
        rates[i] = acknowledged / (bench_now() - begun);
        volumes[i] = (written_bytes() - before) / acknowledged;
        munmap(shared, sizeof *shared);
        maplog_close(log);
        bench_forget(directory);
    }
    *bytes = bench_median(volumes, BENCH_RUNS);
    return bench_median(rates, BENCH_RUNS);
}

static double bare_sync(double *bytes)
{
    double rates[BENCH_RUNS], volumes[BENCH_RUNS];
    char batch[BATCH_BYTES] = {1};
    for (int i = 0; i < BENCH_RUNS; i++) {
        char path[160];
        directory = bench_directory(false);
        snprintf(path, sizeof path, "%s/bare", directory);
        int fd = open(path, O_RDWR | O_CREAT, 0600);
        if (fd < 0 || posix_fallocate(fd, 0, (off_t)(records * BATCH_BYTES)) != 0 ||
            fsync(fd) != 0) {
            perror(path);
            exit(1);
        }
        double before = written_bytes(), begun = bench_now();
        for (uint64_t r = 0; r < records; r++) {
            if (pwrite(fd, batch, sizeof batch, (off_t)(r * sizeof batch)) != sizeof batch ||
                fdatasync(fd) != 0) {
                perror(path);
                exit(1);
            }
        }
        rates[i] = (double)records / (bench_now() - begun);
        volumes[i] = (written_bytes() - before) / (double)records;
        close(fd);
        bench_forget(directory);
    }
    *bytes = bench_median(volumes, BENCH_RUNS);
    return bench_median(rates, BENCH_RUNS);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    records = bench_quick() ? 100 : 1000;
    bench_note("durable: values of %d B, fresh segments, acknowledged one by one", VALUE_BYTES);
    double bare_bytes, one_bytes, many_bytes;
    double bare = bare_sync(&bare_bytes);
    double one = run(1, &one_bytes);
    double many = run(MANY, &many_bytes);
    bench_rate("durable_one_producer", one, "acks/s", bare);
    bench_rate("durable_16_producers", many, "acks/s", one);
    bench_time("durable_bytes_an_ack", one_bytes, "B", bare_bytes);
    bench_time("durable_16_bytes_an_ack", many_bytes, "B", bare_bytes);
    return 0;
}
