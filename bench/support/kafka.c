#include "kafka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/limits.h"
#include "bench.h"
#include "log/builder.h"
#include "os/clock.h"
#include "server.h"
#include "wire/errors.h"
#include "wire/messages.h"

#define TOPIC "bench"
#define PRODUCE_VERSION 11
#define FETCH_VERSION 12
#define METADATA_VERSION 12
#define VERSIONS_VERSION 3

static struct bench_bytes encode(int16_t key, int16_t version, const void *body)
{
    struct arena arena = {.limit = LIMIT_REQUEST_MEMORY};
    struct wire_output out = {.arena = &arena};
    struct wire_request_header header = {
        .api_key = key, .api_version = version, .client_id = wire_text("bench")};
    bench_check(wire_encode_request(&header, body, &out), "request");
    struct bench_bytes bytes = {malloc(out.size), 0};
    if (!bytes.at)
        exit(1);
    for (uint32_t i = 0; i < out.count; i++) {
        memcpy(bytes.at + bytes.size, out.slices[i].at, out.slices[i].size);
        bytes.size += out.slices[i].size;
    }
    arena_reset(&arena);
    return bytes;
}

struct bench_bytes bench_batch(int32_t records, size_t value_size)
{
    struct builder builder;
    uint32_t state = 1;
    uint8_t *value = malloc(value_size + 1), *batch;
    size_t size;
    builder_init(&builder, MAPLOG_COMPRESSION_NONE);
    for (int32_t i = 0; value && i < records; i++) {
        for (size_t at = 0; at < value_size; at++)
            value[at] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
        bench_check(builder_add_value(&builder, value, value_size, clock_wall_ms()), "batch");
    }
    bench_check(builder_finish(&builder, &batch, &size), "batch");
    struct bench_bytes bytes = {malloc(size), size};
    if (!bytes.at)
        exit(1);
    memcpy(bytes.at, batch, size);
    builder_free(&builder);
    free(value);
    return bytes;
}

struct bench_bytes bench_produce_request(const struct bench_bytes *batch, int32_t partition,
                                         int16_t acks)
{
    struct produce_request request;
    struct produce_request_topic_data topic;
    struct produce_request_topic_data_partition_data part;
    wire_init(&wire_produce_request, &request);
    wire_init(&wire_produce_request_topic_data, &topic);
    wire_init(&wire_produce_request_topic_data_partition_data, &part);
    part.index = partition;
    part.records = (struct wire_records){.at = batch->at, .size = (int32_t)batch->size};
    topic.name = wire_text(TOPIC);
    topic.partition_data = &part;
    topic.partition_data_count = 1;
    request.transactional_id = wire_text(NULL);
    request.acks = acks;
    request.timeout_ms = 30000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    return encode(WIRE_PRODUCE, PRODUCE_VERSION, &request);
}

struct bench_bytes bench_fetch_request(int32_t partition, int32_t max_bytes, int32_t max_wait_ms,
                                       size_t *offset_at)
{
    const int64_t mark = 0x123456789abcdef0;
    struct fetch_request request;
    struct fetch_request_topics topic;
    struct fetch_request_topics_partitions part;
    wire_init(&wire_fetch_request, &request);
    wire_init(&wire_fetch_request_topics, &topic);
    wire_init(&wire_fetch_request_topics_partitions, &part);
    part.partition = partition;
    part.fetch_offset = mark;
    part.partition_max_bytes = max_bytes;
    topic.topic = wire_text(TOPIC);
    topic.partitions = &part;
    topic.partitions_count = 1;
    request.max_wait_ms = max_wait_ms;
    request.min_bytes = max_wait_ms > 0;
    request.max_bytes = max_bytes;
    request.session_epoch = -1;
    request.topics = &topic;
    request.topics_count = 1;
    struct bench_bytes bytes = encode(WIRE_FETCH, FETCH_VERSION, &request);
    for (*offset_at = 0; *offset_at + sizeof mark <= bytes.size; ++*offset_at)
        if ((int64_t)bytes_load64(bytes.at + *offset_at) == mark)
            return bytes;
    exit(1);
}

void bench_set_offset(struct bench_bytes *fetch, size_t offset_at, int64_t offset)
{
    bytes_store64(fetch->at + offset_at, (uint64_t)offset);
}

struct bench_bytes bench_metadata_request(void)
{
    struct metadata_request request;
    wire_init(&wire_metadata_request, &request);
    request.topics_count = -1;
    return encode(WIRE_METADATA, METADATA_VERSION, &request);
}

struct bench_bytes bench_versions_request(void)
{
    struct api_versions_request request;
    wire_init(&wire_api_versions_request, &request);
    request.client_software_name = wire_text("bench");
    request.client_software_version = wire_text("1");
    return encode(WIRE_API_VERSIONS, VERSIONS_VERSION, &request);
}

/* ---- answers --------------------------------------------------------------------------------- */

size_t bench_take_answer(int fd, uint8_t *to, size_t room)
{
    bench_receive(fd, to, WIRE_FRAME_PREFIX);
    size_t size = bytes_load32(to);
    if (size + WIRE_FRAME_PREFIX > room) {
        fprintf(stderr, "bench: an answer of %zu bytes\n", size);
        exit(1);
    }
    bench_receive(fd, to + WIRE_FRAME_PREFIX, size);
    return size + WIRE_FRAME_PREFIX;
}

static void decode(const struct wire_api *api, int16_t version, struct bytes answer,
                   struct arena *arena, void *body)
{
    int32_t correlation_id;
    bytes_take(&answer, WIRE_FRAME_PREFIX);
    bench_check(wire_decode_response_header(api, version, &answer, &correlation_id), "answer");
    bench_check(wire_decode(api->response, version, &answer, arena, body), "answer");
}

static void refuse(const char *what, int16_t error)
{
    fprintf(stderr, "bench: %s: %s\n", what, kafka_error_name(error));
    exit(1);
}

void bench_check_produced(const uint8_t *answer, size_t size)
{
    struct arena arena = {.limit = LIMIT_REQUEST_MEMORY};
    struct produce_response body;
    decode(wire_api(WIRE_PRODUCE), PRODUCE_VERSION, bytes_over(answer, size), &arena, &body);
    if (body.responses_count != 1 || body.responses[0].partition_responses_count != 1)
        refuse("produce", -1);
    if (body.responses[0].partition_responses[0].error_code)
        refuse("produce", body.responses[0].partition_responses[0].error_code);
    arena_reset(&arena);
}

size_t bench_check_fetched(const uint8_t *answer, size_t size)
{
    struct arena arena = {.limit = LIMIT_REQUEST_MEMORY};
    struct fetch_response body;
    decode(wire_api(WIRE_FETCH), FETCH_VERSION, bytes_over(answer, size), &arena, &body);
    if (body.error_code)
        refuse("fetch", body.error_code);
    if (body.responses_count != 1 || body.responses[0].partitions_count != 1)
        refuse("fetch", -1);
    if (body.responses[0].partitions[0].error_code)
        refuse("fetch", body.responses[0].partitions[0].error_code);
    int32_t records = body.responses[0].partitions[0].records.size;
    arena_reset(&arena);
    return records > 0 ? (size_t)records : 0;
}
