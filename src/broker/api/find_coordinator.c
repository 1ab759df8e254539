/* find_coordinator.c - where a group is coordinated: here, always. */
#include "broker/apis.h"
#include "broker/parts.h"

enum key_type { KEY_GROUP, KEY_TRANSACTION, KEY_SHARE };

/* NONE, or why there is no such coordinator. Transactional producers stop at once only at
 * TRANSACTIONAL_ID_AUTHORIZATION_FAILED; at other codes librdkafka asks again twice a second until
 * its time limit (init_producer_id.c). */
static int16_t check(int8_t type, const char **text)
{
    *text = NULL;
    if (type == KEY_GROUP)
        return KAFKA_NONE;
    *text = type == KEY_TRANSACTION ? "transactions are not offered by this broker"
            : type == KEY_SHARE     ? "share groups are not offered by this broker"
                                    : "unknown type of a coordinator's key";
    return type == KEY_TRANSACTION ? KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED
                                   : KAFKA_INVALID_REQUEST;
}

enum broker_outcome find_coordinator_handle(struct broker *broker, struct broker_request *request,
                                            int64_t now_ms)
{
    (void)now_ms;
    const struct find_coordinator_request *asked = request->body;
    struct find_coordinator_response *answer = request->answer;
    const char *text;
    int16_t error = check(asked->key_type, &text);
    int32_t node_id = error ? -1 : broker->node_id;
    struct wire_string host = wire_text(error ? "" : request->advertised.host);
    int32_t port = error ? -1 : request->advertised.port;

    answer->error_code = error;
    answer->error_message = wire_text(text);
    answer->node_id = node_id;
    answer->host = host;
    answer->port = port;
    int32_t count = asked->coordinator_keys_count;
    answer->coordinators =
        wire_array(&request->arena, &wire_find_coordinator_response_coordinators, count);
    if (!answer->coordinators)
        return BROKER_CLOSE;
    answer->coordinators_count = count;
    for (int32_t i = 0; i < count; i++)
        answer->coordinators[i] =
            (struct find_coordinator_response_coordinators){.key = asked->coordinator_keys[i],
                                                            .node_id = node_id,
                                                            .host = host,
                                                            .port = port,
                                                            .error_code = error,
                                                            .error_message = wire_text(text)};
    return BROKER_ANSWER;
}
