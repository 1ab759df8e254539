/* sync_group_test.c - assignments: whose, when, and in which generation. */
#include "../group_fixture.h"

static void the_leader_assigns_and_the_others_wait(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b"), client_of("g", "c")};
    form(all, 3);
    /* Who asks again hears the same, at once. */
    for (int i = 0; i < 3; i++)
        assert_int_equal(sync_now(&all[i], all, 3), KAFKA_NONE);
    assert_string_equal(all[2].assignment, "c's");
}

static void whom_the_leader_does_not_name_gets_nothing(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    form(all, 2);
    join_parks(&all[0]);
    assert_int_equal(join(&all[1]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[0]), KAFKA_NONE);
    assert_int_equal(sync_now(&all[0], all, 1), KAFKA_NONE);
    assert_int_equal(sync_now(&all[1], all, 2), KAFKA_NONE);
    assert_string_equal(all[0].assignment, "a's");
    assert_string_equal(all[1].assignment, "");
}

static void strangers_and_the_past_are_refused(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    form(all, 2);
    struct client other = all[0];
    other.group = "unknown";
    assert_int_equal(sync_now(&other, all, 2), KAFKA_UNKNOWN_MEMBER_ID);
    other.group = "";
    assert_int_equal(sync_now(&other, all, 2), KAFKA_INVALID_GROUP_ID);
    other = all[0];
    snprintf(other.member, sizeof other.member, "stranger");
    assert_int_equal(sync_now(&other, all, 2), KAFKA_UNKNOWN_MEMBER_ID);
    other = all[0];
    other.generation--;
    assert_int_equal(sync_now(&other, all, 2), KAFKA_ILLEGAL_GENERATION);
    other = all[0];
    other.type = "connect";
    assert_int_equal(sync_now(&other, all, 2), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    other = all[0];
    snprintf(other.chosen, sizeof other.chosen, "sticky");
    assert_int_equal(sync_now(&other, all, 2), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    assert_int_equal(sync_now(&all[0], all, 2), KAFKA_NONE);
}

static void a_rebalance_ends_the_wait(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    form(all, 2);
    join_parks(&all[0]);
    assert_int_equal(join(&all[1]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[0]), KAFKA_NONE);
    assert_int_equal(sync_begin(&all[1], all, 2), BROKER_PARK);
    assert_int_equal(leave(&all[0]), KAFKA_NONE);
    assert_int_equal(sync_woken(&all[1]), KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(join(&all[1]), KAFKA_NONE);
}

static void a_parked_sync_whose_connection_vanished(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    form(all, 2);
    join_parks(&all[0]);
    assert_int_equal(join(&all[1]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[0]), KAFKA_NONE);
    assert_int_equal(sync_begin(&all[1], all, 2), BROKER_PARK);
    call_end(&all[1].sync);
    assert_int_equal(sync_now(&all[0], all, 2), KAFKA_NONE);
    assert_int_equal(sync_now(&all[1], all, 2), KAFKA_NONE);
    assert_string_equal(all[1].assignment, "b's");
}

/* Woken for its assignment, it comes too late to hear it. */
static void between_wake_and_answer_much_may_happen(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b"), client_of("g", "c")};
    form(all, 3);
    join_parks(&all[0]);
    join_parks(&all[1]);
    assert_int_equal(join(&all[2]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[0]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[1]), KAFKA_NONE);
    assert_int_equal(sync_begin(&all[1], all, 3), BROKER_PARK);
    assert_int_equal(sync_begin(&all[2], all, 3), BROKER_PARK);
    assert_int_equal(sync_now(&all[0], all, 3), KAFKA_NONE);
    assert_int_equal(leave(&all[0]), KAFKA_NONE);
    assert_int_equal(sync_woken(&all[1]), KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(leave(&all[2]), KAFKA_NONE);
    assert_int_equal(sync_woken(&all[2]), KAFKA_UNKNOWN_MEMBER_ID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, groups_setup, broker_remove)
        TEST(the_leader_assigns_and_the_others_wait),
        TEST(whom_the_leader_does_not_name_gets_nothing),
        TEST(strangers_and_the_past_are_refused),
        TEST(a_rebalance_ends_the_wait),
        TEST(a_parked_sync_whose_connection_vanished),
        TEST(between_wake_and_answer_much_may_happen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
