/* describe_log_dirs.c - DescribeLogDirs: what the data directory holds, and how much room is left.
 */
#include <string.h>

#include "base/error.h"
#include "broker/admin.h"
#include "broker/apis.h"
#include "log/space.h"

typedef struct describe_log_dirs_response_results answered;
typedef struct describe_log_dirs_response_results_topics answered_topic;

/* Which partitions are wanted; sizes come later, for they wait for the disk. */
static int begin_topic(struct arena *arena, const char *name, int32_t partitions,
                       answered_topic *to)
{
    to->name = wire_text(name);
    to->partitions =
        wire_array(arena, &wire_describe_log_dirs_response_results_topics_partitions, partitions);
    return to->partitions ? 0 : MAPLOG_NO_MEMORY;
}

/* All that there is; the directory's lock is held. */
static int list_all(struct arena *arena, const struct catalog *catalog, answered *to)
{
    to->topics =
        wire_array(arena, &wire_describe_log_dirs_response_results_topics, (int32_t)catalog->count);
    int result = to->topics ? 0 : MAPLOG_NO_MEMORY;
    for (size_t t = 0; !result && t < catalog->count; t++) {
        const struct catalog_topic *topic = catalog->topics[t];
        answered_topic *listed = &to->topics[to->topics_count++];
        char *name = arena_copy(arena, topic->name, strlen(topic->name));
        result = name ? begin_topic(arena, name, topic->partitions, listed) : MAPLOG_NO_MEMORY;
        listed->partitions_count = result ? 0 : topic->partitions;
        for (int32_t p = 0; p < listed->partitions_count; p++)
            listed->partitions[p].partition_index = p;
    }
    return result;
}

static int list_asked(struct arena *arena, const struct describe_log_dirs_request *body,
                      answered *to)
{
    to->topics =
        wire_array(arena, &wire_describe_log_dirs_response_results_topics, body->topics_count);
    int result = to->topics ? 0 : MAPLOG_NO_MEMORY;
    for (int32_t t = 0; !result && t < body->topics_count; t++) {
        int32_t count = body->topics[t].partitions_count;
        answered_topic *listed = &to->topics[to->topics_count++];
        char *name = admin_copy(arena, body->topics[t].topic);
        result = name ? begin_topic(arena, name, count, listed) : MAPLOG_NO_MEMORY;
        listed->partitions_count = result ? 0 : count;
        for (int32_t p = 0; p < listed->partitions_count; p++)
            listed->partitions[p].partition_index = body->topics[t].partitions[p];
    }
    return result;
}

static int list(struct broker *broker, struct broker_request *request, answered *to)
{
    const struct describe_log_dirs_request *body = request->body;
    struct directory *directory = broker->directory;
    if (body->topics_count >= 0)
        return list_asked(&request->arena, body, to);
    pthread_mutex_lock(&directory->lock);
    int result = directory_refresh(directory);
    if (!result)
        result = list_all(&request->arena, &directory->catalog, to);
    pthread_mutex_unlock(&directory->lock);
    return result;
}

/* Fills the sizes in; partitions that are not there are left out. */
static void measure(struct broker *broker, answered *to)
{
    int32_t topics = 0;
    for (int32_t t = 0; t < to->topics_count; t++) {
        answered_topic *topic = &to->topics[t];
        int32_t kept = 0;
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            int32_t number = topic->partitions[p].partition_index;
            int64_t bytes;
            if (space_of_partition(broker->directory, topic->name.at, number, &bytes))
                continue;
            topic->partitions[kept].partition_index = number;
            topic->partitions[kept++].partition_size = bytes;
        }
        topic->partitions_count = kept;
        if (kept)
            to->topics[topics++] = *topic;
    }
    to->topics_count = topics;
}

static bool describe(struct broker *broker, struct broker_request *request)
{
    struct describe_log_dirs_response *answer = request->answer;
    struct directory *directory = broker->directory;
    answered *to = wire_array(&request->arena, &wire_describe_log_dirs_response_results, 1);
    if (!to)
        return false;
    answer->results = to;
    answer->results_count = 1;
    to->log_dir = wire_text(directory->path);
    int result = list(broker, request, to);
    if (result == MAPLOG_NO_MEMORY)
        return false;
    if (!result)
        result = space_of_directory(directory, &to->total_bytes, &to->usable_bytes);
    if (result) {
        broker_note(broker, 'E', "the data directory cannot be described: %s", error_text());
        to->error_code = KAFKA_KAFKA_STORAGE_ERROR;
        to->topics_count = 0;
    }
    measure(broker, to);
    return true;
}

static void work(struct broker_request *request)
{
    struct admin *admin = request->state;
    admin->failed = !describe(admin->broker, request);
}

enum broker_outcome describe_log_dirs_handle(struct broker *broker, struct broker_request *request,
                                             int64_t now_ms)
{
    (void)now_ms;
    return admin_cold(broker, request, sizeof(struct admin), work);
}
