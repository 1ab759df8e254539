/* sync_group.c - the leader gives out assignments, and every member fetches its own. */
#include <stdlib.h>

#include "broker/apis.h"
#include "broker/groups.h"

#include "base/error.h"

/* Does a client that names one (version 5) mean another? */
static bool differs(struct wire_string asked, struct wire_string ours)
{
    return asked.size >= 0 && ours.size >= 0 && !member_is(asked, ours);
}

static int compare_ids(struct wire_string one, struct wire_string other)
{
    if (one.size != other.size)
        return one.size < other.size ? -1 : 1;
    return one.size > 0 ? memcmp(one.at, other.at, (size_t)one.size) : 0;
}

static int compare(const void *one, const void *other)
{
    return compare_ids(((const struct sync_group_request_assignments *)one)->member_id,
                       ((const struct sync_group_request_assignments *)other)->member_id);
}

/* For assignment_for(). */
static void sort_assignments(const struct sync_group_request *asked)
{
    if (asked->assignments_count > 1)
        qsort(asked->assignments, (size_t)asked->assignments_count, sizeof *asked->assignments,
              compare);
}

static struct wire_bytes assignment_for(const struct sync_group_request *asked,
                                        const struct member *member)
{
    int32_t begin = 0, end = asked->assignments_count;
    while (begin < end) {
        int32_t middle = begin + (end - begin) / 2;
        int order = compare_ids(member->id, asked->assignments[middle].member_id);
        if (order == 0)
            return asked->assignments[middle].assignment;
        if (order < 0)
            end = middle;
        else
            begin = middle + 1;
    }
    return (struct wire_bytes){(const uint8_t *)"", 0};
}

/* Takes the leader's assignments: whom it does not name gets nothing. */
static int16_t assign(struct broker *broker, struct broker_request *request, struct group *group,
                      int64_t now_ms)
{
    int16_t error = groups_admit(broker, group, bytes_left(&request->frame));
    for (size_t i = 0; !error && i < group->count; i++) {
        struct member *member = group->members[i];
        if (group_assign(group, member, assignment_for(request->body, member)))
            error = KAFKA_COORDINATOR_NOT_AVAILABLE;
    }
    if (!error)
        rebalance_finish(group, now_ms);
    return error;
}

/* The state of a request that has to wait for the leader; NULL without memory. */
static struct group_wait *park(struct broker_request *request, struct group *group,
                               struct member *member)
{
    struct group_wait *wait = arena_take(&request->arena, sizeof *wait);
    if (!wait)
        return NULL;
    const struct sync_group_request *asked = request->body;
    *wait = (struct group_wait){.request = request, .member_id = asked->member_id};
    group_park(group, member, &member->sync, wait);
    request->state = wait;
    return wait;
}

/* First call. request->state is set when it has to wait for the leader. */
static int16_t begin(struct broker *broker, struct broker_request *request, struct group *group,
                     int64_t now_ms)
{
    const struct sync_group_request *asked = request->body;
    struct member *member;
    if (!group)
        return KAFKA_UNKNOWN_MEMBER_ID;
    int16_t error = group_identify(group, asked->member_id, asked->group_instance_id, &member);
    if (error)
        return error;
    if (asked->generation_id != group->generation)
        return KAFKA_ILLEGAL_GENERATION;
    if (differs(asked->protocol_type, group->protocol_type) ||
        differs(asked->protocol_name, group->protocol))
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    if (group->state == GROUP_PREPARING)
        return KAFKA_REBALANCE_IN_PROGRESS;
    group_touch(group, member, now_ms);
    if (group->state == GROUP_COMPLETING && member == group->leader) {
        error = assign(broker, request, group, now_ms);
        if (error)
            return error;
    }
    rebalance_synced(group, member);
    if (group->state == GROUP_COMPLETING && !park(request, group, member))
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    return KAFKA_NONE;
}

static void tell_assignment(struct broker_request *request, struct group *group,
                            struct copies *copies)
{
    const struct sync_group_request *asked = request->body;
    struct sync_group_response *answer = request->answer;
    struct member *member = group ? group_find(group, asked->member_id) : NULL;
    if (!member) {
        answer->error_code = KAFKA_UNKNOWN_MEMBER_ID;
    } else if (group->state != GROUP_STABLE || asked->generation_id != group->generation) {
        answer->error_code = KAFKA_REBALANCE_IN_PROGRESS; /* since it was woken */
    } else {
        answer->protocol_type = copies_string(copies, group->protocol_type);
        answer->protocol_name = copies_string(copies, group->protocol);
        answer->assignment = copies_bytes(copies, member->assignment);
    }
}

enum broker_outcome sync_group_handle(struct broker *broker, struct broker_request *request,
                                      int64_t now_ms)
{
    const struct sync_group_request *asked = request->body;
    struct sync_group_response *answer = request->answer;
    struct copies copies = {.arena = &request->arena};
    struct group *group;
    if (!request->state)
        sort_assignments(asked);
    int16_t error = groups_enter(broker, asked->group_id, now_ms, &group);
    if (error) {
        answer->error_code = error;
        return BROKER_ANSWER;
    }
    if (!request->state)
        error = begin(broker, request, group, now_ms);
    struct group_wait *wait = request->state;
    bool parks = wait && !wait->done;
    if (wait && wait->done)
        error = wait->error;
    answer->error_code = error;
    if (parks)
        request->deadline_ms = group->deadline_ms;
    else if (!error)
        tell_assignment(request, group, &copies);
    groups_leave(broker, group, now_ms);
    if (copies.failed) {
        error_set(MAPLOG_NO_MEMORY, "no memory for an answer to group %.*s",
                  (int)asked->group_id.size, asked->group_id.at);
        return BROKER_CLOSE;
    }
    return parks ? BROKER_PARK : BROKER_ANSWER;
}

void sync_group_end(struct broker *broker, struct broker_request *request)
{
    groups_end_wait(broker, request);
}
