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

/* Copies of the overrides of a topic. */
static int topic_overrides(struct directory *directory, const char *name,
                           struct catalog_config **configs, size_t *count)
{
    pthread_mutex_lock(&directory->lock);
    int result = directory_refresh(directory);
    struct catalog_topic *topic = result ? NULL : catalog_find(&directory->catalog, name);
    if (!result && !topic)
        result = error_set(MAPLOG_NOT_FOUND, "there is no topic %s in %s", name, directory->path);
    size_t total = result ? 0 : topic->config_count;
    struct catalog_config *copies = calloc(total + 1, sizeof *copies);
    bool short_of_memory = !copies;
    size_t at = 0;
    for (; copies && at < total; at++) {
        copies[at].name = strdup(topic->configs[at].name);
        copies[at].value = strdup(topic->configs[at].value);
        short_of_memory |= !copies[at].name || !copies[at].value;
    }
    pthread_mutex_unlock(&directory->lock);
    if (!result && short_of_memory)
        result = error_set(MAPLOG_NO_MEMORY, "no memory for the settings of %s", name);
    *configs = copies;
    *count = at;
    return result;
}

static const struct catalog_config *find_override(const struct catalog_config *configs,
                                                  size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(configs[i].name, name) == 0)
            return &configs[i];
    }
    return NULL;
}

static bool known_setting(const char *name)
{
    const char *known;
    const char *value;
    for (size_t i = 0; settings_known(i, &known, &value); i++) {
        if (strcmp(known, name) == 0)
            return true;
    }
    return false;
}

int maplog_topic_configs(struct maplog *log, const char *topic,
                         int (*visit)(void *context, const char *name, const char *value,
                                      int is_default),
                         void *context)
{
    int result = check_both(log, topic, visit != NULL);
    if (result)
        return result;
    struct catalog_config *configs;
    size_t count;
    result = topic_overrides(log->directory, topic, &configs, &count);
    const char *name;
    const char *value;
    for (size_t i = 0; !result && settings_known(i, &name, &value); i++) {
        const struct catalog_config *set = find_override(configs, count, name);
        result = visit(context, name, set ? set->value : value, set == NULL);
    }
    /* Settings of a newer version are kept, so they are shown. */
    for (size_t i = 0; !result && i < count; i++) {
        if (!known_setting(configs[i].name))
            result = visit(context, configs[i].name, configs[i].value, 0);
    }
    for (size_t i = 0; i < count; i++) {
        free(configs[i].name);
        free(configs[i].value);
    }
    free(configs);
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
