/* group_test.c - a group by itself: who is who, votes, commits, what is parked. */
#include "group_fixture.h"

#include "broker/group.h"

static struct group *group;
static struct join_group_request asked;
static struct join_group_request_protocols offers[3];

static int setup(void **state)
{
    if (groups_setup(state))
        return -1;
    group = group_create(broker, wire_text("g"), now_ms);
    wire_init(&wire_join_group_request, &asked);
    asked.protocol_type = wire_text("consumer");
    asked.session_timeout_ms = SESSION_MS;
    asked.protocols = offers;
    return group ? 0 : -1;
}

static int teardown(void **state)
{
    group_free(group);
    return broker_remove(state);
}

/* A member with these offers, "a b": the best one first. */
static struct member *add(const char *id, const char *instance, const char *names)
{
    struct broker_request request = {.peer = "host:1", .body = &asked};
    request.header.client_id = wire_text("client");
    asked.group_instance_id = wire_text(instance);
    asked.protocols_count = 0;
    for (const char *at = names; *at; at += strspn(at, " ")) {
        size_t size = strcspn(at, " ");
        offers[asked.protocols_count++] = (struct join_group_request_protocols){
            {at, (int32_t)size}, {(const uint8_t *)id, (int32_t)strlen(id)}};
        at += size;
    }
    struct member *member = member_create(wire_text(id), &request);
    assert_non_null(member);
    assert_ok(group_add(group, member, asked.protocol_type));
    return member;
}

