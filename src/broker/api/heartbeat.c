/* heartbeat.c - a member says that it is there, and hears whether it has to join anew. */
#include "broker/apis.h"
#include "broker/groups.h"

static int16_t beat(struct group *group, const struct heartbeat_request *asked, int64_t now_ms)
{
    struct member *member;
    if (!group)
        return KAFKA_UNKNOWN_MEMBER_ID;
    int16_t error = group_identify(group, asked->member_id, asked->group_instance_id, &member);
    if (error)
        return error;
    if (asked->generation_id != group->generation)
        return KAFKA_ILLEGAL_GENERATION;
    group_touch(group, member, now_ms);
    return group->state == GROUP_PREPARING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

enum broker_outcome heartbeat_handle(struct broker *broker, struct broker_request *request,
                                     int64_t now_ms)
{
    const struct heartbeat_request *asked = request->body;
    struct heartbeat_response *answer = request->answer;
    struct group *group;
    answer->error_code = groups_enter(broker, asked->group_id, now_ms, &group);
    if (!answer->error_code) {
        answer->error_code = beat(group, asked, now_ms);
        groups_leave(broker, group, now_ms);
    }
    return BROKER_ANSWER;
}
