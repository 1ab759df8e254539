/* group_fixture.h - clients of groups in conversation with a broker, at a clock that the test turns
 * by hand. */
#pragma once

#include "broker_fixture.h"

#define OFFSET_COMMIT 8
#define OFFSET_FETCH 9
#define FIND_COORDINATOR 10
#define JOIN_GROUP 11
#define HEARTBEAT 12
#define LEAVE_GROUP 13
#define SYNC_GROUP 14
#define DESCRIBE_GROUPS 15
#define LIST_GROUPS 16
#define DELETE_GROUPS 42
#define OFFSET_DELETE 47

#define SESSION_MS 10000
#define REBALANCE_MS 30000

static int64_t now_ms;

/* One client of a group, and what it was told last. */
struct client {
    const char *group, *name;
    const char *instance;    /* NULL: a dynamic member */
    const char *protocol[2]; /* the one it likes best first; NULL: no second one */
    const char *metadata;
    const char *type;
    int16_t version; /* of JoinGroup */
    int32_t session_ms, rebalance_ms;

    char member[128], leader[128], chosen[32], assignment[64];
    int32_t generation, members;
    bool skips;
    struct call join, sync;
};

static inline struct client client_of(const char *group, const char *name)
{
    return (struct client){.group = group,
                           .name = name,
                           .protocol = {"range"},
                           .metadata = name,
                           .type = "tester",
                           .version = 9,
                           .session_ms = SESSION_MS,
                           .rebalance_ms = REBALANCE_MS,
                           .generation = -1};
}

static inline int groups_setup(void **state)
{
    if (broker_make(state))
        return -1;
    now_ms = clock_wall_ms();
    return directory_create_topic(log_directory, "t", 4, NULL);
}

static inline struct wire_bytes as_bytes(const char *text)
{
    return (struct wire_bytes){(const uint8_t *)text, (int32_t)strlen(text)};
}

static inline void keep_text(char *to, size_t room, const void *at, int32_t size)
{
    assert_true(size < (int32_t)room);
    snprintf(to, room, "%.*s", size < 0 ? 0 : size, (const char *)at);
}

/* ---- asking at the test's time --------------------------------------------------------------- */

static inline enum broker_outcome begin_as(struct call *call, const char *client, int16_t key,
                                           int16_t version, const void *body)
{
    *call = (struct call){.version = version, .memory.limit = 64u << 20};
    struct wire_output output = {.arena = &call->memory};
    struct wire_request_header header = {key, version, 77, wire_text(client)};
    assert_ok(wire_encode_request(&header, body, &output));
    struct bytes frame = call_flatten(&call->memory, &output);
    bytes_take32(&frame);
    call->request.frame = frame;
    call->request.arena.limit = 64u << 20;
    call->request.server = call;
    call->request.peer = "127.0.0.1:50000";
    call->request.advertised = (struct broker_address){"localhost", 9092};
    return call_go_on(call, broker_begin(broker, &call->request, now_ms));
}

static inline enum broker_outcome resume(struct call *call)
{
    atomic_store(&call->woken, 0);
    return call_go_on(call, broker_resume(broker, &call->request, now_ms));
}

/* The answer of what is answered at once, until call_end(). */
static inline void *ask(struct call *call, int16_t key, int16_t version, const void *body)
{
    if (begin_as(call, "tester", key, version, body) != BROKER_ANSWER)
        fail_msg("API %d: outcome %d (%s)", key, call->outcome, error_text());
    return call->answer;
}

/* ---- joining --------------------------------------------------------------------------------- */

static inline enum broker_outcome join_once(struct client *client)
{
    struct join_group_request body;
    struct join_group_request_protocols protocols[2];
    wire_init(&wire_join_group_request, &body);
    body.group_id = wire_text(client->group);
    body.session_timeout_ms = client->session_ms;
    body.rebalance_timeout_ms = client->rebalance_ms;
    body.member_id = wire_text(client->member);
    body.group_instance_id = wire_text(client->instance);
    body.protocol_type = wire_text(client->type);
    body.protocols = protocols;
    for (int i = 0; i < 2 && client->protocol[i]; i++)
        protocols[body.protocols_count++] = (struct join_group_request_protocols){
            wire_text(client->protocol[i]), as_bytes(client->metadata)};
    return begin_as(&client->join, client->name, JOIN_GROUP, client->version, &body);
}

