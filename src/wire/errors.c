#include "wire/errors.h"

#include <stddef.h>

struct known {
    const char *name;
    int16_t code;
    bool retriable;
};

static const struct known table[] = {
#define KAFKA_ERROR(name, code, retriable) {#name, code, retriable},
#include "wire/errors.def"
#undef KAFKA_ERROR
};

static const struct known *find(int16_t code)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].code == code)
            return &table[i];
    }
    return NULL;
}

const char *kafka_error_name(int16_t code)
{
    const struct known *known = find(code);
    return known ? known->name : NULL;
}

bool kafka_error_retriable(int16_t code)
{
    const struct known *known = find(code);
    return known && known->retriable;
}
