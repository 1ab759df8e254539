/* rebalance_test.c - how groups come from one generation to the next. */
#include "group_fixture.h"

static void the_first_rebalance_waits_for_more_members(void **state)
{
    (void)state;
    struct client a = client_of("g", "a"), b = client_of("g", "b");
    join_parks(&a);
    assert_int_equal(a.join.request.deadline_ms, now_ms + DELAY_MS);
    now_ms += DELAY_MS - 1;
    join_parks(&b);
    /* Somebody came: the same time once more. */
    now_ms += 1;
    assert_int_equal(resume(&a.join), BROKER_PARK);
    assert_int_equal(a.join.request.deadline_ms, now_ms + DELAY_MS);
    now_ms += DELAY_MS - 1;
    assert_int_equal(resume(&b.join), BROKER_PARK);
    assert_false(a.join.woken);
    now_ms += 1;
    assert_int_equal(resume(&b.join), BROKER_ANSWER);
    assert_int_equal(join_take(&b), KAFKA_NONE);
    assert_int_equal(join_woken(&a), KAFKA_NONE);
    assert_int_equal(a.generation, b.generation);
    assert_true(leads(&a));
    assert_false(leads(&b));
    assert_int_equal(a.members, 2);
    assert_int_equal(b.members, 0);
    assert_string_equal(a.chosen, "range");
    assert_string_equal(description("g"), "CompletingRebalance 2 ");
    struct client all[] = {a, b};
    settle_all(all, 2);
    assert_string_equal(description("g"), "Stable 2 range");
}

static void one_alone_waits_once(void **state)
{
    (void)state;
    struct client a = client_of("g", "a");
    join_parks(&a);
    now_ms += DELAY_MS;
    assert_int_equal(join_woken_by_time(&a), KAFKA_NONE);
    assert_int_equal(a.members, 1);
}

static void it_does_not_wait_longer_than_the_rebalance_timeout(void **state)
{
    (void)state;
    struct client all[4];
    for (int i = 0; i < 4; i++) {
        all[i] = client_of("g", "crowd");
        all[i].rebalance_ms = 4 * DELAY_MS;
        join_parks(&all[i]);
        now_ms += DELAY_MS - 1;
    }
    now_ms += 3;
    assert_int_equal(resume(&all[2].join), BROKER_PARK);
    now_ms += 1;
    assert_int_equal(join_woken_by_time(&all[2]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[0]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[1]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[3]), KAFKA_NONE);
    assert_int_equal(all[0].members, 4);
}

static void without_a_delay_the_first_is_answered_at_once(void **state)
{
    (void)state;
    struct client a = client_of("g", "a");
    settings.group_initial_rebalance_delay_ms = 0;
    broker_configure(broker, &settings);
    assert_int_equal(join(&a), KAFKA_NONE);
    assert_int_equal(sync_now(&a, &a, 1), KAFKA_NONE);
    assert_string_equal(a.assignment, "a's");
    assert_int_equal(heartbeat(&a), KAFKA_NONE);
}

