/* groups_test.c - what a server tells of groups; members of other kinds than consumers. */
#include "remote/groups.h"

#include "peer.h"

#define NAMES 100 /* bytes */

static int16_t says;

static bool serve(struct peer *peer, const struct wire_request_header *header, const void *body)
{
    (void)body;
    if (header->api_key == REMOTE_LIST_GROUPS) {
        struct list_groups_response response;
        struct list_groups_response_groups rows[2];
        wire_init(&wire_list_groups_response, &response);
        wire_init(&wire_list_groups_response_groups, &rows[0]);
        rows[1] = rows[0];
        rows[0].group_id = wire_text("zebra");
        rows[1].group_id = wire_text("ape");
        response.groups = rows;
        response.groups_count = 2;
        response.error_code = says;
        peer_answer(peer, header, &response);
    } else if (header->api_key == REMOTE_DESCRIBE_GROUPS) {
        struct describe_groups_response response;
        struct describe_groups_response_groups row;
        struct describe_groups_response_groups_members member;
        wire_init(&wire_describe_groups_response, &response);
        wire_init(&wire_describe_groups_response_groups, &row);
        wire_init(&wire_describe_groups_response_groups_members, &member);
        member.member_id = wire_text("m");
        member.client_host = wire_text("/10.0.0.1");
        member.member_assignment = (struct wire_bytes){(const uint8_t *)"rubbish", 7};
        row.error_code = says;
        row.group_state = wire_text("a state whose name is much too long for anybody");
        row.members = &member;
        row.members_count = 1;
        response.groups = &row;
        response.groups_count = 1;
        peer_answer(peer, header, &response);
    } else {
        peer_answer_empty(peer, header);
    }
    return true;
}

static struct peer peer;
static struct remote *remote;
static char state_of_group[REMOTE_STATE_SIZE];

static int set_up(void **state)
{
    (void)state;
    says = 0;
    peer = (struct peer){.handle = serve};
    remote = peer_connect(&peer);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    peer_disconnect(&peer, remote);
    return 0;
}

static int see_member(void *context, const struct remote_membership *member)
{
    int *count = context;
    assert_string_equal(member->member, "m");
    assert_string_equal(member->host, "/10.0.0.1");
    assert_null(member->topic);
    return ++*count, 0;
}

static int see_group(void *context, const struct remote_group *group)
{
    int count = 0;
    size_t length = strlen(context);
    snprintf((char *)context + length, NAMES - length, "%s ", group->name);
    return remote_group_members(remote, group->name, state_of_group, see_member, &count);
}

static void listing(void **state)
{
    (void)state;
    char names[NAMES] = "";
    assert_int_equal(remote_group_list(remote, see_group, names), 0);
    assert_string_equal(names, "ape zebra ");
    says = KAFKA_COORDINATOR_NOT_AVAILABLE;
    assert_int_equal(remote_group_list(remote, see_group, names), MAPLOG_BUSY);
}

static void members_that_are_no_consumers(void **state)
{
    (void)state;
    int count = 0;
    assert_int_equal(remote_group_members(remote, "g", state_of_group, see_member, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(strlen(state_of_group), REMOTE_STATE_SIZE - 1);
    says = KAFKA_GROUP_ID_NOT_FOUND;
    assert_int_equal(remote_group_members(remote, "g", state_of_group, see_member, &count), 0);
    assert_string_equal(state_of_group, "Dead");
    assert_int_equal(count, 1);
}

static void deleting_needs_an_answer(void **state)
{
    (void)state;
    assert_int_equal(remote_group_delete(remote, "g"), MAPLOG_CORRUPT);
    assert_says("group g");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(listing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(members_that_are_no_consumers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(deleting_needs_an_answer, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
