/* broker_fixture.h - a broker on a directory of its own, with a host that only counts, and short
 * words for asking it as a client does: bytes in, bytes out. */
#pragma once

#include "../log/log_fixture.h"

#include "base/crc32c.h"
#include "broker/broker.h"
#include "broker/settings.h"
#include "log/builder.h"
#include "wire/errors.h"

#define LATER_MS 20000 /* a time limit that no test reaches */
#define DELAY_MS 3000  /* of a group's first rebalance, so that it is seen who waits */

static struct broker *broker;
static struct broker_settings settings;
static _Atomic int wakes; /* calls of host->wake */
static char last_note[600];

/* One request and its answer. */
struct call {
    struct broker_request request;
    int16_t version;
    enum broker_outcome outcome;
    int cold; /* pieces of work for a helper thread */
    _Atomic int woken;
    struct arena memory; /* of the frame and of the answer's bytes and structs */
    void *answer;        /* decoded */
};

static void host_wake(void *context, struct broker_request *request)
{
    (void)context;
    struct call *call = (struct call *)request->server;
    atomic_fetch_add(&wakes, 1);
    atomic_store(&call->woken, 1);
}

static void host_note(void *context, char level, const char *text)
{
    (void)context;
    snprintf(last_note, sizeof last_note, "%c %s", level, text);
}

/* No two bytes sequences alike, the same ones each time. */
static void host_random(void *context, uint8_t *to, size_t size)
{
    (void)context;
    static uint32_t state = 1;
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525 + 1013904223;
        to[i] = (uint8_t)(state >> 24);
    }
}

static const struct broker_host host = {
    .wake = host_wake, .note = host_note, .random = host_random};

static inline void broker_start(void)
{
    assert_ok(broker_open(log_directory, &settings, &host, clock_wall_ms(), &broker));
}

static inline void broker_stop(void)
{
    broker_close(broker);
    broker = NULL;
}

/* The same broker again, as a restarted server has it: from another attachment. */
static inline void broker_restart(void)
{
    broker_stop();
    directory_drop(log_directory);
    assert_ok(directory_open(log_path, NULL, &log_directory));
    broker_start();
}

static inline int broker_make_in(const char *parent)
{
    broker_settings_default(&settings);
    settings.group_initial_rebalance_delay_ms = DELAY_MS;
    return log_make_in(parent) ||
           broker_open(log_directory, &settings, &host, clock_wall_ms(), &broker);
}

static inline int broker_make(void **state)
{
    (void)state;
    return broker_make_in("/tmp");
}

