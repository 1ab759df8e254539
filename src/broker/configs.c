#include "broker/configs.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "broker/admin.h"

#define VALUE_SIZE 4096    /* of a setting's value as text */
#define SYNONYMS_MAX 10    /* the topic's own, and three layers of at most three names */
#define BROKER_NAMES_MAX 3 /* settings that give one default */

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

/* ---- describing ------------------------------------------------------------------------------ */

/* One setting on its way into an answer. */
struct describing {
    const struct configs_query *query;
    const struct catalog_topic *changed;                       /* what clients changed; or NULL */
    const struct setting_description *names[BROKER_NAMES_MAX]; /* that give its value */
    int name_count;
    enum config_source changed_source;
    described_config *to;
};

static struct wire_string copy_text(struct arena *arena, const char *text)
{
    return wire_text(text ? arena_copy(arena, text, strlen(text)) : NULL);
}

static void add_synonym(struct describing *now, const char *name, const char *value,
                        enum config_source source)
{
    struct arena *arena = now->query->arena;
    described_config *to = now->to;
    if (to->synonyms_count == 0)
        to->config_source = (int8_t)source; /* the strongest comes first */
    if (!value || to->synonyms_count == SYNONYMS_MAX)
        return;
    struct describe_configs_response_results_configs_synonyms *synonym =
        &to->synonyms[to->synonyms_count++];
    synonym->name = copy_text(arena, name);
    synonym->value = copy_text(arena, value);
    synonym->source = (int8_t)source;
}

/* The layers below a topic's override. */
static void add_layers(struct describing *now)
{
    const struct broker_settings *stated = &now->query->broker->stated;
    for (int i = 0; i < now->name_count; i++) {
        const char *value = catalog_config(now->changed, now->names[i]->name);
        if (value)
            add_synonym(now, now->names[i]->name, value, now->changed_source);
    }
    for (int i = 0; i < now->name_count; i++) {
        const char *value = broker_settings_given(stated, now->names[i]->name);
        if (value)
            add_synonym(now, now->names[i]->name, value, SOURCE_FILE);
    }
    for (int i = 0; i < now->name_count; i++) {
        if (now->names[i]->default_value)
            add_synonym(now, now->names[i]->name, now->names[i]->default_value, SOURCE_DEFAULT);
    }
}

static void name_those_of_topic(struct describing *now, const char *topic_setting)
{
    const struct setting_description *name;
    for (size_t i = 0; i < BROKER_NAMES_MAX && (name = broker_setting_for_topic(topic_setting, i));
         i++)
        now->names[now->name_count++] = name;
}

/* A broker setting and the weaker names of the same default. */
static void name_those_of_broker(struct describing *now, const struct setting_description *setting)
{
    if (!setting->topic) {
        now->names[now->name_count++] = setting;
        return;
    }
    name_those_of_topic(now, setting->topic);
    int first = 0;
    while (now->names[first] != setting)
        first++;
    now->name_count -= first;
    memmove(now->names, now->names + first, (size_t)now->name_count * sizeof *now->names);
}

static bool is_wanted(const struct configs_query *query, const char *name)
{
    bool wanted = query->name_count < 0;
    for (int32_t i = 0; !wanted && i < query->name_count; i++)
        wanted = wire_equal(query->names[i], name);
    return wanted;
}

/* Begins a setting in the answer; false without memory. */
static bool begin(struct describing *now, described_config *to, const char *name, const char *value)
{
    struct arena *arena = now->query->arena;
    now->to = to;
    to->synonyms =
        wire_array(arena, &wire_describe_configs_response_results_configs_synonyms, SYNONYMS_MAX);
    to->name = copy_text(arena, name);
    to->value = copy_text(arena, value);
    to->config_source = SOURCE_DEFAULT;
    to->documentation = wire_text(NULL);
    return to->synonyms && to->name.at;
}

