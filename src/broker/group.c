#include "broker/group.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "broker/parts.h"

/* 2025-01-01. The first generation of a group is the number of seconds since then: a group that a
 * server does not know any more, after a restart or because it was deleted, goes on above every
 * generation it had, unless it rebalanced more than once a second all the time. Members of before
 * are refused by their ids already; but assignors compare the generations that members say they own
 * their partitions from, and must not take the older claim for the newer one. */
#define GENERATIONS_BEGIN_MS 1735689600000
#define CONSUMER_TYPE "consumer"
#define SUBSCRIPTION_VERSION_MAX 3

static const struct wire_string null = {NULL, -1};

struct group *group_create(struct broker *broker, struct wire_string name, int64_t now_ms)
{
    struct group *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    made->name = strndup(name.at, (size_t)name.size);
    if (!made->name) {
        free(made);
        return NULL;
    }
    int64_t wall_ms = broker_wall_ms(broker, now_ms);
    int64_t seconds = (wall_ms - GENERATIONS_BEGIN_MS) / 1000;
    made->broker = broker;
    made->generation = seconds > 0 && seconds < INT32_MAX ? (int32_t)seconds : 0;
    made->protocol_type = (struct wire_string){NULL, 0};
    made->protocol = made->leader_id = null;
    made->deadline_ms = INT64_MAX;
    made->due_ms = INT64_MAX;
    made->empty_since_ms = wall_ms;
    made->bytes = sizeof *made + (size_t)name.size;
    return made;
}

void group_free(struct group *group)
{
    if (!group)
        return;
    for (size_t i = 0; i < group->count; i++)
        member_free(group->members[i]);
    for (size_t i = 0; i < group->pending_count; i++)
        free((void *)group->pending[i].id.at);
    free(group->members);
    free(group->pending);
    free((void *)group->protocol_type.at);
    free((void *)group->protocol.at);
    free((void *)group->leader_id.at);
    free(group->name);
    free(group);
}

const char *group_state_name(const struct group *group)
{
    static const char *const names[] = {
        [GROUP_EMPTY] = "Empty",
        [GROUP_PREPARING] = "PreparingRebalance",
        [GROUP_COMPLETING] = "CompletingRebalance",
        [GROUP_STABLE] = "Stable",
    };
    return names[group->state];
}

/* ---- who ------------------------------------------------------------------------------------- */

struct member *group_find(const struct group *group, struct wire_string id)
{
    for (size_t i = 0; i < group->count; i++) {
        if (member_is(group->members[i]->id, id))
            return group->members[i];
    }
    return NULL;
}

struct member *group_find_static(const struct group *group, struct wire_string instance_id)
{
    for (size_t i = 0; instance_id.size >= 0 && i < group->count; i++) {
        if (member_is(group->members[i]->instance_id, instance_id))
            return group->members[i];
    }
    return NULL;
}

int16_t group_identify(const struct group *group, struct wire_string id,
                       struct wire_string instance_id, struct member **member)
{
    *member = instance_id.size >= 0 ? group_find_static(group, instance_id) : group_find(group, id);
    if (!*member)
        return KAFKA_UNKNOWN_MEMBER_ID;
    return member_is((*member)->id, id) ? KAFKA_NONE : KAFKA_FENCED_INSTANCE_ID;
}

