#include "remote/producer.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/clock.h"
#include "remote/failure.h"

#define WINDOW 5            /* batches under way: as many as a server remembers of a producer */
#define BACKOFF_NS 50000000 /* before a batch is sent again */

enum flight_state {
    FLIGHT_SENT,
    FLIGHT_DONE,
    FLIGHT_AGAIN, /* to be sent again, all that are in the order of their first sending */
};

/* A batch under way. */
struct flight {
    enum flight_state state;
    int32_t partition;
    int32_t records;
    int32_t correlation_id;
    int64_t until_ns; /* it is tried so long */
    uint8_t *bytes;   /* owned, used again */
    size_t size, capacity;
};

/* What is said of a partition. */
struct lane {
    int32_t sequence; /* of the next record */
    bool known;       /* the server took a batch of this producer, and so knows its order */
};

struct remote_producer {
    struct remote *remote;
    const char *topic; /* copy, behind this */
    enum remote_acks acks;
    int timeout_ms;
    int64_t producer_id; /* -1: not idempotent */
    int16_t producer_epoch;
    int failed; /* the first failure's code; nothing is sent any more */
    int32_t partitions;
    struct lane *lanes;            /* by partition */
    struct flight flights[WINDOW]; /* a ring */
    unsigned first, count;
    char text[ERROR_TEXT_SIZE]; /* why a batch is tried again */
    int code;
};

static struct flight *flight_at(struct remote_producer *producer, unsigned i)
{
    return &producer->flights[(producer->first + i) % WINDOW];
}

/* ---- opening --------------------------------------------------------------------------------- */

static int take_id(struct remote_producer *producer)
{
    struct init_producer_id_request request;
    struct init_producer_id_response response;
    struct remote *remote = producer->remote;
    if (producer->acks == REMOTE_ACKS_NONE || remote->versions[REMOTE_INIT_PRODUCER_ID] < 0)
        return 0;
    int64_t until = clock_monotonic_ns() + producer->timeout_ms * 1000000ll;
    for (;;) {
        remote_begin(remote);
        wire_init(&wire_init_producer_id_request, &request);
        request.transactional_id = wire_text(NULL);
        int result = remote_call(remote, REMOTE_INIT_PRODUCER_ID, &request, &response);
        if (result)
            return result;
        if (!response.error_code)
            break;
        if (!kafka_error_retriable(response.error_code) || clock_monotonic_ns() > until)
            return remote_failure(response.error_code, wire_text(NULL), "no producer id");
        clock_sleep_ns(BACKOFF_NS);
    }
    producer->producer_id = response.producer_id;
    producer->producer_epoch = response.producer_epoch;
    return 0;
}

int remote_producer_open(struct remote *remote, const char *topic, int32_t partitions,
                         enum remote_acks acks, struct remote_producer **producer)
{
    size_t name = strlen(topic) + 1;
    struct remote_producer *made = calloc(1, sizeof *made + name);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a producer");
    made->remote = remote;
    made->topic = memcpy(made + 1, topic, name);
    made->acks = acks;
    made->timeout_ms = remote->timeout_ms;
    made->producer_id = -1;
    made->producer_epoch = -1;
    made->partitions = partitions;
    made->lanes = calloc((size_t)partitions, sizeof *made->lanes);
    int result = made->lanes
                     ? take_id(made)
                     : error_set(MAPLOG_NO_MEMORY, "no memory for %d partitions", (int)partitions);
    if (result) {
        remote_producer_close(made);
        return result;
    }
    *producer = made;
    return 0;
}

void remote_producer_timeout(struct remote_producer *producer, int timeout_ms)
{
    producer->timeout_ms = timeout_ms;
}

void remote_producer_close(struct remote_producer *producer)
{
    if (!producer)
        return;
    for (unsigned i = 0; i < WINDOW; i++)
        free(producer->flights[i].bytes);
    free(producer->lanes);
    free(producer);
}

struct remote_stamp remote_producer_stamp(const struct remote_producer *producer, int32_t partition)
{
    if (producer->producer_id < 0)
        return (struct remote_stamp){-1, -1, -1};
    return (struct remote_stamp){producer->producer_id, producer->lanes[partition].sequence,
                                 producer->producer_epoch};
}

