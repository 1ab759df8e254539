/*
 * copies.h - what an answer says of things that are locked while it is made, copied into the
 * request's arena. One failure is kept, so that a handler looks once, at its end.
 */
#pragma once

#include "wire/codec.h"

struct copies {
    struct arena *arena;
    bool failed; /* for want of memory: there is no answer */
};

static inline const void *copies_of(struct copies *copies, const void *from, int32_t size)
{
    if (size <= 0)
        return "";
    void *to = arena_take(copies->arena, (size_t)size);
    if (to)
        memcpy(to, from, (size_t)size);
    else
        copies->failed = true;
    return to;
}

/* null stays null. After a failure it is empty. */
static inline struct wire_string copies_string(struct copies *copies, struct wire_string from)
{
    const char *to = copies_of(copies, from.at, from.size);
    return (struct wire_string){to, to ? from.size : 0};
}

static inline struct wire_bytes copies_bytes(struct copies *copies, struct wire_bytes from)
{
    const uint8_t *to = copies_of(copies, from.at, from.size);
    return (struct wire_bytes){to, to ? from.size : 0};
}

/* `count` initialised structs, and their number in *counted: 0 after a failure. */
static inline void *copies_array(struct copies *copies, const struct wire_struct *type,
                                 int32_t count, int32_t *counted)
{
    void *array = wire_array(copies->arena, type, count < 0 ? 0 : count);
    copies->failed |= !array;
    *counted = array && count > 0 ? count : 0;
    return array;
}
