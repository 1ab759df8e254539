/* member_test.c - joining a group, falling out of it, commits. */
#include "remote/member.h"

#include "peer.h"
#include "remote/lead.h"

static int joins, leaves;
static int16_t commit_says;

static void answer_join(struct peer *peer, const struct wire_request_header *header,
                        const struct join_group_request *request)
{
    struct join_group_response response;
    wire_init(&wire_join_group_response, &response);
    response.member_id = wire_text("given");
    response.leader = wire_text("somebody else");
    response.protocol_name = wire_text(ASSIGN_RANGE);
    response.generation_id = 4;
    if (request->member_id.size == 0)
        response.error_code = KAFKA_MEMBER_ID_REQUIRED;
    else if (joins == 1)
        response.error_code = KAFKA_REBALANCE_IN_PROGRESS;
    joins++;
    peer_answer(peer, header, &response);
}

static void answer_sync(struct peer *peer, const struct wire_request_header *header)
{
    struct arena arena = {.limit = 1u << 16};
    int32_t partitions[] = {2, 7};
    struct consumer_protocol_assignment_assigned_partitions row;
    struct consumer_protocol_assignment assignment;
    struct sync_group_response response;
    wire_init(&wire_consumer_protocol_assignment_assigned_partitions, &row);
    wire_init(&wire_consumer_protocol_assignment, &assignment);
    wire_init(&wire_sync_group_response, &response);
    row.topic = wire_text("t");
    row.partitions = partitions;
    row.partitions_count = 2;
    assignment.assigned_partitions = &row;
    assignment.assigned_partitions_count = 1;
    assignment.user_data.size = -1;
    if (lead_encode(&arena, &wire_consumer_protocol_assignment, &assignment,
                    &response.assignment) == 0)
        peer_answer(peer, header, &response);
    arena_reset(&arena);
}

static bool serve(struct peer *peer, const struct wire_request_header *header, const void *body)
{
    if (header->api_key == REMOTE_JOIN_GROUP) {
        answer_join(peer, header, body);
    } else if (header->api_key == REMOTE_SYNC_GROUP) {
        answer_sync(peer, header);
    } else if (header->api_key == REMOTE_OFFSET_COMMIT) {
        struct offset_commit_response response;
        struct offset_commit_response_topics topic;
        struct offset_commit_response_topics_partitions part;
        wire_init(&wire_offset_commit_response, &response);
        wire_init(&wire_offset_commit_response_topics, &topic);
        wire_init(&wire_offset_commit_response_topics_partitions, &part);
        part.error_code = commit_says;
        topic.partitions = &part;
        topic.partitions_count = 1;
        response.topics = &topic;
        response.topics_count = 1;
        peer_answer(peer, header, &response);
    } else {
        leaves += header->api_key == REMOTE_LEAVE_GROUP;
        peer_answer_empty(peer, header);
    }
    return true;
}

static void joining_committing_falling_out_leaving(void **state)
{
    (void)state;
    struct peer peer = {.handle = serve};
    struct remote *remote = peer_connect(&peer);
    struct remote_member member;
    joins = leaves = 0;
    remote_member_init(&member, remote, "g", "t");
    assert_int_equal(remote_member_join(&member), 0);
    assert_true(member.joined);
    assert_int_equal(joins, 3); /* for an id, in the midst of a rebalance, at last */
    assert_string_equal(member.id, "given");
    assert_int_equal(member.generation, 4);
    assert_int_equal(member.assigned_count, 2);
    assert_int_equal(member.assigned[0], 2);
    assert_int_equal(member.assigned[1], 7);
    struct remote_commit commit = {2, 100};
    commit_says = 0;
    assert_int_equal(remote_member_commit(&member, &commit, 1), 0);
    assert_int_equal(remote_member_beat(&member), 0); /* none is due */
    commit_says = KAFKA_OFFSET_METADATA_TOO_LARGE;
    assert_int_equal(remote_member_commit(&member, &commit, 1), MAPLOG_IO);
    assert_true(member.joined);
    commit_says = KAFKA_ILLEGAL_GENERATION;
    assert_int_equal(remote_member_commit(&member, &commit, 1), MAPLOG_BUSY);
    assert_false(member.joined);
    assert_string_equal(member.id, "given");
    commit_says = KAFKA_UNKNOWN_MEMBER_ID;
    assert_int_equal(remote_member_commit(&member, &commit, 1), MAPLOG_BUSY);
    assert_string_equal(member.id, "");
    assert_int_equal(remote_member_join(&member), 0);
    remote_member_leave(&member);
    assert_int_equal(leaves, 1);
    assert_null(member.assigned);
    peer_disconnect(&peer, remote);
}

static void commits_from_outside(void **state)
{
    (void)state;
    struct peer peer = {.handle = serve};
    struct remote *remote = peer_connect(&peer);
    struct remote_commit commit = {0, 5};
    commit_says = 0;
    assert_int_equal(remote_group_commit(remote, "g", "t", &commit, 1), 0);
    commit_says = KAFKA_UNKNOWN_MEMBER_ID;
    assert_int_equal(remote_group_commit(remote, "g", "t", &commit, 1), MAPLOG_GROUP_ACTIVE);
    assert_says("group g");
    peer_disconnect(&peer, remote);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joining_committing_falling_out_leaving),
        cmocka_unit_test(commits_from_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
