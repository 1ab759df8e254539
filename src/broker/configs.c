#include "broker/configs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "broker/admin.h"

#define VALUE_SIZE 4096 /* of a setting's value as text */
/* Layers of a topic's setting: its own, and three of each name that gives its default. */
#define LAYERS_MAX (1 + 3 * SETTINGS_FOR_TOPIC_MAX)

/* ---- the settings in force ------------------------------------------------------------------- */

/* Applies what clients changed at a running server. */
static void apply_changed(struct broker *broker, struct broker_settings *settings)
{
    struct directory *directory = broker->directory;
    pthread_mutex_lock(&directory->lock);
    const struct catalog_topic *changed =
        directory_refresh(directory) ? NULL : directory->catalog.broker;
    for (size_t i = 0; changed && i < changed->config_count; i++) {
        const struct catalog_config *config = &changed->configs[i];
        if (broker_settings_apply(settings, config->name, config->value))
            broker_note(broker, 'W', "a setting that was changed at a server is passed over: %s",
                        error_text());
    }
    pthread_mutex_unlock(&directory->lock);
}

static int publish_defaults(struct broker *broker, const struct broker_settings *settings)
{
    char **defaults = broker_settings_defaults(settings);
    if (!defaults)
        return error_set(MAPLOG_NO_MEMORY, "no memory for settings");
    int result = directory_set_defaults(broker->directory, (const char *const *)defaults, NULL);
    free(defaults);
    return result;
}

int configs_state(struct broker *broker, const struct broker_settings *stated)
{
    struct broker_settings copy, force;
    int result = broker_settings_copy(stated, &copy);
    if (result)
        return result;
    result = broker_settings_copy(stated, &force);
    if (result) {
        broker_settings_free(&copy);
        return result;
    }
    pthread_mutex_lock(&broker->configs_lock);
    apply_changed(broker, &force);
    result = publish_defaults(broker, &force);
    if (!result) {
        pthread_mutex_lock(&broker->settings_lock);
        struct broker_settings old_stated = broker->stated, old = broker->settings;
        broker->stated = copy;
        broker->settings = force;
        pthread_mutex_unlock(&broker->settings_lock);
        copy = old_stated;
        force = old;
    }
    pthread_mutex_unlock(&broker->configs_lock);
    broker_settings_free(&copy);
    broker_settings_free(&force);
    return result;
}

void configs_tell_compaction(struct broker *broker, const char *topic, const char *const *configs)
{
    static const char policy[] = "cleanup.policy=";
    for (; configs && *configs; configs++) {
        if (strncmp(*configs, policy, strlen(policy)) == 0 && strstr(*configs, "compact"))
            broker_note(broker, 'W',
                        "topic %s: %s is kept and reported, but logs are not compacted; without "
                        "\"delete\" nothing of it ever goes",
                        topic, *configs);
    }
}

/* ---- describing ------------------------------------------------------------------------------ */

typedef struct describe_configs_response_results_configs_synonyms layer;

/* One setting on its way into an answer. Names and defaults are constants; what somebody set is
 * copied. */
struct describing {
    const struct configs_query *query;
    const struct catalog_topic *changed; /* what clients changed; or NULL */
    enum config_source changed_source;
    const struct setting_description *names[SETTINGS_FOR_TOPIC_MAX]; /* that give its value */
    size_t name_count;
    layer layers[LAYERS_MAX]; /* the strongest first */
    int32_t layer_count;
    bool failed; /* for want of memory */
};

static int no_memory(void)
{
    return error_set(MAPLOG_NO_MEMORY, "no memory for settings");
}

static struct wire_string keep(struct describing *now, const char *value)
{
    char *copy = arena_copy(now->query->arena, value, strlen(value));
    now->failed |= !copy;
    return wire_text(copy);
}

static void add_layer(struct describing *now, const char *name, struct wire_string value,
                      enum config_source source)
{
    now->layers[now->layer_count++] =
        (layer){.name = wire_text(name), .value = value, .source = (int8_t)source};
}

/* The layers below a topic's override. */
static void add_layers(struct describing *now)
{
    const struct broker_settings *stated = &now->query->broker->stated;
    for (size_t i = 0; i < now->name_count; i++) {
        const char *value = catalog_config(now->changed, now->names[i]->name);
        if (value)
            add_layer(now, now->names[i]->name, keep(now, value), now->changed_source);
    }
    for (size_t i = 0; i < now->name_count; i++) {
        const char *value = broker_settings_given(stated, now->names[i]->name);
        if (value)
            add_layer(now, now->names[i]->name, keep(now, value), SOURCE_FILE);
    }
    for (size_t i = 0; i < now->name_count; i++) {
        const char *value = now->names[i]->default_value;
        if (value)
            add_layer(now, now->names[i]->name, wire_text(value), SOURCE_DEFAULT);
    }
}

