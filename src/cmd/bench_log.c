/* bench_log.c - maplog bench log and latency: a topic in a scratch directory. */
#include "cmd/bench.h"

#include <maplog.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/histogram.h"
#include "base/limits.h"
#include "cmd/options.h"
#include "cmd/report.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/process.h"
#include "os/thread.h"
#include "shm/layout.h"
#include "shm/order.h"

#define TOPIC "bench"
#define VALUE_BYTES 100
#define RECORDS 2000000
#define BATCH_BYTES (64u << 10)
#define COPY_BYTES (64u << 20) /* memory that the roof copies through */

struct scratch {
    char path[LIMIT_PATH];
    maplog *log;
};

static int scratch_open(struct scratch *scratch, const char *parent)
{
    int length =
        snprintf(scratch->path, sizeof scratch->path, "%s/maplog-bench-%d", parent, process_id());
    if (length >= (int)sizeof scratch->path)
        return error_set(MAPLOG_INVALID, "the path %s is too long", parent);
    int result = attach_or_create(scratch->path, &scratch->log);
    return result ? result : maplog_topic_create(scratch->log, TOPIC, 1, NULL);
}

static void scratch_close(struct scratch *scratch)
{
    maplog_close(scratch->log);
    scratch->log = NULL;
    if (scratch->path[0])
        file_remove_tree(AT_FDCWD, scratch->path);
}

static double seconds_since(int64_t begun_ns)
{
    return (double)(clock_monotonic_ns() - begun_ns) / 1e9;
}

/* ---- throughput ------------------------------------------------------------------------------ */

/* Records that memcpy alone moves per second. */
static double copy_roof(void)
{
    char value[VALUE_BYTES];
    memset(value, 'x', sizeof value);
    char *memory = malloc(COPY_BYTES);
    if (!memory)
        return 0;
    memset(memory, 0, COPY_BYTES);
    int64_t begun = clock_monotonic_ns();
    size_t at = 0;
    for (int i = 0; i < RECORDS; i++) {
        memcpy(memory + at, value, sizeof value);
        __asm__ volatile("" : : "r"(memory) : "memory");
        at += sizeof value;
        if (at + sizeof value > COPY_BYTES)
            at = 0;
    }
    double rate = RECORDS / seconds_since(begun);
    free(memory);
    return rate;
}

static int produce_all(maplog *log, size_t batch_bytes, double *rate)
{
    char value[VALUE_BYTES];
    memset(value, 'x', sizeof value);
    struct maplog_producer_options options = {.batch_bytes = batch_bytes};
    maplog_producer *producer;
    int result = maplog_producer_open(log, TOPIC, &options, &producer);
    if (result)
        return result;
    const struct maplog_record record = {.value = value, .value_size = sizeof value};
    int64_t begun = clock_monotonic_ns();
    for (int i = 0; !result && i < RECORDS; i++)
        result = maplog_produce(producer, &record, NULL);
    if (!result)
        result = maplog_flush(producer);
    *rate = RECORDS / seconds_since(begun);
    int closed = maplog_producer_close(producer);
    return result ? result : closed;
}

static int consume_all(maplog *log, double *rate)
{
    maplog_consumer *consumer;
    int result = maplog_consumer_open(log, TOPIC, NULL, &consumer);
    if (result)
        return result;
    struct maplog_message message;
    uint64_t records = 0, sum = 0;
    int64_t begun = clock_monotonic_ns();
    while ((result = maplog_consume(consumer, &message, 0)) == 1) {
        const uint8_t *value = message.value;
        for (size_t i = 0; i < message.value_size; i++)
            sum += value[i];
        records++;
    }
    *rate = (double)records / seconds_since(begun);
    __asm__ volatile("" : : "r"(sum));
    maplog_consumer_close(consumer);
    return result;
}

