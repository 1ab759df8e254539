/* topics.c - making, changing and describing topics; offsets.c has what lies in them. */
#include "remote/topics.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "remote/failure.h"

#define RESOURCE_TOPIC 2   /* of configurations */
#define OPERATION_SET 0    /* of IncrementalAlterConfigs */
#define OPERATION_DELETE 1 /* back to the default */
#define SOURCE_TOPIC 1     /* of a configuration: set for the topic itself */

static int no_memory(void)
{
    return error_set(MAPLOG_NO_MEMORY, "no memory for a request");
}

static int unanswered(const struct remote *remote, const char *topic)
{
    return error_set(MAPLOG_CORRUPT, "%s: the answer says nothing of topic %s", remote->address,
                     topic);
}

static size_t count_words(const char *const *words)
{
    size_t count = 0;
    while (words && words[count])
        count++;
    return count;
}

/* "name=value" into its parts; *size of the name. MAPLOG_INVALID. */
static int split_config(const char *word, struct wire_string *name, struct wire_string *value)
{
    const char *equals = strchr(word, '=');
    if (!equals || equals == word)
        return error_set(MAPLOG_INVALID, "\"%s\" is no setting: NAME=VALUE is wanted", word);
    *name = (struct wire_string){word, (int32_t)(equals - word)};
    *value = wire_text(equals + 1);
    return 0;
}

/* ---- changes --------------------------------------------------------------------------------- */

int remote_topic_create(struct remote *remote, const char *topic, int32_t partitions,
                        const char *const *configs)
{
    struct arena *arena = remote_begin(remote);
    int32_t count = (int32_t)count_words(configs);
    struct create_topics_request request;
    struct create_topics_request_topics row;
    wire_init(&wire_create_topics_request, &request);
    wire_init(&wire_create_topics_request_topics, &row);
    row.name = wire_text(topic);
    row.num_partitions = partitions ? partitions : -1;
    row.replication_factor = -1;
    row.configs = wire_array(arena, &wire_create_topics_request_topics_configs, count);
    row.configs_count = count;
    if (!row.configs)
        return no_memory();
    for (int32_t i = 0; i < count; i++) {
        int result = split_config(configs[i], &row.configs[i].name, &row.configs[i].value);
        if (result)
            return result;
    }
    request.topics = &row;
    request.topics_count = 1;
    request.timeout_ms = remote->timeout_ms;
    struct create_topics_response response;
    int result = remote_call(remote, REMOTE_CREATE_TOPICS, &request, &response);
    if (result)
        return result;
    if (response.topics_count != 1)
        return unanswered(remote, topic);
    const struct create_topics_response_topics *made = &response.topics[0];
    return made->error_code ? remote_failure(made->error_code, made->error_message,
                                             "cannot create topic %s", topic)
                            : 0;
}

int remote_topic_delete(struct remote *remote, const char *topic)
{
    struct delete_topics_request request;
    struct delete_topics_response response;
    struct wire_string name = wire_text(topic);
    remote_begin(remote);
    wire_init(&wire_delete_topics_request, &request);
    request.topic_names = &name;
    request.topic_names_count = 1;
    request.timeout_ms = remote->timeout_ms;
    int result = remote_call(remote, REMOTE_DELETE_TOPICS, &request, &response);
    if (result)
        return result;
    if (response.responses_count != 1)
        return unanswered(remote, topic);
    const struct delete_topics_response_responses *gone = &response.responses[0];
    return gone->error_code ? remote_failure(gone->error_code, gone->error_message,
                                             "cannot delete topic %s", topic)
                            : 0;
}