int16_t group_check_commit(struct group *group, const struct offset_commit_request *asked,
                           int64_t now_ms)
{
    struct member *member;
    int32_t generation = asked->generation_id_or_member_epoch;
    if (generation < 0 && group->state == GROUP_EMPTY)
        return KAFKA_NONE; /* by an administrator, or a consumer that was assigned by hand */
    int16_t error = group_identify(group, asked->member_id, asked->group_instance_id, &member);
    if (error)
        return error;
    if (generation != group->generation)
        return KAFKA_ILLEGAL_GENERATION;
    group_touch(group, member, now_ms);
    /* While members are joining the next generation, those of this one still own what they have. */
    return group->state == GROUP_COMPLETING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

/* ---- what they have in common ---------------------------------------------------------------- */

static int32_t place_of(const struct member *member, struct wire_string protocol)
{
    int32_t at = 0;
    while (at < member->protocol_count && !member_is(member->protocols[at].name, protocol))
        at++;
    return at;
}

static bool all_offer(const struct group *group, struct wire_string protocol)
{
    for (size_t i = 0; i < group->count; i++) {
        if (place_of(group->members[i], protocol) == group->members[i]->protocol_count)
            return false;
    }
    return true;
}

bool group_supports(const struct group *group, const struct join_group_request *asked)
{
    if (asked->protocol_type.size == 0 || asked->protocols_count == 0)
        return false;
    if (group->count == 0)
        return true;
    if (!member_is(group->protocol_type, asked->protocol_type))
        return false;
    for (int32_t i = 0; i < asked->protocols_count; i++) {
        if (all_offer(group, asked->protocols[i].name))
            return true;
    }
    return false;
}

struct wire_string group_vote(const struct group *group)
{
    /* Whatever all have in common, the first member has. */
    const struct member *first = group->members[0];
    uint32_t votes[LIMIT_GROUP_PROTOCOLS] = {0};
    bool common[LIMIT_GROUP_PROTOCOLS + 1];
    for (int32_t i = 0; i < first->protocol_count; i++)
        common[i] = all_offer(group, first->protocols[i].name);
    common[first->protocol_count] = false;
    int32_t best = 0;
    for (size_t i = 0; i < group->count; i++) {
        const struct member *member = group->members[i];
        int32_t choice = first->protocol_count;
        for (int32_t p = 0; p < member->protocol_count && !common[choice]; p++)
            choice = place_of(first, member->protocols[p].name);
        if (common[choice])
            votes[choice]++;
    }
    for (int32_t i = 1; i < first->protocol_count; i++)
        best = votes[i] > votes[best] ? i : best;
    return first->protocols[best].name;
}

/* A consumer's metadata: does it name the topic? True when it cannot be read. */
static bool metadata_names(struct wire_bytes metadata, const char *topic)
{
    struct arena arena = {.limit = LIMIT_REQUEST_MEMORY};
    struct bytes in = bytes_over(metadata.at, (size_t)metadata.size);
    struct consumer_protocol_subscription subscription;
    int16_t version = (int16_t)bytes_take16(&in);
    if (version > SUBSCRIPTION_VERSION_MAX) /* later ones only add at the end */
        version = SUBSCRIPTION_VERSION_MAX;
    bool named = in.failed || version < 0;
    if (!named) {
        wire_init(&wire_consumer_protocol_subscription, &subscription);
        named = wire_decode(&wire_consumer_protocol_subscription, version, &in, &arena,
                            &subscription) != 0;
        for (int32_t i = 0; !named && i < subscription.topics_count; i++)
            named = wire_equal(subscription.topics[i], topic);
    }
    arena_reset(&arena);
    return named;
}

bool group_of_consumers(const struct group *group)
{
    return wire_equal(group->protocol_type, CONSUMER_TYPE);
}

bool group_subscribes(const struct group *group, const char *topic)
{
    if (!group_of_consumers(group))
        return group->count > 0;
    for (size_t i = 0; i < group->count; i++) {
        const struct member *member = group->members[i];
        struct wire_bytes metadata = group->protocol.size >= 0
                                         ? member_metadata(member, group->protocol)
                                         : member->protocols[0].metadata;
        if (metadata_names(metadata, topic))
            return true;
    }
    return false;
}

/* ---- coming and going ------------------------------------------------------------------------ */

static int copy_string(struct wire_string *to, struct wire_string from)
{
    char *copy = from.size >= 0 ? malloc((size_t)from.size + 1) : NULL;
    if (from.size >= 0 && !copy)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a group");
    if (from.size > 0)
        memcpy(copy, from.at, (size_t)from.size);
    free((void *)to->at);
    *to = (struct wire_string){copy, from.size};
    return 0;
}

static int grow(void **array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return 0;
    size_t more = *room ? 2 * *room : 4;
    void *grown = reallocarray(*array, more, size);
    if (!grown)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a group of %zu members", count);
    *array = grown;
    *room = more;
    return 0;
}

int group_choose(struct group *group, struct wire_string protocol)
{
    int result = copy_string(&group->leader_id, group->leader ? group->leader->id : null);
    return result ? result : copy_string(&group->protocol, protocol);
}

static void count_bytes(struct group *group, struct member *member)
{
    group->bytes += member->bytes - member->counted;
    member->counted = member->bytes;
}

int group_add(struct group *group, struct member *member, struct wire_string protocol_type)
{
    int result = grow((void **)&group->members, group->count, &group->room, sizeof *group->members);
    if (!result && group->count == 0)
        result = copy_string(&group->protocol_type, protocol_type);
    if (result)
        return result;
    group->members[group->count++] = member;
    if (!group->leader)
        group->leader = member;
    count_bytes(group, member);
    return 0;
}

int group_offer(struct group *group, struct member *member, const struct join_group_request *asked)
{
    int result = member_update(member, asked);
    count_bytes(group, member);
    return result;
}

int group_assign(struct group *group, struct member *member, struct wire_bytes assignment)
{
    int result = member_assign(member, assignment);
    count_bytes(group, member);
    return result;
}

int group_add_pending(struct group *group, struct wire_string id, int64_t expires_ms)
{
    struct group_pending made = {.expires_ms = expires_ms};
    if (group->pending_count >= LIMIT_GROUP_PENDING)
        return error_set(MAPLOG_LIMIT,
                         "group %s has %zu clients with a member id that did not join", group->name,
                         group->pending_count);
    int result = grow((void **)&group->pending, group->pending_count, &group->pending_room,
                      sizeof *group->pending);
    if (!result)
        result = copy_string(&made.id, id);
    if (result)
        return result;
    group->pending[group->pending_count++] = made;
    group->bytes += sizeof made + (size_t)id.size;
    group_due(group, expires_ms);
    return 0;
}

static struct group_pending *find_pending(const struct group *group, struct wire_string id)
{
    for (size_t i = 0; i < group->pending_count; i++) {
        if (member_is(group->pending[i].id, id))
            return &group->pending[i];
    }
    return NULL;
}

bool group_is_pending(const struct group *group, struct wire_string id)
{
    return find_pending(group, id) != NULL;
}

static void drop_pending(struct group *group, struct group_pending *pending)
{
    group->bytes -= sizeof *pending + (size_t)pending->id.size;
    free((void *)pending->id.at);
    *pending = group->pending[--group->pending_count];
}

bool group_drop_pending(struct group *group, struct wire_string id)
{
    struct group_pending *found = find_pending(group, id);
    if (found)
        drop_pending(group, found);
    return found != NULL;
}

void group_expire_pending(struct group *group, int64_t now_ms)
{
    for (size_t i = group->pending_count; i-- > 0;) {
        if (group->pending[i].expires_ms <= now_ms)
            drop_pending(group, &group->pending[i]);
    }
}

void group_remove(struct group *group, struct member *member, int16_t error, int64_t now_ms)
{
    size_t at = 0;
    while (group->members[at] != member)
        at++;
    group_answer(group, &member->join, error, now_ms);
    group_answer(group, &member->sync, error, now_ms);
    memmove(&group->members[at], &group->members[at + 1],
            (--group->count - at) * sizeof *group->members);
    group->joined -= member->joined;
    if (group->leader == member)
        group->leader = group->count ? group->members[0] : NULL;
    group->bytes -= member->counted;
    member_free(member);
}

/* ---- parked requests ------------------------------------------------------------------------- */

void group_touch(struct group *group, struct member *member, int64_t now_ms)
{
    member->expires_ms = now_ms + member->session_ms;
    group_due(group, member->expires_ms);
}

void group_park(struct group *group, struct member *member, struct group_wait **slot,
                struct group_wait *wait)
{
    struct group_wait *before = *slot;
    wait->group = group;
    wait->member = member;
    *slot = wait;
    if (before) {
        before->member = NULL;
        before->error = KAFKA_REBALANCE_IN_PROGRESS;
        before->done = true;
        group->broker->host->wake(group->broker->host->context, before->request);
    }
}

void group_answer(struct group *group, struct group_wait **slot, int16_t error, int64_t now_ms)
{
    struct group_wait *wait = *slot;
    if (!wait)
        return;
    *slot = NULL;
    group_touch(group, wait->member, now_ms); /* it can be heard of again */
    wait->member = NULL;
    wait->error = error;
    wait->done = true;
    group->broker->host->wake(group->broker->host->context, wait->request);
}

void group_unpark(struct group_wait *wait, int64_t now_ms)
{
    struct member *member = wait->member;
    if (!member)
        return;
    wait->member = NULL;
    if (member->join == wait)
        member->join = NULL;
    else
        member->sync = NULL;
    group_touch(wait->group, member, now_ms);
}
