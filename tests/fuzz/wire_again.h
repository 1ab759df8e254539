/* wire_again.h - what could be read can be written, and is then read and written the same. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "wire/codec.h"

#define WIRE_MEMORY (16u << 20)

static inline void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

/* Encodes into memory of just the right size; free() it. */
static inline uint8_t *wire_plain(const struct wire_struct *type, int16_t version,
                                  const void *message, size_t *size)
{
    struct arena arena = {.limit = 4 * WIRE_MEMORY};
    struct wire_output out = {.arena = &arena};
    check(wire_encode(type, version, message, &out) == 0);
    uint8_t *plain = malloc(out.size ? out.size : 1);
    *size = 0;
    for (uint32_t i = 0; i < out.count; i++) {
        check(out.slices[i].size > 0);
        memcpy(plain + *size, out.slices[i].at, out.slices[i].size);
        *size += out.slices[i].size;
    }
    check(*size == out.size);
    arena_reset(&arena);
    return plain;
}

static inline void wire_again(const struct wire_struct *type, int16_t version, struct bytes in)
{
    struct arena arena = {.limit = WIRE_MEMORY}, second = {.limit = 4 * WIRE_MEMORY};
    void *message = wire_new(&arena, type), *again = wire_new(&second, type);
    int result = wire_decode(type, version, &in, &arena, message);
    if (result == 0) {
        size_t size, size_again;
        uint8_t *plain = wire_plain(type, version, message, &size);
        struct bytes written = bytes_over(plain, size);
        check(wire_decode(type, version, &written, &second, again) == 0);
        uint8_t *plain_again = wire_plain(type, version, again, &size_again);
        check(size == size_again && memcmp(plain, plain_again, size) == 0);
        free(plain);
        free(plain_again);
    } else {
        check((result == MAPLOG_CORRUPT || result == MAPLOG_LIMIT) && error_text()[0] != 0);
    }
    arena_reset(&arena);
    arena_reset(&second);
}
