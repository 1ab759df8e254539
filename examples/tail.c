/*
 * tail - prints the last records of a topic, and then each new one, as `tail -f` does with a file.
 *
 *     tail /dev/shm/bus/texts         # topic texts of the log in /dev/shm/bus
 *     tail -n 3 localhost:9092/texts  # the same topic from a Kafka server: maplog's or another
 *
 * A key stands before its value, with a tab between. ^C is the end, or the end of the topic. The
 * network is reached by the client that the program `maplog` has within, so this builds in the
 * source tree.
 */
#include <maplog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/far_consumer.h"
#include "remote/topics.h"

#define WAIT_MS 1000

/* One of the two; both say the same things in the same way. */
static maplog_consumer *near;
static struct far_consumer *far;

/* Gives the answer of a call back, or ends the program with what went wrong. */
static int check(int answer)
{
    if (answer < 0) {
        fflush(stdout);
        fprintf(stderr, "tail: %s\n", maplog_error_text());
        exit(1);
    }
    return answer;
}

/* Where the last `count` of the records from start to end begin. */
static int64_t back(int64_t start, int64_t end, int64_t count)
{
    return end - start < count ? start : end - count;
}

static void open_near(const char *directory, const char *topic, int64_t count)
{
    struct maplog_open_options options = {.flags = MAPLOG_READ_ONLY};
    struct maplog_topic found;
    struct maplog_partition partition;
    maplog *log;
    check(maplog_open(directory, &options, &log));
    check(maplog_topic_describe(log, topic, &found));
    check(maplog_consumer_open(log, topic, NULL, &near));
    for (int32_t i = 0; i < found.partitions; i++) {
        check(maplog_partition_describe(log, topic, i, &partition));
        check(maplog_seek(near, i, back(partition.start_offset, partition.end_offset, count)));
    }
}

static void open_far(const char *address, const char *topic, int64_t count)
{
    struct far_consumer_options options = {.at_end = true, .check_crcs = true, .follow = true};
    struct maplog_topic found;
    struct remote *server;
    check(remote_open(address, 10000, &server));
    check(remote_topic_describe(server, topic, &found));
    check(far_consumer_open(server, topic, &options, &far));
    for (int32_t i = 0; i < found.partitions; i++) {
        struct remote_offset start = {.partition = i}, end = {.partition = i};
        check(remote_list_offsets(server, topic, REMOTE_EARLIEST, &start, 1));
        check(remote_list_offsets(server, topic, REMOTE_LATEST, &end, 1));
        check(far_seek(far, i, back(start.offset, end.offset, count)));
    }
}

static int next(struct maplog_message *message, int timeout_ms)
{
    return check(near ? maplog_consume(near, message, timeout_ms)
                      : far_consume(far, message, timeout_ms));
}

int main(int argc, char **argv)
{
    struct maplog_message message;
    struct stat status;
    long long count = 10;
    char *rest = "";
    int option, wrong = 0;
    while ((option = getopt(argc, argv, "n:")) != -1) {
        count = option == 'n' ? strtoll(optarg, &rest, 10) : -1;
        wrong |= count < 0 || *rest;
    }
    char *place = argv[optind], *slash = place ? strrchr(place, '/') : NULL;
    if (wrong || optind != argc - 1 || !slash || slash == place || !slash[1]) {
        fprintf(stderr, "usage: tail [-n RECORDS] DIRECTORY/TOPIC|HOST:PORT/TOPIC\n"
                        "the last RECORDS (10) of each partition, and then what comes\n");
        return 2;
    }
    *slash = '\0';
    /* What is a directory is one, whatever it is called; only a name with a port is a server. */
    if (stat(place, &status) != 0 && strchr(place, ':'))
        open_far(place, slash + 1, count);
    else
        open_near(place, slash + 1, count);
    while (!ferror(stdout)) {
        if (next(&message, 0) == 0) { /* a moment without records: show what there was */
            fflush(stdout);
            if (next(&message, WAIT_MS) == 0)
                continue;
        }
        if (message.key)
            printf("%.*s\t", (int)message.key_size, (const char *)message.key);
        fwrite(message.value, 1, message.value_size, stdout);
        putchar('\n');
    }
    perror("tail");
    return 1;
}
