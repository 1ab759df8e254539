#include "log/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/file.h"

#define VERSION 0
/* Longest line: topic, partition, offset, or epoch and offset. */
#define LINE_BYTES (LIMIT_TOPIC_NAME + 40)
#define LEAST_LINE_BYTES 4 /* "0 0\n" */

/* The text of one file while it is read. */
struct lines {
    const char *path;
    const char *at, *end;
    int number; /* of the line taken last */
};

static int corrupt(const struct lines *lines, const char *what)
{
    return error_set(MAPLOG_CORRUPT, "%s line %d: %s", lines->path, lines->number, what);
}

/* Copies the next line, which must have an end. */
static int take_line(struct lines *lines, char line[static LINE_BYTES])
{
    lines->number++;
    const char *newline = memchr(lines->at, '\n', (size_t)(lines->end - lines->at));
    if (!newline)
        return corrupt(lines, lines->at == lines->end ? "it is missing" : "it has no end");
    size_t length = (size_t)(newline - lines->at);
    if (length >= LINE_BYTES || memchr(lines->at, '\0', length))
        return corrupt(lines, "not text of a checkpoint");
    memcpy(line, lines->at, length);
    line[length] = '\0';
    lines->at = newline + 1;
    return 0;
}

/* Takes a number from 0 to max; what separates it from the next word goes too. */
static bool take_number(const char **at, int64_t max, int64_t *number)
{
    int64_t value = 0;
    const char *digit = *at;
    for (; *digit >= '0' && *digit <= '9'; digit++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *digit - '0', &value))
            return false;
    }
    if (digit == *at || value > max || (*digit != '\0' && *digit != ' '))
        return false;
    while (*digit == ' ')
        digit++;
    *at = digit;
    *number = value;
    return true;
}

/* A line with one number only. */
static int take_lone_number(struct lines *lines, int64_t max, int64_t *number)
{
    char line[LINE_BYTES];
    const char *at = line;
    int result = take_line(lines, line);
    if (!result && (!take_number(&at, max, number) || *at != '\0'))
        result = corrupt(lines, "a number is expected");
    return result;
}

/* Reads the file and its first two lines. *text is NULL when there is no file. */
static int open_lines(int directory_fd, const char *path, struct lines *lines, char **text,
                      size_t *count)
{
    size_t length;
    *text = NULL;
    *count = 0;
    int result = file_read_all(directory_fd, path, LIMIT_CHECKPOINT, text, &length);
    if (result)
        return result == MAPLOG_NOT_FOUND ? 0 : result;
    *lines = (struct lines){.path = path, .at = *text, .end = *text + length};
    int64_t version = 0, entries = 0;
    result = take_lone_number(lines, INT32_MAX, &version);
    if (!result && version != VERSION)
        result = error_set(MAPLOG_VERSION, "%s has version %" PRId64 ", known is %d", path, version,
                           VERSION);
    if (!result)
        result = take_lone_number(lines, INT32_MAX, &entries);
    if (!result && (size_t)entries > (size_t)(lines->end - lines->at) / LEAST_LINE_BYTES)
        result = corrupt(lines, "more entries than lines");
    *count = (size_t)entries;
    return result;
}

/* Nothing may follow the last entry. */
static int end_lines(struct lines *lines)
{
    lines->number++;
    return lines->at == lines->end ? 0 : corrupt(lines, "more lines than entries");
}

static bool parse_offset(const char *line, struct checkpoint_offset *entry)
{
    size_t length = strcspn(line, " ");
    if (length == 0 || length > LIMIT_TOPIC_NAME || line[length] != ' ')
        return false;
    const char *at = line + length + strspn(line + length, " ");
    int64_t partition;
    *entry = (struct checkpoint_offset){0};
    memcpy(entry->topic, line, length);
    bool valid = take_number(&at, INT32_MAX, &partition) &&
                 take_number(&at, INT64_MAX, &entry->offset) && *at == '\0';
    entry->partition = valid ? (int32_t)partition : 0;
    return valid;
}