/* A broker setting and the weaker names of the same default. */
static void name_those_of_broker(struct describing *now, const struct setting_description *setting)
{
    if (!setting->topic) {
        now->names[now->name_count++] = setting;
        return;
    }
    now->name_count = broker_settings_for_topic(setting->topic, now->names);
    size_t first = 0;
    while (now->names[first] != setting)
        first++;
    now->name_count -= first;
    memmove(now->names, now->names + first, now->name_count * sizeof *now->names);
}

/* Fills the setting in; false without memory. */
static bool put(struct describing *now, const struct setting_description *about,
                described_config *to)
{
    to->config_source = (int8_t)(now->layer_count ? now->layers[0].source : SOURCE_DEFAULT);
    to->config_type = (int8_t)about->type;
    to->documentation = wire_text(now->query->documentation ? about->about : NULL);
    if (now->query->synonyms && now->layer_count) {
        to->synonyms =
            wire_array(now->query->arena, &wire_describe_configs_response_results_configs_synonyms,
                       now->layer_count);
        if (!to->synonyms)
            return false;
        memcpy(to->synonyms, now->layers, (size_t)now->layer_count * sizeof *now->layers);
        to->synonyms_count = now->layer_count;
    }
    return !now->failed;
}

/* Topic settings that have no default at the broker. */
static const struct setting_description topics_own[] = {
    {.name = "follower.replication.throttled.replicas",
     .type = SETTING_LIST,
     .about = "Kept and reported: there are no followers."},
    {.name = "leader.replication.throttled.replicas",
     .type = SETTING_LIST,
     .about = "Kept and reported: there are no followers."},
    {.name = "remote.log.copy.disable",
     .type = SETTING_BOOL,
     .about = "Kept and reported: there is no tiered storage."},
    {.name = "remote.log.delete.on.disable",
     .type = SETTING_BOOL,
     .about = "Kept and reported: there is no tiered storage."},
    {.name = "remote.storage.enable",
     .type = SETTING_BOOL,
     .about = "Only false: there is no tiered storage."},
};

static const struct setting_description *describe_own(const char *name)
{
    for (size_t i = 0; i < sizeof topics_own / sizeof *topics_own; i++) {
        if (strcmp(topics_own[i].name, name) == 0)
            return &topics_own[i];
    }
    return NULL;
}

/* A setting that is wanted. Chosen as long as no lock is held: a request may name many. */
struct chosen {
    const char *name, *standard;
    const struct setting_description
        *about; /* NULL: a topic setting with a default at the broker */
};

static bool is_wanted(const struct configs_query *query, const char *name)
{
    bool wanted = query->name_count < 0;
    for (int32_t i = 0; !wanted && i < query->name_count; i++)
        wanted = wire_equal(query->names[i], name);
    return wanted;
}

static struct chosen of_topic(size_t i)
{
    struct chosen chosen = {0};
    if (settings_known(i, &chosen.name, &chosen.standard))
        chosen.about = describe_own(chosen.name);
    return chosen;
}

static struct chosen of_broker(size_t i)
{
    const struct setting_description *about = broker_setting(i);
    return about ? (struct chosen){about->name, about->default_value, about} : (struct chosen){0};
}

/* *chosen ends with one without a name; found has room for them. */
static int choose(const struct configs_query *query, struct chosen (*of)(size_t i),
                  struct chosen **chosen, struct configs_found *found)
{
    int32_t known = 0, count = 0;
    while (of((size_t)known).name)
        known++;
    *chosen = arena_take_array(query->arena, (size_t)known + 1, sizeof **chosen);
    for (int32_t i = 0; *chosen && i < known; i++) {
        struct chosen candidate = of((size_t)i);
        if (is_wanted(query, candidate.name))
            (*chosen)[count++] = candidate;
    }
    found->count = count;
    found->configs =
        wire_array(query->arena, &wire_describe_configs_response_results_configs, count);
    return *chosen && found->configs ? 0 : no_memory();
}

static bool put_topic_setting(const struct configs_query *query, const struct catalog_topic *topic,
                              const struct chosen *chosen, described_config *to)
{
    const struct catalog *catalog = &query->broker->directory->catalog;
    struct describing now = {
        .query = query, .changed = catalog->broker, .changed_source = SOURCE_BROKER_DEFAULT};
    const char *override = catalog_config(topic, chosen->name);
    const char *set = override ? override : catalog_config(catalog->defaults, chosen->name);
    to->name = wire_text(chosen->name);
    to->value = set ? keep(&now, set) : wire_text(chosen->standard);
    if (override)
        add_layer(&now, chosen->name, to->value, SOURCE_TOPIC);
    now.name_count = broker_settings_for_topic(chosen->name, now.names);
    add_layers(&now);
    return put(&now, chosen->about ? chosen->about : now.names[0], to);
}

