/* create_partitions.c - CreatePartitions: topics grow. */
#include "base/error.h"
#include "broker/admin.h"
#include "broker/apis.h"
#include "broker/topics.h"

typedef struct create_partitions_request_topics asked;
typedef struct create_partitions_response_results answered;

/* One topic on its way. */
struct growth {
    struct broker *broker;
    struct arena *arena;
    const asked *topic;
    const char *name;
    answered *to;
};

static int16_t refuse(struct growth *now, int16_t code, const char *text)
{
    now->to->error_message = admin_text(now->arena, "%s", text);
    return code;
}

static int16_t check_assignments(struct growth *now, int32_t present)
{
    const asked *topic = now->topic;
    struct broker *broker = now->broker;
    bool any = BROKER_SETTING(broker, any_replication_factor);
    if (topic->assignments_count < 0)
        return KAFKA_NONE;
    if (topic->assignments_count != topic->count - present) {
        now->to->error_message =
            admin_text(now->arena,
                       "Attempted to add %d additional partition(s), but only %d assignment(s) "
                       "were specified.",
                       topic->count - present, topic->assignments_count);
        return KAFKA_INVALID_REPLICA_ASSIGNMENT;
    }
    for (int32_t i = 0; i < topic->assignments_count; i++) {
        const struct create_partitions_request_topics_assignments *assignment =
            &topic->assignments[i];
        bool good =
            any ? assignment->broker_ids_count > 0
                : assignment->broker_ids_count == 1 && assignment->broker_ids[0] == broker->node_id;
        if (!good)
            return refuse(now, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                          "The manual partition assignment must name this broker, the only one.");
    }
    return KAFKA_NONE;
}

static int16_t check_count(struct growth *now, int32_t present)
{
    int32_t count = now->topic->count;
    if (count > present && count <= LIMIT_PARTITIONS)
        return check_assignments(now, present);
    if (count == present)
        now->to->error_message =
            admin_text(now->arena, "Topic already has %d partition(s).", present);
    else if (count < present)
        now->to->error_message = admin_text(now->arena,
                                            "The topic %s currently has %d partition(s); %d would "
                                            "not be an increase.",
                                            now->name, present, count);
    else
        now->to->error_message =
            admin_text(now->arena, "A data directory has at most %d partitions.", LIMIT_PARTITIONS);
    return KAFKA_INVALID_PARTITIONS;
}

static int16_t grow(struct growth *now, bool validate_only)
{
    struct directory *directory = now->broker->directory;
    struct maplog_topic topic;
    if (topics_is_internal(now->name))
        return refuse(now, KAFKA_POLICY_VIOLATION,
                      "This topic cannot grow: its partition count places the groups.");
    int result = directory_topic(directory, now->name, &topic);
    if (result)
        return refuse(now, broker_error(result), error_text());
    int16_t error = check_count(now, topic.partitions);
    if (error || validate_only)
        return error;
    result = directory_grow_topic(directory, now->name, now->topic->count);
    if (result == MAPLOG_INVALID || result == MAPLOG_LIMIT)
        return refuse(now, KAFKA_INVALID_PARTITIONS, error_text());
    return result ? refuse(now, broker_error(result), error_text()) : KAFKA_NONE;
}

static bool grow_all(struct broker *broker, struct broker_request *request)
{
    const struct create_partitions_request *body = request->body;
    struct create_partitions_response *answer = request->answer;
    int32_t count = body->topics_count;
    const char **names = arena_take_array(&request->arena, (size_t)count, sizeof *names);
    answer->results = wire_array(&request->arena, &wire_create_partitions_response_results, count);
    if (!names || !answer->results)
        return false;
    for (int32_t i = 0; i < count; i++) {
        if (!(names[i] = admin_copy(&request->arena, body->topics[i].name)))
            return false;
    }
    const enum admin_twin *twins = admin_twins(&request->arena, names, count);
    if (!twins)
        return false;
    for (int32_t i = 0; i < count; i++) {
        if (twins[i] == ADMIN_AGAIN)
            continue;
        answered *to = &answer->results[answer->results_count++];
        struct growth now = {broker, &request->arena, &body->topics[i], names[i], to};
        to->name = body->topics[i].name;
        to->error_message = wire_text(NULL);
        to->error_code = twins[i] == ADMIN_SINGLE
                             ? grow(&now, body->validate_only)
                             : refuse(&now, KAFKA_INVALID_REQUEST, "Duplicate topic name.");
    }
    return true;
}

static void work(struct broker_request *request)
{
    struct admin *admin = request->state;
    admin->failed = !grow_all(admin->broker, request);
}

enum broker_outcome create_partitions_handle(struct broker *broker, struct broker_request *request,
                                             int64_t now_ms)
{
    return admin_change(broker, request, now_ms, sizeof(struct admin), work);
}
