#include "../broker_fixture.h"

#include "broker/parts.h"

#define DESCRIBE_TOPIC_PARTITIONS 75

typedef struct describe_topic_partitions_response response;
typedef struct describe_topic_partitions_request_topics asked;
typedef struct describe_topic_partitions_request_cursor cursor;

static int setup(void **state)
{
    int result = broker_make(state);
    if (!result)
        result = directory_create_topic(log_directory, "audit", 2, NULL);
    if (!result)
        result = directory_create_topic(log_directory, "orders", 5, NULL);
    return result;
}

/* topics: NULL-terminated names; NULL: all. */
static const response *ask(struct call *call, const char *const *topics, int32_t limit,
                           cursor *from)
{
    asked list[8];
    struct describe_topic_partitions_request body;
    wire_init(&wire_describe_topic_partitions_request, &body);
    body.topics = list;
    for (; topics && topics[body.topics_count]; body.topics_count++)
        list[body.topics_count].name = wire_text(topics[body.topics_count]);
    body.response_partition_limit = limit;
    body.cursor = from;
    return call_ask(call, DESCRIBE_TOPIC_PARTITIONS, 0, &body);
}

static void expect(const response *answer, int32_t index, const char *name, int32_t first,
                   int32_t count)
{
    assert_true(index < answer->topics_count);
    const struct describe_topic_partitions_response_topics *topic = &answer->topics[index];
    assert_true(wire_equal(topic->name, name));
    assert_int_equal(topic->error_code, KAFKA_NONE);
    assert_int_equal(topic->partitions_count, count);
    for (int32_t p = 0; p < count; p++) {
        assert_int_equal(topic->partitions[p].partition_index, first + p);
        assert_int_equal(topic->partitions[p].leader_id, broker->node_id);
        assert_int_equal(topic->partitions[p].replica_nodes_count, 1);
        assert_int_equal(topic->partitions[p].isr_nodes[0], broker->node_id);
        assert_int_equal(topic->partitions[p].eligible_leader_replicas_count, 0);
        assert_int_equal(topic->partitions[p].last_known_elr_count, 0);
    }
}

static void points_to(const response *answer, const char *topic, int32_t partition)
{
    assert_non_null(answer->next_cursor);
    assert_true(wire_equal(answer->next_cursor->topic_name, topic));
    assert_int_equal(answer->next_cursor->partition_index, partition);
}

static void all_topics_in_order(void **state)
{
    (void)state;
    struct call call;
    const response *answer = ask(&call, NULL, 2000, NULL);
    assert_int_equal(answer->topics_count, 3);
    assert_true(wire_equal(answer->topics[0].name, "__consumer_offsets"));
    assert_true(answer->topics[0].is_internal);
    expect(answer, 1, "audit", 0, 2);
    expect(answer, 2, "orders", 0, 5);
    assert_null(answer->next_cursor);
    assert_int_equal(answer->topics[2].topic_authorized_operations, 3576);
    call_end(&call);
}

static void those_asked_for_each_once_in_order(void **state)
{
    (void)state;
    static const char *const topics[] = {"orders", "audit", "orders", NULL};
    struct call call;
    const response *answer = ask(&call, topics, 2000, NULL);
    assert_int_equal(answer->topics_count, 2);
    expect(answer, 0, "audit", 0, 2);
    expect(answer, 1, "orders", 0, 5);
    call_end(&call);
}

static void pages_go_on_where_the_last_one_ended(void **state)
{
    (void)state;
    static const char *const topics[] = {"orders", "audit", NULL};
    struct call call;
    const response *answer = ask(&call, topics, 2, NULL);
    assert_int_equal(answer->topics_count, 1);
    expect(answer, 0, "audit", 0, 2);
    points_to(answer, "orders", 0);
    call_end(&call);
    cursor from = {wire_text("orders"), 0};
    answer = ask(&call, topics, 3, &from);
    assert_int_equal(answer->topics_count, 1);
    expect(answer, 0, "orders", 0, 3);
    points_to(answer, "orders", 3);
    call_end(&call);
    from.partition_index = 3;
    answer = ask(&call, topics, 3, &from);
    expect(answer, 0, "orders", 3, 2);
    assert_null(answer->next_cursor);
    call_end(&call);
    from = (cursor){wire_text("audit"), 1};
    answer = ask(&call, topics, 3, &from);
    expect(answer, 0, "audit", 1, 1);
    expect(answer, 1, "orders", 0, 2);
    points_to(answer, "orders", 2);
    call_end(&call);
}

static void a_limit_below_one_is_one(void **state)
{
    (void)state;
    static const char *const topics[] = {"audit", NULL};
    struct call call;
    const response *answer = ask(&call, topics, 0, NULL);
    expect(answer, 0, "audit", 0, 1);
    points_to(answer, "audit", 1);
    call_end(&call);
}

static void a_cursor_need_not_name_a_topic_that_is_there(void **state)
{
    (void)state;
    struct call call;
    cursor from = {wire_text("b"), 7};
    const response *answer = ask(&call, NULL, 2000, &from);
    assert_int_equal(answer->topics_count, 1);
    expect(answer, 0, "orders", 0, 5);
    call_end(&call);
    from = (cursor){wire_text("audit"), 7}; /* behind its last partition */
    answer = ask(&call, NULL, 2000, &from);
    expect(answer, 0, "audit", 7, 0);
    expect(answer, 1, "orders", 0, 5);
    call_end(&call);
}

static void what_is_not_there_has_an_error(void **state)
{
    (void)state;
    static const char *const topics[] = {"no topic", "missing", "audit", NULL};
    struct call call;
    const response *answer = ask(&call, topics, 2000, NULL);
    assert_int_equal(answer->topics_count, 3);
    expect(answer, 0, "audit", 0, 2);
    assert_int_equal(answer->topics[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(answer->topics[2].error_code, KAFKA_INVALID_TOPIC_EXCEPTION);
    call_end(&call);
    cursor from = {wire_text("audit"), -1};
    answer = ask(&call, topics, 2000, &from);
    assert_int_equal(answer->topics_count, 3);
    for (int32_t t = 0; t < 3; t++)
        assert_int_equal(answer->topics[t].error_code, KAFKA_INVALID_REQUEST);
    call_end(&call);
}

static void nobody_asks_for_more_topics_than_there_can_be(void **state)
{
    (void)state;
    struct call call;
    struct describe_topic_partitions_request body;
    wire_init(&wire_describe_topic_partitions_request, &body);
    body.topics_count = LIMIT_PARTITIONS + 1;
    body.topics = calloc((size_t)body.topics_count, sizeof *body.topics);
    for (int32_t t = 0; t < body.topics_count; t++)
        body.topics[t].name = wire_text("t");
    assert_int_equal(call_begin(&call, DESCRIBE_TOPIC_PARTITIONS, 0, &body), BROKER_CLOSE);
    assert_non_null(strstr(error_text(), "at most 32768"));
    call_end(&call);
    free(body.topics);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_topics_in_order),
        TEST(those_asked_for_each_once_in_order),
        TEST(pages_go_on_where_the_last_one_ended),
        TEST(a_limit_below_one_is_one),
        TEST(a_cursor_need_not_name_a_topic_that_is_there),
        TEST(what_is_not_there_has_an_error),
        TEST(nobody_asks_for_more_topics_than_there_can_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