/* ---- under way ------------------------------------------------------------------------------- */

static int send_flight(struct remote_producer *producer, struct flight *flight)
{
    struct produce_request request;
    struct produce_request_topic_data topic;
    struct produce_request_topic_data_partition_data part;
    wire_init(&wire_produce_request, &request);
    wire_init(&wire_produce_request_topic_data, &topic);
    wire_init(&wire_produce_request_topic_data_partition_data, &part);
    part.index = flight->partition;
    part.records = (struct wire_records){.at = flight->bytes, .size = (int32_t)flight->size};
    topic.name = wire_text(producer->topic);
    topic.partition_data = &part;
    topic.partition_data_count = 1;
    request.acks = (int16_t)producer->acks;
    request.timeout_ms = producer->timeout_ms;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    remote_begin(producer->remote);
    flight->state = producer->acks == REMOTE_ACKS_NONE ? FLIGHT_DONE : FLIGHT_SENT;
    return remote_send(producer->remote, REMOTE_PRODUCE, &request, &flight->correlation_id);
}

/* The text is set: why batches are to be sent again. */
static void note(struct remote_producer *producer, int code)
{
    producer->code = code;
    memcpy(producer->text, error_text(), strlen(error_text()) + 1);
}

/* Nothing more comes back. What is not idempotent might come twice: it is not sent again. */
static int lose_flights(struct remote_producer *producer, int code)
{
    if (!remote_lost(producer->remote) || producer->producer_id < 0 || code == MAPLOG_CORRUPT)
        return code;
    note(producer, code);
    for (unsigned i = 0; i < producer->count; i++) {
        if (flight_at(producer, i)->state == FLIGHT_SENT)
            flight_at(producer, i)->state = FLIGHT_AGAIN;
    }
    return 0;
}

/* Is an earlier batch of the partition still to be sent again? Then this one came too early. */
static bool came_early(struct remote_producer *producer, unsigned at)
{
    for (unsigned i = 0; i < at; i++) {
        if (flight_at(producer, i)->state == FLIGHT_AGAIN &&
            flight_at(producer, i)->partition == flight_at(producer, at)->partition)
            return true;
    }
    return false;
}

static int judge(struct remote_producer *producer, unsigned at,
                 const struct produce_response *response)
{
    struct flight *flight = flight_at(producer, at);
    if (response->responses_count != 1 || response->responses[0].partition_responses_count != 1)
        return error_set(MAPLOG_CORRUPT, "%s: the answer to Produce says nothing of the batch",
                         producer->remote->address);
    const struct produce_response_responses_partition_responses *row =
        &response->responses[0].partition_responses[0];
    if (row->error_code == KAFKA_NONE || row->error_code == KAFKA_DUPLICATE_SEQUENCE_NUMBER) {
        flight->state = FLIGHT_DONE;
        producer->lanes[flight->partition].known = true;
        return 0;
    }
    if (row->error_code == KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER && came_early(producer, at)) {
        flight->state = FLIGHT_AGAIN;
        return 0;
    }
    int code = remote_failure(row->error_code, row->error_message, "topic %s, partition %d",
                              producer->topic, (int)flight->partition);
    if (!kafka_error_retriable(row->error_code))
        return code;
    note(producer, code);
    flight->state = FLIGHT_AGAIN;
    return 0;
}

/* Takes the answer to the i-th batch under way. */
static int receive_answer(struct remote_producer *producer, unsigned i)
{
    struct produce_response response;
    int result =
        remote_receive(producer->remote, REMOTE_PRODUCE, flight_at(producer, i)->correlation_id,
                       producer->timeout_ms, &response);
    return result ? lose_flights(producer, result) : judge(producer, i, &response);
}

