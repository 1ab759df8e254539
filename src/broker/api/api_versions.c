#include "broker/apis.h"
#include "broker/parts.h"

/* A letter or digit at both ends, '-' and '.' within. */
static bool is_software(struct wire_string name)
{
    if (name.size <= 0)
        return false;
    for (int32_t i = 0; i < name.size; i++) {
        char c = name.at[i];
        bool inner = (c == '-' || c == '.') && i > 0 && i < name.size - 1;
        if (!inner && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9'))
            return false;
    }
    return true;
}

/* A client that is told to talk to one cluster's broker starts anew when it meets another. */
static bool is_elsewhere(const struct broker *broker, const struct api_versions_request *body)
{
    return (body->cluster_id.size >= 0 && !wire_equal(body->cluster_id, broker->cluster_id)) ||
           (body->node_id >= 0 && body->node_id != broker->node_id);
}

static int32_t count_rows(void)
{
    int32_t count = 0;
    const struct broker_handler *row = NULL;
    while ((row = apis_next(row ? row->key : -1)))
        count++;
    return count;
}

static enum broker_outcome list(struct broker_request *request, int32_t count)
{
    struct api_versions_response *answer = request->answer;
    answer->api_keys = arena_take_array(&request->arena, (size_t)count, sizeof *answer->api_keys);
    if (!answer->api_keys)
        return BROKER_CLOSE;
    const struct broker_handler *row = NULL;
    while ((row = apis_next(row ? row->key : -1))) {
        if (count == 1 && row != request->handler)
            continue;
        answer->api_keys[answer->api_keys_count++] = (struct api_versions_response_api_keys){
            .api_key = row->key,
            .min_version = row->first_version,
            .max_version = row->last_version,
        };
    }
    return BROKER_ANSWER;
}

/* No features are listed: there is no metadata quorum, and clients take transactions of version 2
 * and the new group protocol for granted where they are finalized. */
enum broker_outcome api_versions_handle(struct broker *broker, struct broker_request *request,
                                        int64_t now_ms)
{
    (void)now_ms;
    const struct api_versions_request *body = request->body;
    struct api_versions_response *answer = request->answer;
    int16_t version = request->header.api_version;
    if (!body) { /* an unknown version: the client tries again with one of this row */
        answer->error_code = KAFKA_UNSUPPORTED_VERSION;
        return list(request, 1);
    }
    if (version >= 3 &&
        (!is_software(body->client_software_name) || !is_software(body->client_software_version)))
        answer->error_code = KAFKA_INVALID_REQUEST;
    else if (version >= 5 && is_elsewhere(broker, body))
        answer->error_code = KAFKA_REBOOTSTRAP_REQUIRED;
    return answer->error_code ? BROKER_ANSWER : list(request, count_rows());
}
