/* list_offsets.c - ListOffsets: first, last, and by time, exact to the record. */
#include <stdlib.h>

#include "base/error.h"
#include "broker/apis.h"
#include "broker/topics.h"
#include "log/epochs.h"

/* What a negative timestamp asks for, and the version from which on it may. */
enum list_offsets_time {
    LATEST = -1,
    EARLIEST = -2,
    MAX_TIMESTAMP = -3,  /* 7 */
    EARLIEST_LOCAL = -4, /* 8 */
    LATEST_TIERED = -5,  /* 9 */
};

typedef struct list_offsets_request_topics_partitions asked_partition;
typedef struct list_offsets_response_topics_partitions answered_partition;

/* One partition that is asked for. */
struct look_up {
    struct partition *partition; /* NULL: it has its answer, an error */
    int64_t timestamp;
    answered_partition *to;
};

struct list_offsets_state {
    struct broker *broker;
    struct look_up *look_ups;
    int32_t count;
};

static bool is_known_time(int64_t timestamp, int16_t version)
{
    if (timestamp >= EARLIEST)
        return true;
    return (timestamp == MAX_TIMESTAMP && version >= 7) ||
           (timestamp == EARLIEST_LOCAL && version >= 8) ||
           (timestamp == LATEST_TIERED && version >= 9);
}

static bool needs_disk(int64_t timestamp)
{
    return timestamp >= 0 || timestamp == MAX_TIMESTAMP;
}

static int find(struct partition *partition, int64_t timestamp, answered_partition *to)
{
    struct partition_end end;
    int result = 0;
    switch (timestamp) {
    case LATEST:
        partition_end(partition, &end);
        to->offset = end.offset;
        to->leader_epoch = epochs_current(partition);
        return 0;
    case EARLIEST:
    case EARLIEST_LOCAL:
        to->offset = partition_start(partition);
        to->leader_epoch = epochs_of_offset(partition, to->offset);
        return 0;
    case LATEST_TIERED: /* nothing is anywhere else */
        return 0;
    case MAX_TIMESTAMP:
        result = partition_find_max_timestamp(partition, &to->offset, &to->timestamp);
        break;
    default:
        result = partition_find_time(partition, timestamp, &to->offset, &to->timestamp);
    }
    if (!result && to->offset >= 0)
        to->leader_epoch = epochs_of_offset(partition, to->offset);
    return result;
}

static void do_look_up(struct broker *broker, struct look_up *look_up)
{
    int result = find(look_up->partition, look_up->timestamp, look_up->to);
    if (result) {
        broker_note_seldom(broker, 'E', error_text());
        look_up->to->error_code = broker_error(result);
        look_up->to->offset = look_up->to->timestamp = look_up->to->leader_epoch = -1;
    }
}

static int compare(const void *one, const void *other)
{
    const struct look_up *first = one, *second = other;
    return (first->partition > second->partition) - (first->partition < second->partition);
}

/* As Kafka: a partition that is named twice is answered with an error, twice. */
static void refuse_twins(struct list_offsets_state *state)
{
    struct look_up *at = state->look_ups;
    qsort(at, (size_t)state->count, sizeof *at, compare);
    for (int32_t i = 0; i < state->count; i++) {
        struct partition *partition = at[i].partition;
        if (!partition || i + 1 == state->count || at[i + 1].partition != partition)
            continue;
        for (; i < state->count && at[i].partition == partition; i++) {
            at[i].partition = NULL;
            at[i].to->error_code = KAFKA_INVALID_REQUEST;
        }
        i--;
    }
}

static void add(struct list_offsets_state *state, const struct broker_request *request,
                struct wire_string topic, const asked_partition *asked, answered_partition *to)
{
    struct look_up *look_up = &state->look_ups[state->count++];
    *look_up = (struct look_up){.timestamp = asked->timestamp, .to = to};
    to->partition_index = asked->partition_index;
    struct partition *partition;
    to->error_code = topics_find(state->broker, topic, NULL, asked->partition_index, &partition);
    if (!to->error_code)
        to->error_code = topics_check_epoch(partition, asked->current_leader_epoch);
    if (!to->error_code && !is_known_time(asked->timestamp, request->header.api_version))
        to->error_code = KAFKA_UNSUPPORTED_VERSION;
    if (!to->error_code)
        look_up->partition = partition;
}

/* Makes the answer with all that is asked for, nothing looked up yet. */
static struct list_offsets_state *prepare(struct broker *broker, struct broker_request *request)
{
    const struct list_offsets_request *body = request->body;
    struct list_offsets_response *answer = request->answer;
    size_t count = 0;
    for (int32_t t = 0; t < body->topics_count; t++)
        count += (size_t)body->topics[t].partitions_count;
    struct list_offsets_state *state = arena_take(&request->arena, sizeof *state);
    struct look_up *look_ups = arena_take_array(&request->arena, count, sizeof *look_ups);
    answer->topics =
        wire_array(&request->arena, &wire_list_offsets_response_topics, body->topics_count);
    if (!state || !look_ups || !answer->topics)
        return NULL;
    *state = (struct list_offsets_state){.broker = broker, .look_ups = look_ups};
    answer->topics_count = body->topics_count;
    for (int32_t t = 0; t < body->topics_count; t++) {
        const struct list_offsets_request_topics *asked = &body->topics[t];
        struct list_offsets_response_topics *to = &answer->topics[t];
        to->name = asked->name;
        to->partitions = wire_array(&request->arena, &wire_list_offsets_response_topics_partitions,
                                    asked->partitions_count);
        if (!to->partitions)
            return NULL;
        to->partitions_count = asked->partitions_count;
        for (int32_t p = 0; p < asked->partitions_count; p++)
            add(state, request, asked->name, &asked->partitions[p], &to->partitions[p]);
    }
    refuse_twins(state);
    return state;
}

/* Those that read the log, in a helper thread. */
static void work(struct broker_request *request)
{
    struct list_offsets_state *state = request->state;
    for (int32_t i = 0; i < state->count; i++) {
        if (state->look_ups[i].partition && needs_disk(state->look_ups[i].timestamp))
            do_look_up(state->broker, &state->look_ups[i]);
    }
}

enum broker_outcome list_offsets_handle(struct broker *broker, struct broker_request *request,
                                        int64_t now_ms)
{
    (void)now_ms;
    if (request->state) /* the work was done */
        return BROKER_ANSWER;
    struct list_offsets_state *state = prepare(broker, request);
    if (!state)
        return error_set(MAPLOG_LIMIT, "no memory for an answer to ListOffsets"), BROKER_CLOSE;
    request->state = state;
    bool cold = false;
    for (int32_t i = 0; i < state->count; i++) {
        struct look_up *look_up = &state->look_ups[i];
        if (look_up->partition && needs_disk(look_up->timestamp))
            cold = true;
        else if (look_up->partition)
            do_look_up(broker, look_up);
    }
    request->work = work;
    return cold ? BROKER_COLD : BROKER_ANSWER;
}
