/* join_group_test.c - who becomes a member, and who does not. */
#include "../group_fixture.h"

static void a_group_and_a_session_have_their_limits(void **state)
{
    (void)state;
    char longest[LIMIT_GROUP_NAME + 2];
    memset(longest, 'g', sizeof longest - 1);
    longest[LIMIT_GROUP_NAME + 1] = 0;
    struct client a = client_of("", "a"), b = client_of(longest, "b"), c = client_of("g", "c");
    assert_int_equal(join(&a), KAFKA_INVALID_GROUP_ID);
    assert_int_equal(join(&b), KAFKA_INVALID_GROUP_ID);
    c.session_ms = 5999;
    assert_int_equal(join(&c), KAFKA_INVALID_SESSION_TIMEOUT);
    c.session_ms = 1800001;
    assert_int_equal(join(&c), KAFKA_INVALID_SESSION_TIMEOUT);
    assert_string_equal(c.member, "");
    assert_string_equal(description("g"), "69 Dead 0 ");
    longest[LIMIT_GROUP_NAME] = 0;
    join_parks(&b);
    call_end(&b.join);
}

static void a_member_id_comes_first(void **state)
{
    (void)state;
    struct client a = client_of("g", "a");
    assert_int_equal(join_once(&a), BROKER_ANSWER);
    assert_int_equal(join_take(&a), KAFKA_MEMBER_ID_REQUIRED);
    assert_int_equal(strncmp(a.member, "a-", 2), 0);
    assert_int_equal(strlen(a.member), 2 + 36);
    assert_string_equal(description("g"), "Empty 0 ");
    assert_int_equal(join_once(&a), BROKER_PARK);
    call_end(&a.join);
    /* An id that was not given is no member's, nor is one that came too late. */
    struct client b = client_of("g", "b");
    snprintf(b.member, sizeof b.member, "b-of-another-time");
    assert_int_equal(join(&b), KAFKA_UNKNOWN_MEMBER_ID);
    b.group = "unknown";
    assert_int_equal(join(&b), KAFKA_UNKNOWN_MEMBER_ID);
    struct client late = client_of("h", "late");
    assert_int_equal(join_once(&late), BROKER_ANSWER);
    assert_int_equal(join_take(&late), KAFKA_MEMBER_ID_REQUIRED);
    tick(SESSION_MS);
    assert_int_equal(join(&late), KAFKA_UNKNOWN_MEMBER_ID);
}

/* Somebody who was given an id is about to join: the rebalance waits for it. */
static void a_rebalance_waits_for_who_has_an_id(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    form(all, 1);
    assert_int_equal(join_once(&all[1]), BROKER_ANSWER);
    assert_int_equal(join_take(&all[1]), KAFKA_MEMBER_ID_REQUIRED);
    assert_int_equal(heartbeat(&all[0]), KAFKA_NONE);
    join_parks(&all[0]); /* a leader joins anew */
    tick(SESSION_MS - 1);
    assert_false(all[0].join.woken);
    assert_int_equal(join_once(&all[1]), BROKER_ANSWER);
    assert_int_equal(join_take(&all[1]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[0]), KAFKA_NONE);
    assert_int_equal(all[0].members, 2);
}

static void old_versions_join_without(void **state)
{
    (void)state;
    for (int16_t version = 0; version < 4; version++) {
        struct client a = client_of("g", "a");
        a.version = version;
        form(&a, 1);
        assert_int_equal(strncmp(a.member, "a-", 2), 0);
        assert_int_equal(heartbeat(&a), KAFKA_NONE);
        assert_int_equal(leave(&a), KAFKA_NONE);
    }
}

/* Version 0 has no rebalance timeout, and some clients of later ones say -1. */
static void without_a_rebalance_timeout_the_session_counts(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    all[0].session_ms = all[1].session_ms = 7000;
    all[0].rebalance_ms = all[1].rebalance_ms = -1;
    all[1].version = 0;
    form(all, 2);
    all[0].metadata = "new";
    join_parks(&all[0]);
    assert_int_equal(all[0].join.request.deadline_ms, now_ms + 7000);
    call_end(&all[0].join);
}

static void members_choose_the_protocol_most_prefer(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b"), client_of("g", "c")};
    all[0].protocol[0] = "range", all[0].protocol[1] = "sticky";
    all[1].protocol[0] = "sticky", all[1].protocol[1] = "range";
    all[2].protocol[0] = "sticky", all[2].protocol[1] = "range";
    form(all, 3);
    assert_string_equal(all[0].chosen, "sticky");
    /* One that knows only range is welcome, and then nothing else is left to choose. */
    struct client d = client_of("g", "d");
    join_parks(&d);
    for (int i = 0; i < 2; i++)
        join_parks(&all[i]);
    assert_int_equal(join(&all[2]), KAFKA_NONE);
    assert_int_equal(join_woken(&d), KAFKA_NONE);
    assert_string_equal(d.chosen, "range");
    for (int i = 0; i < 2; i++)
        assert_int_equal(join_woken(&all[i]), KAFKA_NONE);
}

