#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 16
#define BLOCK_MIN 4096
#define BLOCK_MAX (256u << 10) /* of blocks that nothing larger was asked of */

struct arena_block {
    _Alignas(ALIGNMENT) struct arena_block *older;
};

static size_t aligned(size_t size)
{
    return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

/* A block with room for size bytes; each is as large as all before it, so that they stay few. */
static int add_block(struct arena *arena, size_t size)
{
    size_t need = sizeof(struct arena_block) + size;
    size_t left = arena->limit > arena->used ? arena->limit - arena->used : 0;
    size_t bytes = arena->used < BLOCK_MIN ? BLOCK_MIN : arena->used;
    if (bytes > BLOCK_MAX)
        bytes = BLOCK_MAX;
    if (bytes > left)
        bytes = left;
    if (bytes < need)
        bytes = need;
    struct arena_block *block = bytes <= left ? malloc(bytes) : NULL;
    if (!block)
        return -1;
    block->older = arena->blocks;
    arena->blocks = block;
    arena->at = (char *)(block + 1);
    arena->end = (char *)block + bytes;
    arena->used += bytes;
    return 0;
}

void *arena_take(struct arena *arena, size_t size)
{
    if (size > arena->limit)
        return NULL;
    size_t bytes = size ? aligned(size) : ALIGNMENT;
    if (bytes > (size_t)(arena->end - arena->at) && add_block(arena, bytes))
        return NULL;
    char *taken = arena->at;
    arena->at += bytes;
    return memset(taken, 0, bytes);
}

void *arena_take_array(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;
    return __builtin_mul_overflow(count, size, &bytes) ? NULL : arena_take(arena, bytes);
}

char *arena_copy(struct arena *arena, const char *text, size_t length)
{
    char *copy = length < SIZE_MAX ? arena_take(arena, length + 1) : NULL;
    if (copy && length > 0)
        memcpy(copy, text, length);
    return copy;
}

char *arena_print(struct arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length >= 0 ? arena_take(arena, (size_t)length + 1) : NULL;
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

void arena_reset(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->older;
        free(block);
    }
    arena->at = arena->end = NULL;
    arena->used = 0;
}
