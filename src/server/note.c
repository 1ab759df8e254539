/* note.c - structured lines on standard error. */
#include "server/note.h"

#include <stdarg.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "os/clock.h"
#include "os/file.h"

static bool debug;

void note_debug(void)
{
    debug = true;
}

/* "2026-01-31T12:00:00.123Z": a log is read in other places than it is written. */
static size_t put_time(char *line, size_t size)
{
    int64_t now = clock_wall_ms();
    time_t seconds = (time_t)(now / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t length = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &parts);
    return length + (size_t)snprintf(line + length, size - length, ".%03dZ", (int)(now % 1000));
}

/* Writes the line unless whoever reads standard error has stopped: the server goes on without him.
 * One thread at a time, so that there still is room after the look. */
static void write_line(const char *line, size_t length)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static unsigned dropped;
    pthread_mutex_lock(&lock);
    if (dropped && file_takes_line(2)) {
        char lost[96];
        size_t size = put_time(lost, sizeof lost);
        size +=
            (size_t)snprintf(lost + size, sizeof lost - size, " W %u lines were lost\n", dropped);
        file_write_stream(2, "standard error", lost, size);
        dropped = 0;
    }
    if (file_takes_line(2))
        file_write_stream(2, "standard error", line, length);
    else
        dropped++;
    pthread_mutex_unlock(&lock);
}

void note(char level, const char *format, ...)
{
    if (level == 'D' && !debug)
        return;
    char line[NOTE_SIZE];
    size_t length = put_time(line, sizeof line);
    length += (size_t)snprintf(line + length, sizeof line - length, " %c ", level);
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(line + length, sizeof line - length, format, arguments);
    va_end(arguments);
    length += written < 0 ? 0 : (size_t)written;
    if (length > sizeof line - 2)
        length = sizeof line - 2;
    for (size_t i = 0; i < length; i++) /* one line, whatever a client's name holds */
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = '?';
    line[length++] = '\n';
    write_line(line, length);
}
