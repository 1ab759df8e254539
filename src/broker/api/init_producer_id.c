/* init_producer_id.c - InitProducerId: a new id for each idempotent producer. */
#include "base/error.h"
#include "broker/apis.h"
#include "broker/parts.h"
#include "log/producer_ids.h"

#define AGAIN_MS 10     /* when topics are being changed, which takes the same lock */
#define LONGEST_MS 5000 /* of trying again */

struct init_state {
    struct broker *broker;
    int64_t limit_ms; /* when it gives up */
    int result;       /* of the last attempt */
    bool parked;      /* behind it */
};

/* May wait for the disk, once a block of ids. */
static void work(struct broker_request *request)
{
    struct init_state *state = request->state;
    struct init_producer_id_response *answer = request->answer;
    state->result = producer_ids_take(state->broker->producer_ids, &answer->producer_id);
    answer->error_code = broker_error(state->result);
    answer->producer_epoch = state->result ? -1 : 0;
    if (state->result && state->result != MAPLOG_BUSY)
        broker_note_seldom(state->broker, 'E', error_text());
}

/* After an attempt in vain. COORDINATOR_LOAD_IN_PROGRESS is what makes every client try again. */
static enum broker_outcome wait_for_turn(struct broker_request *request, int64_t now_ms)
{
    struct init_state *state = request->state;
    struct init_producer_id_response *answer = request->answer;
    answer->error_code = KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    if (now_ms >= state->limit_ms)
        return BROKER_ANSWER;
    state->parked = true;
    request->deadline_ms = now_ms + AGAIN_MS;
    return BROKER_PARK;
}

/*
 * Transactions are not offered. TRANSACTIONAL_ID_AUTHORIZATION_FAILED is the one error that every
 * client takes for final at this place: the Java client and librdkafka make initTransactions() fail
 * at once and name the cause, where most others make them try again until a time limit.
 */
static int16_t check(const struct init_producer_id_request *body)
{
    if (body->transactional_id.size == 0 || (body->producer_id < 0) != (body->producer_epoch < 0))
        return KAFKA_INVALID_REQUEST;
    if (body->transactional_id.size > 0)
        return KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    return KAFKA_NONE;
}

enum broker_outcome init_producer_id_handle(struct broker *broker, struct broker_request *request,
                                            int64_t now_ms)
{
    struct init_producer_id_response *answer = request->answer;
    struct init_state *state = request->state;
    if (state && state->result != MAPLOG_BUSY)
        return BROKER_ANSWER;
    if (state && !state->parked)
        return wait_for_turn(request, now_ms);
    if (!state) {
        answer->producer_id = -1;
        answer->producer_epoch = -1;
        answer->error_code = check(request->body);
        if (answer->error_code)
            return BROKER_ANSWER;
        state = arena_take(&request->arena, sizeof *state);
        if (!state)
            return error_set(MAPLOG_LIMIT, "no memory for InitProducerId"), BROKER_CLOSE;
        /* Who has an id and wants a new epoch gets a new id: as in Kafka, without transactions. */
        *state = (struct init_state){.broker = broker, .limit_ms = now_ms + LONGEST_MS};
        request->state = state;
    }
    state->parked = false;
    request->work = work;
    return BROKER_COLD;
}
