#include "remote/member.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/clock.h"
#include "remote/failure.h"
#include "remote/lead.h"

#define BEAT_NS 3000000000   /* between two heartbeats */
#define BACKOFF_NS 100000000 /* before a server that is not ready is asked again */
#define PROTOCOL_TYPE "consumer"

void remote_member_init(struct remote_member *member, struct remote *remote, const char *group,
                        const char *topic)
{
    *member =
        (struct remote_member){.remote = remote, .group = group, .topic = topic, .generation = -1};
}

int remote_find_coordinator(struct remote *remote, const char *group)
{
    int64_t until = clock_monotonic_ns() + remote->timeout_ms * 1000000ll;
    for (;;) {
        struct find_coordinator_request request;
        struct find_coordinator_response response;
        remote_begin(remote);
        wire_init(&wire_find_coordinator_request, &request);
        request.key = wire_text(group);
        int result = remote_call(remote, REMOTE_FIND_COORDINATOR, &request, &response);
        if (result || !response.error_code)
            return result;
        if (!kafka_error_retriable(response.error_code) || clock_monotonic_ns() > until)
            return remote_failure(response.error_code, response.error_message, "group %s", group);
        clock_sleep_ns(BACKOFF_NS);
    }
}

/* ---- joining --------------------------------------------------------------------------------- */

static int send_join(struct remote_member *member, struct join_group_response *response)
{
    struct remote *remote = member->remote;
    struct arena *arena = remote_begin(remote);
    struct wire_string topic = wire_text(member->topic);
    struct consumer_protocol_subscription subscription;
    wire_init(&wire_consumer_protocol_subscription, &subscription);
    subscription.topics = &topic;
    subscription.topics_count = 1;
    subscription.user_data.size = -1;
    struct wire_bytes metadata;
    int result = lead_encode(arena, &wire_consumer_protocol_subscription, &subscription, &metadata);
    if (result)
        return result;
    struct join_group_request_protocols protocols[2];
    const char *const names[] = {ASSIGN_RANGE, ASSIGN_ROUND_ROBIN};
    for (int i = 0; i < 2; i++) {
        wire_init(&wire_join_group_request_protocols, &protocols[i]);
        protocols[i].name = wire_text(names[i]);
        protocols[i].metadata = metadata;
    }
    struct join_group_request request;
    wire_init(&wire_join_group_request, &request);
    request.group_id = wire_text(member->group);
    request.session_timeout_ms = MEMBER_SESSION_MS;
    request.rebalance_timeout_ms = MEMBER_REBALANCE_MS;
    request.member_id = wire_text(member->id);
    request.protocol_type = wire_text(PROTOCOL_TYPE);
    request.protocols = protocols;
    request.protocols_count = 2;
    int32_t correlation_id;
    result = remote_send(remote, REMOTE_JOIN_GROUP, &request, &correlation_id);
    if (result)
        return result;
    remote->interruptible = true;
    result =
        remote_receive(remote, REMOTE_JOIN_GROUP, correlation_id, MEMBER_REBALANCE_MS, response);
    remote->interruptible = false;
    return result;
}

/* Keeps the id that the server gave. */
static int take_id(struct remote_member *member, struct wire_string id)
{
    if (id.size < 0 || id.size >= MEMBER_ID)
        return error_set(MAPLOG_LIMIT, "group %s: a member id of %d bytes, at most %d are taken",
                         member->group, (int)id.size, MEMBER_ID - 1);
    memcpy(member->id, id.at, (size_t)id.size);
    member->id[id.size] = '\0';
    return 0;
}

static int take_assignment(struct remote_member *member, struct wire_bytes bytes)
{
    struct consumer_protocol_assignment assignment;
    int32_t *assigned = NULL;
    size_t count = 0;
    member->assigned_count = 0;
    if (bytes.size <= 0) /* nothing for this member */
        return 0;
    int result = lead_decode(&member->remote->answer, bytes, &wire_consumer_protocol_assignment,
                             &assignment);
    for (int32_t i = 0; !result && i < assignment.assigned_partitions_count; i++) {
        const struct consumer_protocol_assignment_assigned_partitions *row =
            &assignment.assigned_partitions[i];
        if (!wire_equal(row->topic, member->topic) || assigned)
            continue;
        count = (size_t)row->partitions_count;
        assigned = malloc((count + 1) * sizeof *assigned);
        if (!assigned)
            return error_set(MAPLOG_NO_MEMORY, "no memory for %zu partitions", count);
        if (count > 0)
            memcpy(assigned, row->partitions, count * sizeof *assigned);
    }
    if (result)
        return error_prefix(result, "group %s: the assignment", member->group);
    free(member->assigned);
    member->assigned = assigned;
    member->assigned_count = count;
    return 0;
}

