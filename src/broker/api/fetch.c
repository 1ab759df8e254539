/*
 * fetch.c - Fetch: batches as they lie, to those who ask; who finds too little waits for more.
 *
 * read -> enough, or the time is up -> (pages from disk: cold work) -> answer
 *      -> else listed with the waiters, marked at the listener, looked at once more -> parked ->
 * read
 */
#include <string.h>

#include "base/error.h"
#include "broker/apis.h"
#include "broker/reads.h"
#include "broker/waiters.h"
#include "log/listener.h"

#define SESSIONS_FROM 7 /* version */
#define TOPIC_IDS_FROM 13
#define ZSTD_FROM 10
#define READ_COMMITTED 1

#define FINAL_EPOCH (-1) /* a full fetch without a session */
#define INITIAL_EPOCH 0  /* a full fetch that asks for one */

enum fetch_stage {
    FETCH_WAITING,
    FETCH_WARMING,
};

struct fetch_state {
    enum fetch_stage stage;
    bool incremental;        /* answer only what changed */
    bool wants_session;      /* a full fetch that asks for one */
    struct session *session; /* taken until the end */
    struct fetch_item **items;
    struct read_result *results; /* of the items */
    struct waiter *waiters;      /* of the items, while it waits */
    int32_t count;
    int64_t min_bytes, max_bytes; /* of the answer's records */
};

/* ---- what is asked for ----------------------------------------------------------------------- */

static struct fetch_item item_of(const struct fetch_request_topics *topic,
                                 const struct fetch_request_topics_partitions *partition,
                                 bool by_id)
{
    struct fetch_item item = {.number = partition->partition,
                              .leader_epoch = partition->current_leader_epoch,
                              .last_fetched_epoch = partition->last_fetched_epoch,
                              .max_bytes = partition->partition_max_bytes,
                              .offset = partition->fetch_offset,
                              .high_watermark = -1,
                              .log_start = -1};
    if (by_id)
        item.topic_id = topic->topic_id;
    else
        item.topic = topic->topic;
    return item;
}

/* Puts the items of a session into order for this request. */
static int list_session(struct broker_request *request, struct fetch_state *state)
{
    state->count = sessions_count(state->session);
    state->items =
        arena_take_array(&request->arena, (size_t)state->count, sizeof(struct fetch_item *));
    if (!state->items)
        return error_set(MAPLOG_LIMIT, "no memory for a fetch of %d partitions", state->count);
    struct fetch_item *item = NULL;
    for (int32_t i = 0; i < state->count; i++) {
        item = sessions_next(state->session, item);
        state->items[i] = item;
    }
    return 0;
}

/* The items of a full request. */
static int list_request(struct broker_request *request, struct fetch_state *state)
{
    const struct fetch_request *body = request->body;
    bool by_id = request->header.api_version >= TOPIC_IDS_FROM;
    int32_t count = 0;
    for (int32_t t = 0; t < body->topics_count; t++)
        count += body->topics[t].partitions_count;
    struct fetch_item *items =
        arena_take_array(&request->arena, (size_t)count, sizeof(struct fetch_item));
    state->items = arena_take_array(&request->arena, (size_t)count, sizeof(struct fetch_item *));
    if (!items || !state->items)
        return error_set(MAPLOG_LIMIT, "no memory for a fetch of %d partitions", count);
    for (int32_t t = 0; t < body->topics_count; t++) {
        const struct fetch_request_topics *topic = &body->topics[t];
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            struct fetch_item *item = &items[state->count];
            *item = item_of(topic, &topic->partitions[p], by_id);
            state->items[state->count++] = item;
        }
    }
    return 0;
}

/* Changes what the session asks for by what the request says. */
static int update_session(struct broker *broker, const struct broker_request *request,
                          struct fetch_state *state)
{
    const struct fetch_request *body = request->body;
    bool by_id = request->header.api_version >= TOPIC_IDS_FROM;
    int result = 0;
    for (int32_t t = 0; t < body->topics_count && !result; t++) {
        const struct fetch_request_topics *topic = &body->topics[t];
        for (int32_t p = 0; p < topic->partitions_count && !result; p++) {
            struct fetch_item item = item_of(topic, &topic->partitions[p], by_id);
            result = sessions_put(broker->sessions, state->session, &item);
        }
    }
    for (int32_t t = 0; t < body->forgotten_topics_data_count; t++) {
        const struct fetch_request_forgotten_topics_data *topic = &body->forgotten_topics_data[t];
        struct fetch_item item = {.topic_id = topic->topic_id};
        if (!by_id)
            item.topic = topic->topic;
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            item.number = topic->partitions[p];
            sessions_forget(broker->sessions, state->session, &item);
        }
    }
    return result;
}

