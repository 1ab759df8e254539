/*
 * What does a short-lived process pay, and what does it cost to come back after a crash?
 *
 * cold_append: a fresh process attaches a directory that has a topic, appends one record, detaches
 * and exits; wall time from fork to exit, beside a process that only appends a line to a file.
 * cold_memory: its private memory just before it exits. recover: a 1 GiB segment of 1 KiB batches,
 * cached, attached for the first time after its control file was lost; roof: CRC-32C over the same
 * mapped bytes. takeover: a writer is killed while it appends; time until another process, which
 * was waiting, has appended. library_size: libmaplog.so, stripped.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/histogram.h"
#include "support/bench.h"

static const char *directory;

struct shared {
    _Atomic uint64_t private_bytes;
    _Atomic uint64_t appended;
};
static struct shared *shared;

static uint64_t private_bytes(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    unsigned long long kib, sum = 0;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Pss_Anon: %llu", &kib) == 1)
            sum += kib;
    if (file)
        fclose(file);
    return sum * 1024;
}

static void append_one(maplog *log)
{
    maplog_producer *producer;
    bench_check(maplog_producer_open(log, "bench", NULL, &producer), "producer");
    struct maplog_record record = {.value = "cold", .value_size = 4};
    bench_check(maplog_produce(producer, &record, NULL), "produce");
    bench_check(maplog_producer_close(producer), "close");
}

static void live_and_append(void *argument)
{
    (void)argument;
    maplog *log;
    bench_check(maplog_open(directory, NULL, &log), "open");
    append_one(log);
    atomic_store(&shared->private_bytes, private_bytes());
    maplog_close(log);
}

static void live_and_write(void *argument)
{
    (void)argument;
    char path[160];
    snprintf(path, sizeof path, "%s/../maplog-bench-plain", directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0 || write(fd, "cold", 4) != 4)
        exit(1);
    close(fd);
    unlink(path);
}

static double time_child(void (*run)(void *))
{
    double times[21];
    for (int i = 0; i < 21; i++) {
        double begun = bench_now();
        bench_wait(bench_child(run, NULL));
        times[i] = (bench_now() - begun) * 1e3;
    }
    return bench_median(times, 21);
}

static void bench_cold(void)
{
    directory = bench_directory(false);
    shared = bench_shared(sizeof *shared);
    maplog_close(bench_log(directory, NULL));
    double cold = time_child(live_and_append), plain = time_child(live_and_write);
    bench_time("cold_append", cold, "ms", plain);
    bench_rate("cold_private_memory", (double)atomic_load(&shared->private_bytes) / 1048576, "MiB",
               0);
}

/* ---- recovery -------------------------------------------------------------------------------- */

static void fill_segment(uint64_t bytes)
{
    const char *const configs[] = {"segment.bytes=2147483647", NULL};
    maplog *log = bench_log(directory, configs);
    maplog_producer *producer;
    bench_check(maplog_producer_open(log, "bench", NULL, &producer), "producer");
    static char value[1024];
    struct maplog_record record = {.value = value, .value_size = sizeof value};
    for (uint64_t i = 0; i < bytes / 1096; i++)
        bench_check(maplog_produce(producer, &record, NULL), "produce");
    bench_check(maplog_producer_close(producer), "close");
    maplog_close(log);
}

static double crc_of_file(void)
{
    char path[160];
    snprintf(path, sizeof path, "%s/bench-0/00000000000000000000.log", directory);
    int fd = open(path, O_RDONLY);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        perror(path);
        exit(1);
    }
    size_t size = (size_t)status.st_size;
    double begun = bench_now();
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED || crc32c(0, map, size) == 0)
        exit(1);
    double seconds = bench_now() - begun;
    munmap(map, size);
    close(fd);
    return seconds;
}

static void bench_recovery(void)
{
    directory = bench_directory(false);
    fill_segment(bench_quick() ? 100ull << 20 : 1ull << 30);
    double times[BENCH_RUNS], roofs[BENCH_RUNS];
    for (int i = 0; i < BENCH_RUNS; i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/maplog.control", directory);
        roofs[i] = crc_of_file();
        if (unlink(path) != 0)
            exit(1);
        double begun = bench_now();
        maplog *log;
        bench_check(maplog_open(directory, NULL, &log), "recover");
        times[i] = bench_now() - begun;
        maplog_close(log);
    }
    bench_time("recover_1gib_segment", bench_median(times, BENCH_RUNS), "s",
               bench_median(roofs, BENCH_RUNS));
    bench_forget(directory);
}

/* ---- take-over ------------------------------------------------------------------------------- */

static void append_for_ever(void *argument)
{
    (void)argument;
    maplog *log;
    bench_check(maplog_open(directory, NULL, &log), "open");
    maplog_producer *producer;
    bench_check(maplog_producer_open(log, "bench", NULL, &producer), "producer");
    struct maplog_record record = {.value = "victim", .value_size = 6};
    for (;;) {
        bench_check(maplog_produce(producer, &record, NULL), "produce");
        atomic_fetch_add(&shared->appended, 1);
    }
}

static void bench_takeover(void)
{
    const char *const configs[] = {"segment.bytes=67108864", "retention.bytes=67108864", NULL};
    directory = bench_directory(true);
    shared = bench_shared(sizeof *shared);
    maplog *log = bench_log(directory, configs);
    maplog_producer *producer;
    bench_check(maplog_producer_open(log, "bench", NULL, &producer), "producer");
    struct maplog_record record = {.value = "heir", .value_size = 4};
    static struct histogram times;
    histogram_clear(&times);
    int kills = bench_quick() ? 50 : 500;
    for (int i = 0; i < kills; i++) {
        uint64_t before = atomic_load(&shared->appended);
        pid_t victim = bench_child(append_for_ever, NULL);
        while (atomic_load(&shared->appended) < before + 1000)
            usleep(50);
        kill(victim, SIGKILL);
        uint64_t begun = bench_ns();
        bench_check(maplog_produce(producer, &record, NULL), "take over");
        histogram_add(&times, bench_ns() - begun);
        waitpid(victim, NULL, 0);
    }
    bench_time("takeover_p50", (double)histogram_percentile(&times, 50) / 1e3, "us", 0);
    bench_time("takeover_p99", (double)histogram_percentile(&times, 99) / 1e3, "us", 0);
    bench_check(maplog_producer_close(producer), "close");
    maplog_close(log);
}

/* Size of the shared library beside this program's folder, without symbols. */
static void library_size(const char *program)
{
    char command[512];
    snprintf(command, sizeof command,
             "d=$(dirname '%s')/..; strip -o /tmp/maplog-bench-stripped $d/libmaplog.so && "
             "stat -c %%s /tmp/maplog-bench-stripped && rm /tmp/maplog-bench-stripped",
             program);
    FILE *pipe = popen(command, "r");
    double bytes;
    if (pipe && fscanf(pipe, "%lf", &bytes) == 1)
        bench_rate("library_size", bytes / 1024, "KiB", 0);
    if (pipe)
        pclose(pipe);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    bench_cold();
    bench_recovery();
    bench_takeover();
    library_size(argv[0]);
    return 0;
}
