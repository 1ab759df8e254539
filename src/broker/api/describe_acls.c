#include "broker/apis.h"
#include "broker/parts.h"

/* There is no access control; the tools know this answer. */
enum broker_outcome describe_acls_handle(struct broker *broker, struct broker_request *request,
                                         int64_t now_ms)
{
    (void)broker;
    (void)now_ms;
    struct describe_acls_response *answer = request->answer;
    answer->error_code = KAFKA_SECURITY_DISABLED;
    answer->error_message = wire_text("No Authorizer is configured on the broker");
    return BROKER_ANSWER;
}
