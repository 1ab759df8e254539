/*
 * How fast do records go from a producer to a consumer in another process?
 *
 * 100-byte values into a populated segment on a disk's file system; the producer on CPU 0, the
 * consumer on CPU 1 reads every value in place. One record a batch, each visible by itself; 64
 * records a batch; two producers on one partition (no consumer: both CPUs are taken). Roof: the
 * stores alone, the same bytes copied into a populated mapping, one release store a record.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/bench.h"

#define VALUE_BYTES 100
#define BATCH_BYTES 170 /* of one record alone */
#define SEGMENT_BYTES "1073741824"

struct shared {
    _Atomic int ready; /* processes that may begin */
    _Atomic int go;
    _Atomic uint64_t begun_ns;
    _Atomic uint64_t ended_ns; /* of the last to end */
};

struct job {
    const char *directory;
    struct shared *shared;
    uint64_t records;
    size_t batch_bytes;
    unsigned cpu;
};

static void begin_together(struct shared *shared)
{
    atomic_fetch_add(&shared->ready, 1);
    while (!atomic_load(&shared->go))
        __builtin_ia32_pause();
}

static void end_at(struct shared *shared, uint64_t now)
{
    uint64_t seen = atomic_load(&shared->ended_ns);
    while (seen < now && !atomic_compare_exchange_weak(&shared->ended_ns, &seen, now))
        ;
}

static void produce(void *argument)
{
    const struct job *job = argument;
    bench_pin(job->cpu);
    maplog *log = bench_log(job->directory, NULL);
    struct maplog_producer_options options = {.batch_bytes = job->batch_bytes};
    maplog_producer *producer;
    bench_check(maplog_producer_open(log, "bench", &options, &producer), "producer");
    bench_check(maplog_prepare(producer, 0, job->records * (BATCH_BYTES + 20)), "prepare");
    char values[64][VALUE_BYTES];
    for (int i = 0; i < 64; i++)
        memset(values[i], 'a' + i % 26, VALUE_BYTES);
    struct maplog_record record = {.value_size = VALUE_BYTES};
    begin_together(job->shared);
    for (uint64_t i = 0; i < job->records; i++) {
        record.value = values[i & 63];
        bench_check(maplog_produce(producer, &record, NULL), "produce");
    }
    bench_check(maplog_flush(producer), "flush");
    end_at(job->shared, bench_ns());
    bench_check(maplog_producer_close(producer), "close");
    maplog_close(log);
}

static void consume(void *argument)
{
    const struct job *job = argument;
    bench_pin(job->cpu);
    maplog *log = bench_log(job->directory, NULL);
    maplog_consumer *consumer;
    struct maplog_consumer_options options = {.at_end = 1};
    bench_check(maplog_consumer_open(log, "bench", &options, &consumer), "consumer");
    struct maplog_message message;
    maplog_consume(consumer, &message, 0);
    begin_together(job->shared);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < job->records; i++) {
        int got = maplog_consume(consumer, &message, 10000);
        bench_check(got, "consume");
        if (got != 1 || message.value_size != VALUE_BYTES)
            bench_check(MAPLOG_CORRUPT, "a record is missing");
        const uint8_t *value = message.value;
        for (size_t at = 0; at < VALUE_BYTES; at += 64)
            sum += value[at];
        sum += value[VALUE_BYTES - 1];
    }
    end_at(job->shared, bench_ns());
    if (sum == 0)
        exit(1);
    maplog_consumer_close(consumer);
    maplog_close(log);
}

/* Records a second, over all processes, until the last one has ended. */
static double run(uint64_t records, size_t batch_bytes, int producers, bool consumer)
{
    const char *const configs[] = {"segment.bytes=" SEGMENT_BYTES, NULL};
    static const char *directory;
    if (!directory)
        directory = bench_directory(false);
    maplog *log = bench_log(directory, configs);
    struct shared *shared = bench_shared(sizeof *shared);
    struct job jobs[3];
    pid_t children[3];
    int count = 0;
    for (; count < producers; count++) {
        jobs[count] = (struct job){directory, shared, records / (unsigned)producers, batch_bytes,
                                   (unsigned)count};
        children[count] = bench_child(produce, &jobs[count]);
    }
    if (consumer) {
        jobs[count] = (struct job){directory, shared, records, 0, 1};
        children[count] = bench_child(consume, &jobs[count]);
        count++;
    }
    while (atomic_load(&shared->ready) < count)
        usleep(1000);
    uint64_t begun = bench_ns();
    atomic_store(&shared->go, 1);
    for (int i = 0; i < count; i++)
        bench_wait(children[i]);
    double seconds = (double)(atomic_load(&shared->ended_ns) - begun) / 1e9;
    munmap(shared, sizeof *shared);
    bench_check(maplog_topic_delete(log, "bench"), "delete");
    maplog_close(log);
    return (double)records / seconds;
}

static double median_run(uint64_t records, size_t batch_bytes, int producers, bool consumer)
{
    double rates[BENCH_RUNS];
    for (int i = 0; i < BENCH_RUNS; i++)
        rates[i] = run(records, batch_bytes, producers, consumer);
    return bench_median(rates, BENCH_RUNS);
}

/* The stores alone: what a record a batch costs this machine without any log around it. */
static double bare_stores(uint64_t records, size_t record_bytes)
{
    char path[160];
    snprintf(path, sizeof path, "%s/bare", bench_directory(false));
    size_t bytes = records * record_bytes;
    FILE *file = fopen(path, "w+");
    if (!file || posix_fallocate(fileno(file), 0, (off_t)bytes) != 0) {
        perror(path);
        exit(1);
    }
    char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
    if (map == MAP_FAILED || madvise(map, bytes, MADV_POPULATE_WRITE) != 0) {
        perror(path);
        exit(1);
    }
    char batch[BATCH_BYTES] = {1};
    static _Atomic uint64_t tail;
    bench_pin(0);
    double rates[BENCH_RUNS];
    for (int run = 0; run < BENCH_RUNS; run++) {
        double begun = bench_now();
        for (uint64_t i = 0; i < records; i++) {
            __asm__ volatile("" ::: "memory");
            memcpy(map + i * record_bytes, batch, record_bytes);
            atomic_store_explicit(&tail, i, memory_order_release);
        }
        rates[run] = (double)records / (bench_now() - begun);
    }
    munmap(map, bytes);
    fclose(file);
    return bench_median(rates, BENCH_RUNS);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    uint64_t records = bench_quick() ? 400000 : 4000000;
    bench_note("append: %llu records of %d B a run, segment populated before the clock starts",
               (unsigned long long)records, VALUE_BYTES);
    double roof = bare_stores(records, BATCH_BYTES);
    double one = median_run(records, 0, 1, true);
    bench_rate("append_one_by_one", one / 1e6, "Mrecords/s", roof / 1e6);
    double alone = median_run(records, 0, 1, false);
    bench_rate("append_one_by_one_no_reader", alone / 1e6, "Mrecords/s", roof / 1e6);
    double two = median_run(records, 0, 2, false);
    bench_rate("append_two_producers", two / 1e6, "Mrecords/s", alone / 1e6);
    double batch_roof = bare_stores(records, 108);
    double batched = median_run(records, 61 + 64 * 108, 1, true);
    bench_rate("append_64_a_batch", batched / 1e6, "Mrecords/s", batch_roof / 1e6);
    return 0;
}
