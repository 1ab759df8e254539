/* leave_group_test.c - members that go, alone and in lists. */
#include "../group_fixture.h"

struct leaver {
    const char *member, *instance; /* instance NULL: none */
    int16_t expected;
};

/* One list; each answer in its place, under the names that were asked for. */
static void leave_list(const char *group, int16_t version, const struct leaver *leavers, int count)
{
    struct call call;
    struct leave_group_request body;
    struct leave_group_request_members members[4];
    wire_init(&wire_leave_group_request, &body);
    body.group_id = wire_text(group);
    body.members = members;
    body.members_count = count;
    for (int i = 0; i < count; i++)
        members[i] = (struct leave_group_request_members){
            wire_text(leavers[i].member), wire_text(leavers[i].instance), wire_text("done")};
    struct leave_group_response *answer = ask(&call, LEAVE_GROUP, version, &body);
    assert_int_equal(answer->error_code, KAFKA_NONE);
    assert_int_equal(answer->members_count, count);
    for (int i = 0; i < count; i++) {
        assert_true(wire_equal(answer->members[i].member_id, leavers[i].member));
        assert_true(wire_equal(answer->members[i].group_instance_id, leavers[i].instance));
        assert_int_equal(answer->members[i].error_code, leavers[i].expected);
    }
    call_end(&call);
}

static void the_others_rebalance(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    form(all, 2);
    assert_int_equal(leave(&all[0]), KAFKA_NONE);
    assert_int_equal(leave(&all[0]), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(heartbeat(&all[1]), KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(join(&all[1]), KAFKA_NONE);
    settle_all(all + 1, 1);
    assert_int_equal(leave(&all[1]), KAFKA_NONE);
    assert_string_equal(description("g"), "Empty 0 ");
    struct client other = client_of("unknown", "other");
    assert_int_equal(leave(&other), KAFKA_UNKNOWN_MEMBER_ID);
    other.group = "";
    assert_int_equal(leave(&other), KAFKA_INVALID_GROUP_ID);
}

static void a_list_has_a_code_for_each(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b"), client_of("g", "c")};
    all[1].instance = "two", all[2].instance = "three";
    form(all, 3);
    const struct leaver some[] = {
        {all[0].member, NULL, KAFKA_NONE},
        {all[0].member, "two", KAFKA_FENCED_INSTANCE_ID},
        {"", "two", KAFKA_NONE}, /* an administrator knows no member ids */
        {"", "unknown", KAFKA_UNKNOWN_MEMBER_ID},
    };
    leave_list("g", 5, some, 4);
    assert_string_equal(description("g"), "PreparingRebalance 1 ");
    const struct leaver last[] = {{all[2].member, "three", KAFKA_NONE},
                                  {"stranger", NULL, KAFKA_UNKNOWN_MEMBER_ID}};
    leave_list("g", 3, last, 2);
    assert_string_equal(description("g"), "Empty 0 ");
    const struct leaver nobody[] = {{"stranger", NULL, KAFKA_UNKNOWN_MEMBER_ID}};
    leave_list("unknown", 4, nobody, 1);
}

static void who_was_about_to_join_may_go_too(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    form(all, 1);
    assert_int_equal(join_once(&all[1]), BROKER_ANSWER);
    assert_int_equal(join_take(&all[1]), KAFKA_MEMBER_ID_REQUIRED);
    join_parks(&all[0]);
    assert_int_equal(leave(&all[1]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[0]), KAFKA_NONE); /* nobody is waited for any more */
    assert_int_equal(join(&all[1]), KAFKA_UNKNOWN_MEMBER_ID);
}

static void a_parked_join_is_answered_when_its_member_goes(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    form(all, 2);
    join_parks(&all[0]);
    assert_int_equal(leave(&all[0]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[0]), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(join(&all[1]), KAFKA_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, groups_setup, broker_remove)
        TEST(the_others_rebalance),
        TEST(a_list_has_a_code_for_each),
        TEST(who_was_about_to_join_may_go_too),
        TEST(a_parked_join_is_answered_when_its_member_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