static int measure_log(const struct scratch *scratch, bool json)
{
    double rate, roof = copy_roof() / 1e6;
    int result = produce_all(scratch->log, 0, &rate);
    if (result || interrupted())
        return result;
    bench_print(
        &(struct bench_result){"produce_one_by_one", rate / 1e6, "M_records/s", roof, false}, json);
    result = produce_all(scratch->log, BATCH_BYTES, &rate);
    if (result || interrupted())
        return result;
    bench_print(&(struct bench_result){"produce_batches", rate / 1e6, "M_records/s", roof, false},
                json);
    result = consume_all(scratch->log, &rate);
    if (!result)
        bench_print(&(struct bench_result){"consume", rate / 1e6, "M_records/s", roof, false},
                    json);
    return result;
}

/* ---- latency --------------------------------------------------------------------------------- */

#define PING_RECORDS 20000
#define PING_US 5 /* from one record to the next, for a spinning consumer */
#define SLEEP_RECORDS 1000
#define SLEEP_US 500 /* the same for a sleeping one: it is asleep by then */

struct ping {
    maplog *log;
    unsigned records;
    uint64_t every_ticks;
    OWN_LINE _Atomic uint64_t ready;       /* the consumer waits at the end of the topic */
    OWN_LINE _Atomic uint64_t there, back; /* of the bare hand-over */
    int result;
};

static void *ping_producer(void *context)
{
    struct ping *ping = context;
    maplog_producer *producer;
    ping->result = maplog_producer_open(ping->log, TOPIC, NULL, &producer);
    while (!load_acquire(&ping->ready))
        order_pause();
    uint64_t due = clock_ticks() + ping->every_ticks;
    for (unsigned i = 0; !ping->result && i < ping->records; i++) {
        while (clock_ticks() < due)
            order_pause();
        uint64_t now = clock_ticks();
        const struct maplog_record record = {.value = &now, .value_size = sizeof now};
        ping->result = maplog_produce(producer, &record, NULL);
        due = now + ping->every_ticks;
    }
    if (!ping->result)
        maplog_producer_close(producer);
    return NULL;
}

static int ping_consumer(struct ping *ping, int timeout_ms, struct histogram *histogram)
{
    maplog_consumer *consumer;
    const struct maplog_consumer_options options = {.at_end = 1};
    int result = maplog_consumer_open(ping->log, TOPIC, &options, &consumer);
    store_release(&ping->ready, 1);
    if (result)
        return result;
    struct maplog_message message;
    int64_t begun = clock_monotonic_ns();
    for (unsigned i = 0; i < ping->records && result >= 0 && !interrupted();) {
        result = maplog_consume(consumer, &message, timeout_ms);
        if (result == 1) {
            uint64_t sent;
            memcpy(&sent, message.value, sizeof sent);
            histogram_add(histogram, (clock_ticks() - sent) * 1000 / clock_ticks_per_us());
            i++;
        } else if (seconds_since(begun) > 30) {
            result = error_set(MAPLOG_TIMED_OUT, "the producer of the measurement does not go on");
        }
    }
    maplog_consumer_close(consumer);
    return result < 0 ? result : 0;
}

/* The other side of a cache line that goes there and back. */
static void *bare_answers(void *context)
{
    struct ping *ping = context;
    for (uint64_t i = 1; i <= PING_RECORDS; i++) {
        while (load_acquire(&ping->there) != i)
            ;
        store_release(&ping->back, i);
    }
    return NULL;
}

/* Nanoseconds one way; 0 when it cannot be measured. */
static double bare_roof(struct ping *ping)
{
    pthread_t thread;
    static struct histogram histogram;
    if (thread_start(&thread, "bench", bare_answers, ping) != 0)
        return 0;
    histogram_clear(&histogram);
    for (uint64_t i = 1; i <= PING_RECORDS; i++) {
        uint64_t sent = clock_ticks();
        store_release(&ping->there, i);
        while (load_acquire(&ping->back) != i)
            ;
        histogram_add(&histogram, (clock_ticks() - sent) * 500 / clock_ticks_per_us());
    }
    thread_join(thread);
    return (double)histogram_percentile(&histogram, 50);
}