static int synchronise(struct remote_member *member, struct lead *lead, int16_t *code)
{
    struct sync_group_request request;
    struct sync_group_response response;
    struct remote *remote = member->remote;
    wire_init(&wire_sync_group_request, &request);
    request.group_id = wire_text(member->group);
    request.generation_id = member->generation;
    request.member_id = wire_text(member->id);
    request.protocol_type = wire_text(PROTOCOL_TYPE);
    request.protocol_name = wire_text(lead->protocol);
    int result = lead_assign(lead, remote); /* asks for metadata: the request begins after it */
    struct arena *arena = remote_begin(remote);
    if (!result)
        result = lead_fill(lead, arena, &request);
    int32_t correlation_id;
    if (!result)
        result = remote_send(remote, REMOTE_SYNC_GROUP, &request, &correlation_id);
    if (result)
        return result;
    remote->interruptible = true;
    result =
        remote_receive(remote, REMOTE_SYNC_GROUP, correlation_id, MEMBER_REBALANCE_MS, &response);
    remote->interruptible = false;
    if (result)
        return result;
    *code = response.error_code;
    return *code ? 0 : take_assignment(member, response.assignment);
}

/* One attempt; *code is what the server has against it. */
static int join(struct remote_member *member, int16_t *code)
{
    struct join_group_response response;
    int result = send_join(member, &response);
    if (result)
        return result;
    *code = response.error_code;
    if (*code == KAFKA_MEMBER_ID_REQUIRED)
        return take_id(member, response.member_id);
    if (*code)
        return 0;
    struct lead lead = {0};
    result = take_id(member, response.member_id);
    member->generation = response.generation_id;
    if (!result)
        result = lead_begin(&lead, &response);
    if (!result)
        result = synchronise(member, &lead, code);
    lead_end(&lead);
    return result;
}

int remote_member_join(struct remote_member *member)
{
    int64_t until = clock_monotonic_ns() + (MEMBER_REBALANCE_MS + 10000) * 1000000ll;
    member->joined = false;
    int result = remote_find_coordinator(member->remote, member->group);
    while (!result) {
        int16_t code = 0;
        result = join(member, &code);
        if (result)
            break;
        if (!code) {
            member->joined = true;
            member->beaten_ns = clock_monotonic_ns();
            return 0;
        }
        if (code == KAFKA_MEMBER_ID_REQUIRED)
            continue;
        if (code == KAFKA_UNKNOWN_MEMBER_ID)
            member->id[0] = '\0';
        bool passes = code == KAFKA_UNKNOWN_MEMBER_ID || code == KAFKA_REBALANCE_IN_PROGRESS ||
                      code == KAFKA_ILLEGAL_GENERATION || kafka_error_retriable(code);
        if (!passes || clock_monotonic_ns() > until)
            return remote_failure(code, wire_text(NULL), "joining group %s", member->group);
        if (member->remote->interrupted && member->remote->interrupted())
            return error_set(MAPLOG_CLOSED, "interrupted");
        clock_sleep_ns(BACKOFF_NS);
    }
    return result;
}

/* ---- being one ------------------------------------------------------------------------------- */

/* Does the code mean that the member must join again? Then its state says so. */
static bool fell_out(struct remote_member *member, int16_t code)
{
    if (code == KAFKA_UNKNOWN_MEMBER_ID)
        member->id[0] = '\0';
    if (code != KAFKA_UNKNOWN_MEMBER_ID && code != KAFKA_REBALANCE_IN_PROGRESS &&
        code != KAFKA_ILLEGAL_GENERATION)
        return false;
    member->joined = false;
    return true;
}

int remote_member_beat(struct remote_member *member)
{
    struct heartbeat_request request;
    struct heartbeat_response response;
    int64_t now = clock_monotonic_ns();
    if (!member->joined || now - member->beaten_ns < BEAT_NS)
        return 0;
    remote_begin(member->remote);
    wire_init(&wire_heartbeat_request, &request);
    request.group_id = wire_text(member->group);
    request.generation_id = member->generation;
    request.member_id = wire_text(member->id);
    int result = remote_call(member->remote, REMOTE_HEARTBEAT, &request, &response);
    if (result)
        return result;
    member->beaten_ns = now;
    if (!response.error_code || fell_out(member, response.error_code) ||
        kafka_error_retriable(response.error_code))
        return 0;
    return remote_failure(response.error_code, wire_text(NULL), "group %s: heartbeat",
                          member->group);
}

