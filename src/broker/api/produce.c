/*
 * produce.c - Produce: batches from the frame into the log.
 *
 * Each partition's batch is checked once, then appended. Another process may be the writer at this
 * moment: then the request is parked and tries again soon, until its own time limit. What was
 * appended is not appended again. With flush.messages=1 the answer waits for the disk, in a helper
 * thread, where many requests share a flush; for the flush of another process only for a moment,
 * then it is tried again, too.
 */
#include <string.h>

#include "base/error.h"
#include "broker/apis.h"
#include "broker/topics.h"
#include "broker/waiters.h"
#include "broker/writers.h"
#include "log/durable.h"
#include "log/validate.h"

#define ZSTD_FROM 7 /* version */
#define RECORD_ERRORS_FROM 8
#define TOPIC_IDS_FROM 13
#define ADMIN_CLIENT "__admin_client" /* Kafka's own tools, which may write to internal topics */
#define RETRY_FIRST_MS 1
#define RETRY_LAST_MS 20
#define FLUSH_WAIT_MS 100 /* of a helper thread, for another's flush */

typedef struct produce_response_responses_partition_responses answered_partition;
typedef struct produce_response_responses_partition_responses_record_errors record_error;

enum part_stage {
    PART_DONE,    /* its answer stands */
    PART_APPEND,  /* to be appended */
    PART_LOAD,    /* the same, once the partition's producers were read */
    PART_DURABLE, /* appended, not yet on disk */
};

/* One partition of the request. */
struct part {
    enum part_stage stage;
    struct partition *partition;
    struct batch batch; /* in the frame */
    int64_t end;        /* behind what was appended */
    answered_partition *to;
};

struct produce_state {
    struct broker *broker;
    struct part *parts;
    int32_t count;
    int64_t limit_ms; /* when it gives up */
    int64_t retry_ms; /* next pause */
    int32_t blamed;   /* records that the answer names */
    bool overdue;     /* another's flush takes long */
    int64_t now_ms;
};

/* ---- checks ---------------------------------------------------------------------------------- */

static void refuse(struct broker_request *request, struct part *part, int16_t error,
                   const char *text)
{
    part->stage = PART_DONE;
    part->to->error_code = error;
    part->to->base_offset = -1;
    part->to->log_append_time_ms = -1;
    if (text && text[0])
        part->to->error_message = wire_text(arena_print(&request->arena, "%s", text));
}

static int16_t error_of(enum validate_reason reason)
{
    switch (reason) {
    case VALIDATE_GOOD:
        return KAFKA_NONE;
    case VALIDATE_TOO_LARGE:
        return KAFKA_MESSAGE_TOO_LARGE;
    case VALIDATE_CORRUPT:
        return KAFKA_CORRUPT_MESSAGE;
    case VALIDATE_INVALID_RECORD:
        return KAFKA_INVALID_RECORD;
    case VALIDATE_TIMESTAMP:
        return KAFKA_INVALID_TIMESTAMP;
    case VALIDATE_SEGMENT_TOO_SMALL:
        return KAFKA_RECORD_LIST_TOO_LARGE;
    case VALIDATE_CODEC:
        return KAFKA_UNSUPPORTED_COMPRESSION_TYPE;
    }
    return KAFKA_UNKNOWN_SERVER_ERROR;
}

/* The records of one batch that are to blame. */
struct blaming {
    struct produce_state *state;
    struct arena *arena;
    answered_partition *to;
    int32_t room; /* of to->record_errors */
};

/* Room for one more; what it had before is the arena's. */
static bool widen(struct blaming *blaming)
{
    answered_partition *to = blaming->to;
    if (to->record_errors_count < blaming->room)
        return true;
    int32_t room = blaming->room ? 2 * blaming->room : 8;
    record_error *errors = wire_array(
        blaming->arena, &wire_produce_response_responses_partition_responses_record_errors, room);
    if (!errors)
        return false;
    if (blaming->room)
        memcpy(errors, to->record_errors, (size_t)blaming->room * sizeof *errors);
    to->record_errors = errors;
    blaming->room = room;
    return true;
}

/* A visitor of validate_batch(): names the record in the answer. Clients take those that are not
 * named for good, so all are, up to a limit that keeps the answer small. */
