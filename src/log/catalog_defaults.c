/* What stands in the catalog beside topics: the defaults of all, and what is kept for a server. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/catalog_private.h"

static struct catalog_span span(const char *text)
{
    return (struct catalog_span){text, strlen(text)};
}

const char *catalog_config(const struct catalog_topic *topic, const char *name)
{
    bool found = false;
    size_t at = topic ? catalog_config_place(topic, span(name), &found) : 0;
    return found ? topic->configs[at].value : NULL;
}

const char *catalog_default(const struct catalog *catalog, const char *name)
{
    const char *given = catalog_config(catalog->defaults, name), *known, *standard;
    for (size_t i = 0; settings_known(i, &known, &standard); i++) {
        if (strcmp(known, name) == 0)
            return given ? given : standard;
    }
    return NULL;
}

/* A list under this name; *made NULL when it has no entries. */
static int make(const char *name, const char *const *configs, struct catalog_topic **made)
{
    *made = NULL;
    if (!configs[0])
        return 0;
    struct catalog_topic *list = catalog_topic_new(span(name), &(struct uuid){{0}});
    int result = list ? 0 : error_set(MAPLOG_NO_MEMORY, "no memory for the defaults of topics");
    for (size_t i = 0; !result && configs[i]; i++) {
        const char *equals = strchr(configs[i], '=');
        if (!equals || equals == configs[i] || !equals[1])
            result = error_set(MAPLOG_INVALID, "\"%s\" is not of the form name=value", configs[i]);
        else
            result = catalog_config_set(
                list, (struct catalog_span){configs[i], (size_t)(equals - configs[i])},
                span(equals + 1));
    }
    if (result)
        catalog_topic_free(list);
    else
        *made = list;
    return result;
}

static int check_defaults(struct catalog_topic *defaults)
{
    struct settings ignored;
    for (size_t i = 0; defaults && i < defaults->config_count; i++) {
        int result =
            settings_apply(&ignored, defaults->configs[i].name, defaults->configs[i].value);
        if (result)
            return result;
    }
    return defaults ? catalog_config_apply(defaults) : 0;
}

static bool same(const struct catalog_topic *one, const struct catalog_topic *other)
{
    size_t count = one ? one->config_count : 0;
    bool equal = count == (other ? other->config_count : 0);
    for (size_t i = 0; equal && i < count; i++)
        equal = strcmp(one->configs[i].name, other->configs[i].name) == 0 &&
                strcmp(one->configs[i].value, other->configs[i].value) == 0;
    return equal;
}

static void replace(struct catalog_topic **place, struct catalog_topic *by)
{
    catalog_topic_free(*place);
    *place = by;
}

int catalog_set_defaults(struct catalog *catalog, const char *const *defaults,
                         const char *const *broker)
{
    struct catalog_topic *new_defaults = NULL, *new_broker = NULL;
    int result = defaults ? make(CATALOG_DEFAULTS, defaults, &new_defaults) : 0;
    if (!result)
        result = check_defaults(new_defaults);
    if (!result && broker)
        result = make(CATALOG_BROKER, broker, &new_broker);
    if (result) {
        catalog_topic_free(new_defaults);
        return result;
    }
    bool changed = (defaults && !same(catalog->defaults, new_defaults)) ||
                   (broker && !same(catalog->broker, new_broker));
    if (broker)
        replace(&catalog->broker, new_broker);
    if (defaults) {
        replace(&catalog->defaults, new_defaults);
        for (size_t t = 0; t < catalog->count; t++) {
            catalog->topics[t]->defaults = new_defaults;
            catalog_config_apply(catalog->topics[t]); /* each value was good before, too */
        }
    }
    return changed;
}
