/* Changing settings: of topics, and of the broker. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "broker/admin.h"
#include "broker/configs.h"

/* A list of name=value in the making, in the arena. */
struct changes {
    const struct config_order *order;
    struct wire_string *text; /* of the error */
    const char **list;        /* NULL-terminated */
    int32_t count;
};

static int16_t refuse(struct changes *changes, int16_t code, const char *text)
{
    *changes->text = admin_text(changes->order->arena, "%s", text);
    return code;
}

static int16_t no_memory(struct changes *changes)
{
    return refuse(changes, KAFKA_UNKNOWN_SERVER_ERROR, "no memory for settings");
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool list_has(const char *list, const char *word, size_t length)
{
    while (*list) {
        size_t next = strcspn(list, ",");
        if (next == length && memcmp(list, word, length) == 0)
            return true;
        list += next + (list[next] == ',');
    }
    return false;
}

/* Words of `from`, which `other` has or has not, behind `to`. */
static void add_words(char *to, const char *from, const char *other, bool has)
{
    while (*from) {
        size_t length = strcspn(from, ",");
        if (length && list_has(other, from, length) == has) {
            size_t at = strlen(to);
            if (at)
                to[at++] = ',';
            memcpy(to + at, from, length);
            to[at + length] = '\0';
        }
        from += length + (from[length] == ',');
    }
}

/* A list with words added or taken away; NULL without memory. */
static char *edit_list(struct arena *arena, const char *list, const char *words, bool append)
{
    char *edited = arena_take(arena, strlen(list) + strlen(words) + 2);
    if (edited && append) {
        memcpy(edited, list, strlen(list));
        add_words(edited, words, list, false);
    } else if (edited) {
        add_words(edited, list, words, false);
    }
    return edited;
}

/* What the change makes of a present value; *value NULL: the default. */
static int16_t new_value(struct changes *changes, const struct config_change *change,
                         const char *present, enum setting_type type, char **value)
{
    static const char *const operations[] = {"SET", "DELETE", "APPEND", "SUBTRACT"};
    struct arena *arena = changes->order->arena;
    int8_t operation = change->operation;
    *value = NULL;
    if (operation == CONFIG_DELETE)
        return KAFKA_NONE;
    if (operation < CONFIG_SET || operation > CONFIG_SUBTRACT)
        return refuse(changes, KAFKA_INVALID_REQUEST, "Unknown operation");
    char *given = admin_copy(arena, change->value);
    if (!given)
        return no_memory(changes);
    if (operation == CONFIG_SET) {
        *value = given;
        return KAFKA_NONE;
    }
    if (type != SETTING_LIST) {
        *changes->text = admin_text(arena, "Can't %s to key %.*s because its type is not LIST.",
                                    operations[operation], (int)change->name.size, change->name.at);
        return KAFKA_INVALID_CONFIG;
    }
    *value = edit_list(arena, present, given, operation == CONFIG_APPEND);
    return *value ? KAFKA_NONE : no_memory(changes);
}

static int16_t add(struct changes *changes, const char *name, const char *value)
{
    const char *text = arena_print(changes->order->arena, "%s=%s", name, value);
    changes->list[changes->count++] = text;
    return text ? KAFKA_NONE : no_memory(changes);
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n\v\f")] == '\0';
}

/* ---- topics ---------------------------------------------------------------------------------- */

static int16_t change_topic_setting(struct changes *changes, const struct catalog *catalog,
                                    const struct catalog_topic *topic,
                                    const struct config_change *change)
{
    struct settings ignored;
    char *name = admin_copy(changes->order->arena, change->name), *value;
    if (!name)
        return no_memory(changes);
    const char *override = catalog_config(topic, name), *standard = catalog_default(catalog, name);
    bool list = strcmp(name, "cleanup.policy") == 0 || strstr(name, ".throttled.replicas");
    const char *present = override ? override : standard ? standard : "";
    int16_t error =
        new_value(changes, change, present, list ? SETTING_LIST : SETTING_STRING, &value);
    if (error)
        return error;
    if (!value)
        return override ? add(changes, name, "") : KAFKA_NONE;
    settings_default(&ignored);
    if (settings_apply(&ignored, name, value))
        return refuse(changes, KAFKA_INVALID_CONFIG, error_text());
    if (is_blank(value) && *standard) {
        *changes->text = admin_text(changes->order->arena, "%s: it takes a value", name);
        return KAFKA_INVALID_CONFIG;
    }
    return add(changes, name, value);
}

static bool is_named(const struct config_order *order, const char *name)
{
    bool named = false;
    for (int32_t i = 0; !named && i < order->count; i++)
        named = wire_equal(order->changes[i].name, name);
    return named;
}

/* The directory's lock is held. */
static int16_t list_topic_changes(struct changes *changes, const struct catalog *catalog,
                                  const struct catalog_topic *topic)
{
    const struct config_order *order = changes->order;
    size_t room = (size_t)order->count + topic->config_count + 1;
    changes->list = arena_take_array(order->arena, room, sizeof *changes->list);
    int16_t error = changes->list ? KAFKA_NONE : no_memory(changes);
    for (int32_t i = 0; !error && i < order->count; i++)
        error = change_topic_setting(changes, catalog, topic, &order->changes[i]);
    for (size_t i = 0; !error && order->replace && i < topic->config_count; i++) {
        if (!is_named(order, topic->configs[i].name))
            error = add(changes, topic->configs[i].name, "");
    }
    return error;
}

static int16_t change_topic(struct changes *changes)
{
    const struct config_order *order = changes->order;
    struct directory *directory = order->broker->directory;
    char *name = admin_copy(order->arena, order->resource);
    if (!name)
        return no_memory(changes);
    if (catalog_check_name(name))
        return refuse(changes, KAFKA_INVALID_TOPIC_EXCEPTION, error_text());
    pthread_mutex_lock(&directory->lock);
    int result = directory_refresh(directory);
    const struct catalog_topic *topic = result ? NULL : catalog_find(&directory->catalog, name);
    int16_t error = topic ? list_topic_changes(changes, &directory->catalog, topic) : KAFKA_NONE;
    pthread_mutex_unlock(&directory->lock);
    if (!result && !topic) {
        *changes->text = admin_text(order->arena, "The topic '%s' does not exist.", name);
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (!result && !error && !order->validate_only && changes->count)
        result = directory_alter_topic(directory, name, changes->list);
    if (result)
        return refuse(changes,
                      result == MAPLOG_INVALID ? KAFKA_INVALID_CONFIG : broker_error(result),
                      error_text());
    if (!error && !order->validate_only)
        configs_tell_compaction(order->broker, name, changes->list);
    return error;
}

/* ---- the broker ------------------------------------------------------------------------------ */

static int16_t refuse_static(struct changes *changes, const char *name)
{
    *changes->text = admin_text(changes->order->arena,
                                "Cannot update these configs dynamically: Set(%s): it is read "
                                "only, state it in the configuration file and start anew",
                                name);
    return KAFKA_INVALID_REQUEST;
}

/* Applies one change to the settings in force. */
static int16_t change_broker_setting(struct changes *changes, struct broker_settings *settings,
                                     const struct config_change *change)
{
    struct broker *broker = changes->order->broker;
    char *name = admin_copy(changes->order->arena, change->name), *value, present[4096];
    if (!name)
        return no_memory(changes);
    const struct setting_description *setting = broker_setting_find(name);
    broker_settings_value(&broker->settings, name, present, sizeof present);
    int16_t error =
        new_value(changes, change, present, setting ? setting->type : SETTING_STRING, &value);
    if (error)
        return error;
    if (setting && !setting->dynamic)
        return value && strcmp(value, present) == 0 ? KAFKA_NONE : refuse_static(changes, name);
    if (!value)
        return KAFKA_NONE; /* what the file states is back already */
    if (setting && is_blank(value)) {
        *changes->text = admin_text(changes->order->arena, "%s: it takes a value", name);
        return KAFKA_INVALID_REQUEST;
    }
    if (broker_settings_apply(settings, name, value))
        return refuse(changes, KAFKA_INVALID_REQUEST, error_text());
    return setting ? add(changes, name, value) : KAFKA_NONE;
}

/* What was changed before stays so. */
static int16_t keep_changed(struct changes *changes, struct broker_settings *settings)
{
    struct directory *directory = changes->order->broker->directory;
    int16_t error = KAFKA_NONE;
    pthread_mutex_lock(&directory->lock);
    const struct catalog_topic *changed = directory->catalog.broker;
    size_t count = changed ? changed->config_count : 0;
    size_t room = count + (size_t)changes->order->count + 1;
    changes->list = arena_take_array(changes->order->arena, room, sizeof *changes->list);
    if (!changes->list)
        error = no_memory(changes);
    for (size_t i = 0; !error && !changes->order->replace && i < count; i++) {
        const struct catalog_config *config = &changed->configs[i];
        if (is_named(changes->order, config->name))
            continue;
        error = add(changes, config->name, config->value);
        if (!error)
            broker_settings_apply(settings, config->name, config->value);
    }
    pthread_mutex_unlock(&directory->lock);
    return error;
}

static int16_t store(struct changes *changes, struct broker_settings *settings)
{
    struct broker *broker = changes->order->broker;
    char **defaults = broker_settings_defaults(settings);
    if (!defaults)
        return no_memory(changes);
    int result =
        directory_set_defaults(broker->directory, (const char *const *)defaults, changes->list);
    free(defaults);
    if (result)
        return refuse(changes, broker_error(result), error_text());
    pthread_mutex_lock(&broker->settings_lock);
    struct broker_settings old = broker->settings;
    broker->settings = *settings;
    pthread_mutex_unlock(&broker->settings_lock);
    *settings = old;
    return KAFKA_NONE;
}

static int16_t change_broker(struct changes *changes)
{
    const struct config_order *order = changes->order;
    struct broker *broker = order->broker;
    int16_t error = configs_check_broker(broker, order->arena, order->resource, changes->text);
    if (error)
        return error;
    struct broker_settings settings;
    pthread_mutex_lock(&broker->configs_lock);
    if (broker_settings_copy(&broker->stated, &settings)) {
        pthread_mutex_unlock(&broker->configs_lock);
        return no_memory(changes);
    }
    error = keep_changed(changes, &settings);
    for (int32_t i = 0; !error && i < order->count; i++)
        error = change_broker_setting(changes, &settings, &order->changes[i]);
    if (!error && !order->validate_only)
        error = store(changes, &settings);
    pthread_mutex_unlock(&broker->configs_lock);
    broker_settings_free(&settings);
    return error;
}

/* ---- any resource ---------------------------------------------------------------------------- */

static int16_t check_names(struct changes *changes)
{
    const struct config_order *order = changes->order;
    const char **names = arena_take_array(order->arena, (size_t)order->count, sizeof *names);
    if (!names)
        return no_memory(changes);
    for (int32_t i = 0; i < order->count; i++) {
        names[i] = admin_copy(order->arena, order->changes[i].name);
        if (!names[i])
            return no_memory(changes);
        if (order->changes[i].value.size < 0 && order->changes[i].operation != CONFIG_DELETE) {
            *changes->text =
                admin_text(order->arena, "Null value not supported for : %s", names[i]);
            return KAFKA_INVALID_REQUEST;
        }
    }
    const enum admin_twin *twins = admin_twins(order->arena, names, order->count);
    if (!twins)
        return no_memory(changes);
    for (int32_t i = 0; i < order->count; i++) {
        if (twins[i] != ADMIN_SINGLE)
            return refuse(changes, KAFKA_INVALID_REQUEST, "Error due to duplicate config keys");
    }
    return KAFKA_NONE;
}

static int16_t change(const struct config_order *order, struct wire_string *text)
{
    struct changes changes = {.order = order, .text = text};
    int16_t error = check_names(&changes);
    if (error)
        return error;
    switch (order->type) {
    case RESOURCE_TOPIC:
        return change_topic(&changes);
    case RESOURCE_BROKER:
        return change_broker(&changes);
    case RESOURCE_BROKER_LOGGER:
        return refuse(&changes, KAFKA_INVALID_REQUEST, "There are no loggers here");
    case RESOURCE_CLIENT_METRICS:
        return refuse(&changes, KAFKA_INVALID_REQUEST, "Client metrics are not collected here");
    case RESOURCE_GROUP:
        return refuse(&changes, KAFKA_INVALID_REQUEST, "Groups have no settings here");
    default:
        *text = admin_text(order->arena, "Unknown resource type %d", order->type);
        return KAFKA_INVALID_REQUEST;
    }
}

int configs_change(const struct config_order *orders, int32_t count, struct config_result *results)
{
    struct arena *arena = count ? orders->arena : NULL;
    const char **names = count ? arena_take_array(arena, (size_t)count, sizeof *names) : NULL;
    for (int32_t i = 0; names && i < count; i++) {
        const char *name = admin_copy(arena, orders[i].resource);
        names[i] = name ? arena_print(arena, "%d %s", orders[i].type, name) : NULL;
        if (!names[i])
            names = NULL;
    }
    const enum admin_twin *twins = names ? admin_twins(arena, names, count) : NULL;
    if (count && !twins)
        return error_set(MAPLOG_NO_MEMORY, "no memory for changes of settings");
    for (int32_t i = 0; i < count; i++) {
        results[i] = (struct config_result){KAFKA_INVALID_REQUEST,
                                            wire_text("Each resource must appear at most once.")};
        if (twins[i] != ADMIN_SINGLE)
            continue;
        results[i].text = wire_text(NULL);
        results[i].error = change(&orders[i], &results[i].text);
    }
    return 0;
}
