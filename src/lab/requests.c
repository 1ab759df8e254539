/* requests.c - Fetch, encoded once. */
#include "lab/requests.h"

#include <maplog.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/limits.h"
#include "log/format.h"
#include "wire/errors.h"
#include "wire/messages.h"

#define FETCH_VERSION 12
#define RECORD_AROUND 9 /* bytes of a record around its value, which has two bytes of length */
#define VALUE_BYTES (REQUESTS_BATCH - BATCH_HEADER_BYTES - RECORD_AROUND)

/* ---- the log --------------------------------------------------------------------------------- */

static int produce_all(maplog *log, int64_t batches)
{
    uint8_t value[VALUE_BYTES];
    uint32_t state = 1;
    maplog_producer *producer = NULL;
    int result = maplog_producer_open(log, REQUESTS_TOPIC, NULL, &producer);
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
    struct maplog_record record = {.value = value, .value_size = sizeof value};
    for (int64_t i = 0; i < batches && !result; i++)
        result = maplog_produce_to(producer, 0, &record, NULL);
    maplog_producer_close(producer);
    return result;
}

int requests_make_log(const char *directory, int64_t batches)
{
    static const char *const configs[] = {"segment.bytes=1073741824", NULL};
    const struct maplog_open_options options = {.flags = MAPLOG_CREATE};
    maplog *log = NULL;
    int result = maplog_open(directory, &options, &log);
    if (!result)
        result = maplog_topic_create(log, REQUESTS_TOPIC, 1, configs);
    if (!result)
        result = produce_all(log, batches);
    maplog_close(log);
    return result;
}

/* ---- requests -------------------------------------------------------------------------------- */

static int join(const struct wire_output *output, struct request *request)
{
    request->bytes = malloc(output->size);
    if (!request->bytes)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a request");
    for (uint32_t i = 0; i < output->count; i++) {
        memcpy(request->bytes + request->size, output->slices[i].at, output->slices[i].size);
        request->size += output->slices[i].size;
    }
    return 0;
}

static int encode_fetch(const struct fetch_request *body, struct request *request)
{
    struct arena arena = {.limit = LIMIT_REQUEST_MEMORY};
    struct wire_output output = {.arena = &arena};
    struct wire_request_header header = {
        .api_key = WIRE_FETCH, .api_version = FETCH_VERSION, .client_id = wire_text("lab")};
    int result = wire_encode_request(&header, body, &output);
    if (!result)
        result = join(&output, request);
    arena_reset(&arena);
    return result;
}

int64_t request_batches(int32_t max_bytes)
{
    return max_bytes < REQUESTS_BATCH ? 1 : max_bytes / REQUESTS_BATCH;
}

int request_fetch(int32_t max_bytes, int64_t batches, struct request *request)
{
    const int64_t mark = 0x123456789abcdef0; /* found again in the bytes */
    struct fetch_request body;
    struct fetch_request_topics topic;
    struct fetch_request_topics_partitions part;
    wire_init(&wire_fetch_request, &body);
    wire_init(&wire_fetch_request_topics, &topic);
    wire_init(&wire_fetch_request_topics_partitions, &part);
    part.fetch_offset = mark;
    part.partition_max_bytes = max_bytes;
    topic.topic = wire_text(REQUESTS_TOPIC);
    topic.partitions = &part;
    topic.partitions_count = 1;
    body.max_bytes = max_bytes;
    body.session_epoch = -1;
    body.topics = &topic;
    body.topics_count = 1;
    *request = (struct request){.step = request_batches(max_bytes)};
    request->end = batches - batches % request->step;
    int result = encode_fetch(&body, request);
    while (!result && (int64_t)bytes_load64(request->bytes + request->offset_at) != mark)
        request->offset_at++;
    return result;
}

void request_free(struct request *request)
{
    free(request->bytes);
    *request = (struct request){0};
}

void request_write(const struct request *request, int64_t offset, uint8_t *to)
{
    memcpy(to, request->bytes, request->size);
    bytes_store64(to + request->offset_at, (uint64_t)offset);
}

int64_t request_next(const struct request *request, int64_t offset)
{
    offset += request->step;
    return offset >= request->end ? 0 : offset;
}

static int check_body(const struct fetch_response *body, size_t bytes)
{
    bool one = body->responses_count == 1 && body->responses[0].partitions_count == 1;
    int16_t error = one ? body->responses[0].partitions[0].error_code : 0;
    if (body->error_code)
        error = body->error_code;
    if (error)
        return error_set(MAPLOG_IO, "the server refuses to be read: %s", kafka_error_name(error));
    if (!one)
        return error_set(MAPLOG_CORRUPT, "an answer without its partition");
    int32_t size = body->responses[0].partitions[0].records.size;
    if (size < 0 || (size_t)size != bytes)
        return error_set(MAPLOG_CORRUPT, "%d bytes of records where %zu were expected", size,
                         bytes);
    return 0;
}

int request_check(const uint8_t *answer, size_t size, size_t bytes)
{
    struct arena arena = {.limit = LIMIT_REQUEST_MEMORY};
    struct fetch_response body;
    int32_t correlation_id;
    struct bytes in = bytes_over(answer, size);
    const struct wire_api *api = wire_api(WIRE_FETCH);
    bytes_take(&in, WIRE_FRAME_PREFIX);
    int result = wire_decode_response_header(api, FETCH_VERSION, &in, &correlation_id);
    if (!result)
        result = wire_decode(api->response, FETCH_VERSION, &in, &arena, &body);
    if (!result)
        result = check_body(&body, bytes);
    arena_reset(&arena);
    return result;
}
