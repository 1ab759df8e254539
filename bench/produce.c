/*
 * How fast do batches come in?
 *
 * A client on CPU 1 with five requests under way, acks=1, server on CPU 0 with everything it does:
 * receiving, checking each record, CRC, copying, allocating and populating pages. Records of 1 KiB
 * unless said otherwise. Burst: 1 GiB into a segment that maplog_prepare() has made ready; roof: a
 * bare server that receives the same requests into one buffer and answers as many bytes. Fresh:
 * into what the server makes meanwhile; roof: the bare server copies them into a file that it
 * allocates, maps and populates.
 *
 * In a virtual machine, memory that was never in use comes from the host at its first touch, three
 * to ten times slower: a program that takes and frees all of it should run before.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "support/bench.h"
#include "support/kafka.h"
#include "support/server.h"

#define UNDER_WAY 5
#define ANSWER_ROOM 1024
#define FILE_BYTES (1ull << 30)    /* of the bare server's files */
#define ALLOCATE_BYTES (64u << 20) /* at a time */
#define POPULATE_BYTES (2u << 20)

struct plan {
    const char *name;
    int32_t records;
    size_t value_size;
    uint64_t total; /* bytes of a run */
    bool prepared;

    struct bench_bytes request;
    size_t answer; /* bytes */
};

struct result {
    double rate, cpu; /* GB/s; the receiver's seconds a GB */
};

/* ---- the bare receiver ----------------------------------------------------------------------- */

struct bare {
    int listener;
    const struct plan *plan;
    const char *directory;
};

/* A file that bytes are copied into. */
struct fresh {
    const char *directory;
    int fd; /* 0: none yet */
    uint8_t *at;
    uint64_t used, allocated, populated;
};

static void next_file(struct fresh *fresh)
{
    char path[256];
    static int number;
    if (fresh->fd) {
        munmap(fresh->at, FILE_BYTES);
        close(fresh->fd);
    }
    snprintf(path, sizeof path, "%s/%d", fresh->directory, number++);
    fresh->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    fresh->used = fresh->allocated = fresh->populated = 0;
    if (fresh->fd < 0 || ftruncate(fresh->fd, (off_t)FILE_BYTES) != 0)
        exit(1);
    fresh->at = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fresh->fd, 0);
    if (fresh->at == MAP_FAILED)
        exit(1);
}

static void copy(struct fresh *fresh, const uint8_t *bytes, size_t size)
{
    if (!fresh->fd || fresh->used + size > FILE_BYTES)
        next_file(fresh);
    if (fresh->used + size > fresh->allocated) {
        if (posix_fallocate(fresh->fd, (off_t)fresh->allocated, ALLOCATE_BYTES) != 0)
            exit(1);
        fresh->allocated += ALLOCATE_BYTES;
    }
    while (fresh->used + size > fresh->populated) {
        madvise(fresh->at + fresh->populated, POPULATE_BYTES, MADV_POPULATE_WRITE);
        fresh->populated += POPULATE_BYTES;
    }
    memcpy(fresh->at + fresh->used, bytes, size);
    fresh->used += size;
}

static void receive_bare(void *argument)
{
    const struct bare *bare = argument;
    struct fresh fresh = {.directory = bare->directory};
    uint8_t answer[ANSWER_ROOM] = {0}, *request = malloc(bare->plan->request.size);
    bench_pin(BENCH_SERVER_CPU);
    int fd = bench_accept(bare->listener);
    for (;;) {
        for (size_t have = 0; have < bare->plan->request.size;) {
            ssize_t got = recv(fd, request + have, bare->plan->request.size - have, 0);
            if (got <= 0)
                return;
            have += (size_t)got;
        }
        if (!bare->plan->prepared)
            copy(&fresh, request, bare->plan->request.size);
        bench_send(fd, answer, bare->plan->answer);
    }
}

/* ---- the client ------------------------------------------------------------------------------ */

