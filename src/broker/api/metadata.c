/* metadata.c - Metadata: the broker, topics and partitions; makes topics that are asked for. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "broker/admin.h"
#include "broker/apis.h"
#include "broker/topics.h"

#define VERSION_EMPTY_IS_NONE 1
#define VERSION_AUTO_CREATE_ASKED 4
#define VERSION_BY_ID 12 /* ids are in the form from 10 on, and meant from 12 on */

typedef struct metadata_request_topics asked;
typedef struct metadata_response_topics answered;

struct metadata_state {
    struct admin admin;
    int16_t *created; /* of each topic of the request: the error of creating it, 0: not tried */
};

static const struct uuid no_id;

/* As with Kafka an id wins: its AdminClient sends an empty name with it, others send null. */
static bool is_by_id(const asked *topic)
{
    return topic->name.size < 0 || memcmp(&topic->topic_id, &no_id, sizeof no_id) != 0;
}

/* ---- what is there --------------------------------------------------------------------------- */

static int put_partitions(struct broker *broker, struct arena *arena,
                          const struct catalog_topic *topic, answered *to)
{
    to->partitions =
        wire_array(arena, &wire_metadata_response_topics_partitions, topic->partitions);
    int32_t *nodes = arena_take(arena, sizeof *nodes);
    if (!to->partitions || !nodes)
        return error_set(MAPLOG_NO_MEMORY, "no memory for the partitions of %s", topic->name);
    to->partitions_count = topic->partitions;
    *nodes = broker->node_id;
    for (int32_t p = 0; p < topic->partitions; p++) {
        struct metadata_response_topics_partitions *partition = &to->partitions[p];
        partition->partition_index = p;
        partition->leader_id = broker->node_id;
        partition->leader_epoch = directory_leader_epoch(broker->directory, topic->slots[p]);
        partition->replica_nodes = partition->isr_nodes = nodes;
        partition->replica_nodes_count = partition->isr_nodes_count = 1;
    }
    return 0;
}

/* A topic of the catalog; the directory's lock is held. */
static int put_topic(struct broker *broker, struct broker_request *request,
                     const struct catalog_topic *topic, answered *to)
{
    const struct metadata_request *body = request->body;
    char *name = arena_copy(&request->arena, topic->name, strlen(topic->name));
    if (!name)
        return error_set(MAPLOG_NO_MEMORY, "no memory for topic %s", topic->name);
    to->name = wire_text(name);
    to->topic_id = topic->id;
    to->is_internal = topics_is_internal(name);
    if (body->include_topic_authorized_operations)
        to->topic_authorized_operations = ADMIN_TOPIC_OPERATIONS;
    return put_partitions(broker, &request->arena, topic, to);
}

static int put_all(struct broker *broker, struct broker_request *request)
{
    const struct catalog *catalog = &broker->directory->catalog;
    struct metadata_response *answer = request->answer;
    int32_t count = (int32_t)catalog->count;
    answer->topics = wire_array(&request->arena, &wire_metadata_response_topics, count);
    if (!answer->topics)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %d topics", count);
    answer->topics_count = count;
    int result = 0;
    for (int32_t t = 0; !result && t < count; t++)
        result = put_topic(broker, request, catalog->topics[t], &answer->topics[t]);
    return result;
}

/* ---- what was asked for ---------------------------------------------------------------------- */

/* Error of a topic that is not there. */
static int16_t absence(const struct broker_request *request, const asked *topic, int32_t index)
{
    const struct metadata_state *state = request->state;
    char name[LIMIT_TOPIC_NAME + 2] = {0};
    if (is_by_id(topic))
        return KAFKA_UNKNOWN_TOPIC_ID;
    size_t size = (size_t)topic->name.size;
    memcpy(name, topic->name.at, size < sizeof name ? size : sizeof name - 1);
    if (strlen(name) != size || catalog_check_name(name) != 0)
        return KAFKA_INVALID_TOPIC_EXCEPTION;
    if (state && state->created && state->created[index])
        return state->created[index];
    return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
}

