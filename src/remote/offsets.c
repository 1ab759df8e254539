/* offsets.c - how far a topic's partitions reach; see topics.h. */
#include <string.h>

#include "base/error.h"
#include "remote/failure.h"
#include "remote/topics.h"

static int unanswered(const struct remote *remote, const char *topic)
{
    return error_set(MAPLOG_CORRUPT, "%s: the answer says nothing of some partitions of topic %s",
                     remote->address, topic);
}

/* Both lists are in the same order with every server; nothing relies on it. */
static struct remote_offset *find(struct remote_offset *offsets, size_t count, int32_t partition)
{
    for (size_t i = 0; i < count; i++) {
        if (offsets[i].partition == partition)
            return &offsets[i];
    }
    return NULL;
}

static int take_offsets(const struct list_offsets_response *response, const char *topic,
                        struct remote_offset *offsets, size_t count)
{
    const struct list_offsets_response_topics *row = &response->topics[0];
    for (int32_t i = 0; i < row->partitions_count; i++) {
        const struct list_offsets_response_topics_partitions *part = &row->partitions[i];
        if (part->error_code)
            return remote_failure(part->error_code, wire_text(NULL), "topic %s, partition %d",
                                  topic, (int)part->partition_index);
        bool same = (size_t)i < count && offsets[i].partition == part->partition_index;
        struct remote_offset *found =
            same ? &offsets[i] : find(offsets, count, part->partition_index);
        if (!found)
            continue;
        found->offset = part->offset;
        found->leader_epoch = part->leader_epoch;
    }
    return 0;
}

int remote_list_offsets(struct remote *remote, const char *topic, int64_t time,
                        struct remote_offset *offsets, size_t count)
{
    struct list_offsets_request request;
    struct list_offsets_request_topics row;
    struct list_offsets_response response;
    if (count == 0)
        return 0;
    struct arena *arena = remote_begin(remote);
    wire_init(&wire_list_offsets_request, &request);
    wire_init(&wire_list_offsets_request_topics, &row);
    row.name = wire_text(topic);
    row.partitions =
        wire_array(arena, &wire_list_offsets_request_topics_partitions, (int32_t)count);
    row.partitions_count = (int32_t)count;
    if (!row.partitions)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %zu partitions", count);
    for (size_t i = 0; i < count; i++) {
        row.partitions[i].partition_index = offsets[i].partition;
        row.partitions[i].timestamp = time;
    }
    request.replica_id = -1;
    request.topics = &row;
    request.topics_count = 1;
    int result = remote_call(remote, REMOTE_LIST_OFFSETS, &request, &response);
    if (!result &&
        (response.topics_count != 1 || response.topics[0].partitions_count != (int32_t)count))
        result = unanswered(remote, topic);
    return result ? result : take_offsets(&response, topic, offsets, count);
}

/* Sizes on the server's disk, where it tells them. */
static int take_sizes(struct remote *remote, const char *topic, int32_t count,
                      struct maplog_partition *found)
{
    struct describe_log_dirs_request request;
    struct describe_log_dirs_request_topics row;
    struct describe_log_dirs_response response;
    if (remote->versions[REMOTE_DESCRIBE_LOG_DIRS] < 0)
        return 0;
    struct arena *arena = remote_begin(remote);
    wire_init(&wire_describe_log_dirs_request, &request);
    wire_init(&wire_describe_log_dirs_request_topics, &row);
    row.topic = wire_text(topic);
    row.partitions = arena_take_array(arena, (size_t)count, sizeof *row.partitions);
    row.partitions_count = count;
    if (!row.partitions)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %d partitions", (int)count);
    for (int32_t i = 0; i < count; i++)
        row.partitions[i] = i;
    request.topics = &row;
    request.topics_count = 1;
    int result = remote_call(remote, REMOTE_DESCRIBE_LOG_DIRS, &request, &response);
    for (int32_t i = 0; !result && i < response.results_count; i++) {
        for (int32_t j = 0; j < response.results[i].topics_count; j++) {
            const struct describe_log_dirs_response_results_topics *sizes =
                &response.results[i].topics[j];
            for (int32_t k = 0; wire_equal(sizes->name, topic) && k < sizes->partitions_count;
                 k++) {
                int32_t number = sizes->partitions[k].partition_index;
                if (number >= 0 && number < count && !sizes->partitions[k].is_future_key)
                    found[number].bytes = sizes->partitions[k].partition_size;
            }
        }
    }
    return result;
}

int remote_partitions_describe(struct remote *remote, const char *topic, int32_t count,
                               struct maplog_partition *found)
{
    struct arena arena = {.limit = SIZE_MAX};
    struct remote_offset *offsets = arena_take_array(&arena, (size_t)count, sizeof *offsets);
    if (!offsets)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %d partitions", (int)count);
    for (int32_t i = 0; i < count; i++) {
        offsets[i].partition = i;
        found[i] = (struct maplog_partition){.durable_offset = -1, .bytes = -1, .segments = -1};
    }
    int result = remote_list_offsets(remote, topic, REMOTE_EARLIEST, offsets, (size_t)count);
    for (int32_t i = 0; !result && i < count; i++)
        found[i].start_offset = offsets[i].offset;
    if (!result)
        result = remote_list_offsets(remote, topic, REMOTE_LATEST, offsets, (size_t)count);
    for (int32_t i = 0; !result && i < count; i++) {
        found[i].end_offset = offsets[i].offset;
        found[i].leader_epoch = offsets[i].leader_epoch;
    }
    arena_reset(&arena);
    return result ? result : take_sizes(remote, topic, count, found);
}

int remote_delete_records(struct remote *remote, const char *topic, int32_t partition,
                          int64_t before)
{
    struct delete_records_request request;
    struct delete_records_request_topics row;
    struct delete_records_request_topics_partitions part;
    struct delete_records_response response;
    remote_begin(remote);
    wire_init(&wire_delete_records_request, &request);
    wire_init(&wire_delete_records_request_topics, &row);
    wire_init(&wire_delete_records_request_topics_partitions, &part);
    part.partition_index = partition;
    part.offset = before;
    row.name = wire_text(topic);
    row.partitions = &part;
    row.partitions_count = 1;
    request.topics = &row;
    request.topics_count = 1;
    request.timeout_ms = remote->timeout_ms;
    int result = remote_call(remote, REMOTE_DELETE_RECORDS, &request, &response);
    if (result)
        return result;
    if (response.topics_count != 1 || response.topics[0].partitions_count != 1)
        return unanswered(remote, topic);
    int16_t code = response.topics[0].partitions[0].error_code;
    return code ? remote_failure(code, wire_text(NULL),
                                 "topic %s, partition %d: deleting before "
                                 "offset %lld",
                                 topic, (int)partition, (long long)before)
                : 0;
}
