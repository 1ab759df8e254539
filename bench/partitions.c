/*
 * What do 10,000 partitions cost?
 *
 * 1,000 topics of 10 partitions, one in a hundred with records. Start: from fork() to the first
 * answer. Metadata: of everything, from request to the last byte, on CPU 1; roof: a bare server
 * that receives the same request and sends as many bytes. Memory: private bytes, and the page cache
 * that is mapped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "support/bench.h"
#include "support/kafka.h"
#include "support/server.h"

#define TOPICS 1000
#define EACH 10
#define ASKED 15
#define ROOM (4u << 20)

static struct bench_bytes metadata;
static size_t answer_bytes;
static uint8_t *buffer;

static void fill(const char *directory)
{
    char name[32];
    maplog *log = bench_log(directory, NULL);
    for (int i = 0; i < TOPICS; i++) {
        snprintf(name, sizeof name, "topic%d", i);
        bench_check(maplog_topic_create(log, name, EACH, NULL), name);
    }
    for (int i = 0; i < TOPICS; i += 10) {
        maplog_producer *producer;
        struct maplog_record record = {.value = name, .value_size = sizeof name};
        snprintf(name, sizeof name, "topic%d", i);
        bench_check(maplog_producer_open(log, name, NULL, &producer), name);
        bench_check((int)maplog_produce(producer, &record, NULL), "produce");
        maplog_producer_close(producer);
    }
    maplog_close(log);
}

static double ask(int fd)
{
    double begun = bench_now();
    bench_send(fd, metadata.at, metadata.size);
    answer_bytes = bench_take_answer(fd, buffer, ROOM);
    return (bench_now() - begun) * 1e3;
}

static void answer_bare(void *argument)
{
    int listener = *(int *)argument;
    char request[4096];
    bench_pin(BENCH_SERVER_CPU);
    int fd = bench_accept(listener);
    while (recv(fd, request, metadata.size, MSG_WAITALL) == (ssize_t)metadata.size)
        bench_send(fd, buffer, answer_bytes);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    struct bench_server server;
    double started[3], asked[ASKED], bare[ASKED];
    buffer = malloc(ROOM);
    metadata = bench_metadata_request();
    const char *directory = bench_directory(false);
    fill(directory);
    bench_note("partitions: %d topics of %d", TOPICS, EACH);
    bench_pin(BENCH_CLIENT_CPU);
    for (int i = 0; i < 3; i++) {
        if (i)
            bench_server_stop(&server);
        double begun = bench_now();
        bench_server_start(&server, directory);
        int fd = bench_connect(server.port);
        ask(fd);
        started[i] = (bench_now() - begun) * 1e3;
        close(fd);
    }
    int fd = bench_connect(server.port);
    for (int i = 0; i < ASKED; i++)
        asked[i] = ask(fd);
    close(fd);
    uint16_t port;
    int listener = bench_listen(&port);
    pid_t child = bench_child(answer_bare, &listener);
    fd = bench_connect(port);
    for (int i = 0; i < ASKED; i++) {
        double begun = bench_now();
        bench_send(fd, metadata.at, metadata.size);
        bench_receive(fd, buffer, answer_bytes);
        bare[i] = (bench_now() - begun) * 1e3;
    }
    close(fd);
    bench_wait(child);
    struct bench_memory memory = bench_server_memory(&server);
    bench_server_stop(&server);
    bench_time("partitions_10000_start", bench_median(started, 3), "ms", 0);
    bench_time("partitions_10000_metadata", bench_median(asked, ASKED), "ms",
               bench_median(bare, ASKED));
    bench_time("partitions_10000_private_memory", memory.private, "MiB", 0);
    bench_time("partitions_10000_mapped_files", memory.cache, "MiB", 0);
    return 0;
}
