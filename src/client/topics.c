/* topics.c - topics and partitions; see <maplog.h>. */
#include <maplog.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/client.h"

static int check(const struct maplog *log, const char *topic)
{
    int result = client_check(log);
    if (!result && !topic)
        result = error_set(MAPLOG_INVALID, "the topic name is NULL");
    return result;
}

/* The same with a result or a visitor, which must not be NULL. */
static int check_both(const struct maplog *log, const char *topic, bool given)
{
    int result = check(log, topic);
    if (!result && !given)
        result = error_set(MAPLOG_INVALID, "the result or the visitor is NULL");
    return result;
}

int maplog_topic_create(struct maplog *log, const char *topic, int32_t partitions,
                        const char *const *configs)
{
    int result = check(log, topic);
    if (result)
        return result;
    if (partitions < 0)
        return error_set(MAPLOG_INVALID, "%d partitions", (int)partitions);
    if (strcmp(topic, PROGRESS_TOPIC) == 0)
        return error_set(MAPLOG_INVALID, PROGRESS_TOPIC " is made by the first commit of a group");
    return directory_create_topic(log->directory, topic, partitions ? partitions : 1, configs);
}

int maplog_topic_delete(struct maplog *log, const char *topic)
{
    int result = check(log, topic);
    if (result)
        return result;
    result = directory_delete_topic(log->directory, topic);
    if (result || strcmp(topic, PROGRESS_TOPIC) == 0)
        return result;
    /* A later topic of the same name begins without progress. */
    struct progress *progress;
    result = client_progress(log, &progress);
    if (!result)
        result = progress_forget(progress, topic);
    return result ? error_prefix(result, "topic %s is deleted, the progress of its groups is not",
                                 topic)
                  : 0;
}

int maplog_topic_alter(struct maplog *log, const char *topic, const char *const *configs)
{
    int result = check(log, topic);
    if (!result && !configs)
        result = error_set(MAPLOG_INVALID, "maplog_topic_alter: configs is NULL");
    return result ? result : directory_alter_topic(log->directory, topic, configs);
}

int maplog_topic_grow(struct maplog *log, const char *topic, int32_t partitions)
{
    int result = check(log, topic);
    if (result)
        return result;
    if (strcmp(topic, PROGRESS_TOPIC) == 0)
        return error_set(MAPLOG_INVALID, "%s cannot grow: its partition count places the groups",
                         topic);
    return directory_grow_topic(log->directory, topic, partitions);
}

int maplog_topic_describe(struct maplog *log, const char *topic, struct maplog_topic *found)
{
    int result = check_both(log, topic, found != NULL);
    if (!result)
        result = directory_topic(log->directory, topic, found);
    if (!result)
        found->name = topic;
    return result;
}

/* Names of all topics, copied so that visitors may call back. */
static int topic_names(struct directory *directory, char ***names, size_t *count)
{
    pthread_mutex_lock(&directory->lock);
    int result = directory_refresh(directory);
    size_t total = result ? 0 : directory->catalog.count;
    char **copies = calloc(total + 1, sizeof *copies);
    if (!result && !copies)
        result = error_set(MAPLOG_NO_MEMORY, "no memory for %zu topics", total);
    size_t at = 0;
    for (; !result && at < total; at++) {
        copies[at] = strdup(directory->catalog.topics[at]->name);
        if (!copies[at])
            result = error_set(MAPLOG_NO_MEMORY, "no memory for %zu topics", total);
    }
    pthread_mutex_unlock(&directory->lock);
    *names = copies;
    *count = at;
    return result;
}

int maplog_topic_list(struct maplog *log,
                      int (*visit)(void *context, const struct maplog_topic *topic), void *context)
{
    int result = check_both(log, "", visit != NULL);
    if (result)
        return result;
    char **names;
    size_t count;
    result = topic_names(log->directory, &names, &count);
    for (size_t i = 0; !result && i < count; i++) {
        struct maplog_topic topic;
        result = directory_topic(log->directory, names[i], &topic);
        if (result == MAPLOG_NOT_FOUND) {
            result = 0; /* deleted meanwhile */
            continue;
        }
        if (result)
            break;
        topic.name = names[i];
        result = visit(context, &topic);
    }
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return result;
}

/* A setting of a topic, copied so that visitors may call back. */
struct effective {
    char *name, *value;
    bool is_default;
};

static void free_settings(struct effective *settings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(settings[i].name);
        free(settings[i].value);
    }
    free(settings);
}

/* Every known setting, then overrides that are not known here: a newer version's are kept, so they
 * are shown. NULL without memory. */
static struct effective *copy_settings(const struct catalog *catalog,
                                       const struct catalog_topic *topic, size_t *count)
{
    const char *name, *standard;
    size_t known = 0, at = 0;
    while (settings_known(known, &name, &standard))
        known++;
    struct effective *copies = calloc(known + topic->config_count, sizeof *copies);
    for (; copies && at < known && settings_known(at, &name, &standard); at++) {
        const char *given = catalog_config(topic, name);
        copies[at] = (struct effective){
            strdup(name), strdup(given ? given : catalog_default(catalog, name)), !given};
    }
    for (size_t i = 0; copies && i < topic->config_count; i++) {
        const struct catalog_config *config = &topic->configs[i];
        if (!settings_is_known(config->name))
            copies[at++] = (struct effective){strdup(config->name), strdup(config->value), false};
    }
    bool whole = copies;
    for (size_t i = 0; i < at; i++)
        whole &= copies[i].name && copies[i].value;
    if (!whole)
        free_settings(copies, at);
    *count = at;
    return whole ? copies : NULL;
}

int maplog_topic_configs(struct maplog *log, const char *topic,
                         int (*visit)(void *context, const char *name, const char *value,
                                      int is_default),
                         void *context)
{
    int result = check_both(log, topic, visit != NULL);
    if (result)
        return result;
    struct directory *directory = log->directory;
    struct effective *settings = NULL;
    size_t count = 0;
    pthread_mutex_lock(&directory->lock);
    result = directory_refresh(directory);
    const struct catalog_topic *found = result ? NULL : catalog_find(&directory->catalog, topic);
    if (!result && !found)
        result = error_set(MAPLOG_NOT_FOUND, "there is no topic %s in %s", topic, directory->path);
    if (found && !(settings = copy_settings(&directory->catalog, found, &count)))
        result = error_set(MAPLOG_NO_MEMORY, "no memory for the settings of %s", topic);
    pthread_mutex_unlock(&directory->lock);
    for (size_t i = 0; !result && i < count; i++)
        result = visit(context, settings[i].name, settings[i].value, settings[i].is_default);
    if (settings)
        free_settings(settings, count);
    return result;
}

int maplog_partition_describe(struct maplog *log, const char *topic, int32_t partition,
                              struct maplog_partition *found)
{
    int result = check_both(log, topic, found != NULL);
    struct partition *opened;
    if (!result)
        result = directory_partition(log->directory, topic, partition, &opened);
    return result ? result : partition_describe(opened, found);
}

int maplog_delete_records(struct maplog *log, const char *topic, int32_t partition, int64_t before)
{
    int result = check(log, topic);
    struct partition *opened;
    if (!result)
        result = directory_partition(log->directory, topic, partition, &opened);
    if (result)
        return result;
    if (before < -1)
        return error_set(MAPLOG_INVALID, "offset %lld is not one; -1 is the end",
                         (long long)before);
    if (log->directory->read_only)
        return error_set(MAPLOG_DENIED, "%s was opened read-only", log->directory->path);
    return partition_delete_records(opened, before);
}