int remote_topic_alter(struct remote *remote, const char *topic, const char *const *configs)
{
    struct arena *arena = remote_begin(remote);
    int32_t count = (int32_t)count_words(configs);
    struct incremental_alter_configs_request request;
    struct incremental_alter_configs_request_resources row;
    wire_init(&wire_incremental_alter_configs_request, &request);
    wire_init(&wire_incremental_alter_configs_request_resources, &row);
    row.resource_type = RESOURCE_TOPIC;
    row.resource_name = wire_text(topic);
    row.configs =
        wire_array(arena, &wire_incremental_alter_configs_request_resources_configs, count);
    row.configs_count = count;
    if (!row.configs)
        return no_memory();
    for (int32_t i = 0; i < count; i++) {
        int result = split_config(configs[i], &row.configs[i].name, &row.configs[i].value);
        if (result)
            return result;
        bool back = row.configs[i].value.size == 0;
        row.configs[i].config_operation = back ? OPERATION_DELETE : OPERATION_SET;
        if (back)
            row.configs[i].value = wire_text(NULL);
    }
    request.resources = &row;
    request.resources_count = 1;
    struct incremental_alter_configs_response response;
    int result = remote_call(remote, REMOTE_INCREMENTAL_ALTER_CONFIGS, &request, &response);
    if (result)
        return result;
    if (response.responses_count != 1)
        return unanswered(remote, topic);
    const struct incremental_alter_configs_response_responses *done = &response.responses[0];
    return done->error_code
               ? remote_failure(done->error_code, done->error_message, "topic %s", topic)
               : 0;
}

int remote_topic_grow(struct remote *remote, const char *topic, int32_t partitions)
{
    struct create_partitions_request request;
    struct create_partitions_request_topics row;
    struct create_partitions_response response;
    remote_begin(remote);
    wire_init(&wire_create_partitions_request, &request);
    wire_init(&wire_create_partitions_request_topics, &row);
    row.name = wire_text(topic);
    row.count = partitions;
    row.assignments_count = -1; /* the server chooses */
    request.topics = &row;
    request.topics_count = 1;
    request.timeout_ms = remote->timeout_ms;
    int result = remote_call(remote, REMOTE_CREATE_PARTITIONS, &request, &response);
    if (result)
        return result;
    if (response.results_count != 1)
        return unanswered(remote, topic);
    const struct create_partitions_response_results *done = &response.results[0];
    return done->error_code ? remote_failure(done->error_code, done->error_message,
                                             "topic %s: %d partitions", topic, (int)partitions)
                            : 0;
}

/* ---- what there is --------------------------------------------------------------------------- */

static int take_topic(const struct metadata_response_topics *row, struct maplog_topic *found)
{
    if (row->error_code)
        return remote_failure(row->error_code, wire_text(NULL), "topic %.*s", (int)row->name.size,
                              row->name.at);
    uuid_format(&row->topic_id, found->id);
    found->partitions = row->partitions_count;
    return 0;
}

int remote_topic_describe(struct remote *remote, const char *topic, struct maplog_topic *found)
{
    struct metadata_request request;
    struct metadata_request_topics row;
    struct metadata_response response;
    remote_begin(remote);
    wire_init(&wire_metadata_request, &request);
    wire_init(&wire_metadata_request_topics, &row);
    row.name = wire_text(topic);
    request.topics = &row;
    request.topics_count = 1;
    request.allow_auto_topic_creation = false;
    int result = remote_call(remote, REMOTE_METADATA, &request, &response);
    if (result)
        return result;
    if (response.topics_count != 1)
        return unanswered(remote, topic);
    if (response.topics[0].error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION)
        return error_set(MAPLOG_NOT_FOUND, "%s has no topic %s", remote->address, topic);
    struct maplog_topic made = {.name = topic};
    result = take_topic(&response.topics[0], &made);
    if (!result)
        *found = made;
    return result;
}

static int by_name(const void *a, const void *b)
{
    const struct maplog_topic *first = a, *second = b;
    return strcmp(first->name, second->name);
}

