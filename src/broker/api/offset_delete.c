/* offset_delete.c - takes committed offsets away: of topics that no member reads. */
#include "broker/apis.h"
#include "broker/offsets.h"

#include "base/error.h"

struct deletion {
    struct offsets_retry retry;
    const char *group;
    struct progress_entry *entries; /* room for all that are named */
    int result;                     /* of the commit */
};

/* Adds what may be deleted of one topic to the entries, and answers how many they are now. The lock
 * of groups is held. */
static size_t delete_topic(struct broker *broker, const struct group *group,
                           struct offset_delete_response_topics *topic,
                           const struct deletion *deletion, size_t count)
{
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        struct offset_delete_response_topics_partitions *partition = &topic->partitions[i];
        const char *name;
        partition->error_code =
            offsets_topic(broker, topic->name, NULL, partition->partition_index, &name);
        if (!partition->error_code && group && group_subscribes(group, name))
            partition->error_code = KAFKA_GROUP_SUBSCRIBED_TO_TOPIC;
        if (!partition->error_code)
            deletion->entries[count++] =
                (struct progress_entry){.group = deletion->group,
                                        .topic = name,
                                        .partition = partition->partition_index,
                                        .offset = -1,
                                        .leader_epoch = -1,
                                        .metadata = "",
                                        .committed_ms = -1,
                                        .expires_ms = -1};
    }
    return count;
}

/* Within the lock. */
static int16_t delete_offsets(struct broker *broker, struct offset_delete_response *answer,
                              const struct group *group, struct deletion *deletion)
{
    size_t count = 0;
    if (group && group->count > 0 && !group_of_consumers(group))
        return KAFKA_NON_EMPTY_GROUP;
    for (int32_t i = 0; i < answer->topics_count; i++)
        count = delete_topic(broker, group, &answer->topics[i], deletion, count);
    deletion->result = progress_commit(broker->progress, deletion->entries, count, false);
    return offsets_error(broker, deletion->group, deletion->result);
}

/* The answer's topics, without codes yet. NULL without memory. */
static struct deletion *prepare(struct broker_request *request)
{
    const struct offset_delete_request *asked = request->body;
    struct offset_delete_response *answer = request->answer;
    struct copies copies = {.arena = &request->arena};
    struct deletion *deletion = arena_take(&request->arena, sizeof *deletion);
    size_t count = 0;
    answer->topics = copies_array(&copies, &wire_offset_delete_response_topics, asked->topics_count,
                                  &answer->topics_count);
    for (int32_t i = 0; i < answer->topics_count; i++) {
        const struct offset_delete_request_topics *from = &asked->topics[i];
        struct offset_delete_response_topics *to = &answer->topics[i];
        to->name = from->name;
        to->partitions = copies_array(&copies, &wire_offset_delete_response_topics_partitions,
                                      from->partitions_count, &to->partitions_count);
        for (int32_t p = 0; p < to->partitions_count; p++)
            to->partitions[p].partition_index = from->partitions[p].partition_index;
        count += (size_t)to->partitions_count;
    }
    if (copies.failed || !deletion)
        return NULL;
    deletion->group = wire_copy(&request->arena, asked->group_id);
    deletion->entries = arena_take_array(&request->arena, count, sizeof *deletion->entries);
    return deletion->group && deletion->entries ? deletion : NULL;
}

enum broker_outcome offset_delete_handle(struct broker *broker, struct broker_request *request,
                                         int64_t now_ms)
{
    const struct offset_delete_request *asked = request->body;
    struct offset_delete_response *answer = request->answer;
    struct deletion *deletion = request->state;
    struct group *group;
    if (!deletion)
        request->state = deletion = prepare(request);
    if (!deletion) {
        error_set(MAPLOG_NO_MEMORY, "no memory for a deletion of offsets");
        return BROKER_CLOSE;
    }
    int16_t error = groups_enter(broker, asked->group_id, now_ms, &group);
    if (!error) {
        bool known = group || offsets_any(broker, deletion->group);
        error = known ? delete_offsets(broker, answer, group, deletion) : KAFKA_GROUP_ID_NOT_FOUND;
        groups_leave(broker, group, now_ms);
    }
    if (deletion->result == MAPLOG_BUSY && offsets_wait(request, &deletion->retry, now_ms))
        return BROKER_PARK;
    answer->error_code = error;
    if (error)
        answer->topics_count = 0;
    return BROKER_ANSWER;
}
