/*
 * many_producers - many processes append to one log, one process reads it all: no lock to be seen,
 * no record lost, and those of each producer in its order. The consumer checks both.
 *
 *     many_producers 4 250000
 *
 * cc many_producers.c $(pkg-config --cflags --libs maplog)
 */
#include <maplog.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_PRODUCERS 64

struct note {
    uint32_t producer, number; /* number counts from 0 in each producer */
};

/* Gives the answer of a call back, or ends the program with what went wrong. */
static int check(int answer)
{
    if (answer < 0) {
        fprintf(stderr, "many_producers: %s\n", maplog_error_text());
        exit(1);
    }
    return answer;
}

/* A producer: a process with its own handle on the log behind fd. */
static void produce(int fd, uint32_t producer_number, uint32_t count)
{
    maplog *log;
    maplog_producer *producer;
    int answer;
    /* Records gather in batches of up to 16 KiB: fewer, larger appends. */
    struct maplog_producer_options options = {.batch_bytes = 16 << 10};
    check(maplog_attach(fd, &log));
    check(maplog_producer_open(log, "anonymous", &options, &producer));
    for (uint32_t i = 0; i < count; i++) {
        struct note note = {producer_number, i};
        struct maplog_record record = {.value = &note, .value_size = sizeof note};
        /* The ring is full while the consumer still reads its oldest segment: wait for it. */
        while ((answer = maplog_produce(producer, &record, NULL)) == MAPLOG_FULL)
            usleep(1000);
        check(answer);
    }
    while ((answer = maplog_flush(producer)) == MAPLOG_FULL)
        usleep(1000);
    check(answer);
    maplog_producer_close(producer);
    maplog_close(log);
}

/* Takes count records from each producer; returns how often the next was another's. */
static long consume(maplog_consumer *consumer, uint32_t producers, uint32_t count)
{
    uint32_t next[MOST_PRODUCERS] = {0}, last = 0;
    long turns = 0;
    for (uint64_t left = (uint64_t)producers * count; left > 0;) {
        struct maplog_message message;
        struct note note;
        while (check(maplog_consume(consumer, &message, 1000)) == 0) {
            int status = 1; /* quiet for a second: has a producer failed? */
            if (waitpid(-1, &status, WNOHANG) != 0 && status != 0)
                exit(1);
        }
        memcpy(&note, message.value, sizeof note);
        if (note.producer >= producers || note.number != next[note.producer]++) {
            fprintf(stderr, "record %lld is out of order\n", (long long)message.offset);
            exit(1);
        }
        turns += note.producer != last;
        last = note.producer;
        left--;
    }
    return turns;
}

int main(int argc, char **argv)
{
    long producers = argc > 1 ? strtol(argv[1], NULL, 10) : 4;
    long count = argc > 2 ? strtol(argv[2], NULL, 10) : 250000;
    maplog *log;
    maplog_consumer *consumer;
    if (argc > 3 || producers < 1 || producers > MOST_PRODUCERS || count < 1 || count > 1 << 30) {
        fprintf(stderr, "usage: many_producers [PRODUCERS [RECORDS-OF-EACH]]\n");
        return 2;
    }
    /* The consumer is there before the first record: nothing can be recycled unseen. */
    check(maplog_open_anonymous(NULL, &log));
    check(maplog_consumer_open(log, "anonymous", NULL, &consumer));
    int fd = maplog_descriptor(log);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (long i = 0; i < producers; i++) {
        pid_t child = fork();
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            produce(fd, (uint32_t)i, (uint32_t)count);
            exit(0);
        }
        if (child < 0) {
            perror("fork");
            return 1;
        }
    }
    long turns = consume(consumer, (uint32_t)producers, (uint32_t)count);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (double)(end.tv_sec - begin.tv_sec) + (end.tv_nsec - begin.tv_nsec) / 1e9;
    printf("%ld producers, %ld records of each, all in order; %ld turns; %.1f million a second\n",
           producers, count, turns, (double)(producers * count) / seconds / 1e6);
    maplog_consumer_close(consumer);
    maplog_close(log);
}
