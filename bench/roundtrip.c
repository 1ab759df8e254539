/*
 * How long does one small request take at an idle server?
 *
 * A record of 100 B, one request at a time, server on CPU 0, client on CPU 1. Produce: acks=1.
 * Fetch: a record that is there. Delivered: from sending a produce until a fetch that waited on
 * another connection has come back with the record. Roof: a bare server, recv and send, with
 * requests and answers of the same sizes; for delivered, one that passes the bytes on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/histogram.h"
#include "os/clock.h"
#include "support/bench.h"
#include "support/kafka.h"
#include "support/server.h"

#define ROOM 4096
#define VALUE_BYTES 100

struct trip {
    const struct bench_bytes *request;
    size_t answer; /* bytes */
};

struct times {
    double p50, p99; /* us */
};

static uint64_t trips;
static struct histogram histogram; /* ticks */
static uint8_t bytes[ROOM];

static struct times read_times(void)
{
    double rate = (double)clock_ticks_per_us();
    return (struct times){(double)histogram_percentile(&histogram, 50) / rate,
                          (double)histogram_percentile(&histogram, 99) / rate};
}

/* The bare server: a listener, the sizes of requests and answers; passes answers to a second
 * connection when there is one. */
struct bare {
    int listener;
    size_t request, answer;
    bool passes;
};

static void answer_bare(void *argument)
{
    const struct bare *bare = argument;
    uint8_t request[ROOM], answer[ROOM] = {0};
    bench_pin(BENCH_SERVER_CPU);
    int fd = bench_accept(bare->listener);
    int other = bare->passes ? bench_accept(bare->listener) : fd;
    while (recv(fd, request, bare->request, MSG_WAITALL) == (ssize_t)bare->request)
        bench_send(other, answer, bare->answer);
}

static struct times measure(int fd, const struct trip *trip)
{
    memset(&histogram, 0, sizeof histogram);
    for (uint64_t i = 0; i < trips + trips / 10; i++) {
        uint64_t begun = clock_ticks();
        bench_send(fd, trip->request->at, trip->request->size);
        bench_receive(fd, bytes, trip->answer);
        if (i >= trips / 10) /* what came before warms up */
            histogram_add(&histogram, clock_ticks() - begun);
    }
    return read_times();
}

static struct times measure_bare(const struct trip *trip)
{
    uint16_t port;
    struct bare bare = {bench_listen(&port), trip->request->size, trip->answer, false};
    pid_t child = bench_child(answer_bare, &bare);
    int fd = bench_connect(port);
    struct times times = measure(fd, trip);
    close(fd);
    close(bare.listener);
    bench_wait(child);
    return times;
}

/* ---- from a producer to a waiting consumer --------------------------------------------------- */

static struct times measure_delivery(const struct bench_server *server,
                                     const struct bench_bytes *produce, size_t produced,
                                     int64_t *offset, size_t *fetched)
{
    int producer = bench_connect(server->port), consumer = bench_connect(server->port);
    size_t offset_at;
    struct bench_bytes fetch = bench_fetch_request(0, ROOM / 2, 10000, &offset_at);
    memset(&histogram, 0, sizeof histogram);
    for (uint64_t i = 0; i < trips / 10; i++) {
        bench_set_offset(&fetch, offset_at, (*offset)++);
        bench_send(consumer, fetch.at, fetch.size);
        clock_sleep_ns(200000); /* until it waits */
        uint64_t begun = clock_ticks();
        bench_send(producer, produce->at, produce->size);
        *fetched = bench_take_answer(consumer, bytes, ROOM);
        histogram_add(&histogram, clock_ticks() - begun);
        if (bench_check_fetched(bytes, *fetched) == 0)
            exit(1);
        bench_receive(producer, bytes, produced);
    }
    close(producer);
    close(consumer);
    free(fetch.at);
    return read_times();
}

