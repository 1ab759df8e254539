/* offset_for_leader_epoch.c - OffsetForLeaderEpoch (KIP-320): where an epoch ended, for clients
 * that want to know whether the log was cut behind what they read. */
#include "base/error.h"
#include "broker/apis.h"
#include "broker/topics.h"
#include "log/epochs.h"

static void find_end(struct broker *broker, struct wire_string topic,
                     const struct offset_for_leader_epoch_request_topics_partitions *asked,
                     struct offset_for_leader_epoch_response_topics_partitions *to)
{
    to->partition = asked->partition;
    struct partition *partition;
    to->error_code = topics_find(broker, topic, NULL, asked->partition, &partition);
    if (!to->error_code)
        to->error_code = topics_check_epoch(partition, asked->current_leader_epoch);
    if (to->error_code)
        return;
    int32_t epoch;
    int64_t end;
    int result = epochs_find_end(partition, asked->leader_epoch, &epoch, &end);
    if (result) {
        broker_note_seldom(broker, 'E', error_text());
        to->error_code = broker_error(result);
    } else if (epoch >= 0) {
        to->leader_epoch = epoch;
        to->end_offset = end;
    }
}

enum broker_outcome offset_for_leader_epoch_handle(struct broker *broker,
                                                   struct broker_request *request, int64_t now_ms)
{
    (void)now_ms;
    const struct offset_for_leader_epoch_request *body = request->body;
    struct offset_for_leader_epoch_response *answer = request->answer;
    answer->topics = wire_array(&request->arena, &wire_offset_for_leader_epoch_response_topics,
                                body->topics_count);
    if (!answer->topics)
        return error_set(MAPLOG_LIMIT, "no memory for OffsetForLeaderEpoch"), BROKER_CLOSE;
    answer->topics_count = body->topics_count;
    for (int32_t t = 0; t < body->topics_count; t++) {
        const struct offset_for_leader_epoch_request_topics *asked = &body->topics[t];
        struct offset_for_leader_epoch_response_topics *to = &answer->topics[t];
        to->topic = asked->topic;
        to->partitions =
            wire_array(&request->arena, &wire_offset_for_leader_epoch_response_topics_partitions,
                       asked->partitions_count);
        if (!to->partitions)
            return error_set(MAPLOG_LIMIT, "no memory for OffsetForLeaderEpoch"), BROKER_CLOSE;
        to->partitions_count = asked->partitions_count;
        for (int32_t p = 0; p < asked->partitions_count; p++)
            find_end(broker, asked->topic, &asked->partitions[p], &to->partitions[p]);
    }
    return BROKER_ANSWER;
}
