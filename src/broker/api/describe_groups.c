/* describe_groups.c - what groups are at: members, what they offered and were assigned. */
#include "broker/apis.h"
#include "broker/offsets.h"

#include "base/error.h"

#define VERSION_NOT_FOUND 6 /* an unknown group is an error */
#define GROUP_OPERATIONS (1 << 3 /* read */ | 1 << 6 /* delete */ | 1 << 8 /* describe */)

/* Under the lock of groups. What members offer and have is told once that is settled. */
static void describe(const struct group *group, struct copies *copies,
                     struct describe_groups_response_groups *to)
{
    bool stable = group->state == GROUP_STABLE;
    to->group_state = wire_text(group_state_name(group));
    to->protocol_type = copies_string(copies, group->protocol_type);
    if (stable)
        to->protocol_data = copies_string(copies, group->protocol);
    to->members = copies_array(copies, &wire_describe_groups_response_groups_members,
                               (int32_t)group->count, &to->members_count);
    for (int32_t i = 0; i < to->members_count; i++) {
        const struct member *from = group->members[i];
        struct describe_groups_response_groups_members *member = &to->members[i];
        member->member_id = copies_string(copies, from->id);
        member->group_instance_id = copies_string(copies, from->instance_id);
        member->client_id = copies_string(copies, from->client_id);
        member->client_host = copies_string(copies, from->client_host);
        if (!stable)
            continue;
        member->member_metadata = copies_bytes(copies, member_metadata(from, group->protocol));
        member->member_assignment = copies_bytes(copies, from->assignment);
    }
}

/* A group without members here: it has committed offsets, or there is no such group. */
static void describe_absent(struct broker *broker, const struct broker_request *request,
                            struct copies *copies, struct describe_groups_response_groups *to)
{
    const char *name = wire_copy(copies->arena, to->group_id);
    int result = name ? offsets_any(broker, name) : 0;
    copies->failed |= !name;
    if (result == 1) {
        to->group_state = wire_text("Empty");
    } else if (result < 0) {
        to->error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
    } else {
        to->group_state = wire_text("Dead");
        if (request->header.api_version < VERSION_NOT_FOUND)
            return;
        to->error_code = KAFKA_GROUP_ID_NOT_FOUND;
        to->error_message = wire_text(arena_print(copies->arena, "Group %s not found.", name));
    }
}

enum broker_outcome describe_groups_handle(struct broker *broker, struct broker_request *request,
                                           int64_t now_ms)
{
    const struct describe_groups_request *asked = request->body;
    struct describe_groups_response *answer = request->answer;
    struct copies copies = {.arena = &request->arena};
    answer->groups = copies_array(&copies, &wire_describe_groups_response_groups,
                                  asked->groups_count, &answer->groups_count);
    for (int32_t i = 0; i < answer->groups_count && !copies.failed; i++) {
        struct describe_groups_response_groups *to = &answer->groups[i];
        struct group *group;
        to->group_id = asked->groups[i];
        to->error_code = groups_enter(broker, asked->groups[i], now_ms, &group);
        if (to->error_code)
            continue;
        if (group)
            describe(group, &copies, to);
        groups_leave(broker, group, now_ms);
        if (!group)
            describe_absent(broker, request, &copies, to);
        if (!to->error_code && asked->include_authorized_operations)
            to->authorized_operations = GROUP_OPERATIONS;
    }
    if (!copies.failed)
        return BROKER_ANSWER;
    error_set(MAPLOG_NO_MEMORY, "no memory for a description of groups");
    return BROKER_CLOSE;
}