static int measure_one(struct ping *ping, bool sleeping, double roof, bool json)
{
    static struct histogram histogram;
    pthread_t thread;
    ping->records = sleeping ? SLEEP_RECORDS : PING_RECORDS;
    ping->every_ticks = clock_ticks_per_us() * (sleeping ? SLEEP_US : PING_US);
    store_release(&ping->ready, 0);
    histogram_clear(&histogram);
    int result = thread_start(&thread, "bench", ping_producer, ping);
    if (result)
        return result;
    result = ping_consumer(ping, sleeping ? 100 : 0, &histogram);
    thread_join(thread);
    if (result || ping->result)
        return result ? result : ping->result;
    const char *name = sleeping ? "latency_sleeping_p50" : "latency_spinning_p50";
    const char *tail = sleeping ? "latency_sleeping_p99" : "latency_spinning_p99";
    double p50 = (double)histogram_percentile(&histogram, 50);
    double p99 = (double)histogram_percentile(&histogram, 99);
    bench_print(&(struct bench_result){name, p50, "ns", sleeping ? 0 : roof, true}, json);
    bench_print(&(struct bench_result){tail, p99, "ns", 0, true}, json);
    return 0;
}

static int measure_latency(const struct scratch *scratch, bool json)
{
    static struct ping ping;
    ping.log = scratch->log;
    if (process_cpus() < 2)
        return error_set(MAPLOG_UNSUPPORTED, "spinning on both sides wants two CPUs, here is one");
    double roof = bare_roof(&ping);
    int result = measure_one(&ping, false, roof, json);
    if (!result && !interrupted())
        result = measure_one(&ping, true, roof, json);
    return result;
}

/* ---- the commands ---------------------------------------------------------------------------- */

static int run(const struct usage *usage, int argc, char **argv,
               int (*measure)(const struct scratch *scratch, bool json))
{
    struct {
        const char *directory;
        struct words arguments;
        bool json;
    } asked = {.directory = "/var/tmp"};
    const struct option options[] = {
        {"directory", OPTION_TEXT, &asked.directory, 0, 0},
        {"json", OPTION_FLAG, &asked.json, 0, 0},
        {0},
    };
    struct usage whole = *usage;
    whole.options = options;
    static struct scratch scratch;
    int status = options_parse(&whole, argc, argv, &asked.arguments);
    if (status == OPTIONS_GO)
        status = usage_arguments(&whole, &asked.arguments, 0, "");
    if (status == OPTIONS_GO) {
        int result = scratch_open(&scratch, asked.directory);
        if (!result)
            result = measure(&scratch, asked.json);
        status = result ? report_error(result, scratch.path) : 0;
        scratch_close(&scratch);
    }
    words_free(&asked.arguments);
    return status;
}

static const char log_help[] =
    "usage: maplog bench log [--directory DIR] [--json]\n\n"
    "Appends records of 100 bytes to a fresh topic, one by one and in batches, then reads them "
    "all.\n"
    "The roof is memcpy of the same records within memory.\n\n"
    "  --directory DIR  where to make the scratch directory (/var/tmp); /dev/shm is memory\n"
    "  --json           an object a line\n";

int bench_log(int argc, char **argv)
{
    const struct usage usage = {"bench log", log_help, NULL};
    return run(&usage, argc, argv, measure_log);
}

static const char latency_help[] =
    "usage: maplog bench latency [--directory DIR] [--json]\n\n"
    "Measures the way of a record from a producer to a consumer that spins, and to one that "
    "sleeps.\n"
    "The roof is a bare cache line handed over between two CPUs.\n\n"
    "  --directory DIR  where to make the scratch directory (/var/tmp)\n"
    "  --json           an object a line\n";

int bench_latency(int argc, char **argv)
{
    const struct usage usage = {"bench latency", latency_help, NULL};
    return run(&usage, argc, argv, measure_latency);
}
