/*
 * watch_and_change - one process prints what another one changes in a file that both have mapped.
 *
 *     watch_and_change watch weather &
 *     watch_and_change change weather sun rain bye
 *     watch_and_change private weather snow        # a private mapping: nobody sees the snow
 *
 * cc watch_and_change.c $(pkg-config --cflags --libs maplog)
 */
#include <maplog_file.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What lies at byte 0 of the file. The text holds while `version` is even and the same before and
 * after it was read. Only one process at a time may change it. */
struct board {
    _Atomic uint32_t version;
    _Atomic char text[60];
};

/* Ends the program with what went wrong, if anything did. */
static void check(int answer)
{
    if (answer < 0) {
        fprintf(stderr, "watch_and_change: %s\n", maplog_error_text());
        exit(1);
    }
}

static maplog_file *open_board(const char *path, unsigned flags)
{
    maplog_file *file;
    struct maplog_file_options options = {.flags = flags};
    check(maplog_file_open(path, &options, &file));
    /* A new file has no bytes yet, and what is not there must not be touched. */
    if (maplog_file_size(file) == 0)
        check(maplog_file_grow(file, sizeof(struct board)));
    if (maplog_file_size(file) != sizeof(struct board)) {
        fprintf(stderr, "watch_and_change: %s was made by something else\n", path);
        exit(1);
    }
    return file;
}

static void change(struct board *board, const char *text)
{
    char padded[sizeof board->text] = "";
    snprintf(padded, sizeof padded, "%s", text);
    atomic_fetch_add(&board->version, 1); /* odd: do not read now */
    for (size_t i = 0; i < sizeof padded; i++)
        atomic_store(&board->text[i], padded[i]);
    atomic_fetch_add(&board->version, 1);
}

/* Copies the text and returns its version, which is odd when the text is just being changed. */
static uint32_t look(const struct board *board, char text[sizeof board->text])
{
    uint32_t before = atomic_load(&board->version);
    for (size_t i = 0; i < sizeof board->text; i++)
        text[i] = atomic_load(&board->text[i]);
    text[sizeof board->text - 1] = '\0'; /* whoever wrote the file, this is a string */
    return atomic_load(&board->version) == before ? before : before | 1;
}

static void watch(const struct board *board)
{
    char text[sizeof board->text];
    uint32_t seen = look(board, text);
    printf("watching; it says \"%s\"\n", text);
    for (;;) {
        uint32_t version = look(board, text);
        if (version == seen || version % 2 == 1) {
            usleep(1000);
            continue;
        }
        seen = version;
        printf("it changed to \"%s\"\n", text);
        if (strcmp(text, "bye") == 0)
            return;
    }
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    char text[sizeof((struct board *)0)->text];
    maplog_file *file;

    setvbuf(stdout, NULL, _IOLBF, 0); /* line by line, also into a pipe */
    if (strcmp(word, "watch") == 0 && argc == 3) {
        file = open_board(argv[2], MAPLOG_FILE_CREATE);
        watch(maplog_file_address(file));
    } else if (strcmp(word, "change") == 0 && argc > 3) {
        file = open_board(argv[2], MAPLOG_FILE_CREATE);
        for (int i = 3; i < argc; i++) {
            usleep(300000); /* a watcher that looks now and then sees only the newest text */
            change(maplog_file_address(file), argv[i]);
        }
    } else if (strcmp(word, "private") == 0 && argc == 4) {
        file = open_board(argv[2], MAPLOG_FILE_PRIVATE);
        change(maplog_file_address(file), argv[3]); /* the kernel copies the page to this process */
        look(maplog_file_address(file), text);
        printf("in this process it says \"%s\"\n", text);
        maplog_file_close(file);
        file = open_board(argv[2], MAPLOG_FILE_READ_ONLY);
        look(maplog_file_address(file), text);
        printf("for everybody else it says \"%s\"\n", text);
    } else {
        fprintf(stderr, "usage: watch_and_change watch FILE          until it says \"bye\"\n"
                        "       watch_and_change change FILE TEXT...\n"
                        "       watch_and_change private FILE TEXT\n");
        return 2;
    }
    maplog_file_close(file);
}
