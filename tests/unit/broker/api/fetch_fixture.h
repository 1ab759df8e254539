/* fetch_fixture.h - fetches of one topic, for tests of Fetch. */
#pragma once

#include "../broker_fixture.h"

#define PARTITIONS 4

typedef struct fetch_response_responses_partitions fetched;

/* A request for up to PARTITIONS partitions of one topic. */
struct fetch_call {
    struct call call;
    struct fetch_request body;
    struct fetch_request_topics topic;
    struct fetch_request_topics_partitions partitions[PARTITIONS];
    struct fetch_request_forgotten_topics_data forgotten;
    int32_t forgotten_number;
};

/* From `offset` on, of partition 0, whatever is there, without waiting. */
static inline struct fetch_call *fetch_from(struct fetch_call *fetch, const char *topic,
                                            int64_t offset)
{
    wire_init(&wire_fetch_request, &fetch->body);
    wire_init(&wire_fetch_request_topics, &fetch->topic);
    wire_init(&wire_fetch_request_forgotten_topics_data, &fetch->forgotten);
    for (int i = 0; i < PARTITIONS; i++) {
        wire_init(&wire_fetch_request_topics_partitions, &fetch->partitions[i]);
        fetch->partitions[i].partition = i;
        fetch->partitions[i].fetch_offset = offset;
        fetch->partitions[i].partition_max_bytes = 1 << 20;
    }
    fetch->body.min_bytes = 1;
    fetch->body.max_bytes = 50 << 20;
    fetch->body.session_epoch = -1;
    fetch->body.topics = &fetch->topic;
    fetch->body.topics_count = 1;
    fetch->topic.topic = wire_text(topic);
    fetch->topic.partitions = fetch->partitions;
    fetch->topic.partitions_count = 1;
    fetch->forgotten.topic = wire_text(topic);
    fetch->forgotten.partitions = &fetch->forgotten_number;
    fetch->forgotten.partitions_count = 1;
    return fetch;
}

/* Number i of what came back; NULL when there are fewer. */
static inline const fetched *found(const struct fetch_call *fetch, int32_t i)
{
    const struct fetch_response *answer = fetch->call.answer;
    for (int32_t t = 0; t < answer->responses_count; t++) {
        if (i < answer->responses[t].partitions_count)
            return &answer->responses[t].partitions[i];
        i -= answer->responses[t].partitions_count;
    }
    return NULL;
}

static inline const fetched *ask(struct fetch_call *fetch, int16_t version)
{
    call_ask(&fetch->call, FETCH, version, &fetch->body);
    return found(fetch, 0);
}

static inline int16_t error_of(struct fetch_call *fetch, int16_t version)
{
    int16_t error = ask(fetch, version)->error_code;
    call_end(&fetch->call);
    return error;
}

/* Offset behind the whole batches that came. */
static inline int64_t read_batches(const fetched *partition, int64_t expected)
{
    int32_t at = 0;
    while (at < partition->records.size) {
        struct batch batch;
        assert_ok(
            batch_read(partition->records.at + at, (size_t)(partition->records.size - at), &batch));
        assert_ok(batch_check_crc(&batch));
        assert_int_equal(batch.base_offset, expected);
        expected = batch.last_offset + 1;
        at += (int32_t)batch.size;
    }
    return expected;
}

/* A topic of PARTITIONS partitions with ten records each. */
static inline void make_partitions(const char *topic)
{
    assert_ok(directory_create_topic(log_directory, topic, PARTITIONS, NULL));
    for (int32_t p = 0; p < PARTITIONS; p++) {
        struct partition *partition;
        assert_ok(directory_partition(log_directory, topic, p, &partition));
        log_fill(partition, 10, 1000, clock_wall_ms());
    }
}

/* Begins one that waits for so many bytes. */
static inline void begin_waiting(struct fetch_call *fetch, int32_t min_bytes)
{
    fetch->body.max_wait_ms = LATER_MS;
    fetch->body.min_bytes = min_bytes;
    assert_int_equal(call_begin(&fetch->call, FETCH, 11, &fetch->body), BROKER_PARK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, broker_make, broker_remove)
