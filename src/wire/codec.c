#include "wire/codec.h"

#include <string.h>

#include "base/error.h"
#include "wire/messages.h"
#include "wire/rows.h"

struct wire_string wire_text(const char *text)
{
    return (struct wire_string){.at = text, .size = text ? (int32_t)strlen(text) : -1};
}

char *wire_copy(struct arena *arena, struct wire_string string)
{
    return arena_copy(arena, string.at, string.size > 0 ? (size_t)string.size : 0);
}

bool wire_equal(struct wire_string string, const char *text)
{
    if (string.size < 0 || !text)
        return string.size < 0 && !text;
    size_t size = (size_t)string.size;
    return strlen(text) == size && memcmp(string.at, text, size) == 0;
}

const struct wire_api *wire_api(int16_t key)
{
    bool known = key >= 0 && key < WIRE_KEYS && wire_apis[key].name;
    return known ? &wire_apis[key] : NULL;
}

size_t wire_size(const struct wire_struct *type)
{
    return type->size;
}

void wire_init(const struct wire_struct *type, void *message)
{
    memcpy(message, type->defaults, type->size);
}

void *wire_new(struct arena *arena, const struct wire_struct *type)
{
    return wire_array(arena, type, 1);
}

void *wire_array(struct arena *arena, const struct wire_struct *type, int32_t count)
{
    if (count < 0)
        return NULL;
    char *first = arena_take_array(arena, (size_t)count, type->size);
    for (int32_t i = 0; first && i < count; i++)
        memcpy(first + (size_t)i * type->size, type->defaults, type->size);
    return first;
}

int wire_check_version(const struct wire_struct *type, int16_t version)
{
    if (version < type->first_version || version > type->last_version)
        return error_set(MAPLOG_UNSUPPORTED, "%s: no version %d, only %d to %d", type->name,
                         version, type->first_version, type->last_version);
    return 0;
}
