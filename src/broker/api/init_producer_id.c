/* init_producer_id.c - InitProducerId: a new id for each idempotent producer. */
#include "base/error.h"
#include "broker/apis.h"
#include "broker/parts.h"
#include "log/producer_ids.h"

struct init_state {
    struct broker *broker;
};

/* May wait for the disk, once a block of ids. */
static void work(struct broker_request *request)
{
    struct broker *broker = ((struct init_state *)request->state)->broker;
    struct init_producer_id_response *answer = request->answer;
    int result = producer_ids_take(broker->producer_ids, &answer->producer_id);
    answer->error_code = broker_error(result);
    if (result) {
        broker_note(broker, 'E', "no producer id: %s", error_text());
        return;
    }
    answer->producer_epoch = 0;
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
    (void)now_ms;
    struct init_producer_id_response *answer = request->answer;
    struct init_state *state = request->state;
    if (state) /* the work was done */
        return BROKER_ANSWER;
    answer->producer_id = -1;
    answer->producer_epoch = -1;
    answer->error_code = check(request->body);
    if (answer->error_code)
        return BROKER_ANSWER;
    /* Who has an id and wants a new epoch gets a new id: as in Kafka, without transactions. */
    request->state = state = arena_take(&request->arena, sizeof *state);
    if (!state)
        return error_set(MAPLOG_LIMIT, "no memory for InitProducerId"), BROKER_CLOSE;
    state->broker = broker;
    request->work = work;
    return BROKER_COLD;
}
