/*
 * What do many connections cost?
 *
 * Idle: 10,000 that have asked for ApiVersions once; the server's private memory beside that of a
 * server without any. Active: a request of 1 KiB under way on each, of 10 and of 1,000 connections,
 * answered in whatever order; server on CPU 0, client on CPU 1. Roof of 1,000: the rate of 10.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "os/clock.h"
#include "support/bench.h"
#include "support/kafka.h"
#include "support/server.h"

#define IDLE 10000
#define FEW 10
#define MANY 1000
#define VALUE_BYTES 1000
#define ROOM 65536

static uint8_t answer[ROOM];

static int *connect_all(const struct bench_server *server, int count)
{
    struct bench_bytes versions = bench_versions_request();
    int *fds = calloc((size_t)count, sizeof *fds);
    if (!fds)
        exit(1);
    for (int i = 0; i < count; i++) {
        fds[i] = bench_connect(server->port);
        bench_send(fds[i], versions.at, versions.size);
        bench_take_answer(fds[i], answer, sizeof answer);
    }
    free(versions.at);
    return fds;
}

static void close_all(int *fds, int count)
{
    for (int i = 0; i < count; i++)
        close(fds[i]);
    free(fds);
}

static void measure_idle(const struct bench_server *server)
{
    int count = bench_quick() ? IDLE / 10 : IDLE;
    struct bench_memory before = bench_server_memory(server);
    int *fds = connect_all(server, count);
    clock_sleep_ns(200000000);
    struct bench_memory after = bench_server_memory(server);
    char name[64];
    snprintf(name, sizeof name, "connections_%d_idle_memory", count);
    bench_time(name, after.private, "MiB", 0);
    bench_time("connections_idle_each", (after.private - before.private) * 1024 / count, "KiB", 0);
    close_all(fds, count);
}

/* ---- active ---------------------------------------------------------------------------------- */

struct rates {
    double per_second, cpu_us;
};

static struct rates measure(const struct bench_server *server, int count, uint64_t requests,
                            const struct bench_bytes *request, size_t answer_bytes)
{
    int *fds = connect_all(server, count);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[256];
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fds[i]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event);
    }
    uint64_t sent = 0, done = 0;
    double cpu = bench_process_cpu(server->pid), begun = bench_now();
    for (; sent < (uint64_t)count; sent++)
        bench_send(fds[sent], request->at, request->size);
    while (done < requests) {
        int ready = epoll_wait(epoll, events, 256, 10000);
        if (ready <= 0)
            exit(1);
        for (int i = 0; i < ready; i++) {
            bench_receive(events[i].data.fd, answer, answer_bytes);
            done++;
            if (sent < requests) {
                bench_send(events[i].data.fd, request->at, request->size);
                sent++;
            }
        }
    }
    double seconds = bench_now() - begun;
    struct rates rates = {(double)requests / seconds,
                          (bench_process_cpu(server->pid) - cpu) * 1e6 / (double)requests};
    close(epoll);
    close_all(fds, count);
    return rates;
}

static void measure_active(const struct bench_server *server, const char *what,
                           const struct bench_bytes *request)
{
    double few[BENCH_RUNS], many[BENCH_RUNS], few_us[BENCH_RUNS], many_us[BENCH_RUNS];
    uint64_t requests = bench_quick() ? 20000 : 200000;
    int fd = bench_connect(server->port);
    bench_send(fd, request->at, request->size);
    size_t answer_bytes = bench_take_answer(fd, answer, sizeof answer);
    close(fd);
    for (int i = 0; i < BENCH_RUNS; i++) {
        struct rates rates = measure(server, FEW, requests, request, answer_bytes);
        few[i] = rates.per_second;
        few_us[i] = rates.cpu_us;
        rates = measure(server, MANY, requests, request, answer_bytes);
        many[i] = rates.per_second;
        many_us[i] = rates.cpu_us;
    }
    char name[64];
    double roof = bench_median(few, BENCH_RUNS), roof_us = bench_median(few_us, BENCH_RUNS);
    snprintf(name, sizeof name, "connections_%d_%s", FEW, what);
    bench_rate(name, roof, "requests/s", 0);
    snprintf(name, sizeof name, "connections_%d_%s", MANY, what);
    bench_rate(name, bench_median(many, BENCH_RUNS), "requests/s", roof);
    snprintf(name, sizeof name, "connections_%d_%s_cpu", MANY, what);
    bench_time(name, bench_median(many_us, BENCH_RUNS), "us", roof_us);
}

int main(int argc, char **argv)
{
    struct rlimit files = {IDLE + 1000, IDLE + 1000};
    struct bench_server server;
    size_t offset_at;
    bench_begin(argc, argv);
    if (setrlimit(RLIMIT_NOFILE, &files) != 0) {
        bench_note("connections: %d open files are needed", IDLE + 1000);
        return 1;
    }
    const char *directory = bench_directory(false);
    maplog_close(bench_log(directory, NULL));
    bench_server_start(&server, directory);
    bench_pin(BENCH_CLIENT_CPU);
    bench_note("connections: over 127.0.0.1, requests of one record of %d B", VALUE_BYTES);
    struct bench_bytes batch = bench_batch(1, VALUE_BYTES);
    struct bench_bytes produce = bench_produce_request(&batch, 0, 1);
    struct bench_bytes fetch = bench_fetch_request(0, (int32_t)batch.size, 0, &offset_at);
    bench_set_offset(&fetch, offset_at, 0);
    measure_idle(&server);
    measure_active(&server, "produce", &produce);
    measure_active(&server, "fetch", &fetch);
    bench_server_stop(&server);
    return 0;
}