/* The session of an incremental request; a code of Kafka's for the whole request. */
static int16_t join_session(struct broker *broker, struct broker_request *request,
                            struct fetch_state *state, int64_t now_ms)
{
    const struct fetch_request *body = request->body;
    struct sessions_ask ask = {.id = body->session_id,
                               .epoch = body->session_epoch,
                               .by_id = request->header.api_version >= TOPIC_IDS_FROM,
                               .now_ms = now_ms};
    int16_t error = sessions_take(broker->sessions, &ask, &state->session);
    if (error)
        return error;
    state->incremental = true;
    if (update_session(broker, request, state)) { /* too large: the client fetches in full then */
        sessions_remove(broker->sessions, body->session_id);
        return KAFKA_FETCH_SESSION_ID_NOT_FOUND;
    }
    if (sessions_count(state->session) == 0) {
        sessions_remove(broker->sessions, body->session_id);
        sessions_give(broker->sessions, state->session);
        state->session = NULL;
        state->incremental = false;
    }
    return KAFKA_NONE;
}

static int begin(struct broker *broker, struct broker_request *request, int64_t now_ms,
                 int16_t *error)
{
    const struct fetch_request *body = request->body;
    struct fetch_state *state = arena_take(&request->arena, sizeof *state);
    request->state = state;
    if (!state)
        return error_set(MAPLOG_LIMIT, "no memory for a fetch");
    int32_t epoch = request->header.api_version < SESSIONS_FROM ? FINAL_EPOCH : body->session_epoch;
    bool full = epoch == FINAL_EPOCH || epoch == INITIAL_EPOCH;
    if (!full)
        *error = join_session(broker, request, state, now_ms);
    else if (request->header.api_version >= SESSIONS_FROM && body->session_id)
        sessions_remove(broker->sessions, body->session_id);
    state->wants_session = epoch == INITIAL_EPOCH;
    if (*error)
        return 0;
    /* Nobody waits for more than comes in one answer. */
    state->max_bytes = BROKER_SETTING(broker, fetch_max_bytes);
    if (body->max_bytes < state->max_bytes)
        state->max_bytes = body->max_bytes;
    state->min_bytes = body->min_bytes < state->max_bytes ? body->min_bytes : state->max_bytes;
    int result = full ? list_request(request, state) : 0;
    if (state->session)
        result = list_session(request, state);
    if (result)
        return result;
    state->results =
        arena_take_array(&request->arena, (size_t)state->count, sizeof(struct read_result));
    return state->results ? 0 : error_set(MAPLOG_LIMIT, "no memory for a fetch");
}

/* ---- reading and waiting --------------------------------------------------------------------- */

/* Reads all items. True when that can be answered without waiting for more. */
static bool read_all(struct broker *broker, struct broker_request *request,
                     struct fetch_state *state)
{
    struct read_budget budget = {.bytes = state->max_bytes > 0 ? state->max_bytes : 0,
                                 .any = true,
                                 .zstd = request->header.api_version >= ZSTD_FROM};
    int64_t bytes = 0;
    bool final = state->count == 0;
    for (int32_t i = 0; i < state->count; i++) {
        struct read_result *result = &state->results[i];
        reads_drop(result);
        reads_take(broker, state->items[i], &budget, result);
        bytes += result->slice.size;
        final |= result->error || result->diverging_epoch >= 0;
    }
    return final || bytes >= state->min_bytes;
}

/* True when a fetch would find enough, or an error. */
static bool is_ready(struct broker *broker, const struct fetch_state *state)
{
    int64_t missing = state->min_bytes;
    for (int32_t i = 0; i < state->count && missing > 0; i++)
        missing -= reads_available(broker, state->items[i], missing);
    return missing <= 0;
}

