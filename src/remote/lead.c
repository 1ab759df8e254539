#include "remote/lead.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "remote/topics.h"

#define NEWEST 3 /* version of subscriptions and assignments */

static int no_memory(void)
{
    return error_set(MAPLOG_NO_MEMORY, "no memory to share out the partitions of a group");
}

/* ---- what members tell each other ------------------------------------------------------------ */

int lead_encode(struct arena *arena, const struct wire_struct *type, const void *message,
                struct wire_bytes *bytes)
{
    struct wire_output out = {.arena = arena};
    int result = wire_encode(type, 0, message, &out);
    if (result)
        return result;
    uint8_t *to = arena_take(arena, sizeof(int16_t) + out.size);
    if (!to)
        return no_memory();
    *bytes = (struct wire_bytes){to, (int32_t)(sizeof(int16_t) + out.size)};
    bytes_store16(to, 0);
    to += sizeof(int16_t);
    for (uint32_t i = 0; i < out.count; i++) {
        memcpy(to, out.slices[i].at, out.slices[i].size);
        to += out.slices[i].size;
    }
    return 0;
}

int lead_decode(struct arena *arena, struct wire_bytes bytes, const struct wire_struct *type,
                void *message)
{
    struct bytes in = bytes_over(bytes.at, bytes.size > 0 ? (size_t)bytes.size : 0);
    int16_t version = (int16_t)bytes_take16(&in);
    if (in.failed || version < 0)
        return error_set(MAPLOG_CORRUPT, "%d bytes that are no consumer's", (int)bytes.size);
    return wire_decode(type, version < NEWEST ? version : NEWEST, &in, arena, message);
}

/* ---- reading --------------------------------------------------------------------------------- */

static int take_member(struct lead *lead, const struct join_group_response_members *row,
                       struct assign_member *member)
{
    struct consumer_protocol_subscription subscription;
    int result = lead_decode(&lead->arena, row->metadata, &wire_consumer_protocol_subscription,
                             &subscription);
    if (result)
        return error_prefix(result, "what member %.*s wants", (int)row->member_id.size,
                            row->member_id.at);
    member->id = wire_copy(&lead->arena, row->member_id);
    member->instance =
        row->group_instance_id.size < 0 ? NULL : wire_copy(&lead->arena, row->group_instance_id);
    member->topic_count = (size_t)subscription.topics_count;
    member->topics = arena_take_array(&lead->arena, member->topic_count, sizeof *member->topics);
    if (!member->id || !member->topics)
        return no_memory();
    for (size_t i = 0; i < member->topic_count; i++) {
        member->topics[i] = wire_copy(&lead->arena, subscription.topics[i]);
        if (!member->topics[i])
            return no_memory();
    }
    return 0;
}

static bool known_topic(const struct lead *lead, const char *name)
{
    for (size_t i = 0; i < lead->topic_count; i++) {
        if (strcmp(lead->topics[i].name, name) == 0)
            return true;
    }
    return false;
}

/* The topics that any member wants, each once. */
static int gather_topics(struct lead *lead)
{
    size_t most = 0;
    for (size_t i = 0; i < lead->member_count; i++)
        most += lead->members[i].topic_count;
    lead->topics = arena_take_array(&lead->arena, most, sizeof *lead->topics);
    if (!lead->topics)
        return no_memory();
    for (size_t i = 0; i < lead->member_count; i++) {
        for (size_t j = 0; j < lead->members[i].topic_count; j++) {
            const char *name = lead->members[i].topics[j];
            if (!known_topic(lead, name))
                lead->topics[lead->topic_count++].name = name;
        }
    }
    return 0;
}

