/*
 * What does an engine cost beside the bare calls?
 *
 * An echo of 64 B over loopback, server on CPU 0, client on CPU 1. Round trip: one connection, one
 * request at a time, p50. Rate: 32 connections, a request on each, then all answers. CPU: the
 * server's for a request, over both. Roof: an epoll loop of epoll_wait, recv and send with nothing
 * around it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/histogram.h"
#include "io/engine.h"
#include "os/clock.h"
#include "os/socket.h"
#include "support/bench.h"

#define REQUEST_BYTES 64
#define CONNECTIONS 32

struct client {
    struct histogram trips; /* ticks */
    double seconds;
};

static struct client *client; /* shared with the child that is it */
static uint64_t trips, rounds;
static char address[SOCKET_TEXT];

/* ---- the client ------------------------------------------------------------------------------ */

static void receive_whole(int fd, char *bytes)
{
    if (recv(fd, bytes, REQUEST_BYTES, MSG_WAITALL) != REQUEST_BYTES)
        exit(1);
}

static void send_whole(int fd, const char *bytes)
{
    if (send(fd, bytes, REQUEST_BYTES, 0) != REQUEST_BYTES)
        exit(1);
}

static void ask(void *argument)
{
    (void)argument;
    int fds[CONNECTIONS];
    char bytes[REQUEST_BYTES] = {0};
    bench_pin(1);
    for (int i = 0; i < CONNECTIONS; i++) {
        bench_check(socket_connect(address, 10000, &fds[i]), "connect");
        if (fcntl(fds[i], F_SETFL, 0) != 0) /* blocking, as the bare calls want it */
            exit(1);
    }
    for (uint64_t i = 0; i < trips + trips / 10; i++) {
        uint64_t begun = clock_ticks();
        send_whole(fds[0], bytes);
        receive_whole(fds[0], bytes);
        if (i >= trips / 10) /* what came before warms up */
            histogram_add(&client->trips, clock_ticks() - begun);
    }
    double begun = bench_now();
    for (uint64_t round = 0; round < rounds; round++) {
        for (int i = 0; i < CONNECTIONS; i++)
            send_whole(fds[i], bytes);
        for (int i = 0; i < CONNECTIONS; i++)
            receive_whole(fds[i], bytes);
    }
    client->seconds = bench_now() - begun;
}

/* ---- the servers: until the client has gone -------------------------------------------------- */

static int accept_one(int listener)
{
    int fd;
    do
        fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (fd < 0);
    return fd;
}

static void serve_bare(int listener)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < CONNECTIONS; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = accept_one(listener)};
        epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
    }
    for (int open = CONNECTIONS; open > 0;) {
        struct epoll_event events[CONNECTIONS];
        int count = epoll_wait(epoll, events, CONNECTIONS, -1);
        for (int i = 0; i < count; i++) {
            char bytes[REQUEST_BYTES];
            ssize_t got = recv(events[i].data.fd, bytes, sizeof bytes, 0);
            if (got > 0 && send(events[i].data.fd, bytes, (size_t)got, MSG_NOSIGNAL) == got)
                continue;
            close(events[i].data.fd);
            open--;
        }
    }
    close(epoll);
}

struct connection {
    struct io_operation receive, send;
    struct io_slice slice;
    uint8_t bytes[REQUEST_BYTES];
};

static struct io_engine *engine;
static int open_connections;

static void received(struct io_operation *operation, int result)
{
    struct connection *connection = (struct connection *)operation;
    if (result <= 0) {
        io_remove(engine, operation->fd);
        socket_close(operation->fd);
        open_connections--;
        return;
    }
    connection->slice = (struct io_slice){connection->bytes, (size_t)result, -1, 0};
    io_send(engine, &connection->send);
}

static void sent(struct io_operation *operation, int result)
{
    struct connection *connection =
        (struct connection *)((char *)operation - offsetof(struct connection, send));
    bench_check(result, "send");
    io_receive(engine, &connection->receive);
}

static void serve(const char *name, int listener)
{
    static struct connection connections[CONNECTIONS];
    struct io_limits limits = {CONNECTIONS, 64 << 10, 32 << 10};
    bench_check(io_open(name, &limits, &engine), name);
    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *connection = &connections[i];
        int fd = accept_one(listener);
        *connection = (struct connection){.receive = {.fd = fd, .done = received},
                                          .send = {.fd = fd, .done = sent}};
        connection->receive.buffer = connection->bytes;
        connection->receive.size = sizeof connection->bytes;
        connection->send.slices = &connection->slice;
        connection->send.count = 1;
        bench_check(io_add(engine, fd), "add");
        io_receive(engine, &connection->receive);
    }
    for (open_connections = CONNECTIONS; open_connections > 0;)
        bench_check(io_wait(engine, -1), "wait");
    io_close(engine);
}

/* ---- a run ----------------------------------------------------------------------------------- */

struct result {
    double us, per_second, cpu_us;
};

static double own_cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* name NULL: the bare server. */
static struct result run(const char *name)
{
    int listeners[SOCKET_LISTENERS];
    bench_check(socket_listen("127.0.0.1:0", CONNECTIONS, listeners), "listen");
    socket_local(listeners[0], address);
    histogram_clear(&client->trips);
    pid_t child = bench_child(ask, NULL);
    bench_pin(0);
    double cpu = own_cpu_seconds();
    if (name)
        serve(name, listeners[0]);
    else
        serve_bare(listeners[0]);
    cpu = own_cpu_seconds() - cpu;
    bench_wait(child);
    socket_close_listener(listeners[0]);
    double per_us = (double)clock_ticks_per_us(), rated = (double)(rounds * CONNECTIONS);
    return (struct result){
        .us = (double)histogram_percentile(&client->trips, 50) / per_us,
        .per_second = rated / client->seconds,
        .cpu_us = cpu * 1e6 / ((double)(trips + trips / 10) + rated),
    };
}

int main(int argc, char **argv)
{
    enum { SERVERS = 3 };
    const char *const servers[SERVERS] = {NULL, "epoll", "poll"};
    double us[SERVERS][BENCH_RUNS], rate[SERVERS][BENCH_RUNS], cpu[SERVERS][BENCH_RUNS];
    bench_begin(argc, argv);
    trips = bench_quick() ? 5000 : 50000;
    rounds = bench_quick() ? 500 : 5000;
    client = bench_shared(sizeof *client);
    bench_note("echo: %d B over 127.0.0.1, %d connections for the rate", REQUEST_BYTES,
               CONNECTIONS);
    for (int i = 0; i < BENCH_RUNS; i++) {
        for (int server = 0; server < SERVERS; server++) {
            struct result result = run(servers[server]);
            us[server][i] = result.us;
            rate[server][i] = result.per_second;
            cpu[server][i] = result.cpu_us;
        }
    }
    double roof_us = bench_median(us[0], BENCH_RUNS);
    double roof_rate = bench_median(rate[0], BENCH_RUNS);
    double roof_cpu = bench_median(cpu[0], BENCH_RUNS);
    for (int server = 1; server < SERVERS; server++) {
        char name[64];
        snprintf(name, sizeof name, "echo_%s_p50", servers[server]);
        bench_time(name, bench_median(us[server], BENCH_RUNS), "us", roof_us);
        snprintf(name, sizeof name, "echo_%s_rate", servers[server]);
        bench_rate(name, bench_median(rate[server], BENCH_RUNS), "requests/s", roof_rate);
        snprintf(name, sizeof name, "echo_%s_cpu", servers[server]);
        bench_time(name, bench_median(cpu[server], BENCH_RUNS), "us", roof_cpu);
    }
    return 0;
}