/* Lists the waiter at the partition, which another one of its name may have replaced. */
static void wait_at(struct broker *broker, struct waiter *waiter, const struct partition *partition)
{
    if (waiter->link && waiter->slot == partition->slot)
        return;
    waiters_remove(broker->waiters, waiter);
    waiter->slot = partition->slot;
    waiters_add(broker->waiters, waiter);
}

/* From here on it hears of every append. True when there is enough already. */
static bool hear(struct broker *broker, const struct fetch_state *state)
{
    for (int32_t i = 0; i < state->count; i++) {
        const struct partition *partition = state->items[i]->partition;
        if (!partition)
            continue;
        wait_at(broker, &state->waiters[i], partition);
        listener_mark(broker->listener, partition);
    }
    listener_barrier(broker->listener);
    return is_ready(broker, state);
}

static bool wait_for_more(struct broker *broker, struct broker_request *request,
                          struct fetch_state *state)
{
    state->waiters = arena_take_array(&request->arena, (size_t)state->count, sizeof(struct waiter));
    if (!state->waiters)
        return false; /* then it is answered at once */
    for (int32_t i = 0; i < state->count; i++) {
        reads_drop(&state->results[i]);
        state->waiters[i].request = request;
    }
    return !hear(broker, state);
}

static void stop_waiting(struct broker *broker, struct fetch_state *state)
{
    for (int32_t i = 0; state->waiters && i < state->count; i++)
        waiters_remove(broker->waiters, &state->waiters[i]);
    state->waiters = NULL;
}

/* ---- answering ------------------------------------------------------------------------------- */

/* KIP-227: what an incremental answer tells, it tells once. */
static bool is_news(struct fetch_item *item, const struct read_result *result)
{
    bool news = result->slice.size > 0 || result->error || result->diverging_epoch >= 0 ||
                item->high_watermark != result->high_watermark ||
                item->log_start != result->log_start;
    /* After an error the partition is told again, whatever comes. */
    item->high_watermark = result->error ? -1 : result->high_watermark;
    item->log_start = result->log_start;
    return news;
}

static void fill_partition(struct fetch_response_responses_partitions *to,
                           const struct fetch_item *item, const struct read_result *result,
                           bool committed)
{
    wire_init(&wire_fetch_response_responses_partitions, to);
    to->partition_index = item->number;
    to->error_code = result->error;
    to->high_watermark = result->high_watermark;
    /* There are no open transactions: all is stable. */
    to->last_stable_offset = result->high_watermark;
    to->log_start_offset = result->log_start;
    to->aborted_transactions_count = committed ? 0 : -1;
    to->diverging_epoch.epoch = result->diverging_epoch;
    to->diverging_epoch.end_offset = result->diverging_epoch >= 0 ? result->diverging_end : -1;
    to->records = (struct wire_records){.at = result->slice.at,
                                        .size = (int32_t)result->slice.size,
                                        .position = result->slice.position,
                                        .source = result->slice.segment};
}

static bool same_topic(const struct fetch_item *one, const struct fetch_item *other)
{
    if (!one->topic.at)
        return memcmp(&one->topic_id, &other->topic_id, sizeof one->topic_id) == 0;
    return one->topic.size == other->topic.size &&
           memcmp(one->topic.at, other->topic.at, (size_t)one->topic.size) == 0;
}

/* How many items the answer tells of. */
static size_t choose_news(struct fetch_state *state)
{
    size_t count = 0;
    for (int32_t i = 0; i < state->count; i++) {
        bool news = is_news(state->items[i], &state->results[i]);
        state->results[i].news = news || !state->incremental;
        count += state->results[i].news;
    }
    return count;
}