/* Reads the answer of a join. */
static inline int16_t join_take(struct client *client)
{
    assert_int_equal(client->join.outcome, BROKER_ANSWER);
    const struct join_group_response *answer = client->join.answer;
    int16_t error = answer->error_code;
    keep_text(client->member, sizeof client->member, answer->member_id.at, answer->member_id.size);
    client->members = answer->members_count;
    client->skips = answer->skip_assignment;
    if (!error) {
        client->generation = answer->generation_id;
        keep_text(client->leader, sizeof client->leader, answer->leader.at, answer->leader.size);
        keep_text(client->chosen, sizeof client->chosen, answer->protocol_name.at,
                  answer->protocol_name.size);
    } else {
        assert_int_equal(answer->generation_id, -1);
    }
    call_end(&client->join);
    return error;
}

/* Joins, with a member id first where one is wanted. */
static inline enum broker_outcome join_begin(struct client *client)
{
    bool is_new = !client->member[0];
    enum broker_outcome outcome = join_once(client);
    if (outcome == BROKER_ANSWER && is_new && client->version >= 4 && !client->instance &&
        ((struct join_group_response *)client->join.answer)->error_code ==
            KAFKA_MEMBER_ID_REQUIRED) {
        join_take(client);
        outcome = join_once(client);
    }
    return outcome;
}

/* The code of a join that is answered at once. */
static inline int16_t join(struct client *client)
{
    join_begin(client);
    return join_take(client);
}

static inline void join_parks(struct client *client)
{
    assert_int_equal(join_begin(client), BROKER_PARK);
    assert_true(client->join.request.deadline_ms > now_ms);
}

/* The code of a join that was parked and has been answered now. */
static inline int16_t join_woken(struct client *client)
{
    assert_true(client->join.woken);
    resume(&client->join);
    return join_take(client);
}

/* The same for one whose own deadline came. */
static inline int16_t join_woken_by_time(struct client *client)
{
    assert_true(client->join.request.deadline_ms <= now_ms);
    resume(&client->join);
    return join_take(client);
}

static inline bool leads(const struct client *client)
{
    return strcmp(client->leader, client->member) == 0;
}

/* ---- assigning ------------------------------------------------------------------------------- */

/* Each of `all` is assigned "NAME's"; only a leader gives any. */
static inline enum broker_outcome sync_begin(struct client *client, struct client *all,
                                             int32_t count)
{
    struct sync_group_request body;
    struct arena arena = {.limit = 64u << 20};
    struct sync_group_request_assignments *assignments =
        arena_take_array(&arena, (size_t)count, sizeof *assignments);
    wire_init(&wire_sync_group_request, &body);
    body.group_id = wire_text(client->group);
    body.generation_id = client->generation;
    body.member_id = wire_text(client->member);
    body.group_instance_id = wire_text(client->instance);
    body.protocol_type = wire_text(client->type);
    body.protocol_name = wire_text(client->chosen);
    body.assignments = assignments;
    body.assignments_count = leads(client) ? count : 0;
    for (int32_t i = 0; i < body.assignments_count; i++)
        assignments[i] = (struct sync_group_request_assignments){
            wire_text(all[i].member), as_bytes(arena_print(&arena, "%s's", all[i].name))};
    begin_as(&client->sync, client->name, SYNC_GROUP, 5, &body);
    arena_reset(&arena);
    return client->sync.outcome;
}

static inline int16_t sync_take(struct client *client)
{
    assert_int_equal(client->sync.outcome, BROKER_ANSWER);
    const struct sync_group_response *answer = client->sync.answer;
    int16_t error = answer->error_code;
    keep_text(client->assignment, sizeof client->assignment, answer->assignment.at,
              answer->assignment.size);
    call_end(&client->sync);
    return error;
}

static inline int16_t sync_now(struct client *client, struct client *all, int32_t count)
{
    sync_begin(client, all, count);
    return sync_take(client);
}

static inline int16_t sync_woken(struct client *client)
{
    assert_true(client->sync.woken);
    resume(&client->sync);
    return sync_take(client);
}

/* All of them, whose joins are answered, fetch their assignments: the leader last. */
static inline void settle_all(struct client *all, int32_t count)
{
    struct client *leader = NULL;
    for (int32_t i = 0; i < count; i++) {
        if (leads(&all[i]))
            leader = &all[i];
        else
            assert_int_equal(sync_begin(&all[i], all, count), BROKER_PARK);
    }
    assert_non_null(leader);
    assert_int_equal(sync_now(leader, all, count), KAFKA_NONE);
    for (int32_t i = 0; i < count; i++) {
        char expected[64];
        snprintf(expected, sizeof expected, "%s's", all[i].name);
        if (&all[i] != leader)
            assert_int_equal(sync_woken(&all[i]), KAFKA_NONE);
        assert_string_equal(all[i].assignment, expected);
    }
}