static void end(struct describing *now, enum setting_type type, const char *about)
{
    now->to->config_type = (int8_t)type;
    if (now->query->documentation)
        now->to->documentation = wire_text(about);
    if (!now->query->synonyms)
        now->to->synonyms_count = 0;
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

static int no_memory(void)
{
    return error_set(MAPLOG_NO_MEMORY, "no memory for settings");
}

/* One known setting of a topic (NULL: without overrides). */
static bool put_topic_setting(const struct configs_query *query, const struct catalog_topic *topic,
                              const char *name, described_config *to)
{
    const struct catalog *catalog = &query->broker->directory->catalog;
    struct describing now = {
        .query = query, .changed = catalog->broker, .changed_source = SOURCE_BROKER_DEFAULT};
    const char *override = catalog_config(topic, name);
    if (!begin(&now, to, name, override ? override : catalog_default(catalog, name)))
        return false;
    if (override)
        add_synonym(&now, name, override, SOURCE_TOPIC);
    name_those_of_topic(&now, name);
    add_layers(&now);
    const struct setting_description *described =
        now.name_count ? now.names[0] : describe_own(name);
    if (described)
        end(&now, described->type, described->about);
    return true;
}

/* The directory's lock is held. */
static int put_topic(const struct configs_query *query, const struct catalog_topic *topic,
                     struct configs_found *found)
{
    const char *name, *standard;
    int32_t known = 0;
    while (settings_known((size_t)known, &name, &standard))
        known++;
    found->count = 0;
    found->configs =
        wire_array(query->arena, &wire_describe_configs_response_results_configs, known);
    bool whole = found->configs;
    pthread_mutex_lock(&query->broker->settings_lock);
    for (size_t i = 0; whole && settings_known(i, &name, &standard); i++) {
        if (is_wanted(query, name))
            whole = put_topic_setting(query, topic, name, &found->configs[found->count++]);
    }
    pthread_mutex_unlock(&query->broker->settings_lock);
    return whole ? 0 : no_memory();
}

int configs_describe_topic(const struct configs_query *query, const char *topic,
                           struct configs_found *found)
{
    struct directory *directory = query->broker->directory;
    pthread_mutex_lock(&directory->lock);
    int result = directory_refresh(directory);
    const struct catalog_topic *known = result ? NULL : catalog_find(&directory->catalog, topic);
    if (!result && !known)
        result = error_set(MAPLOG_NOT_FOUND, "no topic %s in %s", topic, directory->path);
    if (!result)
        result = put_topic(query, known, found);
    pthread_mutex_unlock(&directory->lock);
    return result;
}

int configs_describe_overrides(const struct configs_query *query, const char *const *overrides,
                               struct configs_found *found)
{
    struct directory *directory = query->broker->directory;
    struct catalog single = {0};
    int result = catalog_add(&single, "topic", 1, overrides, &(struct uuid){{0}});
    if (result)
        return result;
    pthread_mutex_lock(&directory->lock);
    result = directory_refresh(directory);
    if (!result)
        result = put_topic(query, single.topics[0], found);
    pthread_mutex_unlock(&directory->lock);
    catalog_free(&single);
    return result;
}

static bool put_broker_setting(const struct configs_query *query,
                               const struct setting_description *setting, enum config_source source,
                               described_config *to)
{
    struct broker *broker = query->broker;
    struct describing now = {
        .query = query, .changed = broker->directory->catalog.broker, .changed_source = source};
    char value[VALUE_SIZE];
    broker_settings_value(&broker->settings, setting->name, value, sizeof value);
    bool has_value = *value || setting->default_value;
    if (!begin(&now, to, setting->name, has_value ? value : NULL))
        return false;
    to->read_only = !setting->dynamic;
    name_those_of_broker(&now, setting);
    add_layers(&now);
    end(&now, setting->type, setting->about);
    return true;
}

int configs_describe_broker(const struct configs_query *query, enum config_source source,
                            struct configs_found *found)
{
    struct directory *directory = query->broker->directory;
    const struct setting_description *setting;
    int32_t known = 0;
    while (broker_setting((size_t)known))
        known++;
    found->count = 0;
    found->configs =
        wire_array(query->arena, &wire_describe_configs_response_results_configs, known);
    if (!found->configs)
        return no_memory();
    pthread_mutex_lock(&directory->lock);
    int result = directory_refresh(directory);
    pthread_mutex_lock(&query->broker->settings_lock);
    for (size_t i = 0; !result && (setting = broker_setting(i)); i++) {
        if (is_wanted(query, setting->name) &&
            !put_broker_setting(query, setting, source, &found->configs[found->count++]))
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
