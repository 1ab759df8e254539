/*
 * request_and_reply - a client process asks, a server process answers, and the client says how
 * long a round trip took: the median, and the slow ones, which nobody sees in an average.
 *
 *     request_and_reply spin 1000000   # who waits asks again and again: fastest, and a CPU each
 *     request_and_reply sleep          # who waits sleeps: no CPU, but the kernel has to wake it
 *
 * cc request_and_reply.c $(pkg-config --cflags --libs maplog)
 */
#include <maplog.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP 1000 /* round trips that are not counted: first touches of pages, cold caches */
#define MOST 10000000

static double took[MOST]; /* microseconds of each round trip */

/* Gives the answer of a call back, or ends the program with what went wrong. */
static int check(int answer)
{
    if (answer < 0) {
        fprintf(stderr, "request_and_reply: %s\n", maplog_error_text());
        exit(1);
    }
    return answer;
}

static void send_number(maplog_producer *producer, int64_t number)
{
    struct maplog_record record = {.value = &number, .value_size = sizeof number};
    check(maplog_produce(producer, &record, NULL));
}

/* timeout_ms 0: maplog_consume() returns at once, and this loop spins; -1: it sleeps until then. */
static int64_t receive_number(maplog_consumer *consumer, int timeout_ms)
{
    struct maplog_message message;
    int64_t number;
    while (check(maplog_consume(consumer, &message, timeout_ms)) == 0)
        ;
    memcpy(&number, message.value, sizeof number);
    return number;
}

static _Noreturn void serve(int requests_fd, int replies_fd, int timeout_ms)
{
    maplog *requests, *replies;
    maplog_consumer *consumer;
    maplog_producer *producer;
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* end when the client does */
    check(maplog_attach(requests_fd, &requests));
    check(maplog_attach(replies_fd, &replies));
    check(maplog_consumer_open(requests, "anonymous", NULL, &consumer));
    check(maplog_producer_open(replies, "anonymous", NULL, &producer));
    for (;;)
        send_number(producer, receive_number(consumer, timeout_ms)); /* the same number back */
}

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
    int spin = argc > 1 && strcmp(argv[1], "spin") == 0, timeout_ms = spin ? 0 : -1;
    int sleeps = argc > 1 && strcmp(argv[1], "sleep") == 0;
    long count = argc > 2 ? strtol(argv[2], NULL, 10) : 10000;
    maplog *requests, *replies;
    maplog_producer *producer;
    maplog_consumer *consumer;
    if (argc > 3 || (!spin && !sleeps) || count < 1 || count > MOST) {
        fprintf(stderr, "usage: request_and_reply spin|sleep [ROUND-TRIPS]\n");
        return 2;
    }
    check(maplog_open_anonymous(NULL, &requests));
    check(maplog_open_anonymous(NULL, &replies));
    int requests_fd = maplog_descriptor(requests), replies_fd = maplog_descriptor(replies);
    pid_t server = fork();
    if (server < 0)
        return perror("fork"), 1;
    if (server == 0)
        serve(requests_fd, replies_fd, timeout_ms);
    check(maplog_producer_open(requests, "anonymous", NULL, &producer));
    check(maplog_consumer_open(replies, "anonymous", NULL, &consumer));

    for (long i = -WARM_UP; i < count; i++) {
        if (sleeps)
            usleep(100); /* else the next request would come before the server is asleep */
        double begin = now_us();
        send_number(producer, i);
        while (receive_number(consumer, timeout_ms) != i)
            ; /* the reply to another request */
        if (i >= 0)
            took[i] = now_us() - begin;
    }
    kill(server, SIGTERM);

    qsort(took, (size_t)count, sizeof *took, compare);
    printf("%ld round trips: p50 %.2f us, p99 %.2f us, p99.9 %.2f us, max %.2f us\n", count,
           took[count / 2], took[count * 99 / 100], took[count * 999 / 1000], took[count - 1]);
    maplog_consumer_close(consumer);
    maplog_producer_close(producer);
    maplog_close(requests);
    maplog_close(replies);
}
