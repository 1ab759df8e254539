/* bytes_of.h - hexadecimal text, and what a wire_output says, as plain bytes. For tests of wire/.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "wire/codec.h"

struct plain {
    uint8_t *at; /* free() */
    size_t size;
};

static inline struct plain plain_of_hex(const char *hex)
{
    struct plain plain = {malloc(strlen(hex) / 2 + 1), strlen(hex) / 2};
    for (size_t i = 0; i < plain.size; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        plain.at[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return plain;
}

static inline struct plain plain_of_output(const struct wire_output *out)
{
    struct plain plain = {malloc(out->size + 1), 0};
    for (uint32_t i = 0; i < out->count; i++) {
        memcpy(plain.at + plain.size, out->slices[i].at, out->slices[i].size);
        plain.size += out->slices[i].size;
    }
    return plain;
}

static inline bool plain_equal(struct plain a, struct plain b)
{
    return a.size == b.size && memcmp(a.at, b.at, a.size) == 0;
}