static const struct catalog_topic *find(struct catalog *catalog, const asked *topic)
{
    char name[LIMIT_TOPIC_NAME + 1];
    if (is_by_id(topic))
        return catalog_find_id(catalog, &topic->topic_id);
    if (topic->name.size > LIMIT_TOPIC_NAME || memchr(topic->name.at, 0, (size_t)topic->name.size))
        return NULL;
    memcpy(name, topic->name.at, (size_t)topic->name.size);
    name[topic->name.size] = '\0';
    return catalog_find(catalog, name);
}

static int put_asked(struct broker *broker, struct broker_request *request)
{
    const struct metadata_request *body = request->body;
    struct metadata_response *answer = request->answer;
    answer->topics =
        wire_array(&request->arena, &wire_metadata_response_topics, body->topics_count);
    if (!answer->topics)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %d topics", body->topics_count);
    answer->topics_count = body->topics_count;
    int result = 0;
    for (int32_t t = 0; !result && t < body->topics_count; t++) {
        const asked *topic = &body->topics[t];
        answered *to = &answer->topics[t];
        const struct catalog_topic *known = find(&broker->directory->catalog, topic);
        if (known) {
            result = put_topic(broker, request, known, to);
            continue;
        }
        to->error_code = absence(request, topic, t);
        to->name = is_by_id(topic) ? wire_text(NULL) : topic->name;
        to->topic_id = topic->topic_id;
        if (topics_is_internal_name(topic->name))
            to->is_internal = true;
    }
    return result;
}

/* Ids in a version that has the field but not the meaning: Kafka refuses the whole request. */
static bool is_refused(const struct broker_request *request)
{
    const struct metadata_request *body = request->body;
    if (request->header.api_version >= VERSION_BY_ID)
        return false;
    for (int32_t t = 0; t < body->topics_count; t++) {
        if (is_by_id(&body->topics[t]))
            return true;
    }
    return false;
}

static int put_refusal(struct broker_request *request)
{
    const struct metadata_request *body = request->body;
    struct metadata_response *answer = request->answer;
    answer->topics =
        wire_array(&request->arena, &wire_metadata_response_topics, body->topics_count);
    if (!answer->topics)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %d topics", body->topics_count);
    answer->topics_count = body->topics_count;
    for (int32_t t = 0; t < body->topics_count; t++) {
        answer->topics[t].error_code = KAFKA_INVALID_REQUEST;
        answer->topics[t].topic_id = body->topics[t].topic_id;
        answer->topics[t].name =
            body->topics[t].name.size < 0 ? wire_text("") : body->topics[t].name;
    }
    return 0;
}

static int put_broker(struct broker *broker, struct broker_request *request)
{
    const struct metadata_request *body = request->body;
    struct metadata_response *answer = request->answer;
    answer->brokers = wire_array(&request->arena, &wire_metadata_response_brokers, 1);
    if (!answer->brokers)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a broker");
    answer->brokers_count = 1;
    answer->brokers->node_id = broker->node_id;
    answer->brokers->host = wire_text(request->advertised.host);
    answer->brokers->port = request->advertised.port;
    answer->cluster_id = wire_text(broker->cluster_id);
    answer->controller_id = broker->node_id;
    if (body->include_cluster_authorized_operations)
        answer->cluster_authorized_operations = ADMIN_CLUSTER_OPERATIONS;
    return 0;
}

static enum broker_outcome answer_now(struct broker *broker, struct broker_request *request)
{
    const struct metadata_request *body = request->body;
    bool all = body->topics_count < 0 ||
               (body->topics_count == 0 && request->header.api_version < VERSION_EMPTY_IS_NONE);
    int result = put_broker(broker, request);
    if (result)
        return BROKER_CLOSE;
    if (is_refused(request))
        return put_refusal(request) ? BROKER_CLOSE : BROKER_ANSWER;
    pthread_mutex_lock(&broker->directory->lock);
    result = directory_refresh(broker->directory);
    if (!result)
        result = all ? put_all(broker, request) : put_asked(broker, request);
    pthread_mutex_unlock(&broker->directory->lock);
    return result ? BROKER_CLOSE : BROKER_ANSWER;
}

/* ---- topics that are made because somebody asks for them ------------------------------------- */

static bool may_create(struct broker *broker, const struct broker_request *request)
{
    const struct metadata_request *body = request->body;
    return (body->allow_auto_topic_creation ||
            request->header.api_version < VERSION_AUTO_CREATE_ASKED) &&
           BROKER_SETTING(broker, auto_create_topics);
}