static void members_are_found_by_both_names(void **state)
{
    (void)state;
    struct member *a = add("a", NULL, "x"), *b = add("b", "two", "x"), *found;
    const struct wire_string null = {NULL, -1};
    assert_ptr_equal(group_find(group, wire_text("a")), a);
    assert_ptr_equal(group_find_static(group, wire_text("two")), b);
    assert_null(group_find_static(group, null));
    assert_int_equal(group_identify(group, wire_text("a"), null, &found), KAFKA_NONE);
    assert_int_equal(group_identify(group, wire_text("b"), wire_text("two"), &found), KAFKA_NONE);
    assert_ptr_equal(found, b);
    assert_int_equal(group_identify(group, wire_text("a"), wire_text("two"), &found),
                     KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(group_identify(group, wire_text("a"), wire_text("one"), &found),
                     KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(group_identify(group, wire_text("c"), null, &found), KAFKA_UNKNOWN_MEMBER_ID);
}

static void the_one_that_stays_longest_leads(void **state)
{
    (void)state;
    struct member *a = add("a", NULL, "x"), *b = add("b", NULL, "x"), *c = add("c", NULL, "x");
    size_t bytes = group->bytes;
    assert_ptr_equal(group->leader, a);
    group_remove(group, b, KAFKA_NONE, now_ms);
    assert_ptr_equal(group->leader, a);
    group_remove(group, a, KAFKA_NONE, now_ms);
    assert_ptr_equal(group->leader, c);
    assert_true(group->bytes < bytes);
    group_remove(group, c, KAFKA_NONE, now_ms);
    assert_null(group->leader);
    assert_int_equal(group->bytes, sizeof *group + 1);
}

static void votes_are_counted_among_what_all_offer(void **state)
{
    (void)state;
    add("a", NULL, "x y");
    assert_true(wire_equal(group_vote(group), "x"));
    add("b", NULL, "y x");
    assert_true(wire_equal(group_vote(group), "x")); /* a tie: as the first one likes */
    add("c", NULL, "z y x");
    assert_true(wire_equal(group_vote(group), "y"));
    add("d", NULL, "x z");
    assert_true(wire_equal(group_vote(group), "x"));
}

static void newcomers_need_something_in_common(void **state)
{
    (void)state;
    offers[0].name = wire_text("z");
    asked.protocols_count = 1;
    assert_true(group_supports(group, &asked)); /* nobody is there */
    add("a", NULL, "x y");
    add("b", NULL, "y");
    offers[0].name = wire_text("x");
    asked.protocols_count = 1;
    assert_false(group_supports(group, &asked));
    offers[1].name = wire_text("y");
    asked.protocols_count = 2;
    assert_true(group_supports(group, &asked));
    asked.protocol_type = wire_text("connect");
    assert_false(group_supports(group, &asked));
    asked.protocol_type = wire_text("");
    assert_false(group_supports(group, &asked));
}

static void ids_that_were_given_are_kept_for_a_while(void **state)
{
    (void)state;
    size_t bytes = group->bytes;
    for (int i = 0; i < 20; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        assert_ok(group_add_pending(group, wire_text(id), now_ms + 100 + i));
    }
    assert_int_equal(group->due_ms, now_ms + 100);
    assert_true(group_is_pending(group, wire_text("7")));
    assert_true(group_drop_pending(group, wire_text("7")));
    assert_false(group_drop_pending(group, wire_text("7")));
    assert_false(group_is_pending(group, wire_text("7")));
    for (int i = 0; i < 20; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        assert_true(group_drop_pending(group, wire_text(id)) == (i != 7));
    }
    assert_int_equal(group->bytes, bytes);
}

static void not_everybody_can_be_given_an_id(void **state)
{
    (void)state;
    char id[16];
    for (int i = 0; i < LIMIT_GROUP_PENDING; i++) {
        snprintf(id, sizeof id, "%d", i);
        assert_ok(group_add_pending(group, wire_text(id), now_ms + i % 2));
    }
    assert_code(MAPLOG_LIMIT, group_add_pending(group, wire_text("more"), now_ms));
    group_expire_pending(group, now_ms);
    assert_int_equal(group->pending_count, LIMIT_GROUP_PENDING / 2);
    assert_false(group_is_pending(group, wire_text("0")));
    assert_true(group_is_pending(group, wire_text("1")));
    assert_ok(group_add_pending(group, wire_text("more"), now_ms));
}

static void commits_are_fenced_by_state(void **state)
{
    (void)state;
    struct offset_commit_request commit_request;
    wire_init(&wire_offset_commit_request, &commit_request);
    commit_request.generation_id_or_member_epoch = -1;
    assert_int_equal(group_check_commit(group, &commit_request, now_ms), KAFKA_NONE);
    struct member *a = add("a", NULL, "x");
    group->state = GROUP_STABLE;
    assert_int_equal(group_check_commit(group, &commit_request, now_ms), KAFKA_UNKNOWN_MEMBER_ID);
    commit_request.member_id = wire_text("a");
    assert_int_equal(group_check_commit(group, &commit_request, now_ms), KAFKA_ILLEGAL_GENERATION);
    commit_request.generation_id_or_member_epoch = group->generation;
    assert_int_equal(group_check_commit(group, &commit_request, now_ms + 5), KAFKA_NONE);
    assert_int_equal(a->expires_ms, now_ms + 5 + SESSION_MS);
    group->state = GROUP_PREPARING;
    assert_int_equal(group_check_commit(group, &commit_request, now_ms), KAFKA_NONE);
    group->state = GROUP_COMPLETING;
    assert_int_equal(group_check_commit(group, &commit_request, now_ms),
                     KAFKA_REBALANCE_IN_PROGRESS);
}

static void a_parked_request_is_answered_once(void **state)
{
    (void)state;
    struct call first = {.version = 9}, second = {.version = 9};
    struct member *a = add("a", NULL, "x");
    struct group_wait one = {.request = &first.request}, other = {.request = &second.request};
    first.request.server = &first;
    second.request.server = &second;
    group_park(group, a, &a->join, &one);
    group_park(group, a, &a->join, &other);
    assert_true(one.done && first.woken);
    assert_int_equal(one.error, KAFKA_REBALANCE_IN_PROGRESS);
    group_unpark(&one, now_ms); /* it is parked nowhere any more */
    assert_ptr_equal(a->join, &other);
    group_answer(group, &a->join, KAFKA_NONE, now_ms + 7);
    assert_true(other.done && second.woken);
    assert_null(a->join);
    assert_int_equal(a->expires_ms, now_ms + 7 + SESSION_MS);
    group_answer(group, &a->join, KAFKA_NONE, now_ms);
    /* And not at all when its connection vanished. */
    one = (struct group_wait){.request = &first.request};
    first.woken = 0;
    group_park(group, a, &a->sync, &one);
    group_unpark(&one, now_ms);
    assert_null(a->sync);
    group_answer(group, &a->sync, KAFKA_NONE, now_ms);
    assert_false(one.done || first.woken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(members_are_found_by_both_names),
        TEST(the_one_that_stays_longest_leads),
        TEST(votes_are_counted_among_what_all_offer),
        TEST(newcomers_need_something_in_common),
        TEST(ids_that_were_given_are_kept_for_a_while),
        TEST(not_everybody_can_be_given_an_id),
        TEST(commits_are_fenced_by_state),
        TEST(a_parked_request_is_answered_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
