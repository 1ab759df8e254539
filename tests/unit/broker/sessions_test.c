/* sessions_test.c - fetch sessions by themselves: slots, eviction, epochs, order, limits. */
#include "broker_fixture.h"

#include "broker/sessions.h"

#define MINUTE_MS 60000

static struct sessions *sessions;

static int make(void **state)
{
    (void)state;
    return sessions_open(&host, &sessions);
}

static int end(void **state)
{
    (void)state;
    sessions_close(sessions);
    return 0;
}

static struct fetch_item item(const char *topic, int32_t number)
{
    return (struct fetch_item){.topic = wire_text(topic), .number = number};
}

/* A session of `count` partitions that nobody has; 0 when there was no slot. */
static int32_t create(int64_t now_ms, int32_t count)
{
    struct sessions_ask ask = {.now_ms = now_ms};
    struct session *session = sessions_create(sessions, &ask, count);
    if (!session)
        return 0;
    for (int32_t i = 0; i < count; i++) {
        struct fetch_item one = item("topic", i);
        assert_ok(sessions_put(sessions, session, &one));
    }
    int32_t id = sessions_id(session);
    sessions_give(sessions, session);
    return id;
}

static int16_t take(int32_t id, int32_t epoch, int64_t now_ms, struct session **session)
{
    struct sessions_ask ask = {.id = id, .epoch = epoch, .now_ms = now_ms};
    return sessions_take(sessions, &ask, session);
}

static bool is_there(int32_t id)
{
    struct session *session;
    return take(id, -7, 0, &session) != KAFKA_FETCH_SESSION_ID_NOT_FOUND;
}

static void the_epoch_counts_the_requests(void **state)
{
    (void)state;
    int32_t id = create(0, 1);
    struct session *session;
    for (int32_t epoch = 1; epoch < 5; epoch++) {
        assert_int_equal(take(id, epoch, 0, &session), KAFKA_NONE);
        sessions_give(sessions, session);
        assert_int_equal(take(id, epoch, 0, &session), KAFKA_INVALID_FETCH_SESSION_EPOCH);
    }
}

static void the_order_is_of_service(void **state)
{
    (void)state;
    int32_t id = create(0, 100);
    struct session *session;
    assert_int_equal(take(id, 1, 0, &session), KAFKA_NONE);
    assert_int_equal(sessions_count(session), 100);
    struct fetch_item *first = sessions_next(session, NULL);
    assert_int_equal(first->number, 0);
    sessions_served(session, first);
    assert_int_equal(sessions_next(session, NULL)->number, 1);
    struct fetch_item gone = item("topic", 50), none = item("tropic", 50);
    sessions_forget(sessions, session, &none);
    sessions_forget(sessions, session, &gone);
    sessions_forget(sessions, session, &gone);
    assert_int_equal(sessions_count(session), 99);
    int32_t expected = 1;
    for (struct fetch_item *at = NULL; (at = sessions_next(session, at));) {
        assert_int_equal(at->number, expected % 100);
        assert_true(wire_equal(at->topic, "topic"));
        expected += expected == 49 ? 2 : 1;
    }
    assert_int_equal(expected, 101);
    /* What is asked of a partition changes; what was told of it stays. */
    struct fetch_item changed = item("topic", 7);
    changed.offset = 12;
    changed.high_watermark = 99;
    assert_ok(sessions_put(sessions, session, &changed));
    assert_int_equal(sessions_count(session), 99);
    struct fetch_item *at = NULL;
    while ((at = sessions_next(session, at))->number != 7)
        ;
    assert_int_equal(at->offset, 12);
    assert_int_equal(at->high_watermark, 0);
    sessions_give(sessions, session);
}

static void the_unused_and_the_smaller_give_way(void **state)
{
    (void)state;
    sessions_limit(sessions, 2);
    int32_t small = create(0, 1), large = create(0, 10);
    assert_int_equal(create(MINUTE_MS, 100), 0); /* both are young */
    struct session *session;
    assert_int_equal(take(small, 1, 2 * MINUTE_MS, &session), KAFKA_NONE);
    sessions_give(sessions, session);
    assert_int_equal(take(large, 1, 2 * MINUTE_MS, &session), KAFKA_NONE);
    sessions_give(sessions, session);
    assert_int_equal(create(3 * MINUTE_MS, 1), 0); /* not for one of the same size */
    int32_t third = create(3 * MINUTE_MS, 5);
    assert_true(third > 0);
    assert_false(is_there(small));
    assert_true(is_there(large));
    /* `large` was unused for more than two minutes. */
    int32_t fourth = create(5 * MINUTE_MS - 1000, 1);
    assert_true(fourth > 0);
    assert_false(is_there(large));
    assert_true(is_there(third));
}

static void who_is_in_use_stays(void **state)
{
    (void)state;
    sessions_limit(sessions, 1);
    int32_t id = create(0, 1);
    struct session *session, *again;
    assert_int_equal(take(id, 1, 0, &session), KAFKA_NONE);
    assert_int_equal(take(id, 2, 0, &again), KAFKA_INVALID_FETCH_SESSION_EPOCH);
    assert_int_equal(create(100 * MINUTE_MS, 50), 0);
    sessions_remove(sessions, id); /* it ends when it is given back */
    assert_false(is_there(id));
    assert_int_equal(sessions_next(session, NULL)->number, 0);
    sessions_give(sessions, session);
    assert_true(create(100 * MINUTE_MS, 50) > 0);
}

static void there_is_a_limit_of_partitions(void **state)
{
    (void)state;
    struct sessions_ask ask = {0};
    assert_null(sessions_create(sessions, &ask, LIMIT_SESSION_PARTITIONS + 1));
    struct session *session = sessions_create(sessions, &ask, 0);
    int32_t number = 0;
    struct fetch_item one;
    while (number < LIMIT_SESSION_PARTITIONS) {
        one = item("t", number++);
        assert_ok(sessions_put(sessions, session, &one));
    }
    one = item("t", number);
    assert_code(MAPLOG_LIMIT, sessions_put(sessions, session, &one));
    one = item("t", 0);
    assert_ok(sessions_put(sessions, session, &one)); /* it is there already */
    sessions_remove(sessions, sessions_id(session));
    sessions_give(sessions, session);
    assert_true(create(0, 10) > 0); /* all of it was given back */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_epoch_counts_the_requests),       TEST(the_order_is_of_service),
        TEST(the_unused_and_the_smaller_give_way), TEST(who_is_in_use_stays),
        TEST(there_is_a_limit_of_partitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
