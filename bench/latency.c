/*
 * How long from a producer's call to the consumer having the record in its hands?
 *
 * 100-byte values stamped at the call, producer on CPU 0, consumer on CPU 1, populated segment.
 * Spinning: 1,000,000 records/s, the consumer never sleeps; roof: a bare cache line handed over
 * between the same CPUs, half of a round trip. Sleeping: 20,000 records/s, the consumer sleeps each
 * time; roof: a bare futex wake between the same CPUs.
 */
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/histogram.h"
#include "os/clock.h"
#include "support/bench.h"

#define VALUE_BYTES 100

struct shared {
    _Alignas(64) _Atomic uint32_t ping;
    _Alignas(64) _Atomic uint32_t pong;
    _Alignas(64) _Atomic int ready;
    _Atomic int go;
    struct histogram latency;
};

static struct shared *shared;
static const char *directory;
static uint64_t records;
static uint64_t interval_ticks;
static bool sleeping;

static void begin_together(int all)
{
    atomic_fetch_add(&shared->ready, 1);
    while (atomic_load(&shared->ready) < all)
        __builtin_ia32_pause();
}

static void consume(void *argument)
{
    (void)argument;
    bench_pin(1);
    maplog *log = bench_log(directory, NULL);
    maplog_consumer *consumer;
    struct maplog_consumer_options options = {.at_end = 1};
    bench_check(maplog_consumer_open(log, "bench", &options, &consumer), "consumer");
    struct maplog_message message;
    maplog_consume(consumer, &message, 0);
    begin_together(2);
    for (uint64_t i = 0; i < records; i++) {
        int got;
        do {
            got = maplog_consume(consumer, &message, sleeping ? -1 : 0);
            bench_check(got, "consume");
        } while (got == 0);
        uint64_t stamp, now = clock_ticks();
        memcpy(&stamp, message.value, sizeof stamp);
        if (i >= records / 10) /* the first tenth warms up */
            histogram_add(&shared->latency, now > stamp ? now - stamp : 0);
    }
    maplog_consumer_close(consumer);
    maplog_close(log);
}

static void produce(void)
{
    bench_pin(0);
    maplog *log = bench_log(directory, NULL);
    maplog_producer *producer;
    bench_check(maplog_producer_open(log, "bench", NULL, &producer), "producer");
    bench_check(maplog_prepare(producer, 0, records * 180), "prepare");
    uint8_t value[VALUE_BYTES] = {0};
    struct maplog_record record = {.value = value, .value_size = sizeof value};
    begin_together(2);
    uint64_t due = clock_ticks() + 1000000;
    for (uint64_t i = 0; i < records; i++, due += interval_ticks) {
        while (clock_ticks() < due)
            __builtin_ia32_pause();
        uint64_t stamp = clock_ticks();
        memcpy(value, &stamp, sizeof stamp);
        bench_check(maplog_produce(producer, &record, NULL), "produce");
    }
    maplog_producer_close(producer);
    maplog_close(log);
}

struct result {
    double p50, p99;
};

static struct result run(uint64_t count, uint64_t per_second, bool sleeps)
{
    const char *const configs[] = {"segment.bytes=1073741824", NULL};
    double p50[BENCH_RUNS], p99[BENCH_RUNS];
    double per_ns = (double)clock_ticks_per_us() / 1000;
    directory = bench_directory(true);
    maplog *log = bench_log(directory, configs);
    for (int i = 0; i < BENCH_RUNS; i++) {
        shared = bench_shared(sizeof *shared);
        histogram_clear(&shared->latency);
        records = count;
        sleeping = sleeps;
        interval_ticks = clock_ticks_per_us() * 1000000 / per_second;
        pid_t child = bench_child(consume, NULL);
        produce();
        bench_wait(child);
        p50[i] = (double)histogram_percentile(&shared->latency, 50) / per_ns;
        p99[i] = (double)histogram_percentile(&shared->latency, 99) / per_ns;
    }
    maplog_close(log);
    return (struct result){bench_median(p50, BENCH_RUNS), bench_median(p99, BENCH_RUNS)};
}

/* ---- roofs ----------------------------------------------------------------------------------- */

static void wait_for(_Atomic uint32_t *word, uint32_t value)
{
    while (atomic_load(word) != value) {
        if (sleeping)
            syscall(SYS_futex, word, FUTEX_WAIT, value - 1, NULL, NULL, 0);
        else
            __builtin_ia32_pause();
    }
}

static void hand_over(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store(word, value);
    if (sleeping)
        syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void answer(void *argument)
{
    (void)argument;
    bench_pin(1);
    for (uint32_t i = 1; i <= records; i++) {
        wait_for(&shared->ping, i);
        hand_over(&shared->pong, i);
    }
}

/* Half of a round trip over two words, nanoseconds. */
static double bare_hand_over(uint64_t count, bool sleeps)
{
    double times[BENCH_RUNS];
    for (int run = 0; run < BENCH_RUNS; run++) {
        shared = bench_shared(sizeof *shared);
        records = count;
        sleeping = sleeps;
        pid_t child = bench_child(answer, NULL);
        bench_pin(0);
        static struct histogram trips;
        histogram_clear(&trips);
        for (uint32_t i = 1; i <= count; i++) {
            uint64_t begun = bench_ns();
            hand_over(&shared->ping, i);
            wait_for(&shared->pong, i);
            histogram_add(&trips, bench_ns() - begun);
        }
        bench_wait(child);
        times[run] = (double)histogram_percentile(&trips, 50) / 2;
    }
    return bench_median(times, BENCH_RUNS);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    uint64_t scale = bench_quick() ? 10 : 1;
    bench_note("latency: values of %d B, populated segment in /dev/shm", VALUE_BYTES);
    double line = bare_hand_over(200000 / scale, false);
    double wake = bare_hand_over(20000 / scale, true);
    struct result spinning = run(1000000 / scale, 1000000, false);
    struct result woken = run(20000 / scale, 20000, true);
    bench_time("latency_spinning_p50", spinning.p50, "ns", line);
    bench_time("latency_spinning_p99", spinning.p99, "ns", line);
    bench_time("latency_sleeping_p50", woken.p50, "ns", wake);
    bench_time("latency_sleeping_p99", woken.p99, "ns", wake);
    return 0;
}