static bool blame(void *context, int32_t record, const char *text)
{
    struct blaming *blaming = context;
    answered_partition *to = blaming->to;
    if (blaming->state->blamed == LIMIT_RECORD_ERRORS || !widen(blaming))
        return false;
    record_error *error = &to->record_errors[to->record_errors_count];
    bool again = to->record_errors_count && wire_equal(error[-1].batch_index_error_message, text);
    error->batch_index = record;
    error->batch_index_error_message =
        again ? error[-1].batch_index_error_message
              : wire_text(arena_copy(blaming->arena, text, strlen(text)));
    to->record_errors_count++;
    blaming->state->blamed++;
    return true;
}

static bool names_records(const struct broker_request *request)
{
    const struct produce_request *body = request->body;
    return request->header.api_version >= RECORD_ERRORS_FROM && body->acks != 0;
}

/* What the partition demands of an append, whatever the batch. */
static int16_t check_partition(struct broker_request *request, const struct part *part,
                               const struct settings *settings, const char **text)
{
    const struct produce_request *body = request->body;
    const struct partition *partition = part->partition;
    if (topics_is_internal(partition->topic) &&
        !wire_equal(request->header.client_id, ADMIN_CLIENT)) {
        *text = "only the broker writes to this topic";
        return KAFKA_INVALID_TOPIC_EXCEPTION;
    }
    if (body->acks == -1 && settings->min_insync_replicas > 1) {
        *text = "min.insync.replicas is above 1, and there is one replica";
        return KAFKA_NOT_ENOUGH_REPLICAS;
    }
    if (body->acks != 0 && settings->flush_messages == 1 &&
        partition->directory->kind == FILE_SYSTEM_MEMORY) {
        *text = "flush.messages=1, but the log lies in memory";
        return KAFKA_INVALID_CONFIG;
    }
    return KAFKA_NONE;
}

static void check_records(struct produce_state *state, struct broker_request *request,
                          struct part *part, const struct wire_records *records)
{
    struct settings settings;
    uint64_t generation;
    int result = partition_settings(part->partition, &settings, &generation);
    if (result) {
        refuse(request, part, broker_error(result), error_text());
        return;
    }
    const char *text = NULL;
    int16_t error = check_partition(request, part, &settings, &text);
    if (!error && records->size <= 0) {
        text = "there is no batch";
        error = KAFKA_INVALID_RECORD;
    }
    if (error) {
        refuse(request, part, error, text);
        return;
    }
    struct blaming blaming = {.state = state, .arena = &request->arena, .to = part->to};
    struct validate_rules rules = {.settings = &settings,
                                   .now_ms = broker_wall_ms(state->broker, state->now_ms),
                                   .timestamp_after_max_ms = settings.timestamp_after_max_ms,
                                   .timestamp_before_max_ms = settings.timestamp_before_max_ms,
                                   .zstd = request->header.api_version >= ZSTD_FROM,
                                   .blame = names_records(request) ? blame : NULL,
                                   .context = &blaming};
    struct validated validated;
    /* The frame is this request's own: the append writes offset and epoch into it, too. */
    enum validate_reason reason = validate_batch((uint8_t *)(uintptr_t)records->at,
                                                 (size_t)records->size, &rules, &validated);
    if (reason) {
        refuse(request, part, error_of(reason), validated.text);
        return;
    }
    part->batch = validated.batch;
    part->stage = PART_APPEND;
    if (((struct produce_request *)request->body)->acks != 0 && settings.flush_messages == 1) {
        durable_announce(part->partition);
        part->end = INT64_MAX; /* the answer waits for the disk */
    }
}

static void check_part(struct produce_state *state, struct broker_request *request,
                       const struct produce_request_topic_data *topic,
                       const struct produce_request_topic_data_partition_data *data,
                       answered_partition *to)
{
    const struct produce_request *body = request->body;
    struct part *part = &state->parts[state->count++];
    *part = (struct part){.to = to};
    to->index = data->index;
    to->log_append_time_ms = -1;
    bool by_id = request->header.api_version >= TOPIC_IDS_FROM;
    int16_t error = KAFKA_NONE;
    if (body->acks < -1 || body->acks > 1)
        error = KAFKA_INVALID_REQUIRED_ACKS;
    else if (body->transactional_id.size >= 0) /* see init_producer_id.c */
        error = KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    else
        error = topics_find(state->broker, topic->name, by_id ? &topic->topic_id : NULL,
                            data->index, &part->partition);
    if (error)
        refuse(request, part, error, NULL);
    else
        check_records(state, request, part, &data->records);
}

