#include "base/error.h"
#include "broker/admin.h"
#include "broker/apis.h"
#include "broker/configs.h"

typedef struct describe_configs_request_resources asked;
typedef struct describe_configs_response_results answered;

static int put_topic(const struct configs_query *query, const asked *resource, answered *to)
{
    struct configs_found found = {0};
    char *name = admin_copy(query->arena, resource->resource_name);
    if (!name)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a name");
    int result = catalog_check_name(name);
    if (!result)
        result = configs_describe_topic(query, name, &found);
    if (result == MAPLOG_INVALID || result == MAPLOG_NOT_FOUND) {
        to->error_code = result == MAPLOG_INVALID ? KAFKA_INVALID_TOPIC_EXCEPTION
                                                  : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        to->error_message = admin_error_text(query->arena);
        return 0;
    }
    to->configs = found.configs;
    to->configs_count = found.count;
    return result;
}

static int put_broker(const struct configs_query *query, const asked *resource, answered *to)
{
    struct configs_found found = {0};
    struct wire_string name = resource->resource_name;
    to->error_code = configs_check_broker(query->broker, query->arena, name, &to->error_message);
    if (to->error_code)
        return 0;
    int result = configs_describe_broker(
        query, name.size > 0 ? SOURCE_BROKER : SOURCE_BROKER_DEFAULT, &found);
    to->configs = found.configs;
    to->configs_count = found.count;
    return result;
}

/* Resources that have no settings here. */
static void put_none(const struct configs_query *query, const asked *resource, answered *to)
{
    bool named = resource->resource_name.size > 0;
    switch (resource->resource_type) {
    case RESOURCE_BROKER_LOGGER:
        if (named) {
            to->error_code = configs_check_broker(query->broker, query->arena,
                                                  resource->resource_name, &to->error_message);
            return;
        }
        to->error_message = wire_text("Broker id must not be empty");
        break;
    case RESOURCE_CLIENT_METRICS:
        to->error_message =
            wire_text(named ? NULL : "Client metrics subscription name must not be empty");
        break;
    case RESOURCE_GROUP:
        to->error_message = wire_text(named ? NULL : "Group name must not be empty");
        break;
    default:
        to->error_message = wire_text("Unsupported resource type");
    }
    if (to->error_message.size >= 0)
        to->error_code = KAFKA_INVALID_REQUEST;
}

static int put_resource(const struct configs_query *query, const asked *resource, answered *to)
{
    to->resource_type = resource->resource_type;
    to->resource_name = resource->resource_name;
    to->error_message = wire_text(NULL);
    if (resource->resource_type == RESOURCE_TOPIC)
        return put_topic(query, resource, to);
    if (resource->resource_type == RESOURCE_BROKER)
        return put_broker(query, resource, to);
    put_none(query, resource, to);
    return 0;
}

static bool describe(struct broker *broker, struct broker_request *request)
{
    const struct describe_configs_request *body = request->body;
    struct describe_configs_response *answer = request->answer;
    answer->results =
        wire_array(&request->arena, &wire_describe_configs_response_results, body->resources_count);
    if (!answer->results)
        return false;
    answer->results_count = body->resources_count;
    int result = 0;
    for (int32_t i = 0; !result && i < body->resources_count; i++) {
        const asked *resource = &body->resources[i];
        const struct configs_query query = {
            .broker = broker,
            .arena = &request->arena,
            .names = resource->configuration_keys,
            .name_count = resource->configuration_keys_count,
            .synonyms = body->include_synonyms,
            .documentation = body->include_documentation,
        };
        result = put_resource(&query, resource, &answer->results[i]);
    }
    return !result;
}

/* Nothing here waits; but to describe thousands of topics takes a while. */
static void work(struct broker_request *request)
{
    struct admin *admin = request->state;
    admin->failed = !describe(admin->broker, request);
}

enum broker_outcome describe_configs_handle(struct broker *broker, struct broker_request *request,
                                            int64_t now_ms)
{
    (void)now_ms;
    return admin_cold(broker, request, sizeof(struct admin), work);
}
