/*
 * What does an engine cost beside the bare calls?
 *
 * An echo of 64 B over loopback, server on CPU 0, client on CPU 1, with 1, 100 and 1,000
 * connections: a request on each, then all answers, and again. Rate: requests a second; CPU: the
 * server's for a request. Roofs: a loop of epoll_wait, recv and send, or of io_uring's, with
 * nothing around it. Runs alternate; the spread of the ratios of neighbours is noted.
 *
 * Indirection: what calls through the engine's table cost more than direct ones, times the calls of
 * a request, beside the request's CPU time.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#if __has_include(<liburing.h>)
#include <liburing.h>
#define HAVE_URING 1
#else
#define HAVE_URING 0
#endif

#include "base/error.h"
#include "io/methods.h"
#include "os/socket.h"
#include "support/bench.h"

#define REQUEST_BYTES 64
#define MOST_CONNECTIONS 1000
#define CALLS_PER_REQUEST 4 /* io_receive, io_send, and a whole io_wait for one, and done() */

static struct {
    double seconds;
} * client; /* shared with the child that is it */
static int connections;
static uint64_t rounds;
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
    int fds[MOST_CONNECTIONS];
    char bytes[REQUEST_BYTES] = {0};
    bench_pin(1);
    for (int i = 0; i < connections; i++) {
        bench_check(socket_connect(address, 10000, &fds[i]), "connect");
        if (fcntl(fds[i], F_SETFL, 0) != 0) /* blocking, as the bare calls want it */
            exit(1);
    }
    double begun = 0;
    for (uint64_t round = 0; round < rounds + rounds / 10; round++) {
        if (round == rounds / 10) /* what came before warms up */
            begun = bench_now();
        for (int i = 0; i < connections; i++)
            send_whole(fds[i], bytes);
        for (int i = 0; i < connections; i++)
            receive_whole(fds[i], bytes);
    }
    client->seconds = bench_now() - begun;
}

/* ---- bare servers: until the client has gone ------------------------------------------------- */

static int accept_one(int listener)
{
    int fd;
    do
        fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (fd < 0);
    return fd;
}

static void bare_epoll(int listener)
{
    enum { EVENTS = 256 };
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < connections; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = accept_one(listener)};
        epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
    }
    for (int open = connections; open > 0;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, -1);
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

#if HAVE_URING
struct bare {
    int fd;
    bool sending;
    char bytes[REQUEST_BYTES];
};

static void bare_next(struct io_uring *ring, struct bare *bare, size_t size)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(ring);
    if (!entry) { /* the queue is full: hand it over */
        io_uring_submit(ring);
        entry = io_uring_get_sqe(ring);
    }
    if (bare->sending)
        io_uring_prep_send(entry, bare->fd, bare->bytes, size, MSG_NOSIGNAL);
    else
        io_uring_prep_recv(entry, bare->fd, bare->bytes, size, 0);
    io_uring_sqe_set_data(entry, bare);
}

static void bare_uring(int listener)
{
    static struct bare all[MOST_CONNECTIONS];
    struct io_uring ring;
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
                                              IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
                                     .cq_entries = 4 * MOST_CONNECTIONS};
    bench_check(-io_uring_queue_init_params(256, &ring, &params), "a bare io_uring");
    for (int i = 0; i < connections; i++) {
        all[i] = (struct bare){.fd = accept_one(listener)};
        bare_next(&ring, &all[i], REQUEST_BYTES);
    }
    for (int open = connections; open > 0;) {
        struct io_uring_cqe *done;
        unsigned head, seen = 0;
        io_uring_submit_and_wait(&ring, 1);
        io_uring_for_each_cqe(&ring, head, done)
        {
            struct bare *bare = io_uring_cqe_get_data(done);
            seen++;
            if (done->res <= 0) {
                close(bare->fd);
                open--;
                continue;
            }
            bare->sending = !bare->sending;
            bare_next(&ring, bare, (size_t)done->res);
        }
        io_uring_cq_advance(&ring, seen);
    }
    io_uring_queue_exit(&ring);
}
#endif

/* ---- the engine's server --------------------------------------------------------------------- */

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
    static struct connection all[MOST_CONNECTIONS];
    struct io_limits limits = {MOST_CONNECTIONS, 64 << 10, 32 << 10, NULL};
    bench_check(io_open(name, &limits, &engine), name);
    for (int i = 0; i < connections; i++) {
        struct connection *connection = &all[i];
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
    for (open_connections = connections; open_connections > 0;)
        bench_check(io_wait(engine, -1), "wait");
    io_close(engine);
}

