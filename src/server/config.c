/* config.c - server.properties. */
#include "server/config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/properties.h"
#include "os/file.h"
#include "server/note.h"

#define CONFIG_BYTES_MAX (1u << 20)

static int apply_line(struct broker_settings *settings, const char *path,
                      const struct property *property)
{
    if (!property->value)
        return error_set(MAPLOG_INVALID, "%s line %d: \"%.*s\" is no name=value", path,
                         property->line, (int)property->key_length, property->key);
    char *name = strndup(property->key, property->key_length);
    char *value = strndup(property->value, property->value_length);
    int result = MAPLOG_NO_MEMORY;
    if (name && value)
        result = broker_settings_apply(settings, name, value);
    else
        error_set(MAPLOG_NO_MEMORY, "no memory for settings");
    if (result == MAPLOG_NOT_FOUND) {
        note('W', "%s line %d: %s", path, property->line, error_text());
        result = 0;
    } else if (result) {
        error_prefix(result, "%s line %d", path, property->line);
    }
    free(name);
    free(value);
    return result;
}

int config_load(struct broker_settings *settings, const char *path)
{
    char *text;
    size_t length, at = 0;
    int result = file_read_all(AT_FDCWD, path, CONFIG_BYTES_MAX, &text, &length);
    if (result)
        return result;
    struct property property = {0};
    while (!result && properties_next(text, length, &at, &property))
        result = apply_line(settings, path, &property);
    free(text);
    return result;
}

int config_apply(struct broker_settings *settings, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    if (!equals)
        return error_set(MAPLOG_INVALID, "\"%s\" is no name=value", assignment);
    char *name = strndup(assignment, (size_t)(equals - assignment));
    if (!name)
        return error_set(MAPLOG_NO_MEMORY, "no memory for settings");
    int result = broker_settings_apply(settings, name, equals + 1);
    free(name);
    return result;
}