static void who_has_nothing_in_common_stays_out(void **state)
{
    (void)state;
    struct client a = client_of("g", "a"), b = client_of("g", "b"), c = client_of("g", "c");
    struct client none = client_of("g", "none"), typeless = client_of("h", "typeless");
    form(&a, 1);
    b.protocol[0] = "other";
    assert_int_equal(join(&b), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    c.type = "connect";
    assert_int_equal(join(&c), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    none.protocol[0] = NULL;
    assert_int_equal(join(&none), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    typeless.type = "";
    assert_int_equal(join(&typeless), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    assert_string_equal(description("g"), "Stable 1 range");
}

static void a_follower_that_says_the_same_again_hears_the_same_again(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    form(all, 2);
    int32_t generation = all[1].generation;
    assert_int_equal(join(&all[1]), KAFKA_NONE);
    assert_int_equal(all[1].generation, generation);
    assert_int_equal(sync_now(&all[1], all, 2), KAFKA_NONE);
    assert_string_equal(all[1].assignment, "b's");
    /* With something new it makes all join anew, and so does the leader by just asking. */
    all[1].metadata = "new";
    join_parks(&all[1]);
    assert_int_equal(join(&all[0]), KAFKA_NONE);
    assert_int_equal(all[0].generation, generation + 1);
    assert_int_equal(join_woken(&all[1]), KAFKA_NONE);
    /* Before the assignment the leader too hears the same again, with the members. */
    assert_int_equal(join(&all[0]), KAFKA_NONE);
    assert_int_equal(all[0].generation, generation + 1);
    assert_int_equal(all[0].members, 2);
    settle_all(all, 2);
    join_parks(&all[0]);
    call_end(&all[0].join);
}

static void a_full_group_takes_no_more(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b"), client_of("g", "c")};
    settings.group_max_size = 2;
    broker_configure(broker, &settings);
    form(all, 2);
    assert_int_equal(join(&all[2]), KAFKA_GROUP_MAX_SIZE_REACHED);
    assert_string_equal(all[2].member, "");
    all[2].version = 3;
    assert_int_equal(join(&all[2]), KAFKA_GROUP_MAX_SIZE_REACHED);
    /* In a rebalance the first ones that ask have the places. */
    all[2].version = 9;
    join_parks(&all[0]);
    join_parks(&all[2]);
    assert_int_equal(join(&all[1]), KAFKA_GROUP_MAX_SIZE_REACHED);
    assert_int_equal(join_woken(&all[0]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[2]), KAFKA_NONE);
    assert_int_equal(all[0].members, 2);
}

static void a_parked_join_whose_connection_vanished(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    join_parks(&all[0]);
    join_parks(&all[1]);
    call_end(&all[0].join); /* as the server does */
    now_ms += DELAY_MS;
    resume(&all[1].join);
    now_ms += DELAY_MS;
    assert_int_equal(join_woken_by_time(&all[1]), KAFKA_NONE);
    /* It is a member still, and comes back for its answer. */
    assert_int_equal(join(&all[0]), KAFKA_NONE);
    assert_true(leads(&all[0]));
    settle_all(all, 2);
    /* If it does not, its session ends, although it was told to wait. */
    join_parks(&all[0]);
    call_end(&all[0].join);
    tick(SESSION_MS - 1);
    assert_int_equal(heartbeat(&all[1]), KAFKA_REBALANCE_IN_PROGRESS);
    tick(1);
    assert_int_equal(join(&all[1]), KAFKA_NONE);
    assert_int_equal(all[1].members, 1);
}

/* The client gave up its first request and asks again on another connection. */
static void a_second_join_answers_the_first(void **state)
{
    (void)state;
    struct client a = client_of("g", "a"), again = client_of("g", "a");
    join_parks(&a);
    memcpy(again.member, a.member, sizeof again.member);
    join_parks(&again);
    assert_int_equal(a.join.woken, 1);
    assert_int_equal(resume(&a.join), BROKER_ANSWER);
    assert_int_equal(join_take(&a), KAFKA_REBALANCE_IN_PROGRESS);
    now_ms += DELAY_MS;
    assert_int_equal(join_woken_by_time(&again), KAFKA_NONE);
}

/* ---- static members -------------------------------------------------------------------------- */

static void a_static_member_comes_back_without_a_rebalance(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    all[0].instance = "one", all[1].instance = "two";
    form(all, 2);
    assert_int_equal(strncmp(all[1].member, "two-", 4), 0);
    struct client old = all[1];
    all[1].member[0] = 0; /* restarted */
    assert_int_equal(join(&all[1]), KAFKA_NONE);
    assert_string_not_equal(all[1].member, old.member);
    assert_int_equal(all[1].generation, old.generation);
    assert_string_equal(description("g"), "Stable 2 range");
    assert_int_equal(sync_now(&all[1], all, 2), KAFKA_NONE);
    assert_string_equal(all[1].assignment, "b's");
    /* Its former self is shut out. */
    assert_int_equal(heartbeat(&old), KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(commit(&old, 0, 1), KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(sync_now(&old, all, 2), KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(join(&old), KAFKA_FENCED_INSTANCE_ID);
    /* Without its instance id it is just unknown. */
    old = all[1];
    snprintf(old.member, sizeof old.member, "other");
    old.instance = NULL;
    assert_int_equal(heartbeat(&old), KAFKA_UNKNOWN_MEMBER_ID);
}

static void a_static_leader_comes_back_and_does_not_assign(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    char former[128];
    all[0].instance = "one";
    form(all, 2);
    all[0].member[0] = 0;
    assert_int_equal(join(&all[0]), KAFKA_NONE);
    assert_true(leads(&all[0]));
    assert_true(all[0].skips);
    assert_int_equal(all[0].members, 2);
    /* Where it cannot be told so, it is told that its former self leads. */
    snprintf(former, sizeof former, "%s", all[0].member);
    all[0].member[0] = 0;
    all[0].version = 8;
    assert_int_equal(join(&all[0]), KAFKA_NONE);
    assert_string_equal(all[0].leader, former);
    assert_int_equal(all[0].members, 0);
    assert_int_equal(sync_now(&all[0], all, 2), KAFKA_NONE);
    assert_string_equal(all[0].assignment, "a's");
    /* It leads all the same: asking anew makes all rebalance. */
    join_parks(&all[0]);
    call_end(&all[0].join);
}

static void a_static_member_back_in_a_rebalance_takes_part(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    all[0].instance = "one", all[1].instance = "two";
    form(all, 2);
    join_parks(&all[0]);
    assert_int_equal(join(&all[1]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[0]), KAFKA_NONE);
    struct client old = all[1];
    /* Between join and assignment: the leader's would name the former id. */
    all[1].member[0] = 0;
    assert_int_equal(sync_begin(&old, all, 2), BROKER_PARK);
    join_parks(&all[1]);
    assert_int_equal(sync_woken(&old), KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(heartbeat(&all[0]), KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(join(&all[0]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[1]), KAFKA_NONE);
    settle_all(all, 2);
}

/* A static member that misses a rebalance keeps its place until its session ends. */
static void a_missing_static_member_is_waited_for(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    all[1].instance = "two";
    all[1].session_ms = 10 * REBALANCE_MS;
    form(all, 2);
    join_parks(&all[0]);
    now_ms += REBALANCE_MS;
    assert_int_equal(join_woken_by_time(&all[0]), KAFKA_NONE);
    assert_int_equal(all[0].members, 2);
    assert_int_equal(sync_now(&all[0], all, 2), KAFKA_NONE);
    assert_string_equal(description("g"), "Stable 2 range");
    all[1].generation = all[0].generation;
    assert_int_equal(sync_now(&all[1], all, 2), KAFKA_NONE);
    assert_string_equal(all[1].assignment, "b's");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, groups_setup, broker_remove)
        TEST(a_group_and_a_session_have_their_limits),
        TEST(a_member_id_comes_first),
        TEST(a_rebalance_waits_for_who_has_an_id),
        TEST(old_versions_join_without),
        TEST(without_a_rebalance_timeout_the_session_counts),
        TEST(members_choose_the_protocol_most_prefer),
        TEST(who_has_nothing_in_common_stays_out),
        TEST(a_follower_that_says_the_same_again_hears_the_same_again),
        TEST(a_full_group_takes_no_more),
        TEST(a_parked_join_whose_connection_vanished),
        TEST(a_second_join_answers_the_first),
        TEST(a_static_member_comes_back_without_a_rebalance),
        TEST(a_static_leader_comes_back_and_does_not_assign),
        TEST(a_static_member_back_in_a_rebalance_takes_part),
        TEST(a_missing_static_member_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