/* A new group of these, stable: the first one leads. */
static inline void form(struct client *all, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        join_parks(&all[i]);
    now_ms += DELAY_MS;
    if (resume(&all[0].join) == BROKER_PARK) { /* others came after the first */
        now_ms += DELAY_MS;
        resume(&all[0].join);
    }
    assert_int_equal(join_take(&all[0]), KAFKA_NONE);
    for (int32_t i = 1; i < count; i++)
        assert_int_equal(join_woken(&all[i]), KAFKA_NONE);
    settle_all(all, count);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static inline int16_t heartbeat(const struct client *client)
{
    struct call call;
    struct heartbeat_request body;
    wire_init(&wire_heartbeat_request, &body);
    body.group_id = wire_text(client->group);
    body.generation_id = client->generation;
    body.member_id = wire_text(client->member);
    body.group_instance_id = wire_text(client->instance);
    struct heartbeat_response *answer = ask(&call, HEARTBEAT, 4, &body);
    int16_t error = answer->error_code;
    call_end(&call);
    return error;
}

/* In a version before lists. */
static inline int16_t leave(const struct client *client)
{
    struct call call;
    struct leave_group_request body;
    wire_init(&wire_leave_group_request, &body);
    body.group_id = wire_text(client->group);
    body.member_id = wire_text(client->member);
    struct leave_group_response *answer = ask(&call, LEAVE_GROUP, 2, &body);
    int16_t error = answer->error_code;
    call_end(&call);
    return error;
}

/* One offset of topic t. */
struct commit_call {
    struct call call;
    struct offset_commit_request body;
    struct offset_commit_request_topics topic;
    struct offset_commit_request_topics_partitions partition;
};

static inline struct commit_call *commit_of(struct commit_call *commit, const struct client *client,
                                            int32_t partition, int64_t offset)
{
    wire_init(&wire_offset_commit_request, &commit->body);
    wire_init(&wire_offset_commit_request_topics, &commit->topic);
    wire_init(&wire_offset_commit_request_topics_partitions, &commit->partition);
    commit->body.group_id = wire_text(client->group);
    commit->body.generation_id_or_member_epoch = client->generation;
    commit->body.member_id = wire_text(client->member);
    commit->body.group_instance_id = wire_text(client->instance);
    commit->body.topics = &commit->topic;
    commit->body.topics_count = 1;
    commit->topic.name = wire_text("t");
    commit->topic.partitions = &commit->partition;
    commit->topic.partitions_count = 1;
    commit->partition.partition_index = partition;
    commit->partition.committed_offset = offset;
    return commit;
}

static inline int16_t commit_take(struct commit_call *commit)
{
    const struct offset_commit_response *answer = commit->call.answer;
    assert_int_equal(answer->topics_count, 1);
    assert_int_equal(answer->topics[0].partitions_count, 1);
    assert_int_equal(answer->topics[0].partitions[0].partition_index,
                     commit->partition.partition_index);
    int16_t error = answer->topics[0].partitions[0].error_code;
    call_end(&commit->call);
    return error;
}

static inline int16_t commit(const struct client *client, int32_t partition, int64_t offset)
{
    struct commit_call made;
    commit_of(&made, client, partition, offset);
    ask(&made.call, OFFSET_COMMIT, 9, &made.body);
    return commit_take(&made);
}

/* What is committed for a partition of topic t; -1: nothing. */
static inline int64_t committed(const char *group, int32_t partition)
{
    struct call call;
    struct offset_fetch_request body;
    struct offset_fetch_request_topics topic = {wire_text("t"), &partition, 1};
    wire_init(&wire_offset_fetch_request, &body);
    body.group_id = wire_text(group);
    body.topics = &topic;
    body.topics_count = 1;
    struct offset_fetch_response *answer = ask(&call, OFFSET_FETCH, 7, &body);
    assert_int_equal(answer->error_code, KAFKA_NONE);
    assert_int_equal(answer->topics[0].partitions[0].error_code, KAFKA_NONE);
    int64_t offset = answer->topics[0].partitions[0].committed_offset;
    call_end(&call);
    return offset;
}

/* "Stable 2 range", and the answer's code before it when there is one: "69 Dead 0 ". */
static inline const char *description(const char *group)
{
    static char text[128];
    struct call call;
    struct wire_string name = wire_text(group);
    struct describe_groups_request body = {&name, 1, false};
    struct describe_groups_response *answer = ask(&call, DESCRIBE_GROUPS, 6, &body);
    const struct describe_groups_response_groups *found = &answer->groups[0];
    int length = found->error_code ? snprintf(text, sizeof text, "%d ", found->error_code) : 0;
    snprintf(text + length, sizeof text - (size_t)length, "%.*s %d %.*s", found->group_state.size,
             found->group_state.at, found->members_count, found->protocol_data.size,
             found->protocol_data.at);
    call_end(&call);
    return text;
}

static inline void tick(int64_t later_ms)
{
    now_ms += later_ms;
    assert_true(broker_tick(broker, now_ms) > now_ms);
}
