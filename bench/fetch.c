/*
 * How much of bare sendfile does a fetching client get?
 *
 * Records that are in the page cache, over loopback, server on CPU 0, a client on CPU 1 that only
 * takes the bytes. Stream: answers of 1 MiB, four asked for ahead; roof: sendfile without any
 * request. One by one: the next is asked for when one has come, as clients do; roof: a bare server
 * that receives the same request and sends the same bytes by sendfile. CPU: the server's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/bench.h"
#include "support/kafka.h"
#include "support/server.h"

#define FILE_BYTES (512u << 20) /* of the one segment */
#define BATCH_RECORDS 15
#define RECORD_BYTES 1024
#define READ_BYTES (1u << 20)
#define PAGE_BYTES 4096
#define PIECE_BYTES (60u << 10) /* for one sendfile; it is faster than asking for all at once */

static struct bench_bytes batch;
static char segment[256];
static uint8_t *buffer;

/* One way to ask. */
struct plan {
    size_t answer_bytes; /* asked for */
    unsigned ahead;      /* requests under way */
    uint64_t total;      /* bytes of a run */

    size_t frame;   /* bytes of an answer */
    size_t request; /* bytes of a request */
};

struct result {
    double rate, cpu; /* GB/s; the sender's seconds a GB */
};

/* ---- the bare sender ------------------------------------------------------------------------- */

struct bare {
    int listener;
    const struct plan *plan;
    bool asked; /* waits for requests */
};

static void send_bare(void *argument)
{
    const struct bare *bare = argument;
    const struct plan *plan = bare->plan;
    char request[4096];
    bench_pin(BENCH_SERVER_CPU);
    int fd = bench_accept(bare->listener), file = open(segment, O_RDONLY | O_CLOEXEC);
    off_t position = 0;
    for (uint64_t i = 0; i < plan->total / plan->frame; i++) {
        if (bare->asked)
            bench_receive(fd, request, plan->request);
        position = (position + PAGE_BYTES - 1) & ~(off_t)(PAGE_BYTES - 1);
        if ((size_t)position + plan->frame > FILE_BYTES)
            position = 0;
        for (size_t left = plan->frame; left > 0;) {
            ssize_t moved = sendfile(fd, file, &position, left < PIECE_BYTES ? left : PIECE_BYTES);
            if (moved <= 0)
                exit(1);
            left -= (size_t)moved;
        }
    }
    recv(fd, request, 1, 0); /* its time is read while it lives */
}

/* ---- the client ------------------------------------------------------------------------------ */

static void take(int fd, size_t bytes)
{
    while (bytes > 0) {
        ssize_t got = recv(fd, buffer, bytes < READ_BYTES ? bytes : READ_BYTES, 0);
        if (got <= 0) {
            fprintf(stderr, "bench: the stream ended: %s\n", got ? strerror(errno) : "closed");
            exit(1);
        }
        bytes -= (size_t)got;
    }
}

static struct result measure_bare(const struct plan *plan, bool asked)
{
    uint16_t port;
    struct bare bare = {bench_listen(&port), plan, asked};
    pid_t child = bench_child(send_bare, &bare);
    int fd = bench_connect(port);
    uint64_t answers = plan->total / plan->frame;
    double begun = bench_now();
    for (unsigned i = 0; asked && i < plan->ahead; i++)
        bench_send(fd, buffer, plan->request);
    for (uint64_t i = 0; i < answers; i++) {
        take(fd, plan->frame);
        if (asked && i + plan->ahead < answers)
            bench_send(fd, buffer, plan->request);
    }
    double gigabytes = (double)(answers * plan->frame) / 1e9;
    struct result result = {gigabytes / (bench_now() - begun),
                            bench_process_cpu(child) / gigabytes};
    close(fd);
    close(bare.listener);
    bench_wait(child);
    return result;
}

/* The fetches of a run: one batch follows the other, and at the end the first again. */
struct asker {
    int fd;
    struct bench_bytes request;
    size_t offset_at;
    int64_t next, batches; /* in an answer */
};

static void ask(struct asker *asker)
{
    int64_t last = (int64_t)(FILE_BYTES / batch.size) - asker->batches;
    if (asker->next > last)
        asker->next = 0;
    bench_set_offset(&asker->request, asker->offset_at, asker->next * BATCH_RECORDS);
    asker->next += asker->batches;
    bench_send(asker->fd, asker->request.at, asker->request.size);
}