/* Makes the answer, and checks everything that is to be appended. NULL without memory. */
static struct produce_state *begin(struct broker *broker, struct broker_request *request,
                                   int64_t now_ms)
{
    const struct produce_request *body = request->body;
    struct produce_response *answer = request->answer;
    size_t count = 0;
    for (int32_t t = 0; t < body->topic_data_count; t++)
        count += (size_t)body->topic_data[t].partition_data_count;
    struct produce_state *state = arena_take(&request->arena, sizeof *state);
    struct part *parts = arena_take_array(&request->arena, count, sizeof *parts);
    answer->responses =
        wire_array(&request->arena, &wire_produce_response_responses, body->topic_data_count);
    if (!state || !parts || !answer->responses)
        return NULL;
    *state = (struct produce_state){.broker = broker,
                                    .parts = parts,
                                    .limit_ms = now_ms + body->timeout_ms,
                                    .retry_ms = RETRY_FIRST_MS,
                                    .now_ms = now_ms};
    answer->responses_count = body->topic_data_count;
    for (int32_t t = 0; t < body->topic_data_count; t++) {
        const struct produce_request_topic_data *topic = &body->topic_data[t];
        struct produce_response_responses *to = &answer->responses[t];
        to->name = topic->name;
        to->topic_id = topic->topic_id;
        to->partition_responses =
            wire_array(&request->arena, &wire_produce_response_responses_partition_responses,
                       topic->partition_data_count);
        if (!to->partition_responses)
            return NULL;
        to->partition_responses_count = topic->partition_data_count;
        for (int32_t p = 0; p < topic->partition_data_count; p++)
            check_part(state, request, topic, &topic->partition_data[p],
                       &to->partition_responses[p]);
    }
    return state;
}

/* ---- appending ------------------------------------------------------------------------------- */

/* The answer to a batch that is in the log, now or since it was sent the first time. */
static void confirm(struct produce_state *state, struct part *part,
                    const struct writers_verdict *verdict)
{
    part->to->base_offset = verdict->appended.base_offset;
    part->to->log_append_time_ms = verdict->appended.log_append_time;
    part->to->log_start_offset = partition_start(part->partition);
    bool durable = part->end == INT64_MAX;
    part->end = verdict->appended.last_offset + 1;
    part->stage = durable ? PART_DURABLE : PART_DONE;
    if (verdict->verdict == PRODUCERS_APPEND)
        waiters_wake(state->broker->waiters, part->partition->slot);
}

static void settle(struct produce_state *state, struct broker_request *request, struct part *part,
                   const struct writers_verdict *verdict)
{
    switch (verdict->verdict) {
    case PRODUCERS_APPEND:
    case PRODUCERS_DUPLICATE:
        confirm(state, part, verdict);
        break;
    case PRODUCERS_OUT_OF_ORDER:
        refuse(request, part, KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER,
               "the batch does not follow the last one of its producer");
        break;
    case PRODUCERS_FENCED:
        refuse(request, part, KAFKA_INVALID_PRODUCER_EPOCH,
               "the producer's epoch is older than one that was seen");
        break;
    }
}

/* Tries once. MAPLOG_BUSY leaves the part as it is. */
static int append(struct produce_state *state, struct broker_request *request, struct part *part)
{
    struct writers *writers = state->broker->writers;
    struct writers_verdict verdict;
    struct writer *writer;
    int result = writers_take(writers, part->partition, state->now_ms, &writer);
    if (result)
        return result;
    bool load = part->batch.producer_id >= 0 && !writer->producers;
    if (load && writer->loading)
        result =
            error_set(MAPLOG_BUSY, "the producers of %s are being read", part->partition->name);
    else if (!load)
        result = writers_append(writers, writer, &part->batch, &verdict);
    writers_give(writers, writer);
    if (load && !result)
        part->stage = PART_LOAD;
    else if (!result)
        settle(state, request, part, &verdict);
    return result;
}