void remote_member_leave(struct remote_member *member)
{
    struct leave_group_request request;
    struct leave_group_request_members row;
    struct leave_group_response response;
    struct remote *remote = member->remote;
    if (member->id[0] && remote_lost(remote))
        remote_reconnect(remote); /* after a wait that was interrupted */
    if (member->id[0] && !remote_lost(remote)) {
        remote_begin(remote);
        wire_init(&wire_leave_group_request, &request);
        wire_init(&wire_leave_group_request_members, &row);
        row.member_id = wire_text(member->id);
        row.reason = wire_text("the consumer ended");
        request.group_id = wire_text(member->group);
        request.members = &row;
        request.members_count = 1;
        /* If it fails the session ends by itself. */
        remote_call(remote, REMOTE_LEAVE_GROUP, &request, &response);
    }
    free(member->assigned);
    member->assigned = NULL;
    member->assigned_count = 0;
    member->joined = false;
}

/* ---- commits --------------------------------------------------------------------------------- */

/* *code: what the server has against it. */
static int commit(struct remote *remote, struct offset_commit_request *request,
                  const struct remote_commit *commits, size_t count, int16_t *code)
{
    struct offset_commit_request_topics *row = request->topics;
    row->partitions = wire_array(remote_begin(remote),
                                 &wire_offset_commit_request_topics_partitions, (int32_t)count);
    row->partitions_count = (int32_t)count;
    if (!row->partitions)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %zu partitions", count);
    for (size_t i = 0; i < count; i++) {
        row->partitions[i].partition_index = commits[i].partition;
        row->partitions[i].committed_offset = commits[i].offset;
        row->partitions[i].committed_metadata = wire_text("");
    }
    struct offset_commit_response response;
    int result = remote_call(remote, REMOTE_OFFSET_COMMIT, request, &response);
    if (result)
        return result;
    if (response.topics_count != 1)
        return error_set(MAPLOG_CORRUPT, "%s: the answer says nothing of the commit",
                         remote->address);
    *code = 0;
    for (int32_t i = 0; !*code && i < response.topics[0].partitions_count; i++)
        *code = response.topics[0].partitions[i].error_code;
    return 0;
}

static void fill_commit(struct offset_commit_request *request,
                        struct offset_commit_request_topics *row, const char *group,
                        const char *topic)
{
    wire_init(&wire_offset_commit_request, request);
    wire_init(&wire_offset_commit_request_topics, row);
    row->name = wire_text(topic);
    request->group_id = wire_text(group);
    request->topics = row;
    request->topics_count = 1;
}

static int commit_failed(int16_t code, const char *group, const char *topic)
{
    return remote_failure(code, wire_text(NULL), "group %s: committing progress in topic %s", group,
                          topic);
}

int remote_member_commit(struct remote_member *member, const struct remote_commit *commits,
                         size_t count)
{
    struct offset_commit_request request;
    struct offset_commit_request_topics row;
    int16_t code;
    if (count == 0)
        return 0;
    fill_commit(&request, &row, member->group, member->topic);
    request.generation_id_or_member_epoch = member->generation;
    request.member_id = wire_text(member->id);
    int result = commit(member->remote, &request, commits, count, &code);
    if (result || !code)
        return result;
    commit_failed(code, member->group, member->topic);
    return fell_out(member, code) ? MAPLOG_BUSY : remote_code(code);
}

int remote_group_commit(struct remote *remote, const char *group, const char *topic,
                        const struct remote_commit *commits, size_t count)
{
    struct offset_commit_request request;
    struct offset_commit_request_topics row;
    int16_t code;
    if (count == 0)
        return 0;
    int result = remote_find_coordinator(remote, group);
    fill_commit(&request, &row, group, topic);
    if (!result)
        result = commit(remote, &request, commits, count, &code);
    if (!result && code == KAFKA_UNKNOWN_MEMBER_ID)
        return error_set(MAPLOG_GROUP_ACTIVE, "group %s has members that consume; stop them first",
                         group);
    return result ? result : code ? commit_failed(code, group, topic) : 0;
}
