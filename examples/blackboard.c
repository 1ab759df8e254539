/*
 * blackboard - the latest value of each key, for any number of processes: who sets a value appends
 * a record, who wants to know reads the log once and then only what is new.
 *
 *     blackboard set /dev/shm/board door open    # without a value, the key is wiped off
 *     blackboard show /dev/shm/board             # the newest value of each key
 *     blackboard watch /dev/shm/board 5          # the next five changes, as they come
 *
 * cc blackboard.c $(pkg-config --cflags --libs maplog)
 */
#include <maplog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOPIC "board"
#define KEY_SIZE 64
#define VALUE_SIZE 192
#define MOST_KEYS 256

/* This process's copy; a key of "" ends it, a value of "" was wiped off. */
static struct entry {
    char key[KEY_SIZE], value[VALUE_SIZE];
} board[MOST_KEYS];

/* Gives the answer of a call back, or ends the program with what went wrong. */
static int check(int answer)
{
    if (answer < 0) {
        fprintf(stderr, "blackboard: %s\n", maplog_error_text());
        exit(1);
    }
    return answer;
}

static void set(maplog *log, const char *key, const char *value)
{
    maplog_producer *producer;
    struct maplog_record record = {.key = key, .key_size = strlen(key)};
    record.value = value; /* none: what Kafka calls a tombstone */
    record.value_size = value ? strlen(value) : 0;
    check(maplog_producer_open(log, TOPIC, NULL, &producer));
    check(maplog_produce(producer, &record, NULL));
    check(maplog_producer_close(producer));
}

/* Makes a string of bytes from the log, as long as there is room. */
static void copy(char *to, size_t room, const void *from, size_t size)
{
    size_t kept = size < room ? size : room - 1;
    if (kept > 0)
        memcpy(to, from, kept);
    to[kept] = '\0';
}

/* Writes a message on the board; the entry as it is now, and in *old the value that it had. */
static const struct entry *put(const struct maplog_message *message, char old[VALUE_SIZE])
{
    char key[KEY_SIZE];
    int i = 0;
    copy(key, KEY_SIZE, message->key, message->key_size);
    while (i < MOST_KEYS && board[i].key[0] && strcmp(board[i].key, key) != 0)
        i++;
    if (i == MOST_KEYS) {
        fprintf(stderr, "blackboard: more than %d keys\n", MOST_KEYS);
        exit(1);
    }
    memcpy(board[i].key, key, KEY_SIZE);
    memcpy(old, board[i].value, VALUE_SIZE);
    copy(board[i].value, VALUE_SIZE, message->value, message->value_size);
    return &board[i];
}

/* Shows what is there; then so many changes. */
static void read_board(maplog *log, long changes)
{
    char old[VALUE_SIZE];
    struct maplog_message message;
    maplog_consumer *consumer;
    check(maplog_consumer_open(log, TOPIC, NULL, &consumer));
    while (check(maplog_consume(consumer, &message, 0)) == 1)
        put(&message, old);
    for (int i = 0; i < MOST_KEYS && board[i].key[0]; i++)
        if (board[i].value[0])
            printf("%s is %s\n", board[i].key, board[i].value);

    while (changes > 0 && check(maplog_consume(consumer, &message, -1)) == 1) {
        const struct entry *entry = put(&message, old);
        if (strcmp(entry->value, old) == 0)
            continue; /* set to what it was */
        printf("%s: \"%s\" -> \"%s\"\n", entry->key, old, entry->value);
        changes--;
    }
    maplog_consumer_close(consumer);
}

int main(int argc, char **argv)
{
    int sets = argc > 3 && argc < 6 && strcmp(argv[1], "set") == 0;
    int watches = argc == 4 && strcmp(argv[1], "watch") == 0;
    if (!sets && !watches && (argc != 3 || strcmp(argv[1], "show") != 0)) {
        fprintf(stderr, "usage: blackboard set DIRECTORY KEY [VALUE]\n"
                        "       blackboard show DIRECTORY\n"
                        "       blackboard watch DIRECTORY CHANGES\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* line by line, also into a pipe */
    maplog *log;
    struct maplog_open_options options = {.flags = MAPLOG_CREATE};
    check(maplog_open(argv[2], &options, &log));
    /* Values are good until they are replaced, however old: retention must not take them. */
    int made = maplog_topic_create(log, TOPIC, 1, (const char *[]){"retention.ms=-1", NULL});
    if (made != MAPLOG_EXISTS)
        check(made);
    if (sets)
        set(log, argv[3], argv[4]);
    else
        read_board(log, watches ? strtol(argv[3], NULL, 10) : 0);
    maplog_close(log);
}
