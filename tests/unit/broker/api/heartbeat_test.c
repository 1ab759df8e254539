/* heartbeat_test.c - signs of life keep a member, and bring it news. */
#include "../group_fixture.h"

static void each_answer_has_its_reason(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    struct client other = client_of("", "other");
    assert_int_equal(heartbeat(&other), KAFKA_INVALID_GROUP_ID);
    other.group = "unknown";
    assert_int_equal(heartbeat(&other), KAFKA_UNKNOWN_MEMBER_ID);
    form(all, 2);
    assert_int_equal(heartbeat(&all[0]), KAFKA_NONE);
    other = all[0];
    other.generation--;
    assert_int_equal(heartbeat(&other), KAFKA_ILLEGAL_GENERATION);
    other = all[0];
    snprintf(other.member, sizeof other.member, "stranger");
    assert_int_equal(heartbeat(&other), KAFKA_UNKNOWN_MEMBER_ID);
    join_parks(&all[0]);
    assert_int_equal(heartbeat(&all[1]), KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(join(&all[1]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[0]), KAFKA_NONE);
    assert_int_equal(heartbeat(&all[1]), KAFKA_NONE); /* it has joined; assignments follow */
}

static void they_keep_a_member(void **state)
{
    (void)state;
    struct client a = client_of("g", "a");
    form(&a, 1);
    for (int i = 0; i < 10; i++) {
        tick(SESSION_MS - 1);
        assert_int_equal(heartbeat(&a), KAFKA_NONE);
    }
    now_ms += SESSION_MS;
    assert_int_equal(heartbeat(&a), KAFKA_UNKNOWN_MEMBER_ID); /* no tick is needed */
}

static void so_do_commits(void **state)
{
    (void)state;
    struct client a = client_of("g", "a");
    form(&a, 1);
    for (int i = 0; i < 3; i++) {
        tick(SESSION_MS - 1);
        assert_int_equal(commit(&a, 0, i), KAFKA_NONE);
    }
}

/* A restarted server knows no members: they join anew, in a generation above all before. */
static void after_a_restart_members_are_unknown(void **state)
{
    (void)state;
    struct client a = client_of("g", "a");
    form(&a, 1);
    assert_int_equal(commit(&a, 0, 5), KAFKA_NONE);
    struct client old = a;
    broker_restart();
    now_ms += 2000;
    assert_int_equal(heartbeat(&a), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit(&a, 0, 6), KAFKA_UNKNOWN_MEMBER_ID);
    a.member[0] = 0;
    form(&a, 1);
    assert_true(a.generation > old.generation);
    assert_int_equal(commit(&old, 0, 6), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(committed("g", 0), 5);
    assert_int_equal(commit(&a, 0, 7), KAFKA_NONE);
    assert_int_equal(committed("g", 0), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, groups_setup, broker_remove)
        TEST(each_answer_has_its_reason),
        TEST(they_keep_a_member),
        TEST(so_do_commits),
        TEST(after_a_restart_members_are_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
