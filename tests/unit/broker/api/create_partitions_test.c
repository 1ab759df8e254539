#include "../broker_fixture.h"

#include "broker/parts.h"

#define CREATE_PARTITIONS 37

typedef struct create_partitions_response response;
typedef struct create_partitions_request_topics asked;
typedef struct create_partitions_request_topics_assignments assignment;

static int setup(void **state)
{
    int result = broker_make(state);
    return result ? result : directory_create_topic(log_directory, "orders", 2, NULL);
}

static asked topic(const char *name, int32_t count)
{
    asked made;
    wire_init(&wire_create_partitions_request_topics, &made);
    made.name = wire_text(name);
    made.count = count;
    made.assignments_count = -1;
    return made;
}

static const response *ask(struct call *call, int16_t version, asked *topics, int32_t count,
                           bool validate_only)
{
    struct create_partitions_request body;
    wire_init(&wire_create_partitions_request, &body);
    body.topics = topics;
    body.topics_count = count;
    body.validate_only = validate_only;
    return call_ask(call, CREATE_PARTITIONS, version, &body);
}

static int16_t error_of(asked wanted)
{
    struct call call;
    const response *answer = ask(&call, 3, &wanted, 1, false);
    assert_int_equal(answer->results_count, 1);
    int16_t error = answer->results[0].error_code;
    assert_int_equal(error != 0, answer->results[0].error_message.size > 0);
    call_end(&call);
    return error;
}

static int32_t partitions_of(const char *name)
{
    struct maplog_topic found;
    assert_ok(directory_topic(log_directory, name, &found));
    return found.partitions;
}

static void a_topic_grows_in_every_version(void **state)
{
    (void)state;
    for (int16_t version = 0; version <= 3; version++) {
        struct call call;
        asked wanted = topic("orders", 3 + version);
        const response *answer = ask(&call, version, &wanted, 1, false);
        assert_true(wire_equal(answer->results[0].name, "orders"));
        assert_int_equal(answer->results[0].error_code, KAFKA_NONE);
        assert_int_equal(partitions_of("orders"), 3 + version);
        call_end(&call);
    }
}

static void it_only_grows(void **state)
{
    (void)state;
    assert_int_equal(error_of(topic("orders", 2)), KAFKA_INVALID_PARTITIONS);
    assert_int_equal(error_of(topic("orders", 1)), KAFKA_INVALID_PARTITIONS);
    assert_int_equal(error_of(topic("orders", -1)), KAFKA_INVALID_PARTITIONS);
    assert_int_equal(error_of(topic("orders", LIMIT_PARTITIONS + 1)), KAFKA_INVALID_PARTITIONS);
    assert_int_equal(error_of(topic("orders", LIMIT_PARTITIONS)), KAFKA_INVALID_PARTITIONS);
    assert_int_equal(error_of(topic("missing", 3)), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(error_of(topic("__consumer_offsets", 50)), KAFKA_POLICY_VIOLATION);
    assert_int_equal(partitions_of("orders"), 2);
}

static void each_topic_has_one_result(void **state)
{
    (void)state;
    struct call call;
    asked topics[] = {topic("orders", 4), topic("missing", 2), topic("orders", 5)};
    const response *answer = ask(&call, 3, topics, 3, false);
    assert_int_equal(answer->results_count, 2);
    assert_int_equal(answer->results[0].error_code, KAFKA_INVALID_REQUEST);
    assert_int_equal(answer->results[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(partitions_of("orders"), 2);
    call_end(&call);
}

static void validation_grows_nothing(void **state)
{
    (void)state;
    struct call call;
    asked wanted = topic("orders", 4);
    const response *answer = ask(&call, 3, &wanted, 1, true);
    assert_int_equal(answer->results[0].error_code, KAFKA_NONE);
    assert_int_equal(partitions_of("orders"), 2);
    call_end(&call);
}

static void assignments_name_this_broker(void **state)
{
    (void)state;
    int32_t self[] = {broker->node_id}, other[] = {broker->node_id + 1};
    assignment good[] = {{self, 1}, {self, 1}}, elsewhere[] = {{self, 1}, {other, 1}},
               empty[] = {{self, 1}, {NULL, 0}};
    asked wanted = topic("orders", 4);
    wanted.assignments = good;
    wanted.assignments_count = 1;
    assert_int_equal(error_of(wanted), KAFKA_INVALID_REPLICA_ASSIGNMENT);
    wanted.assignments_count = 2;
    wanted.assignments = elsewhere;
    assert_int_equal(error_of(wanted), KAFKA_INVALID_REPLICA_ASSIGNMENT);
    wanted.assignments = empty;
    assert_int_equal(error_of(wanted), KAFKA_INVALID_REPLICA_ASSIGNMENT);
    wanted.assignments = good;
    assert_int_equal(error_of(wanted), KAFKA_NONE);
    assert_int_equal(partitions_of("orders"), 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_topic_grows_in_every_version), TEST(it_only_grows),
        TEST(each_topic_has_one_result),      TEST(validation_grows_nothing),
        TEST(assignments_name_this_broker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
