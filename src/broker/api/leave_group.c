/* leave_group.c - members go, by themselves or by an administrator who names instance ids. */
#include "broker/apis.h"
#include "broker/groups.h"

#include "base/error.h"

#define VERSION_LIST 3 /* several members, each with its own code */

static int16_t leave(struct group *group, struct wire_string id, struct wire_string instance_id,
                     int64_t now_ms)
{
    struct member *member;
    if (!group)
        return KAFKA_UNKNOWN_MEMBER_ID;
    if (group_drop_pending(group, id))
        return KAFKA_NONE;
    if (id.size == 0) {
        member = group_find_static(group, instance_id);
        if (!member)
            return KAFKA_UNKNOWN_MEMBER_ID;
    } else {
        int16_t error = group_identify(group, id, instance_id, &member);
        if (error)
            return error;
    }
    rebalance_leave(group, member, KAFKA_UNKNOWN_MEMBER_ID, now_ms);
    return KAFKA_NONE;
}

enum broker_outcome leave_group_handle(struct broker *broker, struct broker_request *request,
                                       int64_t now_ms)
{
    static const struct wire_string null = {NULL, -1};
    const struct leave_group_request *asked = request->body;
    struct leave_group_response *answer = request->answer;
    struct copies copies = {.arena = &request->arena};
    bool is_list = request->header.api_version >= VERSION_LIST;
    struct group *group;
    if (is_list)
        answer->members = copies_array(&copies, &wire_leave_group_response_members,
                                       asked->members_count, &answer->members_count);
    if (copies.failed) {
        error_set(MAPLOG_NO_MEMORY, "no memory for an answer to LeaveGroup");
        return BROKER_CLOSE;
    }
    answer->error_code = groups_enter(broker, asked->group_id, now_ms, &group);
    if (answer->error_code) {
        answer->members_count = 0;
        return BROKER_ANSWER;
    }
    if (!is_list)
        answer->error_code = leave(group, asked->member_id, null, now_ms);
    for (int32_t i = 0; i < answer->members_count; i++) {
        const struct leave_group_request_members *one = &asked->members[i];
        answer->members[i] = (struct leave_group_response_members){
            one->member_id, one->group_instance_id,
            leave(group, one->member_id, one->group_instance_id, now_ms)};
    }
    groups_leave(broker, group, now_ms);
    return BROKER_ANSWER;
}