static struct asker begin(const struct bench_server *server, struct plan *plan)
{
    struct asker asker = {.fd = bench_connect(server->port)};
    struct timeval limit = {.tv_sec = 10};
    setsockopt(asker.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    asker.batches = (int64_t)(plan->answer_bytes / batch.size);
    asker.request = bench_fetch_request(0, (int32_t)plan->answer_bytes, 0, &asker.offset_at);
    plan->request = asker.request.size;
    ask(&asker);
    size_t room = plan->answer_bytes + READ_BYTES;
    uint8_t *answer = malloc(room);
    plan->frame = bench_take_answer(asker.fd, answer, room);
    if (bench_check_fetched(answer, plan->frame) != (size_t)asker.batches * batch.size)
        exit(1);
    free(answer);
    return asker;
}

static struct result measure(const struct bench_server *server, struct plan *plan)
{
    struct asker asker = begin(server, plan);
    uint64_t answers = plan->total / plan->frame;
    double cpu = bench_process_cpu(server->pid), begun = bench_now();
    for (unsigned i = 0; i < plan->ahead; i++)
        ask(&asker);
    for (uint64_t i = 0; i < answers; i++) {
        take(asker.fd, plan->frame); /* all are of one size */
        if (i + plan->ahead < answers)
            ask(&asker);
    }
    double gigabytes = (double)(answers * plan->frame) / 1e9;
    struct result result = {gigabytes / (bench_now() - begun),
                            (bench_process_cpu(server->pid) - cpu) / gigabytes};
    close(asker.fd);
    free(asker.request.at);
    return result;
}

/* ---- what is reported ------------------------------------------------------------------------ */

static void compare(const struct bench_server *server, const char *name, struct plan plan,
                    bool asked)
{
    double rate[2][BENCH_RUNS], cpu[2][BENCH_RUNS];
    for (int i = 0; i < BENCH_RUNS; i++) {
        struct result found = measure(server, &plan), bare = measure_bare(&plan, asked);
        rate[0][i] = found.rate;
        cpu[0][i] = found.cpu;
        rate[1][i] = bare.rate;
        cpu[1][i] = bare.cpu;
    }
    char text[64];
    bench_rate(name, bench_median(rate[0], BENCH_RUNS), "GB/s", bench_median(rate[1], BENCH_RUNS));
    snprintf(text, sizeof text, "%s_cpu", name);
    bench_time(text, bench_median(cpu[0], BENCH_RUNS), "s/GB", bench_median(cpu[1], BENCH_RUNS));
}

static void fill(const struct bench_server *server)
{
    uint8_t answer[1024];
    struct bench_bytes request = bench_produce_request(&batch, 0, 1);
    int fd = bench_connect(server->port);
    for (size_t written = 0; written + batch.size <= FILE_BYTES; written += batch.size) {
        bench_send(fd, request.at, request.size);
        bench_check_produced(answer, bench_take_answer(fd, answer, sizeof answer));
    }
    close(fd);
    free(request.at);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    const char *directory = bench_directory(false);
    struct bench_server server;
    maplog_close(bench_log(directory, NULL));
    snprintf(segment, sizeof segment, "%s/bench-0/00000000000000000000.log", directory);
    buffer = calloc(1, READ_BYTES);
    batch = bench_batch(BATCH_RECORDS, RECORD_BYTES);
    bench_server_start(&server, directory);
    bench_pin(BENCH_CLIENT_CPU);
    fill(&server);
    uint64_t total = bench_quick() ? 256u << 20 : 2048u << 20;
    bench_note("fetch: batches of 15 KiB, 512 MiB in the page cache, over 127.0.0.1");
    compare(&server, "fetch_stream", (struct plan){1 << 20, 4, total, 0, 0}, false);
    compare(&server, "fetch_one_by_one", (struct plan){1 << 20, 1, total, 0, 0}, true);
    compare(&server, "fetch_8mib_one_by_one", (struct plan){8 << 20, 1, total, 0, 0}, true);
    compare(&server, "fetch_64kib_one_by_one", (struct plan){64 << 10, 1, total / 4, 0, 0}, true);
    compare(&server, "fetch_16kib_one_by_one", (struct plan){16 << 10, 1, total / 8, 0, 0}, true);
    bench_server_stop(&server);
    return 0;
}
