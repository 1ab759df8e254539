#include "log/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/catalog_private.h"

static int no_memory(const char *topic)
{
    return error_set(MAPLOG_NO_MEMORY, "no memory for topic %s", topic);
}

/* ---- one topic ------------------------------------------------------------------------------- */

struct catalog_topic *catalog_topic_new(struct catalog_span name, const struct uuid *id)
{
    struct catalog_topic *topic = calloc(1, sizeof *topic);
    if (!topic)
        return NULL;
    memcpy(topic->name, name.at, name.length);
    topic->id = *id;
    settings_default(&topic->settings);
    return topic;
}

static void free_configs(struct catalog_config *configs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(configs[i].name);
        free(configs[i].value);
    }
    free(configs);
}

void catalog_topic_free(struct catalog_topic *topic)
{
    if (!topic)
        return;
    free_configs(topic->configs, topic->config_count);
    free(topic->slots);
    free(topic);
}

int catalog_topic_resize(struct catalog_topic *topic, int32_t partitions)
{
    uint32_t *slots = realloc(topic->slots, (size_t)partitions * sizeof *slots);
    if (!slots)
        return no_memory(topic->name);
    for (int32_t p = topic->partitions; p < partitions; p++)
        slots[p] = 0;
    topic->slots = slots;
    topic->partitions = partitions;
    return 0;
}

/* ---- overrides ------------------------------------------------------------------------------- */

/* Order of a text and a NUL-terminated word. */
static int compare(struct catalog_span text, const char *word)
{
    int order = strncmp(text.at, word, text.length);
    return order ? order : -(word[text.length] != '\0');
}

size_t catalog_config_place(const struct catalog_topic *topic, struct catalog_span name,
                            bool *found)
{
    size_t at = 0;
    int order = 1;
    while (at < topic->config_count && (order = compare(name, topic->configs[at].name)) > 0)
        at++;
    *found = at < topic->config_count && order == 0;
    return at;
}

int catalog_config_set(struct catalog_topic *topic, struct catalog_span name,
                       struct catalog_span value)
{
    bool found;
    size_t at = catalog_config_place(topic, name, &found);
    char *kept = strndup(value.at, value.length);
    if (!kept)
        return no_memory(topic->name);
    if (found) {
        free(topic->configs[at].value);
        topic->configs[at].value = kept;
        return 0;
    }
    char *kept_name = strndup(name.at, name.length);
    struct catalog_config *configs =
        kept_name ? realloc(topic->configs, (topic->config_count + 1) * sizeof *configs) : NULL;
    if (!configs) {
        free(kept);
        free(kept_name);
        return no_memory(topic->name);
    }
    memmove(configs + at + 1, configs + at, (topic->config_count - at) * sizeof *configs);
    configs[at] = (struct catalog_config){kept_name, kept};
    topic->configs = configs;
    topic->config_count++;
    return 0;
}

static void remove_config(struct catalog_topic *topic, size_t at)
{
    free(topic->configs[at].name);
    free(topic->configs[at].value);
    topic->config_count--;
    memmove(topic->configs + at, topic->configs + at + 1,
            (topic->config_count - at) * sizeof *topic->configs);
}

int catalog_config_apply(struct catalog_topic *topic)
{
    struct settings settings;
    if (topic->defaults)
        settings = topic->defaults->settings;
    else
        settings_default(&settings);
    for (size_t i = 0; i < topic->config_count; i++) {
        const struct catalog_config *config = &topic->configs[i];
        if (!settings_is_known(config->name))
            continue;
        int result = settings_apply(&settings, config->name, config->value);
        if (result)
            return result;
    }
    topic->settings = settings;
    return 0;
}

static bool blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* One "name=value". */
static int change_config(struct catalog_topic *topic, const char *config)
{
    const char *equals = strchr(config, '=');
    if (!equals || equals == config)
        return error_set(MAPLOG_INVALID, "\"%s\" is not of the form name=value", config);
    struct catalog_span name = {config, (size_t)(equals - config)};
    struct catalog_span value = {equals + 1, strlen(equals + 1)};
    while (value.length && blank(*value.at)) {
        value.at++;
        value.length--;
    }
    while (value.length && blank(value.at[value.length - 1]))
        value.length--;
    bool found;
    size_t at = catalog_config_place(topic, name, &found);
    /* What a newer version left may be taken back, not changed. */
    if (found && value.length == 0) {
        remove_config(topic, at);
        return 0;
    }
    char *word = strndup(name.at, name.length);
    if (!word)
        return no_memory(topic->name);
    struct settings ignored;
    int result = settings_is_known(word) ? 0 : settings_apply(&ignored, word, "");
    free(word);
    if (result || value.length == 0)
        return result;
    return catalog_config_set(topic, name, value);
}

