/*
 * properties.h - reads "key=value" lines (Kafka's server.properties, meta.properties). Pure.
 * '#' and '!' begin a comment line; white space around key and value is dropped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One line, as views into the text. Comments and blank lines are passed over. */
struct property {
    const char *key;
    size_t key_length;
    const char *value;
    size_t value_length;
    int line; /* from 1 */
};

/* Takes the next property of text (from *at on, first 0); false at the end. A line without '='
 * comes back with value NULL. Lines are counted on from the property taken before: pass the same
 * struct. */
bool properties_next(const char *text, size_t length, size_t *at, struct property *property);

/* Parses a decimal integer with an optional suffix k, m, g, t (binary) for sizes; false when it is
 * not one, or out of [min, max]. */
bool properties_size(const char *value, size_t length, int64_t min, int64_t max, int64_t *number);
/* Parses a decimal integer with an optional suffix ms, s, min, h, d; result in milliseconds. */
bool properties_duration(const char *value, size_t length, int64_t min, int64_t max,
                         int64_t *milliseconds);
