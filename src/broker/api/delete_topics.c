/* delete_topics.c - DeleteTopics: by name, or by id; and the progress of groups in them. */
#include <string.h>

#include "base/error.h"
#include "broker/admin.h"
#include "broker/apis.h"
#include "broker/topics.h"
#include "log/progress.h"

#define VERSION_STRUCTS 6       /* topics by name or id; before: names */
#define VERSION_DISABLED_TOLD 3 /* the error that says so is known */
#define FORGET_AGAIN_MS 20      /* when a local process just wrote to __consumer_offsets */
#define FORGET_LONGEST_MS 5000

typedef struct delete_topics_response_responses answered;

struct delete_topics_state {
    struct admin admin;
    const char **deleted; /* whose progress is to be forgotten */
    int32_t count, forgotten;
    int64_t give_up_ms;
};

/* One topic on its way. */
struct deletion {
    struct broker *broker;
    struct arena *arena;
    const char *name; /* NULL: by id */
    struct uuid id;
    answered *to;
};

static const struct uuid no_id;

static int16_t refuse(struct deletion *now, int16_t code, const char *text)
{
    now->to->error_message = admin_text(now->arena, "%s", text);
    return code;
}

/* Finds name and id of the topic; both are told in the answer. */
static int16_t identify(struct deletion *now)
{
    struct directory *directory = now->broker->directory;
    bool by_id = !now->name;
    pthread_mutex_lock(&directory->lock);
    int result = directory_refresh(directory);
    const struct catalog_topic *topic = result  ? NULL
                                        : by_id ? catalog_find_id(&directory->catalog, &now->id)
                                                : catalog_find(&directory->catalog, now->name);
    if (topic) {
        now->id = topic->id;
        now->name = arena_copy(now->arena, topic->name, strlen(topic->name));
    }
    pthread_mutex_unlock(&directory->lock);
    if (result)
        return refuse(now, broker_error(result), error_text());
    if (!topic && by_id)
        return refuse(now, KAFKA_UNKNOWN_TOPIC_ID, "This server does not host this topic ID.");
    if (!topic)
        return refuse(now, KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
                      "This server does not host this topic-partition.");
    if (!now->name)
        return refuse(now, KAFKA_UNKNOWN_SERVER_ERROR, "no memory for a topic");
    now->to->name = wire_text(now->name);
    now->to->topic_id = now->id;
    return KAFKA_NONE;
}

static int16_t delete_one(struct deletion *now, int16_t version)
{
    if (!BROKER_SETTING(now->broker, delete_topics))
        return refuse(now,
                      version < VERSION_DISABLED_TOLD ? KAFKA_INVALID_REQUEST
                                                      : KAFKA_TOPIC_DELETION_DISABLED,
                      "Topic deletion is disabled.");
    if (now->name && memcmp(&now->id, &no_id, sizeof no_id) != 0)
        return refuse(now, KAFKA_INVALID_REQUEST,
                      "You may not specify both topic name and topic id.");
    if (!now->name && memcmp(&now->id, &no_id, sizeof no_id) == 0)
        return refuse(now, KAFKA_INVALID_REQUEST, "Neither topic name nor id were specified.");
    int16_t error = identify(now);
    if (error)
        return error;
    if (topics_is_internal(now->name))
        return refuse(now, KAFKA_POLICY_VIOLATION, "The broker needs this topic.");
    int result = directory_delete_topic(now->broker->directory, now->name);
    return result ? refuse(now, broker_error(result), error_text()) : KAFKA_NONE;
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* What a request says of topic i, in either form. */
static bool read_topic(const struct broker_request *request, struct arena *arena, int32_t i,
                       struct deletion *now)
{
    const struct delete_topics_request *body = request->body;
    bool structs = request->header.api_version >= VERSION_STRUCTS;
    struct wire_string name = structs ? body->topics[i].name : body->topic_names[i];
    now->id = structs ? body->topics[i].topic_id : no_id;
    now->name = name.size < 0 ? NULL : admin_copy(arena, name);
    now->to->name = name;
    now->to->topic_id = now->id;
    now->to->error_message = wire_text(NULL);
    return now->name || name.size < 0;
}

/* A key of each topic of the request that is the same when it is named twice. */
static const char *key_of(struct arena *arena, const struct deletion *now)
{
    char id[UUID_TEXT_SIZE];
    uuid_format(&now->id, id);
    return now->name ? arena_print(arena, "name %s", now->name) : arena_print(arena, "id %s", id);
}

static bool delete_all(struct broker *broker, struct broker_request *request)
{
    const struct delete_topics_request *body = request->body;
    struct delete_topics_response *answer = request->answer;
    struct delete_topics_state *state = request->state;
    struct arena *arena = &request->arena;
    int16_t version = request->header.api_version;
    int32_t count = version >= VERSION_STRUCTS ? body->topics_count : body->topic_names_count;
    struct deletion *topics = arena_take_array(arena, (size_t)count, sizeof *topics);
    const char **keys = arena_take_array(arena, (size_t)count, sizeof *keys);
    state->deleted = arena_take_array(arena, (size_t)count, sizeof *state->deleted);
    answer->responses = wire_array(arena, &wire_delete_topics_response_responses, count);
    if (!topics || !keys || !state->deleted || !answer->responses)
        return false;
    for (int32_t i = 0; i < count; i++) {
        topics[i] = (struct deletion){broker, arena, NULL, no_id, &answer->responses[i]};
        if (!read_topic(request, arena, i, &topics[i]) || !(keys[i] = key_of(arena, &topics[i])))
            return false;
    }
    const enum admin_twin *twins = admin_twins(arena, keys, count);
    if (!twins)
        return false;
    answer->responses_count = count;
    for (int32_t i = 0; i < count; i++) {
        int16_t error = twins[i] == ADMIN_SINGLE ? delete_one(&topics[i], version)
                                                 : refuse(&topics[i], KAFKA_INVALID_REQUEST,
                                                          topics[i].name ? "Duplicate topic name."
                                                                         : "Duplicate topic id.");
        answer->responses[i].error_code = error;
        if (!error)
            state->deleted[state->count++] = topics[i].name;
    }
    return true;
}

static void work(struct broker_request *request)
{
    struct delete_topics_state *state = request->state;
    state->admin.failed = !delete_all(state->admin.broker, request);
}

/* A later topic of the same name begins without progress. True when all is done, or given up. */
static bool forget(struct broker *broker, struct delete_topics_state *state, int64_t now_ms)
{
    if (!state->give_up_ms)
        state->give_up_ms = now_ms + FORGET_LONGEST_MS;
    for (; state->forgotten < state->count; state->forgotten++) {
        const char *topic = state->deleted[state->forgotten];
        int result = progress_forget(broker->progress, topic);
        if (result == MAPLOG_BUSY && now_ms < state->give_up_ms)
            return false;
        if (result)
            broker_note(broker, 'W', "topic %s is deleted, the progress of its groups is not: %s",
                        topic, error_text());
    }
    return true;
}

enum broker_outcome delete_topics_handle(struct broker *broker, struct broker_request *request,
                                         int64_t now_ms)
{
    struct delete_topics_state *state = request->state;
    if (!state || !state->admin.worked) {
        enum broker_outcome outcome =
            admin_change(broker, request, now_ms, sizeof(struct delete_topics_state), work);
        if (outcome != BROKER_ANSWER)
            return outcome;
        state = request->state;
    }
    if (forget(broker, state, now_ms))
        return BROKER_ANSWER;
    request->deadline_ms = now_ms + FORGET_AGAIN_MS;
    return BROKER_PARK;
}