int catalog_alter(struct catalog_topic *topic, const char *const *configs)
{
    /* Made on a copy, which then gives its overrides away. */
    struct catalog_span name = {topic->name, strlen(topic->name)};
    struct catalog_topic *changed = catalog_topic_new(name, &topic->id);
    if (!changed)
        return no_memory(topic->name);
    changed->defaults = topic->defaults;
    int result = 0;
    for (size_t i = 0; !result && i < topic->config_count; i++) {
        const struct catalog_config *config = &topic->configs[i];
        result =
            catalog_config_set(changed, (struct catalog_span){config->name, strlen(config->name)},
                               (struct catalog_span){config->value, strlen(config->value)});
    }
    for (size_t i = 0; !result && configs && configs[i]; i++)
        result = change_config(changed, configs[i]);
    if (!result)
        result = catalog_config_apply(changed);
    if (!result) {
        free_configs(topic->configs, topic->config_count);
        topic->configs = changed->configs;
        topic->config_count = changed->config_count;
        topic->settings = changed->settings;
        changed->configs = NULL;
        changed->config_count = 0;
    }
    catalog_topic_free(changed);
    return result;
}

/* ---- the catalog ----------------------------------------------------------------------------- */

void catalog_free(struct catalog *catalog)
{
    if (!catalog)
        return;
    for (size_t i = 0; i < catalog->count; i++)
        catalog_topic_free(catalog->topics[i]);
    free(catalog->topics);
    free(catalog->by_id);
    catalog_topic_free(catalog->defaults);
    catalog_topic_free(catalog->broker);
    *catalog = (struct catalog){0};
}