/* Puts the results into the answer, neighbours of one topic together. */
static int fill_answer(struct broker_request *request, struct fetch_state *state)
{
    const struct fetch_request *body = request->body;
    struct fetch_response *to = request->answer;
    size_t count = choose_news(state);
    struct fetch_response_responses_partitions *partitions = arena_take_array(
        &request->arena, count, sizeof(struct fetch_response_responses_partitions));
    struct fetch_response_responses *topic = NULL;
    to->responses =
        arena_take_array(&request->arena, count, sizeof(struct fetch_response_responses));
    if (!partitions || !to->responses)
        return error_set(MAPLOG_LIMIT, "no memory for an answer of %zu partitions", count);
    const struct fetch_item *before = NULL;
    for (int32_t i = 0; i < state->count; i++) {
        const struct fetch_item *item = state->items[i];
        if (!state->results[i].news)
            continue;
        if (!before || !same_topic(before, item)) {
            topic = &to->responses[to->responses_count++];
            topic->topic = item->topic;
            topic->topic_id = item->topic_id;
            topic->partitions = partitions;
        }
        before = item;
        fill_partition(partitions++, item, &state->results[i],
                       body->isolation_level == READ_COMMITTED);
        topic->partitions_count++;
    }
    return 0;
}

/* A session for a full fetch that asked for one; it knows what this answer tells. */
static void create_session(struct broker *broker, struct broker_request *request,
                           struct fetch_state *state, int64_t now_ms)
{
    struct sessions_ask ask = {.by_id = request->header.api_version >= TOPIC_IDS_FROM,
                               .now_ms = now_ms};
    if (state->count)
        state->session = sessions_create(broker->sessions, &ask, state->count);
    for (int32_t i = 0; state->session && i < state->count; i++) {
        if (sessions_put(broker->sessions, state->session, state->items[i])) {
            sessions_remove(broker->sessions, sessions_id(state->session));
            sessions_give(broker->sessions, state->session);
            state->session = NULL;
        }
    }
}

static enum broker_outcome answer(struct broker *broker, struct broker_request *request,
                                  int64_t now_ms)
{
    struct fetch_state *state = request->state;
    struct fetch_response *to = request->answer;
    if (fill_answer(request, state))
        return BROKER_CLOSE;
    if (state->wants_session)
        create_session(broker, request, state, now_ms);
    for (int32_t i = 0; state->incremental && i < state->count; i++) {
        if (state->results[i].slice.size)
            sessions_served(state->session, state->items[i]);
    }
    if (state->session)
        to->session_id = sessions_id(state->session);
    return BROKER_ANSWER;
}

static void warm(struct broker_request *request)
{
    struct fetch_state *state = request->state;
    for (int32_t i = 0; i < state->count; i++) {
        if (state->results[i].slice.size)
            slice_warm(&state->results[i].slice);
    }
}

/* Answers, by way of a helper thread when the records are not in memory. */
static enum broker_outcome deliver(struct broker *broker, struct broker_request *request,
                                   int64_t now_ms)
{
    struct fetch_state *state = request->state;
    stop_waiting(broker, state);
    for (int32_t i = 0; i < state->count; i++) {
        if (state->results[i].slice.size && slice_cold(&state->results[i].slice)) {
            state->stage = FETCH_WARMING;
            request->work = warm;
            return BROKER_COLD;
        }
    }
    return answer(broker, request, now_ms);
}

enum broker_outcome fetch_handle(struct broker *broker, struct broker_request *request,
                                 int64_t now_ms)
{
    const struct fetch_request *body = request->body;
    struct fetch_state *state = request->state;
    if (!state) {
        int16_t error = KAFKA_NONE;
        if (begin(broker, request, now_ms, &error))
            return BROKER_CLOSE;
        if (error) {
            ((struct fetch_response *)request->answer)->error_code = error;
            return BROKER_ANSWER;
        }
        state = request->state;
        if (read_all(broker, request, state) || body->max_wait_ms <= 0)
            return deliver(broker, request, now_ms);
        request->deadline_ms = now_ms + body->max_wait_ms;
        if (wait_for_more(broker, request, state))
            return BROKER_PARK;
    } else if (state->stage == FETCH_WARMING) {
        return answer(broker, request, now_ms);
    } else if (now_ms < request->deadline_ms && !is_ready(broker, state) && !hear(broker, state)) {
        return BROKER_PARK;
    }
    read_all(broker, request, state);
    return deliver(broker, request, now_ms);
}

void fetch_end(struct broker *broker, struct broker_request *request)
{
    struct fetch_state *state = request->state;
    if (!state)
        return;
    stop_waiting(broker, state);
    for (int32_t i = 0; state->results && i < state->count; i++)
        reads_drop(&state->results[i]);
    sessions_give(broker->sessions, state->session);
}
