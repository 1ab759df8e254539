#include "broker/rebalance.h"

#include "broker/parts.h"

/* A new member cannot send heartbeats, since it does not know its id yet, and its client may be
 * gone for long: without a limit, clients that give up and try again would fill the group. */
#define NEW_MEMBER_MS 300000
#define AGAIN_MS 1000 /* at least, between two looks whether somebody joined */

static int64_t longest_rebalance_ms(const struct group *group)
{
    int64_t longest = 0;
    for (size_t i = 0; i < group->count; i++) {
        if (group->members[i]->rebalance_ms > longest)
            longest = group->members[i]->rebalance_ms;
    }
    return longest;
}

static void set_deadline(struct group *group, int64_t deadline_ms)
{
    group->deadline_ms = deadline_ms;
    group_due(group, deadline_ms);
}

void rebalance_prepare(struct group *group, int64_t now_ms, int32_t delay_ms)
{
    if (group->state == GROUP_PREPARING)
        return;
    group->initial = group->state == GROUP_EMPTY;
    group->state = GROUP_PREPARING;
    group->joined = 0;
    for (size_t i = 0; i < group->count; i++) {
        struct member *member = group->members[i];
        group_answer(group, &member->sync, KAFKA_REBALANCE_IN_PROGRESS, now_ms);
        member->joined = false;
    }
    set_deadline(group, now_ms + longest_rebalance_ms(group));
    if (group->initial) {
        group->grew = false;
        group->delay_ms = delay_ms;
        group->limit_ms = group->deadline_ms;
        set_deadline(group, now_ms + delay_ms);
    }
}

void rebalance_join(struct group *group, struct member *member, struct group_wait *wait,
                    int64_t now_ms)
{
    group->joined += !member->joined;
    member->joined = true;
    group_park(group, member, &member->join, wait);
    if (member->is_new) {
        member->expires_ms = now_ms + NEW_MEMBER_MS;
        group_due(group, member->expires_ms);
    }
}

/* ---- who is not heard of --------------------------------------------------------------------- */

void rebalance_leave(struct group *group, struct member *member, int16_t error, int64_t now_ms)
{
    group_remove(group, member, error, now_ms);
    rebalance_prepare(group, now_ms, 0);
}

static void expire_members(struct group *group, int64_t now_ms)
{
    for (size_t i = group->count; i-- > 0;) {
        struct member *member = group->members[i];
        if (member->expires_ms > now_ms || member_waits(member))
            continue;
        broker_note(group->broker, 'I', "group %s: member %.*s was not heard of for %d ms",
                    group->name, (int)member->id.size, member->id.at, member->session_ms);
        rebalance_leave(group, member, KAFKA_UNKNOWN_MEMBER_ID, now_ms);
    }
}

/* Those who joined and then did not ask for their assignment in time: the group does without. */
static void drop_unsynced(struct group *group, int64_t now_ms)
{
    bool dropped = false;
    for (size_t i = group->count; i-- > 0;) {
        if (!group->members[i]->synced) {
            group_remove(group, group->members[i], KAFKA_UNKNOWN_MEMBER_ID, now_ms);
            dropped = true;
        }
    }
    group->deadline_ms = INT64_MAX;
    if (dropped)
        rebalance_prepare(group, now_ms, 0);
}

/* ---- the next generation --------------------------------------------------------------------- */

static bool is_ready(struct group *group, int64_t now_ms)
{
    if (!group->initial)
        return (group->joined == group->count && group->pending_count == 0) ||
               now_ms >= group->deadline_ms;
    if (now_ms >= group->deadline_ms && group->grew && group->deadline_ms < group->limit_ms) {
        int64_t later = group->deadline_ms + group->delay_ms;
        group->grew = false;
        set_deadline(group, later < group->limit_ms ? later : group->limit_ms);
    }
    return now_ms >= group->deadline_ms;
}

/* Static members who are missing stay until their session ends: they come back without a rebalance.
 * Others go. */
static void drop_missing(struct group *group, int64_t now_ms)
{
    struct member *joined = NULL;
    for (size_t i = group->count; i-- > 0;) {
        struct member *member = group->members[i];
        if (member->joined)
            joined = member;
        else if (member->instance_id.size < 0)
            group_remove(group, member, KAFKA_UNKNOWN_MEMBER_ID, now_ms);
    }
    if (group->leader && !group->leader->joined && joined)
        group->leader = joined;
}

static void become_empty(struct group *group, int64_t now_ms)
{
    group_choose(group, (struct wire_string){NULL, -1});
    group->state = GROUP_EMPTY;
    group->empty_since_ms = broker_wall_ms(group->broker, now_ms);
    group->deadline_ms = INT64_MAX;
}

static void complete(struct group *group, int64_t now_ms)
{
    drop_missing(group, now_ms);
    if (group->count > 0 && group->joined == 0) { /* static members, and nobody to lead them */
        int64_t longest_ms = longest_rebalance_ms(group);
        set_deadline(group, now_ms + (longest_ms > AGAIN_MS ? longest_ms : AGAIN_MS));
        return;
    }
    if (group->count > 0 && group_choose(group, group_vote(group))) {
        set_deadline(group, now_ms + 1); /* no memory: try again */
        return;
    }
    group->generation = group->generation == INT32_MAX ? 1 : group->generation + 1;
    group->initial = false;
    if (group->count == 0) {
        become_empty(group, now_ms);
        return;
    }
    broker_note(group->broker, 'D', "group %s: generation %d has %zu members", group->name,
                group->generation, group->count);
    group->state = GROUP_COMPLETING;
    set_deadline(group, now_ms + longest_rebalance_ms(group));
    for (size_t i = 0; i < group->count; i++) {
        struct member *member = group->members[i];
        member->is_new = member->joined = member->synced = false;
        group_touch(group, member, now_ms);
        group_answer(group, &member->join, KAFKA_NONE, now_ms);
    }
    group->joined = 0;
}

void rebalance_synced(struct group *group, struct member *member)
{
    member->synced = true;
    for (size_t i = 0; i < group->count; i++) {
        if (!group->members[i]->synced)
            return;
    }
    group->deadline_ms = INT64_MAX;
}

void rebalance_finish(struct group *group, int64_t now_ms)
{
    group->state = GROUP_STABLE;
    for (size_t i = 0; i < group->count; i++)
        group_answer(group, &group->members[i]->sync, KAFKA_NONE, now_ms);
}

/* ---- time ------------------------------------------------------------------------------------ */

/* When something may happen by itself; never too late. */
static int64_t next_due_ms(const struct group *group)
{
    int64_t due = group->deadline_ms;
    for (size_t i = 0; i < group->pending_count; i++)
        due = group->pending[i].expires_ms < due ? group->pending[i].expires_ms : due;
    for (size_t i = 0; i < group->count; i++) {
        const struct member *member = group->members[i];
        if (!member_waits(member) && member->expires_ms < due)
            due = member->expires_ms;
    }
    return due;
}

void rebalance_advance(struct group *group, int64_t now_ms)
{
    bool due = now_ms >= group->due_ms;
    if (due) {
        group_expire_pending(group, now_ms);
        expire_members(group, now_ms);
        if ((group->state == GROUP_COMPLETING || group->state == GROUP_STABLE) &&
            now_ms >= group->deadline_ms)
            drop_unsynced(group, now_ms);
    }
    if (group->state == GROUP_PREPARING && is_ready(group, now_ms))
        complete(group, now_ms);
    if (due)
        group->due_ms = next_due_ms(group);
}