static void produce(int fd, const struct plan *plan)
{
    char answer[ANSWER_ROOM];
    uint64_t count = plan->total / plan->request.size;
    for (uint64_t sent = 0, got = 0; got < count;) {
        if (sent < count && sent - got < UNDER_WAY) {
            bench_send(fd, plan->request.at, plan->request.size);
            sent++;
        } else {
            bench_receive(fd, answer, plan->answer);
            got++;
        }
    }
}

static struct result measure_process(int fd, pid_t pid, const struct plan *plan)
{
    double gigabytes = (double)(plan->total / plan->request.size * plan->request.size) / 1e9;
    double cpu = bench_process_cpu(pid), begun = bench_now();
    produce(fd, plan);
    double seconds = bench_now() - begun;
    return (struct result){gigabytes / seconds, (bench_process_cpu(pid) - cpu) / gigabytes};
}

static struct result measure_bare(const struct plan *plan)
{
    uint16_t port;
    struct bare bare = {bench_listen(&port), plan, bench_directory(false)};
    pid_t child = bench_child(receive_bare, &bare);
    int fd = bench_connect(port);
    struct result result = measure_process(fd, child, plan);
    close(fd);
    close(bare.listener);
    bench_wait(child);
    bench_forget(bare.directory);
    return result;
}

static void warm_up(int fd, struct plan *plan)
{
    uint8_t answer[ANSWER_ROOM];
    bench_send(fd, plan->request.at, plan->request.size);
    plan->answer = bench_take_answer(fd, answer, sizeof answer);
    bench_check_produced(answer, plan->answer);
}

static struct result measure(struct plan *plan)
{
    struct bench_server server;
    const char *directory = bench_directory(false);
    const char *const configs[] = {"segment.bytes=2147483647", NULL};
    maplog *log = bench_log(directory, plan->prepared ? configs : NULL);
    maplog_producer *producer;
    bench_check(maplog_producer_open(log, "bench", NULL, &producer), "producer");
    if (plan->prepared)
        bench_check(maplog_prepare(producer, 0, plan->total + plan->total / 16), "prepare");
    maplog_producer_close(producer);
    bench_server_start(&server, directory);
    maplog_close(log); /* not before: the last one to leave gives back what was prepared */
    int fd = bench_connect(server.port);
    warm_up(fd, plan);
    struct result result = measure_process(fd, server.pid, plan);
    close(fd);
    bench_server_stop(&server);
    bench_forget(directory);
    return result;
}

/* ---- what is reported ------------------------------------------------------------------------ */

static void compare(struct plan plan)
{
    enum { RUNS = 3 }; /* each writes gigabytes to the disk */
    double rate[2][RUNS], cpu[2][RUNS];
    struct bench_bytes batch = bench_batch(plan.records, plan.value_size);
    plan.request = bench_produce_request(&batch, 0, 1);
    for (int i = 0; i < RUNS; i++) {
        struct result found = measure(&plan), bare = measure_bare(&plan);
        rate[0][i] = found.rate;
        cpu[0][i] = found.cpu;
        rate[1][i] = bare.rate;
        cpu[1][i] = bare.cpu;
    }
    char text[64];
    bench_rate(plan.name, bench_median(rate[0], RUNS), "GB/s", bench_median(rate[1], RUNS));
    snprintf(text, sizeof text, "%s_cpu", plan.name);
    bench_time(text, bench_median(cpu[0], RUNS), "s/GB", bench_median(cpu[1], RUNS));
    free(plan.request.at);
    free(batch.at);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    bench_pin(BENCH_CLIENT_CPU);
    uint64_t total = bench_quick() ? 256u << 20 : 2048u << 20;
    bench_note("produce: %d requests under way, acks=1, over 127.0.0.1", UNDER_WAY);
    compare((struct plan){.name = "produce_1mib_burst", 1000, 1024, total / 2, true});
    compare((struct plan){.name = "produce_1mib_fresh", 1000, 1024, total});
    compare((struct plan){.name = "produce_1mib_100b_fresh", 9000, 100, total});
    compare((struct plan){.name = "produce_16kib_fresh", 15, 1024, total / 2});
    compare((struct plan){.name = "produce_1kib_fresh", 1, 1000, total / 16});
    return 0;
}
