#include "broker/apis.h"
#include "broker/parts.h"

/* Nothing ever moves: there is one broker. */
enum broker_outcome list_partition_reassignments_handle(struct broker *broker,
                                                        struct broker_request *request,
                                                        int64_t now_ms)
{
    (void)broker;
    (void)now_ms;
    struct list_partition_reassignments_response *answer = request->answer;
    answer->error_code = KAFKA_NONE;
    answer->error_message = wire_text(NULL);
    return BROKER_ANSWER;
}