static inline int broker_remove(void **state)
{
    broker_stop();
    broker_settings_free(&settings);
    return log_remove(state);
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* All slices of what is to be sent, one behind the other. */
static inline struct bytes call_flatten(struct arena *arena, const struct wire_output *output)
{
    uint8_t *all = arena_take(arena, output->size);
    size_t at = 0;
    assert_non_null(all);
    for (uint32_t i = 0; i < output->count; i++) {
        memcpy(all + at, output->slices[i].at, output->slices[i].size);
        at += output->slices[i].size;
    }
    assert_int_equal(at, output->size);
    return bytes_over(all, at);
}

static inline void call_read_answer(struct call *call)
{
    const struct wire_api *api = call->request.api;
    struct bytes in = call_flatten(&call->memory, &call->request.output);
    uint32_t size = bytes_take32(&in);
    assert_int_equal(size, bytes_left(&in));
    int32_t correlation;
    assert_ok(wire_decode_response_header(api, call->version, &in, &correlation));
    assert_int_equal(correlation, 77);
    call->answer = wire_new(&call->memory, api->response);
    assert_ok(wire_decode(api->response, call->version, &in, &call->memory, call->answer));
}

/* Goes on until the answer is there, or somebody else has to do something first. */
static inline enum broker_outcome call_go_on(struct call *call, enum broker_outcome outcome)
{
    while (outcome == BROKER_COLD) {
        call->cold++;
        call->request.work(&call->request);
        outcome = broker_resume(broker, &call->request, clock_wall_ms());
    }
    call->outcome = outcome;
    if (outcome == BROKER_ANSWER)
        call_read_answer(call);
    return outcome;
}

static inline enum broker_outcome call_resume(struct call *call)
{
    atomic_store(&call->woken, 0);
    return call_go_on(call, broker_resume(broker, &call->request, clock_wall_ms()));
}

/* Begins with a frame as it came. */
static inline enum broker_outcome call_begin_bytes(struct call *call, struct bytes frame)
{
    call->request.frame = frame;
    call->request.arena.limit = 64u << 20;
    call->request.server = call;
    call->request.peer = "127.0.0.1:50000";
    call->request.advertised = (struct broker_address){"localhost", 9092};
    return call_go_on(call, broker_begin(broker, &call->request, clock_wall_ms()));
}

static inline enum broker_outcome call_begin_as(struct call *call, const char *client, int16_t key,
                                                int16_t version, const void *body)
{
    *call = (struct call){.version = version, .memory.limit = 64u << 20};
    struct wire_output output = {.arena = &call->memory};
    struct wire_request_header header = {key, version, 77, wire_text(client)};
    assert_ok(wire_encode_request(&header, body, &output));
    struct bytes frame = call_flatten(&call->memory, &output);
    bytes_take32(&frame);
    return call_begin_bytes(call, frame);
}

static inline enum broker_outcome call_begin(struct call *call, int16_t key, int16_t version,
                                             const void *body)
{
    return call_begin_as(call, "tester", key, version, body);
}

/* Waits as a server does, until the answer is there. */
static inline enum broker_outcome call_wait(struct call *call)
{
    while (call->outcome == BROKER_PARK) {
        int64_t deadline = call->request.deadline_ms;
        assert_soon(atomic_load(&call->woken) || clock_wall_ms() >= deadline);
        call_resume(call);
    }
    return call->outcome;
}

static inline void call_end(struct call *call)
{
    broker_end(broker, &call->request);
    arena_reset(&call->request.arena);
    arena_reset(&call->memory);
}

/* Asks and waits; the answer, valid until call_end(). */
static inline void *call_ask(struct call *call, int16_t key, int16_t version, const void *body)
{
    call_begin(call, key, version, body);
    if (call_wait(call) != BROKER_ANSWER)
        fail_msg("API %d: outcome %d (%s)", key, call->outcome, error_text());
    return call->answer;
}

/* ---- batches --------------------------------------------------------------------------------- */

/* A batch as a producer sends it. */
struct sent {
    int32_t records;   /* 0: one */
    size_t value;      /* bytes of each value; 0: 100 */
    int32_t keyless;   /* only each so-manieth record, from the first on, has no key; 0: none has */
    int64_t timestamp; /* 0: now */
    int64_t producer;  /* with `idempotent` */
    int16_t epoch;
    int32_t sequence;
    bool idempotent;
    enum maplog_compression codec;
};

/* Takes the CRC anew, after a test changed the batch. */
static inline void seal_batch(uint8_t *batch, size_t size)
{
    bytes_store32(batch + BATCH_CRC, crc32c(0, batch + BATCH_ATTRIBUTES, size - BATCH_ATTRIBUTES));
}

static inline struct wire_records make_batch(struct arena *arena, struct sent sent)
{
    struct builder builder;
    uint8_t *batch;
    size_t size, value = sent.value ? sent.value : 100;
    char *bytes = arena_take(arena, value);
    builder_init(&builder, sent.codec);
    struct maplog_record record = {.value = bytes, .value_size = value};
    for (int32_t i = 0; i < (sent.records ? sent.records : 1); i++) {
        record.key = sent.keyless && i % sent.keyless ? "" : NULL;
        assert_ok(
            builder_add(&builder, &record, sent.timestamp ? sent.timestamp : clock_wall_ms()));
    }
    assert_ok(builder_finish(&builder, &batch, &size));
    if (sent.idempotent) {
        bytes_store64(batch + BATCH_PRODUCER_ID, (uint64_t)sent.producer);
        bytes_store16(batch + BATCH_PRODUCER_EPOCH, (uint16_t)sent.epoch);
        bytes_store32(batch + BATCH_BASE_SEQUENCE, (uint32_t)sent.sequence);
        seal_batch(batch, size);
    }
    uint8_t *copy = arena_take(arena, size);
    memcpy(copy, batch, size);
    builder_free(&builder);
    return (struct wire_records){.at = copy, .size = (int32_t)size};
}

/* ---- produce --------------------------------------------------------------------------------- */

#define PRODUCE 0
#define FETCH 1

typedef struct produce_response_responses_partition_responses produced;

/* A request for one partition. */
struct produce_call {
    struct call call;
    struct arena arena;
    struct produce_request body;
    struct produce_request_topic_data topic;
    struct produce_request_topic_data_partition_data partition;
};

static inline struct produce_call *produce_to(struct produce_call *produce, const char *topic,
                                              struct wire_records records)
{
    wire_init(&wire_produce_request, &produce->body);
    wire_init(&wire_produce_request_topic_data, &produce->topic);
    produce->body.acks = -1;
    produce->body.timeout_ms = LATER_MS;
    produce->body.topic_data = &produce->topic;
    produce->body.topic_data_count = 1;
    produce->topic.name = wire_text(topic);
    produce->topic.partition_data = &produce->partition;
    produce->topic.partition_data_count = 1;
    produce->partition.index = 0;
    produce->partition.records = records;
    return produce;
}

/* The answer for the one partition. */
static inline const produced *produce_answer(const struct produce_call *produce)
{
    const struct produce_response *answer = produce->call.answer;
    assert_int_equal(answer->responses_count, 1);
    assert_int_equal(answer->responses[0].partition_responses_count, 1);
    return &answer->responses[0].partition_responses[0];
}

static inline void produce_free(struct produce_call *produce)
{
    call_end(&produce->call);
    arena_reset(&produce->arena);
}

/* Sends one batch in this version of Produce; what came back, without what lies in memory. */
static inline produced produce_version(const char *topic, int16_t version, struct sent sent)
{
    struct produce_call produce = {.arena.limit = 64u << 20};
    produce_to(&produce, topic, make_batch(&produce.arena, sent));
    call_ask(&produce.call, PRODUCE, version, &produce.body);
    produced found = *produce_answer(&produce);
    produce_free(&produce);
    return found;
}

static inline produced produce(const char *topic, struct sent sent)
{
    return produce_version(topic, 11, sent);
}

/* The offset of what must be taken. */
static inline int64_t produce_ok(const char *topic, struct sent sent)
{
    produced found = produce(topic, sent);
    assert_int_equal(found.error_code, KAFKA_NONE);
    return found.base_offset;
}