/* ---- a run ----------------------------------------------------------------------------------- */

struct result {
    double per_second, cpu_us;
};

static double own_cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* bare NULL: the engine of that name. */
static struct result run(void (*bare)(int listener), const char *name)
{
    int listeners[SOCKET_LISTENERS];
    bench_check(socket_listen("127.0.0.1:0", MOST_CONNECTIONS, listeners), "listen");
    socket_local(listeners[0], address);
    pid_t child = bench_child(ask, NULL);
    bench_pin(0);
    double cpu = own_cpu_seconds();
    if (bare)
        bare(listeners[0]);
    else
        serve(name, listeners[0]);
    cpu = own_cpu_seconds() - cpu;
    bench_wait(child);
    socket_close_listener(listeners[0]);
    double requests = (double)rounds * connections;
    return (struct result){requests / client->seconds, cpu * 1e6 / (requests * 1.1)};
}

/* Answers the CPU time of a request in us. */
static double compare(const char *name, void (*bare)(int listener))
{
    double rate[BENCH_RUNS], roof[BENCH_RUNS], cpu[BENCH_RUNS], roof_cpu[BENCH_RUNS];
    double ratio[BENCH_RUNS];
    char line[64];
    for (int i = 0; i < BENCH_RUNS; i++) {
        struct result bare_result = run(bare, NULL), result = run(NULL, name);
        rate[i] = result.per_second;
        cpu[i] = result.cpu_us;
        roof[i] = bare_result.per_second;
        roof_cpu[i] = bare_result.cpu_us;
        ratio[i] = result.per_second / bare_result.per_second;
    }
    snprintf(line, sizeof line, "echo_%s_%d_rate", name, connections);
    bench_rate(line, bench_median(rate, BENCH_RUNS), "requests/s", bench_median(roof, BENCH_RUNS));
    snprintf(line, sizeof line, "echo_%s_%d_cpu", name, connections);
    double cpu_us = bench_median(cpu, BENCH_RUNS);
    bench_time(line, cpu_us, "us", bench_median(roof_cpu, BENCH_RUNS));
    bench_median(ratio, BENCH_RUNS); /* sorts */
    bench_note("%s, %d connections: rate over the bare one's, run by run, %.2f to %.2f", name,
               connections, ratio[0], ratio[BENCH_RUNS - 1]);
    return cpu_us;
}

/* ---- indirection ----------------------------------------------------------------------------- */

static uint64_t called;

__attribute__((noinline)) static void hear(struct io_engine *self)
{
    (void)self;
    __asm__ volatile("" : "+m"(called));
}

/* Nanoseconds that a call through a table, in another file, costs more than a direct one. */
static double indirection_ns(uint64_t calls)
{
    static const struct io_methods table = {.name = "none", .wake = hear};
    struct io_engine none = {&table};
    double through[BENCH_RUNS];
    for (int i = 0; i < BENCH_RUNS; i++) {
        double begun = bench_now();
        for (uint64_t call = 0; call < calls; call++)
            hear(&none);
        double direct = bench_now() - begun;
        begun = bench_now();
        for (uint64_t call = 0; call < calls; call++)
            io_wake(&none);
        through[i] = (bench_now() - begun - direct) * 1e9 / (double)calls;
    }
    return bench_median(through, BENCH_RUNS);
}

int main(int argc, char **argv)
{
    static const int sizes[] = {1, 100, 1000};
    bench_begin(argc, argv);
    client = bench_shared(sizeof *client);
    double request_us = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        connections = sizes[i];
        rounds = (bench_quick() ? 10000u : 200000u) / (unsigned)connections;
        if (connections == 1)
            rounds /= 4;
        double cpu_us = compare("epoll", bare_epoll);
        request_us = request_us > 0 && request_us < cpu_us ? request_us : cpu_us;
#if HAVE_URING
        struct io_limits limits = {1, 4096, 0, NULL};
        if (io_open("uring", &limits, &engine) == 0) {
            io_close(engine);
            compare("uring", bare_uring);
        } else {
            bench_note("uring: %s", error_text());
        }
#endif
    }
    double ns = indirection_ns(bench_quick() ? 1000000 : 100000000);
    bench_time("engine_call_indirection", ns, "ns", 0);
    /* Its roof is the hundredth of a request that it may cost. */
    bench_time("engine_indirection_per_request", ns * CALLS_PER_REQUEST, "ns",
               request_us * 1000 / 100);
    return 0;
}