static struct times measure_passing(size_t request, size_t answer)
{
    uint16_t port;
    struct bare bare = {bench_listen(&port), request, answer, true};
    pid_t child = bench_child(answer_bare, &bare);
    int producer = bench_connect(port), consumer = bench_connect(port);
    memset(&histogram, 0, sizeof histogram);
    for (uint64_t i = 0; i < trips / 10; i++) {
        clock_sleep_ns(200000);
        uint64_t begun = clock_ticks();
        bench_send(producer, bytes, request);
        bench_receive(consumer, bytes, answer);
        histogram_add(&histogram, clock_ticks() - begun);
    }
    close(producer);
    close(consumer);
    close(bare.listener);
    bench_wait(child);
    return read_times();
}

/* ---- what is reported ------------------------------------------------------------------------ */

enum what { PRODUCE, FETCH, DELIVERED, WHATS };

static void report(const char *name, const struct times *found, const struct times *roof)
{
    char text[64];
    double values[2][2][BENCH_RUNS];
    for (int i = 0; i < BENCH_RUNS; i++) {
        values[0][0][i] = found[i].p50;
        values[0][1][i] = roof[i].p50;
        values[1][0][i] = found[i].p99;
        values[1][1][i] = roof[i].p99;
    }
    for (int i = 0; i < 2; i++) {
        snprintf(text, sizeof text, "roundtrip_%s_%s", name, i ? "p99" : "p50");
        bench_time(text, bench_median(values[i][0], BENCH_RUNS), "us",
                   bench_median(values[i][1], BENCH_RUNS));
    }
}

int main(int argc, char **argv)
{
    static const char *const names[WHATS] = {"produce", "fetch", "delivered"};
    struct times found[WHATS][BENCH_RUNS], roof[WHATS][BENCH_RUNS];
    struct bench_server server;
    bench_begin(argc, argv);
    trips = bench_quick() ? 2000 : 20000;
    const char *directory = bench_directory(false);
    maplog_close(bench_log(directory, NULL));
    bench_server_start(&server, directory);
    bench_pin(BENCH_CLIENT_CPU);
    int fd = bench_connect(server.port);
    struct bench_bytes batch = bench_batch(1, VALUE_BYTES);
    struct bench_bytes produce = bench_produce_request(&batch, 0, 1);
    size_t offset_at;
    struct bench_bytes fetch = bench_fetch_request(0, (int32_t)batch.size, 0, &offset_at);
    bench_set_offset(&fetch, offset_at, 0);
    struct trip kinds[2] = {{&produce, 0}, {&fetch, 0}};
    int64_t offset = 1;
    size_t delivered = 0;
    bench_note("roundtrip: %d B, one at a time, over 127.0.0.1", VALUE_BYTES);
    bench_send(fd, produce.at, produce.size);
    kinds[PRODUCE].answer = bench_take_answer(fd, bytes, ROOM);
    bench_check_produced(bytes, kinds[PRODUCE].answer);
    bench_send(fd, fetch.at, fetch.size);
    kinds[FETCH].answer = bench_take_answer(fd, bytes, ROOM);
    if (bench_check_fetched(bytes, kinds[FETCH].answer) != batch.size)
        return 1;
    for (int i = 0; i < BENCH_RUNS; i++) {
        for (enum what what = PRODUCE; what <= FETCH; what++) {
            found[what][i] = measure(fd, &kinds[what]);
            roof[what][i] = measure_bare(&kinds[what]);
        }
        offset += (int64_t)(trips + trips / 10);
        found[DELIVERED][i] =
            measure_delivery(&server, &produce, kinds[PRODUCE].answer, &offset, &delivered);
        roof[DELIVERED][i] = measure_passing(produce.size, delivered);
    }
    for (enum what what = PRODUCE; what < WHATS; what++)
        report(names[what], found[what], roof[what]);
    close(fd);
    bench_server_stop(&server);
    return 0;
}
