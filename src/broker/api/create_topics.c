/* create_topics.c - CreateTopics. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "broker/admin.h"
#include "broker/apis.h"
#include "broker/configs.h"
#include "broker/topics.h"

#define VERSION_CONFIGS 5 /* from here on the answer has the topic's settings */

typedef struct create_topics_request_topics asked;
typedef struct create_topics_response_topics answered;

/* One topic on its way. */
struct creation {
    struct broker *broker;
    struct broker_request *request;
    const asked *topic;
    answered *to;
    char *name;
    int32_t partitions;
    const char **configs; /* "name=value", NULL-terminated */
};

static int16_t refuse(struct creation *now, int16_t code, const char *text)
{
    now->to->error_message = admin_text(&now->request->arena, "%s", text);
    return code;
}

static int16_t no_memory(struct creation *now)
{
    return refuse(now, KAFKA_UNKNOWN_SERVER_ERROR, "no memory for a topic");
}

/* ---- what was asked for ---------------------------------------------------------------------- */

static int16_t check_name(struct creation *now)
{
    struct directory *directory = now->broker->directory;
    if (topics_is_internal(now->name))
        return refuse(now, KAFKA_POLICY_VIOLATION, "The broker makes this topic by itself.");
    pthread_mutex_lock(&directory->lock);
    int result = directory_refresh(directory);
    if (!result)
        result = catalog_check_new(&directory->catalog, now->name);
    pthread_mutex_unlock(&directory->lock);
    if (!result)
        return KAFKA_NONE;
    return refuse(now,
                  result == MAPLOG_INVALID ? KAFKA_INVALID_TOPIC_EXCEPTION : broker_error(result),
                  error_text());
}

static int16_t check_replicas(struct creation *now, const int32_t *brokers, int32_t count)
{
    struct broker *broker = now->broker;
    if (count == 0)
        return refuse(now, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                      "The manual partition assignment includes an empty replica list.");
    if (BROKER_SETTING(broker, any_replication_factor) ||
        (count == 1 && *brokers == broker->node_id))
        return KAFKA_NONE;
    return refuse(now, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                  "The manual partition assignment includes brokers that are not registered: there "
                  "is one broker.");
}

/* Each partition once, from 0 on without a gap, all on this broker. */
static int16_t check_assignments(struct creation *now)
{
    const asked *topic = now->topic;
    int32_t count = topic->assignments_count;
    bool *seen = arena_take_array(&now->request->arena, (size_t)count, sizeof *seen);
    if (topic->replication_factor != -1 || topic->num_partitions != -1)
        return refuse(now, KAFKA_INVALID_REQUEST,
                      "A manual partition assignment was specified, but the number of partitions "
                      "and the replication factor were not set to -1.");
    if (!seen)
        return no_memory(now);
    int16_t error = KAFKA_NONE;
    for (int32_t i = 0; !error && i < count; i++) {
        int32_t partition = topic->assignments[i].partition_index;
        if (partition < 0 || partition >= count || seen[partition])
            return refuse(now, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                          "Partitions of a manual assignment are consecutive, from 0 on.");
        seen[partition] = true;
        error = check_replicas(now, topic->assignments[i].broker_ids,
                               topic->assignments[i].broker_ids_count);
    }
    now->partitions = count;
    return error;
}

static int16_t check_partitions(struct creation *now)
{
    const asked *topic = now->topic;
    int16_t factor = topic->replication_factor;
    if (topic->assignments_count > 0)
        return check_assignments(now);
    if (topic->num_partitions == 0 || topic->num_partitions < -1)
        return refuse(now, KAFKA_INVALID_PARTITIONS,
                      "Number of partitions was set to an invalid non-positive value.");
    if (factor == 0 || factor < -1)
        return refuse(now, KAFKA_INVALID_REPLICATION_FACTOR,
                      "Replication factor must be larger than 0, or -1 to use the default value.");
    if (factor > 1 && !BROKER_SETTING(now->broker, any_replication_factor)) {
        now->to->error_message = admin_text(
            &now->request->arena,
            "Unable to replicate the partition %d time(s): there is only 1 broker.", factor);
        return KAFKA_INVALID_REPLICATION_FACTOR;
    }
    now->partitions = topic->num_partitions == -1 ? BROKER_SETTING(now->broker, num_partitions)
                                                  : topic->num_partitions;
    if (now->partitions <= LIMIT_PARTITIONS)
        return KAFKA_NONE;
    now->to->error_message = admin_text(
        &now->request->arena, "A data directory has at most %d partitions.", LIMIT_PARTITIONS);
    return KAFKA_INVALID_PARTITIONS;
}

