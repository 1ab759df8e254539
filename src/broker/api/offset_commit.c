/* offset_commit.c - how far a group has come, kept in the log. */
#include "broker/apis.h"
#include "broker/offsets.h"

#include "base/error.h"

#define VERSION_TOPIC_IDS 10

/* One request on its way: what it commits, and where the answer says what became of each. */
struct commit {
    struct offsets_retry retry;
    const char *group;
    struct progress_entry *entries;
    struct offset_commit_response_topics_partitions **answers;
    size_t count;
};

static size_t count_partitions(const struct offset_commit_request *asked)
{
    size_t count = 0;
    for (int32_t i = 0; i < asked->topics_count; i++)
        count += (size_t)asked->topics[i].partitions_count;
    return count;
}

/* Any bytes will do. */
static int16_t check_metadata(struct broker *broker, struct wire_string metadata)
{
    int32_t most = BROKER_SETTING(broker, offset_metadata_max_bytes);
    if (metadata.size > most || metadata.size > PROGRESS_METADATA_MAX)
        return KAFKA_OFFSET_METADATA_TOO_LARGE;
    return KAFKA_NONE;
}

/* Adds one partition to the commit, or says why not. */
static int16_t add(struct broker *broker, struct broker_request *request, struct commit *commit,
                   const struct offset_commit_request_topics *topic, int32_t index)
{
    const struct offset_commit_request *asked = request->body;
    const struct offset_commit_request_topics_partitions *from = &topic->partitions[index];
    const struct uuid *id =
        request->header.api_version >= VERSION_TOPIC_IDS ? &topic->topic_id : NULL;
    const char *name;
    int16_t error = offsets_topic(broker, topic->name, id, from->partition_index, &name);
    if (!error)
        error = check_metadata(broker, from->committed_metadata);
    if (!error && from->committed_offset < -1)
        error = KAFKA_INVALID_REQUEST;
    if (error)
        return error;
    const struct wire_string metadata =
        from->committed_metadata; /* the frame outlives the commit */
    commit->entries[commit->count++] = (struct progress_entry){
        .group = commit->group,
        .topic = name,
        .partition = from->partition_index,
        .offset = from->committed_offset, /* -1 takes it away, which is how it reads */
        .leader_epoch = from->committed_leader_epoch,
        .metadata = metadata.size > 0 ? metadata.at : "",
        .metadata_size = metadata.size > 0 ? (size_t)metadata.size : 0,
        .expires_ms = asked->retention_time_ms,
    };
    return KAFKA_NONE;
}

/* Fills the answer but for the codes that the commit will give. NULL without memory. */
static struct commit *prepare(struct broker *broker, struct broker_request *request, int64_t now_ms)
{
    const struct offset_commit_request *asked = request->body;
    struct offset_commit_response *answer = request->answer;
    struct copies copies = {.arena = &request->arena};
    struct commit *commit = arena_take(&request->arena, sizeof *commit);
    size_t room = count_partitions(asked);
    if (!commit)
        return NULL;
    commit->group = wire_copy(&request->arena, asked->group_id);
    commit->entries = arena_take_array(&request->arena, room, sizeof *commit->entries);
    commit->answers = arena_take_array(&request->arena, room, sizeof(void *));
    answer->topics = copies_array(&copies, &wire_offset_commit_response_topics, asked->topics_count,
                                  &answer->topics_count);
    if (!commit->group || !commit->entries || !commit->answers)
        return NULL;
    for (int32_t i = 0; i < answer->topics_count; i++) {
        const struct offset_commit_request_topics *from = &asked->topics[i];
        struct offset_commit_response_topics *to = &answer->topics[i];
        to->name = from->name;
        to->topic_id = from->topic_id;
        to->partitions = copies_array(&copies, &wire_offset_commit_response_topics_partitions,
                                      from->partitions_count, &to->partitions_count);
        for (int32_t p = 0; p < to->partitions_count; p++) {
            commit->answers[commit->count] = &to->partitions[p];
            to->partitions[p].partition_index = from->partitions[p].partition_index;
            to->partitions[p].error_code = add(broker, request, commit, from, p);
        }
    }
    int64_t wall_ms = broker_wall_ms(broker, now_ms);
    for (size_t i = 0; i < commit->count; i++) {
        int64_t *expires_ms = &commit->entries[i].expires_ms;
        commit->entries[i].committed_ms = wall_ms;
        if (*expires_ms >= 0 && __builtin_add_overflow(*expires_ms, wall_ms, expires_ms))
            *expires_ms = INT64_MAX;
    }
    return copies.failed ? NULL : commit;
}

/* Who commits is checked, and it is committed, under one lock: a member that lost its partitions
 * cannot come in between. May be MAPLOG_BUSY in *result. */
static int16_t commit_now(struct broker *broker, const struct offset_commit_request *asked,
                          const struct commit *commit, int64_t now_ms, int *result)
{
    struct group *group;
    *result = 0;
    int16_t error = groups_enter(broker, asked->group_id, now_ms, &group);
    if (error)
        return error;
    if (group)
        error = group_check_commit(group, asked, now_ms);
    else if (asked->generation_id_or_member_epoch >= 0) /* of before a restart: it joins anew */
        error = asked->member_id.size > 0 ? KAFKA_UNKNOWN_MEMBER_ID : KAFKA_ILLEGAL_GENERATION;
    if (!error)
        *result = progress_commit(broker->progress, commit->entries, commit->count, false);
    groups_leave(broker, group, now_ms);
    return error ? error : offsets_error(broker, commit->group, *result);
}

enum broker_outcome offset_commit_handle(struct broker *broker, struct broker_request *request,
                                         int64_t now_ms)
{
    struct commit *commit = request->state;
    int result;
    if (!commit)
        request->state = commit = prepare(broker, request, now_ms);
    if (!commit) {
        error_set(MAPLOG_NO_MEMORY, "no memory for a commit of offsets");
        return BROKER_CLOSE;
    }
    int16_t error = commit_now(broker, request->body, commit, now_ms, &result);
    if (result == MAPLOG_BUSY && offsets_wait(request, &commit->retry, now_ms))
        return BROKER_PARK;
    for (size_t i = 0; i < commit->count; i++)
        commit->answers[i]->error_code = error;
    return BROKER_ANSWER;
}