static bool is_to_create(struct broker *broker, const struct broker_request *request, int32_t t)
{
    const asked *topic = &((const struct metadata_request *)request->body)->topics[t];
    return !is_by_id(topic) && !find(&broker->directory->catalog, topic) &&
           !topics_is_internal_name(topic->name) &&
           absence(request, topic, t) == KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
}

static int16_t creation_error(int result)
{
    switch (result) {
    case 0:
    case MAPLOG_EXISTS: /* somebody else was faster */
        return KAFKA_NONE;
    case MAPLOG_INVALID:
        return KAFKA_INVALID_TOPIC_EXCEPTION;
    case MAPLOG_BUSY:
    case MAPLOG_TIMED_OUT:
        return KAFKA_LEADER_NOT_AVAILABLE;
    default:
        return broker_error(result);
    }
}

/* Which topics of the request are to be made, as wanted[i] for its topic places[i]; their number.
 */
static size_t list_missing(struct broker *broker, struct broker_request *request,
                           struct topic_creation *wanted, int32_t *places)
{
    const struct metadata_request *body = request->body;
    int32_t partitions = BROKER_SETTING(broker, num_partitions);
    size_t count = 0;
    pthread_mutex_lock(&broker->directory->lock);
    for (int32_t t = 0; t < body->topics_count; t++) {
        char *name = is_to_create(broker, request, t)
                         ? admin_copy(&request->arena, body->topics[t].name)
                         : NULL;
        if (!name)
            continue;
        wanted[count] = (struct topic_creation){.topic = name, .partitions = partitions};
        places[count++] = t;
    }
    pthread_mutex_unlock(&broker->directory->lock);
    return count;
}

static void create_missing(struct broker_request *request)
{
    struct metadata_state *state = request->state;
    struct broker *broker = state->admin.broker;
    size_t size = (size_t)((const struct metadata_request *)request->body)->topics_count;
    struct topic_creation *wanted = arena_take_array(&request->arena, size, sizeof *wanted);
    int32_t *places = arena_take_array(&request->arena, size, sizeof *places);
    state->created = arena_take_array(&request->arena, size, sizeof *state->created);
    if (!wanted || !places || !state->created) {
        admin_fail(request);
        return;
    }
    size_t count = list_missing(broker, request, wanted, places);
    directory_create_topics(broker->directory, wanted, count);
    for (size_t i = 0; i < count; i++) {
        state->created[places[i]] = creation_error(wanted[i].result);
        if (wanted[i].result && wanted[i].result != MAPLOG_EXISTS) {
            error_set(wanted[i].result, "topic %s was asked for and is not created: %s",
                      wanted[i].topic, wanted[i].error ? wanted[i].error : "no memory");
            broker_note_seldom(broker, 'W', error_text());
        }
        free(wanted[i].error);
    }
}

static bool is_any_missing(struct broker *broker, const struct broker_request *request)
{
    const struct metadata_request *body = request->body;
    bool missing = false;
    if (body->topics_count <= 0 || is_refused(request) || !may_create(broker, request))
        return false;
    pthread_mutex_lock(&broker->directory->lock);
    int result = directory_refresh(broker->directory);
    for (int32_t t = 0; !result && !missing && t < body->topics_count; t++)
        missing = is_to_create(broker, request, t);
    pthread_mutex_unlock(&broker->directory->lock);
    return missing;
}

enum broker_outcome metadata_handle(struct broker *broker, struct broker_request *request,
                                    int64_t now_ms)
{
    const struct metadata_request *body = request->body;
    if (body->topics_count > LIMIT_PARTITIONS) {
        error_set(MAPLOG_LIMIT, "Metadata of %d topics: a directory has at most %d",
                  body->topics_count, LIMIT_PARTITIONS);
        return BROKER_CLOSE;
    }
    if (request->state || is_any_missing(broker, request)) {
        enum broker_outcome outcome =
            admin_change(broker, request, now_ms, sizeof(struct metadata_state), create_missing);
        if (outcome != BROKER_ANSWER)
            return outcome;
    }
    return answer_now(broker, request);
}
