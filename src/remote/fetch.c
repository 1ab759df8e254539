#include "remote/fetch.h"

#include "base/error.h"
#include "remote/failure.h"

static struct remote_part *find(struct remote_part *parts, size_t count, size_t hint,
                                int32_t partition)
{
    if (hint < count && parts[hint].partition == partition)
        return &parts[hint];
    for (size_t i = 0; i < count; i++) {
        if (parts[i].partition == partition)
            return &parts[i];
    }
    return NULL;
}

static void take(const struct fetch_response_responses_partitions *row, const char *topic,
                 struct remote_part *part)
{
    part->kafka_error = row->error_code;
    part->end = row->high_watermark;
    if (row->error_code) {
        part->error =
            remote_failure(row->error_code, wire_text(NULL), "topic %s, partition %d, offset %lld",
                           topic, (int)part->partition, (long long)part->offset);
        return;
    }
    part->records = row->records.at;
    part->size = row->records.size > 0 ? (size_t)row->records.size : 0;
}

static int fill_request(struct remote *remote, struct fetch_request_topics *row,
                        const struct remote_part *parts, size_t count)
{
    row->partitions =
        wire_array(remote_begin(remote), &wire_fetch_request_topics_partitions, (int32_t)count);
    row->partitions_count = (int32_t)count;
    if (!row->partitions)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %zu partitions", count);
    for (size_t i = 0; i < count; i++) {
        row->partitions[i].partition = parts[i].partition;
        row->partitions[i].fetch_offset = parts[i].offset;
        row->partitions[i].partition_max_bytes = (int32_t)REMOTE_FETCH_PARTITION;
    }
    return 0;
}

int remote_fetch(struct remote *remote, const char *topic, struct remote_part *parts, size_t count,
                 int max_wait_ms)
{
    struct fetch_request request;
    struct fetch_request_topics row;
    struct fetch_response response;
    wire_init(&wire_fetch_request, &request);
    wire_init(&wire_fetch_request_topics, &row);
    int result = fill_request(remote, &row, parts, count);
    if (result)
        return result;
    row.topic = wire_text(topic);
    request.replica_id = -1;
    request.max_wait_ms = max_wait_ms;
    request.min_bytes = max_wait_ms > 0;
    request.max_bytes = (int32_t)REMOTE_FETCH_BYTES;
    request.topics = &row;
    request.topics_count = 1;
    int32_t correlation_id;
    result = remote_send(remote, REMOTE_FETCH, &request, &correlation_id);
    if (!result)
        result = remote_receive(remote, REMOTE_FETCH, correlation_id, max_wait_ms, &response);
    if (!result && response.error_code)
        result =
            remote_failure(response.error_code, wire_text(NULL), "fetching from topic %s", topic);
    if (result)
        return result;
    for (size_t i = 0; i < count; i++) {
        parts[i].end = -1;
        parts[i].error = 0;
        parts[i].kafka_error = 0;
        parts[i].records = NULL;
        parts[i].size = 0;
    }
    for (int32_t i = 0; i < response.responses_count; i++) {
        for (int32_t j = 0; j < response.responses[i].partitions_count; j++) {
            const struct fetch_response_responses_partitions *got =
                &response.responses[i].partitions[j];
            struct remote_part *part = find(parts, count, (size_t)j, got->partition_index);
            if (part)
                take(got, topic, part);
        }
    }
    return 0;
}
