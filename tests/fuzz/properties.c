/* properties.c - any text as a settings file: views stay inside it, and numbers inside their range.
 */
#include "base/properties.h"
#include "base/uuid.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static void check_value(const char *value, size_t length)
{
    int64_t number;
    char text[64];
    struct uuid id;
    if (properties_size(value, length, -1, 1 << 20, &number))
        check(number >= -1 && number <= 1 << 20);
    if (properties_duration(value, length, INT64_MIN, INT64_MAX, &number))
        check(length > 0);
    if (length >= sizeof text)
        return;
    memcpy(text, value, length);
    text[length] = '\0';
    if (uuid_parse(text, &id)) {
        /* All but the spare bits of the last character comes back. */
        char again[UUID_TEXT_SIZE];
        uuid_format(&id, again);
        check(memcmp(text, again, UUID_TEXT_SIZE - 2) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *end = text + size;
    struct property property;
    int last_line = 0;
    for (size_t at = 0; properties_next(text, size, &at, &property);) {
        check(at <= size);
        check(property.line > last_line);
        check(property.key >= text && property.key + property.key_length <= end);
        last_line = property.line;
        if (property.value) {
            check(property.value >= text && property.value + property.value_length <= end);
            check_value(property.value, property.value_length);
        }
    }
    return 0;
}
