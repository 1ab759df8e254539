/*
 * How fast do records of the kernel module go into a log?
 *
 * Rings as the module makes them, in a memory file, with records of 100 bytes: the loop of maplog
 * drain takes them into fresh segments, on tmpfs and on a disk's file system. drain_full: a ring of
 * 16 MiB is filled, then drained, and only the draining is timed. drain_beside: a ring of 1 MiB, a
 * thread on the other CPU writes as the kernel does, until the last record is in the log. Roof: the
 * same records appended from the program's own memory in batches of 64 KiB, in turns with the rest.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "../tests/support/ring_kernel.h"

#include "cmd/drain_loop.h"
#include "shm/order.h"
#include "support/bench.h"

#define RECORD_BYTES 100
#define FULL_BYTES (16u << 20) /* of the ring that is filled first */
#define BESIDE_BYTES (1u << 20)
#define BATCH_BYTES (64u << 10)
#define SEGMENT_BYTES "1073741824"

static char record[RECORD_BYTES];

/* ---- a log to append to ---------------------------------------------------------------------- */

struct target {
    maplog *log;
    struct door_producer producer;
};

static void open_target(const char *directory, size_t batch_bytes, struct target *target)
{
    static const char *const configs[] = {"segment.bytes=" SEGMENT_BYTES, "retention.ms=-1", NULL};
    *target = (struct target){.log = bench_log(directory, configs)};
    const struct maplog_producer_options options = {.batch_bytes = batch_bytes};
    bench_check(maplog_producer_open(target->log, "bench", &options, &target->producer.near),
                "producer");
}

static void close_target(struct target *target)
{
    bench_check(maplog_producer_close(target->producer.near), "close");
    bench_check(maplog_topic_delete(target->log, "bench"), "delete");
    maplog_close(target->log);
}

/* ---- the ways: seconds for so many records --------------------------------------------------- */

static double append(const char *directory, uint64_t records)
{
    struct target target;
    open_target(directory, BATCH_BYTES, &target);
    struct maplog_record appended = {
        .value = record, .value_size = sizeof record, .timestamp = 1700000000123};
    double begun = bench_now();
    for (uint64_t i = 0; i < records; i++)
        bench_check(maplog_produce_to(target.producer.near, 0, &appended, NULL), "produce");
    bench_check(maplog_flush(target.producer.near), "flush");
    double seconds = bench_now() - begun;
    close_target(&target);
    return seconds;
}

struct draining {
    struct target target;
    struct ring_kernel kernel;
    struct meter meter;
    struct drain_loop loop;
    uint64_t records; /* to be written by the thread */
};

static void begin_draining(struct draining *draining, const char *directory, uint64_t data_bytes)
{
    ring_kernel_open(&draining->kernel, 1, data_bytes);
    open_target(directory, 4 * BATCH_BYTES, &draining->target); /* as maplog drain does */
    meter_begin(&draining->meter, "drained", false);
    draining->meter.live = false;
    draining->loop = (struct drain_loop){
        .fd = draining->kernel.fd,
        .path = "the ring",
        .producer = &draining->target.producer,
        .partitions = 1,
        .chunk = BATCH_BYTES,
        .until_empty = true,
        .meter = &draining->meter,
    };
    bench_check(
        ring_reader_open(draining->kernel.fd, "the ring", RING_READER, &draining->loop.reader),
        "reader");
}

static void end_draining(struct draining *draining)
{
    ring_reader_close(draining->loop.reader);
    close_target(&draining->target);
    ring_kernel_close(&draining->kernel);
}

static double drain_full(const char *directory, uint64_t records)
{
    struct draining draining;
    begin_draining(&draining, directory, FULL_BYTES);
    uint64_t emitted = 0;
    double seconds = 0;
    while (emitted < records) {
        uint64_t room = FULL_BYTES / RING_RECORD_BYTES(RECORD_BYTES);
        for (; room > 0 && emitted < records; room--, emitted++)
            ring_kernel_emit(&draining.kernel, 0, record, sizeof record);
        double begun = bench_now();
        bench_check(drain_loop_run(&draining.loop), "drain");
        seconds += bench_now() - begun;
    }
    if (draining.loop.records != records)
        bench_check(MAPLOG_CORRUPT, "a record is missing");
    end_draining(&draining);
    return seconds;
}

static void *be_the_kernel(void *argument)
{
    struct draining *draining = argument;
    struct ring_header *header = ring_kernel_header(&draining->kernel, 0);
    bench_pin(1);
    for (uint64_t i = 0; i < draining->records; i++) {
        /* Nothing is dropped: a header would be measured too. */
        while (header->head + RING_RECORD_BYTES(RECORD_BYTES) -
                   load_acquire((_Atomic __u64 *)&header->tail) >
               draining->kernel.data_bytes)
            order_pause();
        ring_kernel_emit(&draining->kernel, 0, record, sizeof record);
    }
    return NULL;
}

static double drain_beside(const char *directory, uint64_t records)
{
    struct draining draining;
    pthread_t kernel;
    begin_draining(&draining, directory, BESIDE_BYTES);
    draining.records = records;
    double begun = bench_now();
    if (pthread_create(&kernel, NULL, be_the_kernel, &draining) != 0)
        bench_check(MAPLOG_LIMIT, "thread");
    while (draining.loop.records < records)
        bench_check(drain_loop_run(&draining.loop), "drain");
    double seconds = bench_now() - begun;
    pthread_join(kernel, NULL);
    end_draining(&draining);
    return seconds;
}

/* ---- report ---------------------------------------------------------------------------------- */

static void report(const char *way, const char *place, double *seconds, double *roofs)
{
    double records = bench_quick() ? 400000 : 4000000;
    double rate = records / bench_median(seconds, BENCH_RUNS);
    double roof = records / bench_median(roofs, BENCH_RUNS);
    char name[64];
    snprintf(name, sizeof name, "drain_%s_%s", way, place);
    bench_rate(name, rate / 1e6, "Mrecords/s", roof / 1e6);
    snprintf(name, sizeof name, "drain_%s_%s_bytes", way, place);
    bench_rate(name, rate * RECORD_BYTES / 1e9, "GB/s", roof * RECORD_BYTES / 1e9);
}

static void measure(const char *place, bool in_memory)
{
    const char *directory = bench_directory(in_memory);
    uint64_t records = bench_quick() ? 400000 : 4000000;
    double roof[BENCH_RUNS], full[BENCH_RUNS], beside[BENCH_RUNS];
    for (int i = 0; i < BENCH_RUNS; i++) {
        roof[i] = append(directory, records);
        full[i] = drain_full(directory, records);
        beside[i] = drain_beside(directory, records);
    }
    report("full", place, full, roof);
    report("beside", place, beside, roof);
    bench_forget(directory);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    bench_pin(0);
    memset(record, 'r', sizeof record);
    bench_note("drain: records of %d B into fresh segments, the helper thread counted",
               RECORD_BYTES);
    measure("memory", true);
    measure("disk", false);
    return 0;
}
