/* report.c - attaching, errors with hints, signals. */
#define _GNU_SOURCE 1
#include "cmd/report.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cmd/commands.h"
#include "os/file.h"

/* ---- errors ---------------------------------------------------------------------------------- */

/* What one can do about it; NULL: the error text says all. */
static const char *hint(int code)
{
    switch (code) {
    case MAPLOG_DENIED:
        return "check the owner and mode of the directory: attached processes write to it";
    case MAPLOG_DISK_FULL:
        return "free some space; what was appended stays, and who is still attached goes on";
    case MAPLOG_CORRUPT:
        return "this shows what is wrong: maplog inspect %s";
    case MAPLOG_TOO_LARGE:
        return "max.message.bytes and segment.bytes of the topic bound a record: maplog topic "
               "alter";
    case MAPLOG_GROUP_BUSY:
    case MAPLOG_GROUP_ACTIVE:
        return "this shows who is attached: maplog ps --data %s";
    case MAPLOG_TIMED_OUT:
        return "this shows who holds what: maplog ps --data %s";
    case MAPLOG_NOT_PERSISTENT:
        return "a directory on a disk can do it; here --acks memory is what there is";
    default:
        return NULL;
    }
}

int report_error(int code, const char *data)
{
    if (code == MAPLOG_CLOSED)
        return EXIT_ERROR;
    const char *text = maplog_error_text();
    fprintf(stderr, "maplog: %s\n", text[0] ? text : maplog_error_name(code));
    const char *format = hint(code);
    if (code == MAPLOG_NOT_FOUND && data[0] && !file_exists(AT_FDCWD, data))
        format = "\"maplog topic create\" and \"maplog produce\" make the directory %s";
    const char *directory = format ? strstr(format, "%s") : NULL;
    if (directory)
        fprintf(stderr, "maplog: %.*s%s\n", (int)(directory - format), format, data);
    else if (format)
        fprintf(stderr, "maplog: %s\n", format);
    return EXIT_ERROR;
}

void report_note(const char *format, ...)
{
    va_list arguments;
    fputs("maplog: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

/* ---- attaching ------------------------------------------------------------------------------- */

int attach(const char *data, maplog **log)
{
    return maplog_open(data, NULL, log);
}

int attach_or_create(const char *data, maplog **log)
{
    struct maplog_open_options options = {.flags = MAPLOG_CREATE};
    return maplog_open(data, &options, log);
}

int attach_to_read(const char *data, maplog **log)
{
    int result = attach(data, log);
    if (result != MAPLOG_DENIED)
        return result;
    struct maplog_open_options options = {.flags = MAPLOG_READ_ONLY};
    return maplog_open(data, &options, log);
}

/* ---- signals --------------------------------------------------------------------------------- */

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    caught = number;
}

void catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        /* No SA_RESTART: a read that waits for input must come back. */
        struct sigaction note = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
        struct sigaction before;
        sigaction(numbers[i], &note, &before);
        if (before.sa_handler == SIG_IGN) /* nohup, or in the background of a script */
            sigaction(numbers[i], &before, NULL);
    }
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
}

int interrupted(void)
{
    return caught;
}

int exit_status(int status)
{
    return caught ? 128 + caught : status;
}

/* ---- amounts --------------------------------------------------------------------------------- */

static const char *amount(double value, const char *const units[], char text[static AMOUNT_SIZE])
{
    int unit = 0;
    while (value >= 999.5 && units[unit + 1]) {
        value /= 1000;
        unit++;
    }
    int digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(text, AMOUNT_SIZE, "%.*f%s", digits, value, units[unit]);
    return text;
}

const char *amount_bytes(double bytes, char text[static AMOUNT_SIZE])
{
    static const char *const units[] = {" B", " KB", " MB", " GB", " TB", NULL};
    return amount(bytes, units, text);
}

const char *amount_count(double count, char text[static AMOUNT_SIZE])
{
    static const char *const units[] = {"", " k", " M", " G", NULL};
    return amount(count, units, text);
}