/* Another answer than "busy" is final. */
static void give_up(struct produce_state *state, struct broker_request *request, struct part *part,
                    int result)
{
    if (result != MAPLOG_BUSY && result != MAPLOG_TOPIC_DELETED && result != MAPLOG_TOO_LARGE)
        broker_note_seldom(state->broker, 'E', error_text());
    refuse(request, part, broker_error(result), error_text());
}

static void append_all(struct produce_state *state, struct broker_request *request)
{
    for (int32_t i = 0; i < state->count; i++) {
        struct part *part = &state->parts[i];
        if (part->stage != PART_APPEND)
            continue;
        int result = append(state, request, part);
        if (result && (result != MAPLOG_BUSY || state->now_ms >= state->limit_ms))
            give_up(state, request, part, result);
    }
}

static bool any(const struct produce_state *state, enum part_stage stage)
{
    for (int32_t i = 0; i < state->count; i++) {
        if (state->parts[i].stage == stage)
            return true;
    }
    return false;
}

/* ---- cold work ------------------------------------------------------------------------------- */

static void load_producers(struct broker_request *request)
{
    struct produce_state *state = request->state;
    for (int32_t i = 0; i < state->count; i++) {
        struct part *part = &state->parts[i];
        if (part->stage != PART_LOAD)
            continue;
        part->stage = PART_APPEND; /* also when somebody else reads them: then it looks again */
        int result = writers_load(state->broker->writers, part->partition, state->now_ms);
        if (result && result != MAPLOG_BUSY)
            give_up(state, request, part, result);
    }
}

/* One after the other: the flush of each takes everything with it that others appended. */
static void wait_for_disk(struct broker_request *request)
{
    struct produce_state *state = request->state;
    int64_t left_ms = state->limit_ms - state->now_ms;
    int64_t wait_ms = left_ms < FLUSH_WAIT_MS ? left_ms : FLUSH_WAIT_MS;
    for (int32_t i = 0; i < state->count; i++) {
        struct part *part = &state->parts[i];
        if (part->stage != PART_DURABLE)
            continue;
        int result = durable_wait(part->partition, part->end, wait_ms > 0 ? wait_ms * 1000000 : 0);
        if (result == MAPLOG_TIMED_OUT) {
            wait_ms = 0; /* once for all partitions */
            state->overdue = left_ms > 0;
            if (state->overdue)
                continue;
        }
        part->stage = PART_DONE;
        if (result)
            give_up(state, request, part, result);
    }
}

/* ---- the request ----------------------------------------------------------------------------- */

/* acks=0: nothing is said, and an error by closing the connection. */
static enum broker_outcome be_silent(const struct produce_state *state)
{
    for (int32_t i = 0; i < state->count; i++) {
        const answered_partition *to = state->parts[i].to;
        if (!to->error_code)
            continue;
        const char *name = kafka_error_name(to->error_code);
        error_set(MAPLOG_INVALID, "Produce with acks=0, partition %d: %s", (int)to->index,
                  name ? name : "an error");
        return BROKER_CLOSE;
    }
    return BROKER_SILENT;
}

/* What is next, now that everything was tried. */
static enum broker_outcome go_on(struct broker_request *request)
{
    struct produce_state *state = request->state;
    const struct produce_request *body = request->body;
    if (any(state, PART_LOAD)) {
        request->work = load_producers;
        return BROKER_COLD;
    }
    if (any(state, PART_APPEND) || state->overdue) {
        state->overdue = false;
        int64_t next = state->now_ms + state->retry_ms;
        request->deadline_ms = next < state->limit_ms ? next : state->limit_ms;
        state->retry_ms = state->retry_ms * 2 < RETRY_LAST_MS ? state->retry_ms * 2 : RETRY_LAST_MS;
        return BROKER_PARK;
    }
    if (any(state, PART_DURABLE)) {
        request->work = wait_for_disk;
        return BROKER_COLD;
    }
    return body->acks == 0 ? be_silent(state) : BROKER_ANSWER;
}

enum broker_outcome produce_handle(struct broker *broker, struct broker_request *request,
                                   int64_t now_ms)
{
    struct produce_state *state = request->state;
    if (!state) {
        request->state = state = begin(broker, request, now_ms);
        if (!state)
            return error_set(MAPLOG_LIMIT, "no memory for an answer to Produce"), BROKER_CLOSE;
    }
    state->now_ms = now_ms;
    append_all(state, request);
    return go_on(request);
}
