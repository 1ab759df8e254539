/*
 * strangers - two processes that know nothing of each other but the name of a directory exchange
 * texts through a log in /dev/shm. Start them in any order, as often as you like, also several.
 *
 *     strangers read /dev/shm/bus &
 *     strangers write /dev/shm/bus hello world bye
 *
 * cc strangers.c $(pkg-config --cflags --libs maplog)
 */
#include <maplog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOPIC "texts"

/* Gives the answer of a call back, or ends the program with what went wrong. */
static int check(int answer)
{
    if (answer < 0) {
        fprintf(stderr, "strangers: %s\n", maplog_error_text());
        exit(1);
    }
    return answer;
}

/* Whoever comes first makes the directory and the topic. */
static maplog *open_log(const char *directory)
{
    maplog *log;
    struct maplog_open_options options = {.flags = MAPLOG_CREATE};
    check(maplog_open(directory, &options, &log));
    int made = maplog_topic_create(log, TOPIC, 1, NULL);
    if (made != MAPLOG_EXISTS)
        check(made);
    return log;
}

static void write_texts(maplog *log, char **texts)
{
    maplog_producer *producer;
    check(maplog_producer_open(log, TOPIC, NULL, &producer));
    for (; *texts; texts++) {
        struct maplog_record record = {.value = *texts, .value_size = strlen(*texts)};
        int64_t offset;
        check(maplog_produce(producer, &record, &offset));
        /* Published: from here on it survives the death of this process. */
        printf("wrote %s at offset %lld\n", *texts, (long long)offset);
    }
    check(maplog_producer_close(producer));
}

/* Reads on from where the group's last reader stopped, until "bye". */
static void read_texts(maplog *log)
{
    maplog_consumer *consumer;
    struct maplog_consumer_options options = {.group = "readers"};
    check(maplog_consumer_open(log, TOPIC, &options, &consumer));
    struct maplog_message message; /* points into the shared memory: nothing is copied */
    int bye = 0;
    while (!bye && check(maplog_consume(consumer, &message, -1)) == 1) {
        printf("read  %.*s at offset %lld\n", (int)message.value_size, (const char *)message.value,
               (long long)message.offset);
        fflush(stdout);
        bye = message.value_size == 3 && memcmp(message.value, "bye", 3) == 0;
        check(maplog_commit(consumer)); /* the text is done with: no reader shall see it again */
    }
    maplog_consumer_close(consumer);
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    int reads = strcmp(word, "read") == 0 && argc == 3;
    int writes = strcmp(word, "write") == 0 && argc > 3;
    if (!reads && !writes) {
        fprintf(stderr, "usage: strangers read DIRECTORY             until \"bye\" comes\n"
                        "       strangers write DIRECTORY TEXT...\n");
        return 2;
    }
    maplog *log = open_log(argv[2]);
    if (writes)
        write_texts(log, argv + 3);
    else
        read_texts(log);
    maplog_close(log);
}