static void a_third_member_makes_all_join_anew(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b"), client_of("g", "c")};
    form(all, 2);
    int32_t generation = all[0].generation;
    join_parks(&all[2]);
    assert_string_equal(description("g"), "PreparingRebalance 3 ");
    assert_int_equal(heartbeat(&all[0]), KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(heartbeat(&all[1]), KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(sync_now(&all[0], all, 3), KAFKA_REBALANCE_IN_PROGRESS);
    /* Those of the old generation may still commit. */
    assert_int_equal(commit(&all[1], 0, 5), KAFKA_NONE);
    join_parks(&all[1]);
    assert_false(all[2].join.woken);
    assert_int_equal(join(&all[0]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[1]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[2]), KAFKA_NONE);
    assert_int_equal(all[2].generation, generation + 1);
    assert_true(leads(&all[0]));
    assert_int_equal(all[0].members, 3);
    /* Nobody commits between the join and the assignment. */
    assert_int_equal(commit(&all[1], 0, 6), KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(heartbeat(&all[1]), KAFKA_NONE);
    settle_all(all, 3);
    assert_int_equal(committed("g", 0), 5);
}

static void who_does_not_join_in_time_is_left_behind(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b"), client_of("g", "c")};
    all[0].session_ms = all[1].session_ms = all[2].session_ms = 10 * REBALANCE_MS;
    form(all, 2);
    join_parks(&all[2]);
    join_parks(&all[1]);
    now_ms += REBALANCE_MS - 1;
    assert_int_equal(heartbeat(&all[0]), KAFKA_REBALANCE_IN_PROGRESS);
    now_ms += 1;
    assert_int_equal(heartbeat(&all[0]), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(join_woken(&all[1]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[2]), KAFKA_NONE);
    assert_true(leads(&all[1]));
    assert_int_equal(all[1].members, 2);
    settle_all(all + 1, 2);
    assert_int_equal(join(&all[0]), KAFKA_UNKNOWN_MEMBER_ID);
}

static void a_member_that_vanishes_leaves_its_work_to_the_others(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    form(all, 2);
    tick(SESSION_MS - 1);
    assert_int_equal(heartbeat(&all[1]), KAFKA_NONE);
    tick(1); /* a was not heard of */
    assert_non_null(strstr(last_note, "was not heard of"));
    assert_string_equal(description("g"), "PreparingRebalance 1 ");
    assert_int_equal(heartbeat(&all[1]), KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(join(&all[1]), KAFKA_NONE);
    assert_true(leads(&all[1]));
    settle_all(all + 1, 1);
    assert_int_equal(heartbeat(&all[0]), KAFKA_UNKNOWN_MEMBER_ID);
    /* And the last one. */
    tick(SESSION_MS);
    assert_string_equal(description("g"), "Empty 0 ");
    assert_int_equal(heartbeat(&all[1]), KAFKA_UNKNOWN_MEMBER_ID);
}

static void a_leader_that_does_not_assign_is_replaced(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    all[0].session_ms = all[1].session_ms = 10 * REBALANCE_MS;
    form(all, 2);
    join_parks(&all[0]);
    assert_int_equal(join(&all[1]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[0]), KAFKA_NONE);
    assert_int_equal(sync_begin(&all[1], all, 2), BROKER_PARK);
    assert_int_equal(all[1].sync.request.deadline_ms, now_ms + REBALANCE_MS);
    tick(REBALANCE_MS);
    assert_int_equal(sync_woken(&all[1]), KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(heartbeat(&all[0]), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(join(&all[1]), KAFKA_NONE);
    assert_true(leads(&all[1]));
    settle_all(all + 1, 1);
}

static void a_member_that_does_not_fetch_its_assignment_goes(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    all[0].session_ms = all[1].session_ms = 10 * REBALANCE_MS;
    form(all, 2);
    tick(2 * REBALANCE_MS); /* all have what they need: nothing happens */
    assert_int_equal(heartbeat(&all[1]), KAFKA_NONE);
    join_parks(&all[0]);
    assert_int_equal(join(&all[1]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[0]), KAFKA_NONE);
    assert_int_equal(sync_now(&all[0], all, 2), KAFKA_NONE);
    tick(REBALANCE_MS - 1);
    assert_int_equal(heartbeat(&all[1]), KAFKA_NONE);
    tick(1);
    assert_int_equal(heartbeat(&all[1]), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(heartbeat(&all[0]), KAFKA_REBALANCE_IN_PROGRESS);
}

/* Whoever waits for its answer is not counted out, however long that takes. */
static void waiting_members_need_no_heartbeats(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b"), client_of("g", "c")};
    all[1].session_ms = all[2].session_ms = 2 * REBALANCE_MS;
    form(all, 3);
    all[0].metadata = "changed";
    join_parks(&all[0]);
    tick(3 * SESSION_MS - 1);
    assert_false(all[0].join.woken);
    join_parks(&all[1]);
    assert_int_equal(join(&all[2]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[0]), KAFKA_NONE);
    assert_int_equal(join_woken(&all[1]), KAFKA_NONE);
    for (int i = 1; i < 3; i++)
        assert_int_equal(sync_begin(&all[i], all, 3), BROKER_PARK);
    tick(SESSION_MS - 1);
    assert_int_equal(sync_now(&all[0], all, 3), KAFKA_NONE);
    assert_int_equal(sync_woken(&all[1]), KAFKA_NONE);
    assert_int_equal(sync_woken(&all[2]), KAFKA_NONE);
}

static void a_new_member_that_never_hears_of_its_id_goes_in_the_end(void **state)
{
    (void)state;
    struct client a = client_of("g", "a"), lost = client_of("g", "lost");
    a.session_ms = a.rebalance_ms = 1800000;
    form(&a, 1);
    lost.version = 3; /* with an id of its own it would be heard of */
    join_parks(&lost);
    tick(300000 - 1);
    assert_false(lost.join.woken);
    tick(1);
    assert_int_equal(join_woken(&lost), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(join(&a), KAFKA_NONE);
    assert_int_equal(a.members, 1);
}

/* One that says it needs no time for a rebalance is not waited for all the time. */
static void a_static_member_alone_keeps_nobody_busy(void **state)
{
    (void)state;
    struct client all[] = {client_of("g", "a"), client_of("g", "b")};
    all[0].instance = "one";
    all[0].rebalance_ms = 0;
    form(all, 2);
    assert_int_equal(leave(&all[1]), KAFKA_NONE);
    assert_string_equal(description("g"), "PreparingRebalance 1 ");
    tick(0); /* when it wants to be called again lies in the future */
    tick(100);
    tick(SESSION_MS);
    tick(SESSION_MS);
    assert_string_equal(description("g"), "Empty 0 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, groups_setup, broker_remove)
        TEST(the_first_rebalance_waits_for_more_members),
        TEST(one_alone_waits_once),
        TEST(it_does_not_wait_longer_than_the_rebalance_timeout),
        TEST(without_a_delay_the_first_is_answered_at_once),
        TEST(a_third_member_makes_all_join_anew),
        TEST(who_does_not_join_in_time_is_left_behind),
        TEST(a_member_that_vanishes_leaves_its_work_to_the_others),
        TEST(a_leader_that_does_not_assign_is_replaced),
        TEST(a_member_that_does_not_fetch_its_assignment_goes),
        TEST(waiting_members_need_no_heartbeats),
        TEST(a_new_member_that_never_hears_of_its_id_goes_in_the_end),
        TEST(a_static_member_alone_keeps_nobody_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
