/* delete_records.c - DeleteRecords: moves the start of a log; whole segments below it go. */
#include "base/error.h"
#include "broker/apis.h"
#include "broker/topics.h"
#include "log/segment_cache.h"

struct delete_state {
    struct broker *broker;
};

#define TO_THE_END (-1)

static int16_t delete_records(struct broker *broker, struct wire_string topic,
                              const struct delete_records_request_topics_partitions *asked,
                              int64_t *low_watermark)
{
    struct partition *partition;
    int16_t error = topics_find(broker, topic, NULL, asked->partition_index, &partition);
    if (error)
        return error;
    if (topics_is_internal(partition->topic))
        return KAFKA_INVALID_TOPIC_EXCEPTION;
    if (asked->offset < TO_THE_END)
        return KAFKA_OFFSET_OUT_OF_RANGE;
    int result = partition_delete_records(partition, asked->offset);
    if (result && result != MAPLOG_OFFSET_OUT_OF_RANGE)
        broker_note_seldom(broker, 'E', error_text());
    if (result)
        return broker_error(result);
    segment_cache_forget(broker->segments, partition);
    *low_watermark = partition_start(partition);
    return KAFKA_NONE;
}

/* Waits for files to be removed. */
static void work(struct broker_request *request)
{
    struct broker *broker = ((struct delete_state *)request->state)->broker;
    const struct delete_records_request *body = request->body;
    struct delete_records_response *answer = request->answer;
    for (int32_t t = 0; t < body->topics_count; t++) {
        for (int32_t p = 0; p < body->topics[t].partitions_count; p++) {
            struct delete_records_response_topics_partitions *to = &answer->topics[t].partitions[p];
            to->low_watermark = -1;
            to->error_code = delete_records(broker, body->topics[t].name,
                                            &body->topics[t].partitions[p], &to->low_watermark);
        }
    }
}

enum broker_outcome delete_records_handle(struct broker *broker, struct broker_request *request,
                                          int64_t now_ms)
{
    (void)now_ms;
    const struct delete_records_request *body = request->body;
    struct delete_records_response *answer = request->answer;
    struct delete_state *state = request->state;
    if (state) /* the work was done */
        return BROKER_ANSWER;
    request->state = state = arena_take(&request->arena, sizeof *state);
    answer->topics =
        wire_array(&request->arena, &wire_delete_records_response_topics, body->topics_count);
    if (!state || !answer->topics)
        return error_set(MAPLOG_LIMIT, "no memory for DeleteRecords"), BROKER_CLOSE;
    state->broker = broker;
    answer->topics_count = body->topics_count;
    for (int32_t t = 0; t < body->topics_count; t++) {
        const struct delete_records_request_topics *asked = &body->topics[t];
        struct delete_records_response_topics *to = &answer->topics[t];
        to->name = asked->name;
        to->partitions =
            wire_array(&request->arena, &wire_delete_records_response_topics_partitions,
                       asked->partitions_count);
        if (!to->partitions)
            return error_set(MAPLOG_LIMIT, "no memory for DeleteRecords"), BROKER_CLOSE;
        to->partitions_count = asked->partitions_count;
        for (int32_t p = 0; p < asked->partitions_count; p++)
            to->partitions[p].partition_index = asked->partitions[p].partition_index;
    }
    request->work = work;
    return BROKER_COLD;
}