int checkpoint_load_offsets(int directory_fd, const char *path, struct checkpoint_offset **entries,
                            size_t *count)
{
    struct lines lines;
    char *text;
    size_t wanted;
    int result = open_lines(directory_fd, path, &lines, &text, &wanted);
    struct checkpoint_offset *found = result ? NULL : calloc(wanted + 1, sizeof *found);
    if (!result && !found)
        result = error_set(MAPLOG_NO_MEMORY, "no memory for %s", path);
    for (size_t i = 0; !result && i < wanted; i++) {
        char line[LINE_BYTES];
        result = take_line(&lines, line);
        if (!result && !parse_offset(line, &found[i]))
            result = corrupt(&lines, "topic, partition and offset are expected");
    }
    if (!result && text)
        result = end_lines(&lines);
    free(text);
    if (result) {
        free(found);
        return result;
    }
    *entries = found;
    *count = wanted;
    return 0;
}

int checkpoint_load_epochs(int directory_fd, const char *path, struct checkpoint_epoch **entries,
                           size_t *count)
{
    struct lines lines;
    char *text;
    size_t wanted;
    int result = open_lines(directory_fd, path, &lines, &text, &wanted);
    struct checkpoint_epoch *found = result ? NULL : calloc(wanted + 1, sizeof *found);
    if (!result && !found)
        result = error_set(MAPLOG_NO_MEMORY, "no memory for %s", path);
    for (size_t i = 0; !result && i < wanted; i++) {
        char line[LINE_BYTES];
        const char *at = line;
        int64_t epoch = 0;
        result = take_line(&lines, line);
        if (!result && (!take_number(&at, INT32_MAX, &epoch) ||
                        !take_number(&at, INT64_MAX, &found[i].start_offset) || *at != '\0'))
            result = corrupt(&lines, "epoch and start offset are expected");
        found[i].epoch = (int32_t)epoch;
    }
    if (!result && text)
        result = end_lines(&lines);
    free(text);
    if (result) {
        free(found);
        return result;
    }
    *entries = found;
    *count = wanted;
    return 0;
}

/* A buffer for `count` entries with the first two lines in it; NULL without memory. */
static char *begin_text(size_t count, size_t *length)
{
    char *text = malloc((count + 1) * LINE_BYTES);
    if (text)
        *length = (size_t)snprintf(text, LINE_BYTES, "%d\n%zu\n", VERSION, count);
    return text;
}

static int replace(int directory_fd, const char *path, char *text, size_t length, bool durable)
{
    int result = length > LIMIT_CHECKPOINT
                     ? error_set(MAPLOG_LIMIT, "%s would have %zu bytes, at most %u", path, length,
                                 LIMIT_CHECKPOINT)
                     : file_replace(directory_fd, path, text, length, durable);
    free(text);
    return result;
}

int checkpoint_store_offsets(int directory_fd, const char *path,
                             const struct checkpoint_offset *entries, size_t count, bool durable)
{
    size_t length;
    char *text = begin_text(count, &length);
    if (!text)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %s", path);
    for (size_t i = 0; i < count; i++)
        length += (size_t)snprintf(text + length, LINE_BYTES, "%s %" PRId32 " %" PRId64 "\n",
                                   entries[i].topic, entries[i].partition, entries[i].offset);
    return replace(directory_fd, path, text, length, durable);
}

int checkpoint_store_epochs(int directory_fd, const char *path,
                            const struct checkpoint_epoch *entries, size_t count, bool durable)
{
    size_t length;
    char *text = begin_text(count, &length);
    if (!text)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %s", path);
    for (size_t i = 0; i < count; i++)
        length += (size_t)snprintf(text + length, LINE_BYTES, "%" PRId32 " %" PRId64 "\n",
                                   entries[i].epoch, entries[i].start_offset);
    return replace(directory_fd, path, text, length, durable);
}
