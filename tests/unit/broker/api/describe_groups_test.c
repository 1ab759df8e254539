/* describe_groups_test.c - what groups are at, as tools show it. */
#include "../group_fixture.h"

static void each_state_has_its_name(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    assert_string_equal(description("g"), "69 Dead 0 ");
    join_parks(&all[0]);
    assert_string_equal(description("g"), "PreparingRebalance 1 ");
    now_ms += DELAY_MS;
    assert_int_equal(join_woken_by_time(&all[0]), KAFKA_NONE);
    assert_string_equal(description("g"), "CompletingRebalance 1 ");
    settle_all(all, 1);
    assert_string_equal(description("g"), "Stable 1 range");
    assert_int_equal(leave(&all[0]), KAFKA_NONE);
    assert_string_equal(description("g"), "Empty 0 ");
    /* One that only committed. */
    struct client simple = client_of("h", "simple");
    assert_int_equal(commit(&simple, 0, 1), KAFKA_NONE);
    assert_string_equal(description("h"), "Empty 0 ");
    assert_string_equal(description(""), "24  0 ");
}

/* Before version 6 a group that is not there is no error. */
static void an_unknown_group_is_dead(void **state)
{
    (void)state;
    struct wire_string name = wire_text("g");
    struct describe_groups_request body = {&name, 1, true};
    for (int16_t version = 0; version <= 6; version++) {
        struct call call;
        struct describe_groups_response *answer = ask(&call, DESCRIBE_GROUPS, version, &body);
        assert_true(wire_equal(answer->groups[0].group_state, "Dead"));
        assert_int_equal(answer->groups[0].error_code,
                         version < 6 ? KAFKA_NONE : KAFKA_GROUP_ID_NOT_FOUND);
        assert_true(version < 6 ||
                    wire_equal(answer->groups[0].error_message, "Group g not found."));
        call_end(&call);
    }
}

static void members_are_shown_with_what_they_have(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    struct wire_string names[] = {wire_text("g"), wire_text("unknown")};
    struct describe_groups_request body = {names, 2, true};
    struct call call;
    all[1].instance = "two";
    all[1].metadata = "of b";
    form(all, 2);
    struct describe_groups_response *answer = ask(&call, DESCRIBE_GROUPS, 5, &body);
    assert_int_equal(answer->groups_count, 2);
    const struct describe_groups_response_groups *group = &answer->groups[0];
    assert_true(wire_equal(group->protocol_type, "tester"));
    assert_true(wire_equal(group->protocol_data, "range"));
    assert_int_equal(group->authorized_operations, 1 << 3 | 1 << 6 | 1 << 8);
    const struct describe_groups_response_groups_members *member = &group->members[1];
    assert_true(wire_equal(member->member_id, all[1].member));
    assert_true(wire_equal(member->group_instance_id, "two"));
    assert_int_equal(group->members[0].group_instance_id.size, -1);
    assert_true(wire_equal(member->client_id, "b"));
    assert_true(wire_equal(member->client_host, "/127.0.0.1"));
    assert_int_equal(member->member_metadata.size, 4);
    assert_memory_equal(member->member_metadata.at, "of b", 4);
    assert_int_equal(member->member_assignment.size, 3);
    assert_memory_equal(member->member_assignment.at, "b's", 3);
    call_end(&call);
    /* Nothing is settled while they join anew. */
    join_parks(&all[0]);
    answer = ask(&call, DESCRIBE_GROUPS, 5, &body);
    assert_int_equal(answer->groups[0].members_count, 2);
    assert_int_equal(answer->groups[0].members[1].member_metadata.size, 0);
    assert_int_equal(answer->groups[0].members[1].member_assignment.size, 0);
    call_end(&call);
    call_end(&all[0].join);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, groups_setup, broker_remove)
        TEST(each_state_has_its_name),
        TEST(an_unknown_group_is_dead),
        TEST(members_are_shown_with_what_they_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
