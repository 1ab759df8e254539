/* describe_producers.c - DescribeProducers: the idempotent producers that a partition knows of. */
#include "base/error.h"
#include "broker/apis.h"
#include "broker/topics.h"
#include "broker/writers.h"

typedef struct describe_producers_response_topics_partitions answered_partition;
typedef struct describe_producers_response_topics_partitions_active_producers answered_producer;

struct describe_state {
    struct broker *broker;
    int64_t now_ms;
};

/* The producers of one partition on their way into the answer. */
struct listing {
    struct arena *arena;
    answered_producer *producers;
    int32_t count, room;
};

static int add_producer(void *context, const struct producers_entry *entry)
{
    struct listing *listing = context;
    if (listing->count == listing->room) {
        int32_t room = listing->room ? listing->room * 2 : 16;
        answered_producer *more =
            wire_array(listing->arena,
                       &wire_describe_producers_response_topics_partitions_active_producers, room);
        if (!more)
            return MAPLOG_LIMIT;
        for (int32_t i = 0; i < listing->count; i++)
            more[i] = listing->producers[i];
        listing->producers = more;
        listing->room = room;
    }
    answered_producer *to = &listing->producers[listing->count++];
    to->producer_id = entry->producer_id;
    to->producer_epoch = entry->epoch;
    to->last_sequence = entry->last_sequence;
    to->last_timestamp = entry->timestamp;
    to->coordinator_epoch = -1;
    to->current_txn_start_offset = -1;
    return 0;
}

static int list(struct describe_state *state, struct partition *partition, struct listing *listing)
{
    struct writers *writers = state->broker->writers;
    struct writer *writer;
    int result = writers_load(writers, partition, state->now_ms);
    if (!result)
        result = writers_take(writers, partition, state->now_ms, &writer);
    if (result)
        return result;
    result = writer->producers
                 ? producers_list(writer->producers, add_producer, listing)
                 : error_set(MAPLOG_BUSY, "the producers of %s are being read", partition->name);
    writers_give(writers, writer);
    return result;
}

static void describe(struct describe_state *state, struct arena *arena, struct wire_string topic,
                     answered_partition *to)
{
    struct partition *partition;
    struct listing listing = {.arena = arena};
    to->error_code = topics_find(state->broker, topic, NULL, to->partition_index, &partition);
    if (to->error_code)
        return;
    int result = list(state, partition, &listing);
    if (result) {
        to->error_code = broker_error(result);
        to->error_message = wire_text(arena_print(arena, "%s", error_text()));
        return;
    }
    to->active_producers = listing.producers;
    to->active_producers_count = listing.count;
}

/* May read segments. */
static void work(struct broker_request *request)
{
    struct describe_producers_response *answer = request->answer;
    for (int32_t t = 0; t < answer->topics_count; t++) {
        struct describe_producers_response_topics *topic = &answer->topics[t];
        for (int32_t p = 0; p < topic->partitions_count; p++)
            describe(request->state, &request->arena, topic->name, &topic->partitions[p]);
    }
}

enum broker_outcome describe_producers_handle(struct broker *broker, struct broker_request *request,
                                              int64_t now_ms)
{
    const struct describe_producers_request *body = request->body;
    struct describe_producers_response *answer = request->answer;
    struct describe_state *state = request->state;
    if (state) /* the work was done */
        return BROKER_ANSWER;
    request->state = state = arena_take(&request->arena, sizeof *state);
    answer->topics =
        wire_array(&request->arena, &wire_describe_producers_response_topics, body->topics_count);
    if (!state || !answer->topics)
        return error_set(MAPLOG_LIMIT, "no memory for DescribeProducers"), BROKER_CLOSE;
    *state = (struct describe_state){broker, now_ms};
    answer->topics_count = body->topics_count;
    for (int32_t t = 0; t < body->topics_count; t++) {
        const struct describe_producers_request_topics *asked = &body->topics[t];
        struct describe_producers_response_topics *to = &answer->topics[t];
        to->name = asked->name;
        to->partitions =
            wire_array(&request->arena, &wire_describe_producers_response_topics_partitions,
                       asked->partition_indexes_count);
        if (!to->partitions)
            return error_set(MAPLOG_LIMIT, "no memory for DescribeProducers"), BROKER_CLOSE;
        to->partitions_count = asked->partition_indexes_count;
        for (int32_t p = 0; p < asked->partition_indexes_count; p++)
            to->partitions[p].partition_index = asked->partition_indexes[p];
    }
    request->work = work;
    return BROKER_COLD;
}
