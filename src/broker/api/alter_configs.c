/* alter_configs.c - AlterConfigs: what is not named goes back to its default. */
#include "broker/admin.h"
#include "broker/apis.h"
#include "broker/configs.h"

typedef struct alter_configs_request_resources asked;
typedef struct alter_configs_response_responses answered;

/* The changes of one resource; false without memory. */
static bool read_order(struct arena *arena, const asked *resource, struct config_order *order)
{
    struct config_change *changes =
        arena_take_array(arena, (size_t)resource->configs_count, sizeof *changes);
    for (int32_t i = 0; changes && i < resource->configs_count; i++) {
        const struct alter_configs_request_resources_configs *config = &resource->configs[i];
        changes[i] = (struct config_change){config->name, config->value, CONFIG_SET};
    }
    order->type = resource->resource_type;
    order->resource = resource->resource_name;
    order->changes = changes;
    order->count = resource->configs_count;
    return changes;
}

static bool change(struct broker *broker, struct broker_request *request)
{
    const struct alter_configs_request *body = request->body;
    struct alter_configs_response *answer = request->answer;
    struct arena *arena = &request->arena;
    int32_t count = body->resources_count;
    struct config_order *orders = arena_take_array(arena, (size_t)count, sizeof *orders);
    struct config_result *results = arena_take_array(arena, (size_t)count, sizeof *results);
    answer->responses = wire_array(arena, &wire_alter_configs_response_responses, count);
    if (!orders || !results || !answer->responses)
        return false;
    for (int32_t i = 0; i < count; i++) {
        orders[i] = (struct config_order){.broker = broker,
                                          .arena = arena,
                                          .replace = true,
                                          .validate_only = body->validate_only};
        if (!read_order(arena, &body->resources[i], &orders[i]))
            return false;
    }
    if (configs_change(orders, count, results))
        return false;
    answer->responses_count = count;
    for (int32_t i = 0; i < count; i++) {
        answered *to = &answer->responses[i];
        to->resource_type = orders[i].type;
        to->resource_name = orders[i].resource;
        to->error_code = results[i].error;
        to->error_message = results[i].text;
    }
    return true;
}

static void work(struct broker_request *request)
{
    struct admin *admin = request->state;
    admin->failed = !change(admin->broker, request);
}

enum broker_outcome alter_configs_handle(struct broker *broker, struct broker_request *request,
                                         int64_t now_ms)
{
    return admin_change(broker, request, now_ms, sizeof(struct admin), work);
}