static int16_t read_configs(struct creation *now)
{
    const asked *topic = now->topic;
    struct arena *arena = &now->request->arena;
    size_t used = 0;
    now->configs = arena_take_array(arena, (size_t)topic->configs_count + 1, sizeof *now->configs);
    if (!now->configs)
        return no_memory(now);
    for (int32_t i = 0; i < topic->configs_count; i++) {
        char *name = admin_copy(arena, topic->configs[i].name);
        char *value = admin_copy(arena, topic->configs[i].value);
        if (!name || !value)
            return no_memory(now);
        if (topic->configs[i].value.size < 0) {
            now->to->error_message =
                admin_text(arena, "Null value not supported for topic configs: %s", name);
            return KAFKA_INVALID_CONFIG;
        }
        struct settings ignored;
        settings_default(&ignored);
        if (settings_apply(&ignored, name, value))
            return refuse(now, KAFKA_INVALID_CONFIG, error_text());
        if (!(now->configs[used++] = arena_print(arena, "%s=%s", name, value)))
            return no_memory(now);
    }
    return KAFKA_NONE;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static int16_t put_configs(struct creation *now)
{
    struct arena *arena = &now->request->arena;
    const struct configs_query query = {.broker = now->broker, .arena = arena, .name_count = -1};
    struct configs_found found;
    if (configs_describe_overrides(&query, now->configs, &found))
        return refuse(now, KAFKA_INVALID_CONFIG, error_text());
    now->to->configs = wire_array(arena, &wire_create_topics_response_topics_configs, found.count);
    if (!now->to->configs)
        return no_memory(now);
    now->to->configs_count = found.count;
    for (int32_t i = 0; i < found.count; i++) {
        const described_config *config = &found.configs[i];
        now->to->configs[i] = (struct create_topics_response_topics_configs){
            .name = config->name,
            .value = config->value,
            .read_only = config->read_only,
            .config_source = config->config_source,
            .is_sensitive = config->is_sensitive,
        };
    }
    return KAFKA_NONE;
}

/* ---- one after the other --------------------------------------------------------------------- */

static int16_t check(struct creation *now)
{
    int16_t error = check_name(now);
    if (!error)
        error = check_partitions(now);
    if (!error)
        error = read_configs(now);
    if (!error && now->request->header.api_version >= VERSION_CONFIGS)
        error = put_configs(now);
    if (error)
        return error;
    now->to->num_partitions = now->partitions;
    now->to->replication_factor = 1;
    return KAFKA_NONE;
}

static int16_t refusal(struct creation *now, const struct topic_creation *made)
{
    /* Another of this request may have taken the name, or one like it. */
    int16_t error = made->result == MAPLOG_INVALID ? check_name(now) : KAFKA_NONE;
    if (error)
        return error;
    refuse(now, KAFKA_NONE, made->error ? made->error : "no memory for the reason");
    if (made->result == MAPLOG_LIMIT)
        return KAFKA_INVALID_PARTITIONS;
    return made->result == MAPLOG_INVALID ? KAFKA_INVALID_CONFIG : broker_error(made->result);
}

/* Makes those without an error, with one change of the catalog. */
static bool create_valid(struct broker *broker, struct creation *all, int32_t count)
{
    struct arena *arena = &all->request->arena;
    struct topic_creation *wanted = arena_take_array(arena, (size_t)count, sizeof *wanted);
    size_t used = 0;
    if (!wanted)
        return false;
    for (int32_t i = 0; i < count; i++) {
        if (!all[i].to->error_code)
            wanted[used++] = (struct topic_creation){
                .topic = all[i].name,
                .partitions = all[i].partitions,
                .configs = all[i].configs,
            };
    }
    directory_create_topics(broker->directory, wanted, used);
    const struct topic_creation *made = wanted;
    for (int32_t i = 0; i < count; i++) {
        if (all[i].to->error_code)
            continue;
        if (made->result) {
            all[i].to->error_code = refusal(&all[i], made);
        } else {
            configs_tell_compaction(broker, all[i].name, all[i].configs);
            all[i].to->topic_id = made->id;
        }
        free(made->error);
        made++;
    }
    return true;
}

/* Checks what was asked for, each name once, and prepares the answers. Their number, or -1 without
 * memory. */
static int32_t check_all(struct broker *broker, struct broker_request *request,
                         struct creation *all)
{
    const struct create_topics_request *body = request->body;
    struct create_topics_response *answer = request->answer;
    int32_t count = body->topics_count;
    const char **names = arena_take_array(&request->arena, (size_t)count, sizeof *names);
    if (!names)
        return -1;
    for (int32_t i = 0; i < count; i++) {
        if (!(names[i] = admin_copy(&request->arena, body->topics[i].name)))
            return -1;
    }
    const enum admin_twin *twins = admin_twins(&request->arena, names, count);
    if (!twins)
        return -1;
    for (int32_t i = 0; i < count; i++) {
        if (twins[i] == ADMIN_AGAIN)
            continue;
        struct creation *now = &all[answer->topics_count];
        answered *to = &answer->topics[answer->topics_count++];
        *now = (struct creation){
            .broker = broker,
            .request = request,
            .topic = &body->topics[i],
            .to = to,
            .name = (char *)names[i],
        };
        to->name = body->topics[i].name;
        to->error_message = wire_text(NULL);
        to->num_partitions = to->replication_factor = -1;
        to->configs_count = -1; /* null */
        to->error_code = twins[i] == ADMIN_SINGLE
                             ? check(now)
                             : refuse(now, KAFKA_INVALID_REQUEST, "Duplicate topic name.");
    }
    return answer->topics_count;
}

static bool create_all(struct broker *broker, struct broker_request *request)
{
    const struct create_topics_request *body = request->body;
    struct create_topics_response *answer = request->answer;
    size_t size = (size_t)body->topics_count;
    struct creation *all = arena_take_array(&request->arena, size, sizeof *all);
    answer->topics =
        wire_array(&request->arena, &wire_create_topics_response_topics, body->topics_count);
    if (!all || !answer->topics)
        return false;
    int32_t count = check_all(broker, request, all);
    if (count < 0 || (count > 0 && !body->validate_only && !create_valid(broker, all, count)))
        return false;
    for (int32_t i = 0; i < count; i++) {
        answered *to = all[i].to;
        if (to->error_code) {
            to->configs_count = -1;
            to->num_partitions = to->replication_factor = -1;
        }
    }
    return true;
}

static void work(struct broker_request *request)
{
    struct admin *admin = request->state;
    admin->failed = !create_all(admin->broker, request);
}

enum broker_outcome create_topics_handle(struct broker *broker, struct broker_request *request,
                                         int64_t now_ms)
{
    return admin_change(broker, request, now_ms, sizeof(struct admin), work);
}