/* Copies the list, since visit may ask the server again. */
static int copy_topics(const struct metadata_response *response, struct arena *arena,
                       struct maplog_topic **topics)
{
    int32_t count = response->topics_count;
    struct maplog_topic *list = arena_take_array(arena, (size_t)count, sizeof *list);
    if (!list)
        return no_memory();
    for (int32_t i = 0; i < count; i++) {
        list[i].name = wire_copy(arena, response->topics[i].name);
        int result = list[i].name ? take_topic(&response->topics[i], &list[i]) : no_memory();
        if (result)
            return result;
    }
    qsort(list, (size_t)count, sizeof *list, by_name);
    *topics = list;
    return 0;
}

int remote_topic_list(struct remote *remote,
                      int (*visit)(void *context, const struct maplog_topic *topic), void *context)
{
    struct metadata_request request;
    struct metadata_response response;
    remote_begin(remote);
    wire_init(&wire_metadata_request, &request);
    request.topics_count = -1; /* all */
    request.allow_auto_topic_creation = false;
    int result = remote_call(remote, REMOTE_METADATA, &request, &response);
    if (result)
        return result;
    struct arena arena = {.limit = LIMIT_REQUEST_MEMORY};
    struct maplog_topic *topics = NULL;
    int32_t count = response.topics_count;
    result = copy_topics(&response, &arena, &topics);
    for (int32_t i = 0; !result && i < count; i++)
        result = visit(context, &topics[i]);
    arena_reset(&arena);
    return result;
}

/* ---- settings -------------------------------------------------------------------------------- */

/* key NULL: all. *row is within the answer. */
static int ask_configs(struct remote *remote, const char *topic, const char *key,
                       const struct describe_configs_response_results **row)
{
    struct describe_configs_request request;
    struct describe_configs_request_resources resource;
    struct describe_configs_response response;
    struct wire_string name = wire_text(key);
    remote_begin(remote);
    wire_init(&wire_describe_configs_request, &request);
    wire_init(&wire_describe_configs_request_resources, &resource);
    resource.resource_type = RESOURCE_TOPIC;
    resource.resource_name = wire_text(topic);
    resource.configuration_keys = key ? &name : NULL;
    resource.configuration_keys_count = key ? 1 : -1;
    request.resources = &resource;
    request.resources_count = 1;
    int result = remote_call(remote, REMOTE_DESCRIBE_CONFIGS, &request, &response);
    if (result)
        return result;
    if (response.results_count != 1)
        return unanswered(remote, topic);
    *row = &response.results[0];
    return (*row)->error_code ? remote_failure((*row)->error_code, (*row)->error_message,
                                               "the settings of topic %s", topic)
                              : 0;
}

int remote_topic_configs(struct remote *remote, const char *topic,
                         int (*visit)(void *context, const char *name, const char *value,
                                      int is_default),
                         void *context)
{
    const struct describe_configs_response_results *row;
    int result = ask_configs(remote, topic, NULL, &row);
    for (int32_t i = 0; !result && i < row->configs_count; i++) {
        const struct describe_configs_response_results_configs *config = &row->configs[i];
        const char *name = wire_copy(&remote->answer, config->name);
        const char *value = wire_copy(&remote->answer, config->value);
        result = name && value ? visit(context, name, value, config->config_source != SOURCE_TOPIC)
                               : no_memory();
    }
    return result;
}

int remote_topic_config(struct remote *remote, const char *topic, const char *name, char *value,
                        size_t size)
{
    const struct describe_configs_response_results *row;
    int result = ask_configs(remote, topic, name, &row);
    for (int32_t i = 0; !result && i < row->configs_count; i++) {
        const struct describe_configs_response_results_configs *config = &row->configs[i];
        if (!wire_equal(config->name, name))
            continue;
        size_t length = config->value.size > 0 ? (size_t)config->value.size : 0;
        length = length < size ? length : size - 1;
        memcpy(value, config->value.at, length);
        value[length] = '\0';
        return 0;
    }
    return result ? result
                  : error_set(MAPLOG_NOT_FOUND, "%s: topic %s has no setting %s", remote->address,
                              topic, name);
}