int lead_begin(struct lead *lead, const struct join_group_response *response)
{
    lead->arena.limit = LIMIT_REQUEST_MEMORY;
    lead->protocol = wire_copy(&lead->arena, response->protocol_name);
    if (!lead->protocol)
        return no_memory();
    bool leads =
        response->member_id.size == response->leader.size &&
        memcmp(response->member_id.at, response->leader.at, (size_t)response->leader.size) == 0;
    if (!leads || response->skip_assignment)
        return 0;
    size_t count = (size_t)response->members_count;
    lead->members = arena_take_array(&lead->arena, count, sizeof *lead->members);
    if (!lead->members)
        return no_memory();
    for (size_t i = 0; i < count; i++) {
        int result = take_member(lead, &response->members[i], &lead->members[i]);
        if (result)
            return result;
    }
    lead->member_count = count;
    return gather_topics(lead);
}

/* ---- sharing out ----------------------------------------------------------------------------- */

int lead_assign(struct lead *lead, struct remote *remote)
{
    if (lead->member_count == 0)
        return 0;
    for (size_t i = 0; i < lead->topic_count; i++) {
        struct assign_topic *topic = &lead->topics[i];
        struct maplog_topic found;
        int result = remote_topic_describe(remote, topic->name, &found);
        if (result && remote_lost(remote))
            return result;
        /* A topic that is not there has nothing to share out. */
        topic->partitions = result ? 0 : found.partitions;
        topic->owners =
            arena_take_array(&lead->arena, (size_t)topic->partitions, sizeof *topic->owners);
        if (!topic->owners)
            return no_memory();
    }
    assign_sort(lead->members, lead->member_count, lead->topics, lead->topic_count);
    if (strcmp(lead->protocol, ASSIGN_ROUND_ROBIN) == 0)
        assign_round_robin(lead->members, lead->member_count, lead->topics, lead->topic_count);
    else
        assign_range(lead->members, lead->member_count, lead->topics, lead->topic_count);
    return 0;
}

/* The partitions of the topic that the member gets, as a row; false: none. */
static bool fill_row(const struct assign_topic *topic, size_t member, int32_t *partitions,
                     struct consumer_protocol_assignment_assigned_partitions *row)
{
    wire_init(&wire_consumer_protocol_assignment_assigned_partitions, row);
    row->topic = wire_text(topic->name);
    row->partitions = partitions;
    for (int32_t i = 0; i < topic->partitions; i++) {
        if (topic->owners[i] == (int32_t)member)
            partitions[row->partitions_count++] = i;
    }
    return row->partitions_count > 0;
}

static int fill_member(const struct lead *lead, struct arena *arena, size_t member,
                       struct wire_bytes *bytes)
{
    struct consumer_protocol_assignment assignment;
    wire_init(&wire_consumer_protocol_assignment, &assignment);
    assignment.user_data.size = -1;
    assignment.assigned_partitions = wire_array(
        arena, &wire_consumer_protocol_assignment_assigned_partitions, (int32_t)lead->topic_count);
    if (!assignment.assigned_partitions)
        return no_memory();
    for (size_t i = 0; i < lead->topic_count; i++) {
        int32_t *partitions =
            arena_take_array(arena, (size_t)lead->topics[i].partitions, sizeof *partitions);
        if (!partitions)
            return no_memory();
        assignment.assigned_partitions_count +=
            fill_row(&lead->topics[i], member, partitions,
                     &assignment.assigned_partitions[assignment.assigned_partitions_count]);
    }
    return lead_encode(arena, &wire_consumer_protocol_assignment, &assignment, bytes);
}

int lead_fill(const struct lead *lead, struct arena *arena, struct sync_group_request *request)
{
    request->assignments =
        wire_array(arena, &wire_sync_group_request_assignments, (int32_t)lead->member_count);
    request->assignments_count = (int32_t)lead->member_count;
    if (!request->assignments)
        return no_memory();
    for (size_t i = 0; i < lead->member_count; i++) {
        request->assignments[i].member_id = wire_text(lead->members[i].id);
        int result = fill_member(lead, arena, i, &request->assignments[i].assignment);
        if (result)
            return result;
    }
    return 0;
}

void lead_end(struct lead *lead)
{
    arena_reset(&lead->arena);
    *lead = (struct lead){0};
}