/* Takes what answers are due and sends again what is to be. */
static int send_again(struct remote_producer *producer)
{
    int result = 0;
    for (unsigned i = 0; !result && i < producer->count; i++) {
        if (flight_at(producer, i)->state == FLIGHT_SENT)
            result = receive_answer(producer, i);
    }
    if (result)
        return result;
    int64_t now = clock_monotonic_ns();
    bool stop = producer->remote->interrupted && producer->remote->interrupted();
    if (stop || now + BACKOFF_NS > flight_at(producer, 0)->until_ns)
        return error_set(producer->code, "%s", producer->text);
    clock_sleep_ns(BACKOFF_NS);
    if (remote_lost(producer->remote)) {
        result = remote_reconnect(producer->remote);
        if (result == MAPLOG_IO || result == MAPLOG_TIMED_OUT) {
            note(producer, result);
            return 0; /* the server may come back */
        }
    }
    for (unsigned i = 0; !result && i < producer->count; i++) {
        if (flight_at(producer, i)->state != FLIGHT_AGAIN)
            continue;
        result = send_flight(producer, flight_at(producer, i));
        if (result)
            result = lose_flights(producer, result);
    }
    return result;
}

/* Says how much is lost with the failure. */
static int fail(struct remote_producer *producer, int result)
{
    long long records = 0;
    for (unsigned i = 0; i < producer->count; i++) {
        if (flight_at(producer, i)->state != FLIGHT_DONE)
            records += flight_at(producer, i)->records;
    }
    producer->failed = error_prefix(result, "%lld record%s not acknowledged", records,
                                    records == 1 ? " was" : "s were");
    memcpy(producer->text, error_text(), strlen(error_text()) + 1);
    return result;
}

/* Until at most `most` batches are under way. */
static int settle(struct remote_producer *producer, unsigned most)
{
    int result = 0;
    while (!result && producer->count > most) {
        switch (flight_at(producer, 0)->state) {
        case FLIGHT_DONE:
            producer->first = (producer->first + 1) % WINDOW;
            producer->count--;
            break;
        case FLIGHT_SENT:
            result = receive_answer(producer, 0);
            break;
        case FLIGHT_AGAIN:
            result = send_again(producer);
            break;
        }
    }
    return result ? fail(producer, result) : 0;
}

static int keep(struct flight *flight, const uint8_t *batch, size_t size)
{
    if (size > INT32_MAX)
        return error_set(MAPLOG_TOO_LARGE, "a batch of %zu bytes", size);
    if (size > flight->capacity) {
        uint8_t *bytes = realloc(flight->bytes, size);
        if (!bytes)
            return error_set(MAPLOG_NO_MEMORY, "no memory for a batch of %zu bytes", size);
        flight->bytes = bytes;
        flight->capacity = size;
    }
    memcpy(flight->bytes, batch, size);
    flight->size = size;
    return 0;
}

/* A server takes whatever comes first from a producer that it does not know as the beginning. So
 * nothing is sent behind a partition's first batch before that is there: should it have to be sent
 * again, it would be out of order. */
static unsigned most_under_way(const struct remote_producer *producer, const struct lane *lane)
{
    bool first_under_way = producer->producer_id >= 0 && !lane->known && lane->sequence != 0;
    return first_under_way ? 0 : WINDOW - 1;
}

int remote_producer_send(struct remote_producer *producer, int32_t partition, const uint8_t *batch,
                         size_t size, int32_t records)
{
    if (producer->failed)
        return error_set(producer->failed, "%s", producer->text);
    struct lane *lane = &producer->lanes[partition];
    int result = settle(producer, most_under_way(producer, lane));
    if (result)
        return result;
    struct flight *flight = flight_at(producer, producer->count);
    result = keep(flight, batch, size);
    if (result)
        return result;
    flight->partition = partition;
    flight->records = records;
    flight->until_ns = clock_monotonic_ns() + producer->timeout_ms * 1000000ll;
    producer->count++;
    /* Sequences go from the largest int32 to 0. */
    lane->sequence = (int32_t)(((uint32_t)lane->sequence + (uint32_t)records) & INT32_MAX);
    /* Behind one that is to be sent again this one would come too early. */
    for (unsigned i = 0; i + 1 < producer->count; i++) {
        if (flight_at(producer, i)->state == FLIGHT_AGAIN) {
            flight->state = FLIGHT_AGAIN;
            return 0;
        }
    }
    result = send_flight(producer, flight);
    if (result)
        result = lose_flights(producer, result);
    return result ? fail(producer, result) : 0;
}

int remote_producer_wait(struct remote_producer *producer)
{
    if (producer->failed)
        return error_set(producer->failed, "%s", producer->text);
    return settle(producer, 0);
}
