/* when.c - offsets and times as people write them. */
#define _GNU_SOURCE 1
#include "cmd/when.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/properties.h"

/* Takes a separator and a fixed number of digits within [least, most]; digits 0 ends the rest. */
static bool take_digits(const char **at, int count, int least, int most, int *number)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        char c = (*at)[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *at += count;
    *number = value;
    return value >= least && value <= most;
}

static bool take_char(const char **at, char wanted)
{
    if (**at != wanted)
        return false;
    ++*at;
    return true;
}

/* "Z", "+01:00" or nothing (local time); *minutes east of Greenwich. */
static bool take_zone(const char **at, bool *local, int *minutes)
{
    *local = false;
    *minutes = 0;
    if (take_char(at, 'Z') || take_char(at, 'z'))
        return true;
    int sign = take_char(at, '+') ? 1 : take_char(at, '-') ? -1 : 0;
    if (!sign) {
        *local = true;
        return true;
    }
    int hours, rest;
    if (!take_digits(at, 2, 0, 14, &hours))
        return false;
    take_char(at, ':');
    if (!take_digits(at, 2, 0, 59, &rest))
        return false;
    *minutes = sign * (hours * 60 + rest);
    return true;
}

static bool take_clock(const char **at, struct tm *date, int *milliseconds)
{
    if (!take_digits(at, 2, 0, 23, &date->tm_hour) || !take_char(at, ':') ||
        !take_digits(at, 2, 0, 59, &date->tm_min))
        return false;
    if (!take_char(at, ':'))
        return true;
    if (!take_digits(at, 2, 0, 60, &date->tm_sec))
        return false;
    if (!take_char(at, '.'))
        return true;
    int weight = 100;
    int digit;
    if (!take_digits(at, 1, 0, 9, &digit))
        return false;
    do {
        *milliseconds += digit * weight;
        weight /= 10;
    } while (take_digits(at, 1, 0, 9, &digit));
    return true;
}

static bool parse_date(const char *text, int64_t *ms)
{
    struct tm date = {.tm_mday = 1, .tm_isdst = -1};
    int milliseconds = 0, minutes = 0;
    bool local = true;
    const char *at = text;
    if (!take_digits(&at, 4, 1970, 9999, &date.tm_year) || !take_char(&at, '-') ||
        !take_digits(&at, 2, 1, 12, &date.tm_mon) || !take_char(&at, '-') ||
        !take_digits(&at, 2, 1, 31, &date.tm_mday))
        return false;
    if ((take_char(&at, 'T') || take_char(&at, ' ')) && !take_clock(&at, &date, &milliseconds))
        return false;
    if (!take_zone(&at, &local, &minutes) || *at)
        return false;
    int day = date.tm_mday;
    date.tm_year -= 1900;
    date.tm_mon -= 1;
    int64_t seconds = local ? (int64_t)mktime(&date) : (int64_t)timegm(&date) - minutes * 60;
    *ms = seconds * 1000 + milliseconds;
    return date.tm_mday == day; /* 31 February became another day */
}

static bool parse(const char *text, int64_t now_ms, struct when *when)
{
    size_t length = strlen(text);
    bool number = length > 0 && text[length - 1] >= '0' && text[length - 1] <= '9';
    int64_t value;
    if (strcmp(text, "begin") == 0) {
        *when = (struct when){.kind = WHEN_BEGIN};
    } else if (strcmp(text, "end") == 0) {
        *when = (struct when){.kind = WHEN_END};
    } else if (number && properties_size(text, length, INT64_MIN + 1, INT64_MAX, &value)) {
        *when =
            text[0] == '-' ? (struct when){WHEN_LAST, -value} : (struct when){WHEN_OFFSET, value};
    } else if (text[0] == '@' && number &&
               properties_size(text + 1, length - 1, 0, INT64_MAX, &value)) {
        *when = (struct when){WHEN_TIME, value};
    } else if (text[0] == '-' && properties_duration(text, length, -now_ms, 0, &value)) {
        *when = (struct when){WHEN_TIME, now_ms + value};
    } else if (parse_date(text, &value)) {
        *when = (struct when){WHEN_TIME, value};
    } else {
        return false;
    }
    return true;
}

int when_parse(const char *text, int64_t now_ms, struct when *when)
{
    if (parse(text, now_ms, when))
        return 0;
    return error_set(MAPLOG_INVALID,
                     "\"%s\" is no place to begin; there are begin, end, an offset, -N (the last N "
                     "records), -15min (so long ago), 2026-01-31T12:00 and @MILLISECONDS",
                     text);
}