/* The directory's lock is held. */
static int put_topic(const struct configs_query *query, const struct catalog_topic *topic,
                     const struct chosen *chosen, struct configs_found *found)
{
    bool whole = true;
    pthread_mutex_lock(&query->broker->settings_lock);
    for (int32_t i = 0; whole && i < found->count; i++)
        whole = put_topic_setting(query, topic, &chosen[i], &found->configs[i]);
    pthread_mutex_unlock(&query->broker->settings_lock);
    return whole ? 0 : no_memory();
}

int configs_describe_topic(const struct configs_query *query, const char *topic,
                           struct configs_found *found)
{
    struct directory *directory = query->broker->directory;
    struct chosen *chosen;
    int result = choose(query, of_topic, &chosen, found);
    if (result)
        return result;
    pthread_mutex_lock(&directory->lock);
    result = directory_refresh(directory);
    const struct catalog_topic *known = result ? NULL : catalog_find(&directory->catalog, topic);
    if (!result && !known)
        result = error_set(MAPLOG_NOT_FOUND, "no topic %s in %s", topic, directory->path);
    if (!result)
        result = put_topic(query, known, chosen, found);
    pthread_mutex_unlock(&directory->lock);
    return result;
}

int configs_describe_overrides(const struct configs_query *query, const char *const *overrides,
                               struct configs_found *found)
{
    struct directory *directory = query->broker->directory;
    struct catalog single = {0};
    struct chosen *chosen;
    int result = choose(query, of_topic, &chosen, found);
    if (!result)
        result = catalog_add(&single, "topic", 1, overrides, &(struct uuid){{0}});
    if (result)
        return result;
    pthread_mutex_lock(&directory->lock);
    result = directory_refresh(directory);
    if (!result)
        result = put_topic(query, single.topics[0], chosen, found);
    pthread_mutex_unlock(&directory->lock);
    catalog_free(&single);
    return result;
}

/* The value that is in force, which is not always a setting's. */
static void true_value(struct broker *broker, const char *name, char *text, size_t size)
{
    if (strcmp(name, "node.id") == 0 || strcmp(name, "broker.id") == 0)
        snprintf(text, size, "%d", broker->node_id);
    else if (strcmp(name, "log.dirs") == 0 || strcmp(name, "log.dir") == 0)
        snprintf(text, size, "%s", broker->directory->path);
    else
        broker_settings_value(&broker->settings, name, text, size);
}

static bool put_broker_setting(const struct configs_query *query, enum config_source source,
                               const struct setting_description *setting, described_config *to)
{
    struct broker *broker = query->broker;
    struct describing now = {
        .query = query, .changed = broker->directory->catalog.broker, .changed_source = source};
    char value[VALUE_SIZE];
    true_value(broker, setting->name, value, sizeof value);
    bool has_value = *value || setting->default_value;
    to->name = wire_text(setting->name);
    to->value = has_value ? keep(&now, value) : wire_text(NULL);
    to->read_only = !setting->dynamic;
    name_those_of_broker(&now, setting);
    add_layers(&now);
    return put(&now, setting, to);
}

int configs_describe_broker(const struct configs_query *query, enum config_source source,
                            struct configs_found *found)
{
    struct directory *directory = query->broker->directory;
    struct chosen *chosen;
    int result = choose(query, of_broker, &chosen, found);
    if (result)
        return result;
    pthread_mutex_lock(&directory->lock);
    result = directory_refresh(directory);
    pthread_mutex_lock(&query->broker->settings_lock);
    for (int32_t i = 0; !result && i < found->count; i++) {
        if (!put_broker_setting(query, source, chosen[i].about, &found->configs[i]))
            result = no_memory();
    }
    pthread_mutex_unlock(&query->broker->settings_lock);
    pthread_mutex_unlock(&directory->lock);
    return result;
}

int16_t configs_check_broker(const struct broker *broker, struct arena *arena,
                             struct wire_string name, struct wire_string *text)
{
    char *copy = admin_copy(arena, name), *rest = NULL;
    long number = copy ? strtol(copy, &rest, 10) : 0;
    if (!copy || (*copy && (*rest || rest == copy)))
        *text = admin_text(arena, "Node id must be an integer, but it is: %s", copy ? copy : "");
    else if (*copy && number != broker->node_id)
        *text =
            admin_text(arena, "Unexpected broker id, expected %d or empty string, but received %s",
                       broker->node_id, copy);
    else
        return KAFKA_NONE;
    return KAFKA_INVALID_REQUEST;
}
