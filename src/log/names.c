#include "log/names.h"

#include <maplog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/format.h"
#include "os/file.h"

bool names_split(const char *name, char topic[static LIMIT_TOPIC_NAME + 1], int32_t *number)
{
    const char *dash = strrchr(name, '-');
    if (!dash || dash == name || (size_t)(dash - name) > LIMIT_TOPIC_NAME)
        return false;
    size_t digits = strspn(dash + 1, "0123456789");
    if (digits == 0 || digits > 9 || dash[1 + digits] || (digits > 1 && dash[1] == '0'))
        return false;
    memcpy(topic, name, (size_t)(dash - name));
    topic[dash - name] = 0;
    *number = (int32_t)strtol(dash + 1, NULL, 10);
    return true;
}

void names_aside(char to[static NAMES_ASIDE_SIZE], const char *topic, int32_t number,
                 const struct uuid *id, const char *suffix)
{
    char rest[64], text[UUID_TEXT_SIZE];
    uuid_format(id, text);
    int length = snprintf(rest, sizeof rest, "-%d.%s-%s", (int)number, text, suffix);
    snprintf(to, NAMES_ASIDE_SIZE, "%.*s%s", NAMES_ASIDE_SIZE - 1 - length, topic, rest);
}

bool names_segment(const char *name, const char *suffix, int64_t *base)
{
    if (strspn(name, "0123456789") != SEGMENT_NAME_BYTES ||
        strcmp(name + SEGMENT_NAME_BYTES, suffix) != 0)
        return false;
    uint64_t number = strtoull(name, NULL, 10);
    if (number > INT64_MAX)
        return false;
    *base = (int64_t)number;
    return true;
}

int names_add(struct names *names, const char *name)
{
    char **items = realloc(names->items, (names->count + 1) * sizeof *items);
    if (items)
        names->items = items;
    char *copy = items ? strdup(name) : NULL;
    if (!copy)
        return error_set(MAPLOG_NO_MEMORY, "cannot list partitions");
    names->items[names->count++] = copy;
    return 0;
}

static int collect(void *context, const char *name, bool is_directory)
{
    char topic[LIMIT_TOPIC_NAME + 1];
    int32_t number;
    return is_directory && names_split(name, topic, &number) ? names_add(context, name) : 0;
}

int names_list(struct names *names, int directory_fd)
{
    return file_list(directory_fd, ".", collect, names);
}

static int compare(const void *left, const void *right)
{
    char topics[2][LIMIT_TOPIC_NAME + 1];
    int32_t numbers[2] = {-1, -1};
    const char *names[2] = {*(char *const *)left, *(char *const *)right};
    if (!names_split(names[0], topics[0], &numbers[0]) ||
        !names_split(names[1], topics[1], &numbers[1]))
        return strcmp(names[0], names[1]);
    int order = strcmp(topics[0], topics[1]);
    return order ? order : (numbers[0] > numbers[1]) - (numbers[0] < numbers[1]);
}

void names_sort(struct names *names)
{
    if (names->count > 1)
        qsort(names->items, names->count, sizeof *names->items, compare);
}

void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (struct names){0};
}
