/*
 * join_group.c - a client becomes a member, or a member takes part in the next generation. The
 * answer waits until all have joined.
 */
#include "broker/apis.h"
#include "broker/groups.h"
#include "broker/parts.h"

#include "base/error.h"

#define VERSION_MEMBER_ID_REQUIRED 4 /* the id is given first, the join comes with it */
#define VERSION_SKIP_ASSIGNMENT 9    /* a leader can be told not to assign */

/* One request on its way. */
struct join {
    struct broker *broker;
    struct broker_request *request;
    const struct join_group_request *asked;
    struct group *group;
    struct group_wait *wait;
    struct join_group_response *answer;
    int64_t now_ms;
    struct copies copies;
};

static int16_t no_memory(void)
{
    return KAFKA_COORDINATOR_NOT_AVAILABLE;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void list_members(struct join *join)
{
    struct join_group_response *answer = join->answer;
    struct group *group = join->group;
    answer->members = copies_array(&join->copies, &wire_join_group_response_members,
                                   (int32_t)group->count, &answer->members_count);
    for (int32_t i = 0; i < answer->members_count; i++) {
        const struct member *member = group->members[i];
        answer->members[i] = (struct join_group_response_members){
            copies_string(&join->copies, member->id),
            copies_string(&join->copies, member->instance_id),
            copies_bytes(&join->copies, member_metadata(member, group->protocol)),
        };
    }
}

/* The member is one of the present generation. leader: who it is told leads it. */
static void tell_generation(struct join *join, const struct member *member,
                            struct wire_string leader)
{
    struct join_group_response *answer = join->answer;
    struct group *group = join->group;
    answer->generation_id = group->generation;
    answer->protocol_type = copies_string(&join->copies, group->protocol_type);
    answer->protocol_name = copies_string(&join->copies, group->protocol);
    answer->leader = copies_string(&join->copies, leader);
    answer->member_id = copies_string(&join->copies, member->id);
    if (member_is(leader, member->id))
        list_members(join);
}

/* ---- joining --------------------------------------------------------------------------------- */

/* The member takes part in the next generation, and waits for it. */
static int16_t wait_for(struct join *join, struct member *member)
{
    struct group_wait *wait = arena_take(&join->request->arena, sizeof *wait);
    join->copies = (struct copies){.arena = &join->request->arena};
    if (!wait) {
        join->copies.failed = true;
        return no_memory();
    }
    *wait = (struct group_wait){.request = join->request,
                                .member_id = copies_string(&join->copies, member->id)};
    rebalance_prepare(join->group, join->now_ms,
                      BROKER_SETTING(join->broker, group_initial_rebalance_delay_ms));
    rebalance_join(join->group, member, wait, join->now_ms);
    join->wait = join->request->state = wait;
    return KAFKA_NONE;
}

static int16_t add(struct join *join, struct wire_string id)
{
    struct group *group = join->group;
    int16_t error = groups_admit(join->broker, group, bytes_left(&join->request->frame));
    if (error)
        return error;
    struct member *member = member_create(id, join->request);
    if (!member || group_add(group, member, join->asked->protocol_type)) {
        member_free(member);
        return no_memory();
    }
    group->grew = true; /* preparing begins with false */
    return wait_for(join, member);
}

/* Is there room for one more? Those who take part already have their place. */
static bool has_room(const struct join *join, const struct member *member)
{
    const struct group *group = join->group;
    size_t most = (size_t)BROKER_SETTING(join->broker, group_max_size);
    if (group->state == GROUP_PREPARING)
        return (member && member->joined) || group->joined < most;
    return member || group->count < most;
}

/* A static member came back, perhaps while the group still believes in its former self: that one is
 * shut out, and the new one has its place. Nobody rebalances for it unless the group stands between
 * join and assignment, which will name the former id, or would choose another protocol now. */
static int16_t replace(struct join *join, struct member *member, struct wire_string id)
{
    struct group *group = join->group;
    bool leads = group->leader == member;
    struct wire_string former = copies_string(&join->copies, member->id);
    if (join->copies.failed || group_offer(group, member, join->asked) || member_rename(member, id))
        return no_memory();
    group_answer(group, &member->join, KAFKA_FENCED_INSTANCE_ID, join->now_ms);
    group_answer(group, &member->sync, KAFKA_FENCED_INSTANCE_ID, join->now_ms);
    group_touch(group, member, join->now_ms);
    if (group->state != GROUP_STABLE || !member_is(group_vote(group), group->protocol))
        return wait_for(join, member);
    if (leads && group_choose(group, group->protocol))
        return no_memory();
    join->answer->skip_assignment =
        leads && join->request->header.api_version >= VERSION_SKIP_ASSIGNMENT;
    /* What a leader assigned now would reach nobody. Where it cannot be told so, it is told that
     * its former self leads. */
    tell_generation(join, member,
                    leads && !join->answer->skip_assignment ? former : group->leader_id);
    return KAFKA_NONE;
}

static int16_t join_new(struct join *join)
{
    struct group *group = join->group;
    const struct join_group_request *asked = join->asked;
    bool is_static = asked->group_instance_id.size >= 0;
    struct member *member = group_find_static(group, asked->group_instance_id);
    struct wire_string id;
    if (!has_room(join, member))
        return KAFKA_GROUP_MAX_SIZE_REACHED;
    if (!group_supports(group, asked))
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    if (!groups_member_id(join->broker, &join->request->arena,
                          is_static ? asked->group_instance_id : join->request->header.client_id,
                          &id))
        return no_memory();
    if (member)
        return replace(join, member, id);
    if (is_static || join->request->header.api_version < VERSION_MEMBER_ID_REQUIRED)
        return add(join, id);
    int16_t error = groups_admit(join->broker, group, (size_t)id.size);
    if (error)
        return error;
    int result = group_add_pending(group, id, join->now_ms + asked->session_timeout_ms);
    if (result)
        return result == MAPLOG_LIMIT ? KAFKA_GROUP_MAX_SIZE_REACHED : no_memory();
    join->answer->member_id = id;
    return KAFKA_MEMBER_ID_REQUIRED;
}

static int16_t rejoin(struct join *join, struct member *member)
{
    struct group *group = join->group;
    bool same = member_offers_same(member, join->asked);
    group_touch(group, member, join->now_ms);
    /* It asks again because it did not get the first answer. A leader that asks again when all is
     * settled wants a rebalance: the topics changed, say. */
    if (same && (group->state == GROUP_COMPLETING ||
                 (group->state == GROUP_STABLE && group->leader != member))) {
        tell_generation(join, member, group->leader_id);
        return KAFKA_NONE;
    }
    int16_t error = groups_admit(join->broker, group, bytes_left(&join->request->frame));
    if (error)
        return error;
    if (group_offer(group, member, join->asked))
        return no_memory();
    return wait_for(join, member);
}

static int16_t join_known(struct join *join)
{
    struct group *group = join->group;
    const struct join_group_request *asked = join->asked;
    struct member *member = group_find(group, asked->member_id);
    bool pending = group_is_pending(group, asked->member_id);
    join->answer->member_id = asked->member_id;
    if ((member || pending) && !has_room(join, member)) {
        group_drop_pending(group, asked->member_id);
        if (member)
            rebalance_leave(group, member, KAFKA_GROUP_MAX_SIZE_REACHED, join->now_ms);
        join->answer->member_id = wire_text("");
        return KAFKA_GROUP_MAX_SIZE_REACHED;
    }
    if (!group_supports(group, asked))
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    if (pending && asked->group_instance_id.size < 0) {
        int16_t error = add(join, asked->member_id);
        if (!error)
            group_drop_pending(group, asked->member_id);
        return error;
    }
    int16_t error = group_identify(group, asked->member_id, asked->group_instance_id, &member);
    return error ? error : rejoin(join, member);
}

/* ---- the request ----------------------------------------------------------------------------- */

static int16_t check(struct broker *broker, const struct join_group_request *asked)
{
    if (asked->session_timeout_ms < BROKER_SETTING(broker, group_min_session_ms) ||
        asked->session_timeout_ms > BROKER_SETTING(broker, group_max_session_ms))
        return KAFKA_INVALID_SESSION_TIMEOUT;
    if (asked->protocols_count > LIMIT_GROUP_PROTOCOLS)
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    return KAFKA_NONE;
}

static int16_t begin(struct join *join)
{
    const struct join_group_request *asked = join->asked;
    int16_t error = check(join->broker, asked);
    if (error) {
        join->answer->member_id = asked->member_id;
        return error;
    }
    if (asked->member_id.size == 0) {
        error = groups_make(join->broker, asked->group_id, join->now_ms, &join->group);
        if (!error)
            error = join_new(join);
    } else if (!join->group) {
        join->answer->member_id = asked->member_id;
        error = KAFKA_UNKNOWN_MEMBER_ID;
    } else {
        error = join_known(join);
    }
    if (join->group)
        rebalance_advance(join->group, join->now_ms); /* it may have been the last one */
    return error;
}

/* What became of the wait. Since it was answered the group may have moved on: the member hears that
 * when it asks for its assignment. */
static int16_t finish(struct join *join)
{
    struct group_wait *wait = join->wait;
    struct group *group = join->group;
    struct member *member = group ? group_find(group, wait->member_id) : NULL;
    join->answer->member_id = wait->member_id;
    if (wait->error)
        return wait->error;
    if (!member)
        return KAFKA_UNKNOWN_MEMBER_ID;
    tell_generation(join, member, group->leader_id);
    return KAFKA_NONE;
}

enum broker_outcome join_group_handle(struct broker *broker, struct broker_request *request,
                                      int64_t now_ms)
{
    struct join join = {.broker = broker,
                        .request = request,
                        .asked = request->body,
                        .wait = request->state,
                        .answer = request->answer,
                        .now_ms = now_ms,
                        .copies = {.arena = &request->arena}};
    struct join_group_response *answer = join.answer;
    answer->protocol_name = (struct wire_string){NULL, -1};
    int16_t error = groups_enter(broker, join.asked->group_id, now_ms, &join.group);
    if (error) {
        answer->member_id = join.asked->member_id;
        answer->error_code = error;
        return BROKER_ANSWER;
    }
    error = join.wait ? KAFKA_NONE : begin(&join);
    bool parks = join.wait && !join.wait->done;
    if (parks)
        request->deadline_ms = join.group->deadline_ms;
    else if (join.wait)
        error = finish(&join);
    groups_leave(broker, join.group, now_ms);
    if (join.copies.failed) {
        error_set(MAPLOG_NO_MEMORY, "no memory for an answer to group %.*s",
                  (int)join.asked->group_id.size, join.asked->group_id.at);
        return BROKER_CLOSE;
    }
    answer->error_code = error;
    return parks ? BROKER_PARK : BROKER_ANSWER;
}

void join_group_end(struct broker *broker, struct broker_request *request)
{
    groups_end_wait(broker, request);
}
