#include "base/error.h"
#include "broker/admin.h"
#include "broker/apis.h"

enum endpoint { ENDPOINT_BROKERS = 1, ENDPOINT_CONTROLLERS = 2 };

static void refuse(struct describe_cluster_response *answer, int8_t endpoint)
{
    bool known = endpoint == ENDPOINT_CONTROLLERS;
    answer->error_code = known ? KAFKA_MISMATCHED_ENDPOINT_TYPE : KAFKA_UNSUPPORTED_ENDPOINT_TYPE;
    answer->error_message =
        wire_text(known ? "This is a broker, and there are no controllers of their own"
                        : "There is no such type of endpoint");
}

enum broker_outcome describe_cluster_handle(struct broker *broker, struct broker_request *request,
                                            int64_t now_ms)
{
    (void)now_ms;
    const struct describe_cluster_request *body = request->body;
    struct describe_cluster_response *answer = request->answer;
    answer->error_message = wire_text(NULL);
    answer->cluster_id = wire_text(broker->cluster_id);
    if (body->endpoint_type != ENDPOINT_BROKERS) {
        refuse(answer, body->endpoint_type);
        return BROKER_ANSWER;
    }
    answer->brokers = wire_array(&request->arena, &wire_describe_cluster_response_brokers, 1);
    if (!answer->brokers) {
        error_set(MAPLOG_NO_MEMORY, "no memory for the answer to DescribeCluster");
        return BROKER_CLOSE;
    }
    answer->brokers_count = 1;
    answer->brokers->broker_id = broker->node_id;
    answer->brokers->host = wire_text(request->advertised.host);
    answer->brokers->port = request->advertised.port;
    answer->controller_id = broker->node_id;
    if (body->include_cluster_authorized_operations)
        answer->cluster_authorized_operations = ADMIN_CLUSTER_OPERATIONS;
    return BROKER_ANSWER;
}