/* Place of the first topic whose name is not below. */
static size_t place(const struct catalog *catalog, const char *name)
{
    size_t low = 0, high = catalog->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(catalog->topics[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct catalog_topic *catalog_find(const struct catalog *catalog, const char *name)
{
    size_t at = place(catalog, name);
    return at < catalog->count && strcmp(catalog->topics[at]->name, name) == 0 ? catalog->topics[at]
                                                                               : NULL;
}

/* ---- by id ----------------------------------------------------------------------------------- */

static void forget_ids(struct catalog *catalog)
{
    free(catalog->by_id);
    catalog->by_id = NULL;
}

static int compare_ids(const void *one, const void *other)
{
    const struct catalog_topic *const *first = one, *const *second = other;
    return memcmp(&(*first)->id, &(*second)->id, sizeof(struct uuid));
}

static bool sort_ids(struct catalog *catalog)
{
    if (catalog->by_id || catalog->count == 0)
        return catalog->by_id;
    catalog->by_id = malloc(catalog->count * sizeof(struct catalog_topic *));
    if (!catalog->by_id)
        return false;
    memcpy(catalog->by_id, catalog->topics, catalog->count * sizeof(struct catalog_topic *));
    qsort(catalog->by_id, catalog->count, sizeof(struct catalog_topic *), compare_ids);
    return true;
}

struct catalog_topic *catalog_find_id(struct catalog *catalog, const struct uuid *id)
{
    if (!sort_ids(catalog)) { /* without memory it takes longer */
        for (size_t t = 0; t < catalog->count; t++) {
            if (memcmp(&catalog->topics[t]->id, id, sizeof *id) == 0)
                return catalog->topics[t];
        }
        return NULL;
    }
    size_t low = 0, high = catalog->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(&catalog->by_id[middle]->id, id, sizeof *id);
        if (order == 0)
            return catalog->by_id[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

int catalog_insert(struct catalog *catalog, struct catalog_topic *topic)
{
    size_t at = place(catalog, topic->name);
    struct catalog_topic **topics =
        realloc(catalog->topics, (catalog->count + 1) * sizeof(struct catalog_topic *));
    if (!topics)
        return no_memory(topic->name);
    forget_ids(catalog);
    memmove(topics + at + 1, topics + at, (catalog->count - at) * sizeof(struct catalog_topic *));
    topics[at] = topic;
    catalog->topics = topics;
    catalog->count++;
    return 0;
}

void catalog_remove(struct catalog *catalog, struct catalog_topic *topic)
{
    size_t at = place(catalog, topic->name);
    forget_ids(catalog);
    catalog->count--;
    memmove(catalog->topics + at, catalog->topics + at + 1,
            (catalog->count - at) * sizeof(struct catalog_topic *));
    catalog_topic_free(topic);
}

struct catalog_topic *catalog_slot(const struct catalog *catalog, uint32_t slot, int32_t *partition)
{
    for (size_t t = 0; t < catalog->count; t++) {
        struct catalog_topic *topic = catalog->topics[t];
        for (int32_t p = 0; p < topic->partitions; p++) {
            if (topic->slots[p] == slot) {
                *partition = p;
                return topic;
            }
        }
    }
    return NULL;
}

int catalog_check_name(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length > LIMIT_TOPIC_NAME)
        return error_set(MAPLOG_INVALID, "a topic name has 1 to %d bytes, not %zu",
                         LIMIT_TOPIC_NAME, length);
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return error_set(MAPLOG_INVALID, "a topic cannot be named \"%s\"", name);
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return error_set(MAPLOG_INVALID,
                             "topic name \"%s\": letters, digits, '.', '_' and '-' are allowed",
                             name);
    }
    return 0;
}

/* Equal but for '.' against '_', which Kafka's metric names cannot tell apart. */
static bool collide(const char *one, const char *other)
{
    for (; *one || *other; one++, other++) {
        if (*one != *other && !((*one == '.' && *other == '_') || (*one == '_' && *other == '.')))
            return false;
    }
    return true;
}

int catalog_check_new(const struct catalog *catalog, const char *name)
{
    int result = catalog_check_name(name);
    if (result)
        return result;
    if (catalog_find(catalog, name))
        return error_set(MAPLOG_EXISTS, "topic %s exists already", name);
    for (size_t t = 0; t < catalog->count; t++) {
        const char *other = catalog->topics[t]->name;
        if (collide(name, other))
            return error_set(MAPLOG_INVALID,
                             "topic %s differs from %s only by '.' and '_', which Kafka's metrics "
                             "cannot tell apart",
                             name, other);
    }
    return 0;
}

/* Gives partitions first.. of a topic the lowest slots that no topic has. */
static int assign_slots(const struct catalog *catalog, struct catalog_topic *topic, int32_t first)
{
    bool *used = calloc(LIMIT_PARTITIONS, sizeof *used);
    if (!used)
        return no_memory(topic->name);
    for (size_t t = 0; t < catalog->count; t++) {
        const struct catalog_topic *other = catalog->topics[t];
        for (int32_t p = 0; p < (other == topic ? first : other->partitions); p++)
            used[other->slots[p]] = true;
    }
    int32_t p = first;
    for (uint32_t slot = 0; slot < LIMIT_PARTITIONS && p < topic->partitions; slot++) {
        if (!used[slot])
            topic->slots[p++] = slot;
    }
    free(used);
    if (p == topic->partitions)
        return 0;
    return error_set(MAPLOG_LIMIT, "topic %s with %d partitions: a directory has at most %d",
                     topic->name, (int)topic->partitions, LIMIT_PARTITIONS);
}

static int check_partitions(const char *topic, int32_t partitions)
{
    if (partitions < 1)
        return error_set(MAPLOG_INVALID, "topic %s cannot have %d partitions", topic,
                         (int)partitions);
    if (partitions > LIMIT_PARTITIONS)
        return error_set(MAPLOG_LIMIT, "topic %s with %d partitions: a directory has at most %d",
                         topic, (int)partitions, LIMIT_PARTITIONS);
    return 0;
}

int catalog_add(struct catalog *catalog, const char *name, int32_t partitions,
                const char *const *configs, const struct uuid *id)
{
    int result = catalog_check_new(catalog, name);
    if (!result)
        result = check_partitions(name, partitions);
    if (result)
        return result;
    struct catalog_topic *topic = catalog_topic_new((struct catalog_span){name, strlen(name)}, id);
    if (!topic)
        return no_memory(name);
    topic->defaults = catalog->defaults;
    result = catalog_alter(topic, configs);
    if (!result)
        result = catalog_topic_resize(topic, partitions);
    if (!result)
        result = assign_slots(catalog, topic, 0);
    if (!result)
        result = catalog_insert(catalog, topic);
    if (result)
        catalog_topic_free(topic);
    return result;
}

int catalog_grow(struct catalog *catalog, struct catalog_topic *topic, int32_t partitions)
{
    int32_t before = topic->partitions;
    if (partitions <= before)
        return error_set(MAPLOG_INVALID, "topic %s has %d partitions, it can only get more",
                         topic->name, (int)before);
    int result = check_partitions(topic->name, partitions);
    if (!result)
        result = catalog_topic_resize(topic, partitions);
    if (!result && (result = assign_slots(catalog, topic, before)) != 0)
        topic->partitions = before;
    return result;
}
