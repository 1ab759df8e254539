/* lead_test.c - reading what members want and writing what they get. */
#include "remote/lead.h"

#include "peer.h"

static bool serve(struct peer *peer, const struct wire_request_header *header, const void *body)
{
    (void)body;
    struct metadata_response response;
    struct metadata_response_topics topic;
    struct metadata_response_topics_partitions parts[5];
    wire_init(&wire_metadata_response, &response);
    wire_init(&wire_metadata_response_topics, &topic);
    for (int i = 0; i < 5; i++)
        wire_init(&wire_metadata_response_topics_partitions, &parts[i]);
    topic.name = wire_text("t");
    topic.partitions = parts;
    topic.partitions_count = 5;
    response.topics = &topic;
    response.topics_count = 1;
    peer_answer(peer, header, &response);
    return true;
}

static struct wire_bytes subscription(struct arena *arena, const char *topic)
{
    struct wire_string name = wire_text(topic);
    struct consumer_protocol_subscription wants;
    struct wire_bytes bytes = {0};
    wire_init(&wire_consumer_protocol_subscription, &wants);
    wants.topics = &name;
    wants.topics_count = 1;
    wants.user_data.size = -1;
    assert_int_equal(lead_encode(arena, &wire_consumer_protocol_subscription, &wants, &bytes), 0);
    return bytes;
}

static void fill(struct join_group_response *response, struct join_group_response_members *members,
                 struct wire_bytes metadata)
{
    wire_init(&wire_join_group_response, response);
    for (int i = 0; i < 2; i++) {
        wire_init(&wire_join_group_response_members, &members[i]);
        members[i].member_id = wire_text(i ? "b" : "a");
        members[i].metadata = metadata;
    }
    response->protocol_name = wire_text(ASSIGN_RANGE);
    response->leader = wire_text("b");
    response->member_id = wire_text("b");
    response->members = members;
    response->members_count = 2;
}

static void a_leader_shares_out(void **state)
{
    (void)state;
    struct peer peer = {.handle = serve};
    struct remote *remote = peer_connect(&peer);
    struct arena arena = {.limit = 1u << 20};
    struct join_group_response response;
    struct join_group_response_members members[2];
    struct lead lead = {0};
    struct sync_group_request request;
    fill(&response, members, subscription(&arena, "t"));
    wire_init(&wire_sync_group_request, &request);
    assert_int_equal(lead_begin(&lead, &response), 0);
    assert_int_equal(lead_assign(&lead, remote), 0);
    assert_int_equal(lead_fill(&lead, &arena, &request), 0);
    assert_int_equal(request.assignments_count, 2);
    int32_t next = 0;
    for (int i = 0; i < 2; i++) {
        struct consumer_protocol_assignment got;
        assert_true(wire_equal(request.assignments[i].member_id, i ? "b" : "a"));
        assert_int_equal(lead_decode(&arena, request.assignments[i].assignment,
                                     &wire_consumer_protocol_assignment, &got),
                         0);
        assert_int_equal(got.assigned_partitions_count, 1);
        assert_int_equal(got.assigned_partitions[0].partitions_count, i ? 2 : 3);
        for (int32_t j = 0; j < got.assigned_partitions[0].partitions_count; j++)
            assert_int_equal(got.assigned_partitions[0].partitions[j], next++);
    }
    lead_end(&lead);
    arena_reset(&arena);
    peer_disconnect(&peer, remote);
}

static void others_have_nothing_to_share_out(void **state)
{
    (void)state;
    struct arena arena = {.limit = 1u << 20};
    struct join_group_response response;
    struct join_group_response_members members[2];
    struct lead lead = {0};
    fill(&response, members, subscription(&arena, "t"));
    response.member_id = wire_text("a");
    assert_int_equal(lead_begin(&lead, &response), 0);
    assert_int_equal(lead.member_count, 0);
    assert_string_equal(lead.protocol, ASSIGN_RANGE);
    lead_end(&lead);
    arena_reset(&arena);
}

static void members_that_talk_nonsense(void **state)
{
    (void)state;
    static const char *const nonsense[] = {"", "\0", "\xff\xff", "\0\0\0\0\0\x09",
                                           "\0\1\x7f\xff\xff\xff"};
    static const int32_t sizes[] = {0, 1, 2, 6, 6};
    for (int i = 0; i < 5; i++) {
        struct join_group_response response;
        struct join_group_response_members members[2];
        struct lead lead = {0};
        fill(&response, members, (struct wire_bytes){(const uint8_t *)nonsense[i], sizes[i]});
        assert_int_equal(lead_begin(&lead, &response), MAPLOG_CORRUPT);
        assert_says("member a");
        lead_end(&lead);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_shares_out),
        cmocka_unit_test(others_have_nothing_to_share_out),
        cmocka_unit_test(members_that_talk_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
