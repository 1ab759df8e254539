/* properties.c - "key=value" lines, sizes and durations. */
#include "base/properties.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f';
}

/* Drops white space at both ends of [*first, *end). */
static void trim(const char **first, const char **end)
{
    while (*first < *end && is_space(**first))
        ++*first;
    while (*first < *end && is_space((*end)[-1]))
        --*end;
}

bool properties_next(const char *text, size_t length, size_t *at, struct property *property)
{
    int line = *at == 0 ? 1 : property->line + 1;
    for (; *at < length; line++) {
        const char *first = text + *at;
        const char *end = memchr(first, '\n', length - *at);
        if (!end)
            end = text + length;
        *at = (size_t)(end - text) + (end < text + length);
        trim(&first, &end);
        if (first == end || *first == '#' || *first == '!')
            continue;
        const char *equals = memchr(first, '=', (size_t)(end - first));
        const char *key_end = equals ? equals : end;
        const char *value = equals ? equals + 1 : NULL;
        trim(&first, &key_end);
        if (value)
            trim(&value, &end);
        *property = (struct property){
            .key = first,
            .key_length = (size_t)(key_end - first),
            .value = value,
            .value_length = value ? (size_t)(end - value) : 0,
            .line = line,
        };
        return true;
    }
    return false;
}

struct unit {
    const char *suffix; /* lower case */
    int64_t factor;
};

/* Parses "[+-]digits[suffix]"; units ends with a NULL suffix. */
static bool parse(const char *value, size_t length, const struct unit *units, int64_t *number)
{
    size_t i = length > 0 && (value[0] == '-' || value[0] == '+');
    size_t digits = 0;
    int64_t result = 0;
    for (; i < length && value[i] >= '0' && value[i] <= '9'; i++, digits++) {
        /* Summed below zero, because INT64_MIN has no positive twin. */
        if (__builtin_mul_overflow(result, 10, &result) ||
            __builtin_sub_overflow(result, value[i] - '0', &result))
            return false;
    }
    if (digits == 0 || (value[0] != '-' && __builtin_sub_overflow((int64_t)0, result, &result)))
        return false;
    if (i == length) {
        *number = result;
        return true;
    }
    for (const struct unit *unit = units; unit->suffix; unit++) {
        size_t n = strlen(unit->suffix);
        if (n != length - i)
            continue;
        size_t same = 0;
        while (same < n && (value[i + same] | 0x20) == unit->suffix[same])
            same++;
        if (same == n && !__builtin_mul_overflow(result, unit->factor, &result)) {
            *number = result;
            return true;
        }
    }
    return false;
}

static bool parse_within(const char *value, size_t length, const struct unit *units,
                         const int64_t range[static 2], int64_t *number)
{
    int64_t parsed;
    if (!parse(value, length, units, &parsed) || parsed < range[0] || parsed > range[1])
        return false;
    *number = parsed;
    return true;
}

bool properties_size(const char *value, size_t length, int64_t min, int64_t max, int64_t *number)
{
    static const struct unit units[] = {{"k", (int64_t)1 << 10},
                                        {"m", (int64_t)1 << 20},
                                        {"g", (int64_t)1 << 30},
                                        {"t", (int64_t)1 << 40},
                                        {NULL, 0}};
    return parse_within(value, length, units, (int64_t[]){min, max}, number);
}

bool properties_duration(const char *value, size_t length, int64_t min, int64_t max,
                         int64_t *milliseconds)
{
    static const struct unit units[] = {{"ms", 1},      {"s", 1000},     {"min", 60000},
                                        {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
    return parse_within(value, length, units, (int64_t[]){min, max}, milliseconds);
}
