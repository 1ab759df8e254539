#include "../broker_fixture.h"

#include "broker/parts.h"

#define CREATE_TOPICS 19

typedef struct create_topics_response response;
typedef struct create_topics_response_topics answered;
typedef struct create_topics_request_topics asked;
typedef struct create_topics_request_topics_configs config;
typedef struct create_topics_request_topics_assignments assignment;

static asked topic(const char *name, int32_t partitions, int16_t factor)
{
    asked made;
    wire_init(&wire_create_topics_request_topics, &made);
    made.name = wire_text(name);
    made.num_partitions = partitions;
    made.replication_factor = factor;
    return made;
}

static const response *ask(struct call *call, int16_t version, asked *topics, int32_t count)
{
    struct create_topics_request body;
    wire_init(&wire_create_topics_request, &body);
    body.topics = topics;
    body.topics_count = count;
    return call_ask(call, CREATE_TOPICS, version, &body);
}

/* Error of creating this one; an error has a text, and nothing was made. */
static int16_t error_of(asked wanted)
{
    struct call call;
    const response *answer = ask(&call, 7, &wanted, 1);
    assert_int_equal(answer->topics_count, 1);
    int16_t error = answer->topics[0].error_code;
    assert_int_equal(error != 0, answer->topics[0].error_message.size > 0);
    if (error)
        assert_int_equal(answer->topics[0].configs_count, -1);
    call_end(&call);
    return error;
}

static int32_t partitions_of(const char *name)
{
    struct maplog_topic found;
    return directory_topic(log_directory, name, &found) == 0 ? found.partitions : 0;
}

static void a_topic_is_made_in_every_version(void **state)
{
    (void)state;
    for (int16_t version = 2; version <= 7; version++) {
        struct call call;
        char name[16];
        snprintf(name, sizeof name, "topic%d", version);
        asked wanted = topic(name, 3, 1);
        const response *answer = ask(&call, version, &wanted, 1);
        assert_int_equal(answer->topics_count, 1);
        assert_true(wire_equal(answer->topics[0].name, name));
        assert_int_equal(answer->topics[0].error_code, KAFKA_NONE);
        assert_int_equal(answer->topics[0].error_message.size, -1);
        assert_int_equal(partitions_of(name), 3);
        if (version >= 5) {
            assert_int_equal(answer->topics[0].num_partitions, 3);
            assert_int_equal(answer->topics[0].replication_factor, 1);
            assert_true(answer->topics[0].configs_count > 30);
        }
        if (version >= 7) {
            struct maplog_topic found;
            char id[UUID_TEXT_SIZE];
            assert_ok(directory_topic(log_directory, name, &found));
            uuid_format(&answer->topics[0].topic_id, id);
            assert_string_equal(id, found.id);
        }
        call_end(&call);
    }
}

static void defaults_are_the_brokers(void **state)
{
    (void)state;
    assert_ok(broker_settings_apply(&settings, "num.partitions", "6"));
    assert_ok(broker_settings_apply(&settings, "default.replication.factor", "3"));
    broker_configure(broker, &settings);
    assert_int_equal(error_of(topic("orders", -1, -1)), KAFKA_NONE);
    assert_int_equal(partitions_of("orders"), 6);
}

static void replicas_are_on_one_broker(void **state)
{
    (void)state;
    assert_int_equal(error_of(topic("three", 1, 3)), KAFKA_INVALID_REPLICATION_FACTOR);
    assert_int_equal(error_of(topic("none", 1, 0)), KAFKA_INVALID_REPLICATION_FACTOR);
    assert_int_equal(error_of(topic("less", 1, -2)), KAFKA_INVALID_REPLICATION_FACTOR);
    assert_int_equal(partitions_of("three"), 0);
    assert_ok(broker_settings_apply(&settings, "maplog.accept.any.replication.factor", "true"));
    broker_configure(broker, &settings);
    assert_int_equal(error_of(topic("three", 1, 3)), KAFKA_NONE);
    assert_int_equal(error_of(topic("none", 1, 0)), KAFKA_INVALID_REPLICATION_FACTOR);
}

static void partitions_are_counted(void **state)
{
    (void)state;
    assert_int_equal(error_of(topic("none", 0, 1)), KAFKA_INVALID_PARTITIONS);
    assert_int_equal(error_of(topic("less", -2, 1)), KAFKA_INVALID_PARTITIONS);
    assert_int_equal(error_of(topic("many", LIMIT_PARTITIONS + 1, 1)), KAFKA_INVALID_PARTITIONS);
    assert_int_equal(error_of(topic("most", LIMIT_PARTITIONS, 1)), KAFKA_INVALID_PARTITIONS);
    assert_int_equal(partitions_of("most"), 0); /* __consumer_offsets has some */
}

static void names_are_checked(void **state)
{
    (void)state;
    assert_int_equal(error_of(topic("a.b", 1, 1)), KAFKA_NONE);
    assert_int_equal(error_of(topic("a.b", 1, 1)), KAFKA_TOPIC_ALREADY_EXISTS);
    assert_int_equal(error_of(topic("a_b", 1, 1)), KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(error_of(topic("a b", 1, 1)), KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(error_of(topic("", 1, 1)), KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(error_of(topic("..", 1, 1)), KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(error_of(topic("__transaction_state", 1, 1)), KAFKA_POLICY_VIOLATION);
    asked nul = topic("", 1, 1);
    nul.name = (struct wire_string){"x\0y", 3};
    assert_int_equal(error_of(nul), KAFKA_INVALID_TOPIC_EXCEPTION);
}

static void a_name_that_comes_twice_is_refused_once(void **state)
{
    (void)state;
    struct call call;
    asked topics[] = {topic("twice", 1, 1), topic("once", 1, 1), topic("twice", 2, 1)};
    const response *answer = ask(&call, 7, topics, 3);
    assert_int_equal(answer->topics_count, 2);
    assert_true(wire_equal(answer->topics[0].name, "twice"));
    assert_int_equal(answer->topics[0].error_code, KAFKA_INVALID_REQUEST);
    assert_int_equal(answer->topics[1].error_code, KAFKA_NONE);
    assert_int_equal(partitions_of("twice"), 0);
    assert_int_equal(partitions_of("once"), 1);
    call_end(&call);
}

static void validation_makes_nothing(void **state)
{
    (void)state;
    struct call call;
    asked topics[] = {topic("orders", 3, 1), topic("bad", 0, 1)};
    struct create_topics_request body;
    wire_init(&wire_create_topics_request, &body);
    body.topics = topics;
    body.topics_count = 2;
    body.validate_only = true;
    const response *answer = call_ask(&call, CREATE_TOPICS, 7, &body);
    static const struct uuid zero;
    assert_int_equal(answer->topics[0].error_code, KAFKA_NONE);
    assert_int_equal(answer->topics[0].num_partitions, 3);
    assert_memory_equal(&answer->topics[0].topic_id, &zero, sizeof zero);
    assert_int_equal(answer->topics[1].error_code, KAFKA_INVALID_PARTITIONS);
    assert_int_equal(partitions_of("orders"), 0);
    call_end(&call);
}

static const struct create_topics_response_topics_configs *config_of(const answered *found,
                                                                     const char *name)
{
    for (int32_t i = 0; i < found->configs_count; i++) {
        if (wire_equal(found->configs[i].name, name))
            return &found->configs[i];
    }
    fail_msg("no setting %s", name);
    return NULL;
}

static void settings_are_taken_and_told(void **state)
{
    (void)state;
    struct call call;
    config configs[] = {{wire_text("retention.ms"), wire_text("1000")},
                        {wire_text("cleanup.policy"), wire_text("compact")}};
    asked wanted = topic("orders", 1, 1);
    wanted.configs = configs;
    wanted.configs_count = 2;
    const response *answer = ask(&call, 5, &wanted, 1);
    const answered *found = &answer->topics[0];
    assert_int_equal(found->error_code, KAFKA_NONE);
    assert_non_null(strstr(last_note, "orders: cleanup.policy=compact")); /* the operator is told */
    assert_true(wire_equal(config_of(found, "retention.ms")->value, "1000"));
    assert_int_equal(config_of(found, "retention.ms")->config_source, 1);
    assert_true(wire_equal(config_of(found, "cleanup.policy")->value, "compact"));
    assert_true(wire_equal(config_of(found, "segment.bytes")->value, "1073741824"));
    assert_int_equal(config_of(found, "segment.bytes")->config_source, 5);
    call_end(&call);
    assert_int_equal(catalog_find(&log_directory->catalog, "orders")->settings.retention_ms, 1000);
}

static int16_t error_with(const char *name, const char *value)
{
    config bad = {wire_text(name), wire_text(value)};
    asked wanted = topic("orders", 1, 1);
    wanted.configs = &bad;
    wanted.configs_count = 1;
    return error_of(wanted);
}

static void bad_settings_are_refused(void **state)
{
    (void)state;
    assert_int_equal(error_with("retention.mss", "1"), KAFKA_INVALID_CONFIG);
    assert_int_equal(error_with("retention.ms", "soon"), KAFKA_INVALID_CONFIG);
    assert_int_equal(error_with("retention.ms", NULL), KAFKA_INVALID_CONFIG);
    assert_int_equal(error_with("a=b", "1"), KAFKA_INVALID_CONFIG);
    assert_int_equal(partitions_of("orders"), 0);
}

static int16_t error_assigned(int32_t partitions, int16_t factor, assignment *list, int32_t count)
{
    asked wanted = topic("assigned", partitions, factor);
    wanted.assignments = list;
    wanted.assignments_count = count;
    return error_of(wanted);
}

static void assignments_name_this_broker(void **state)
{
    (void)state;
    int32_t self[] = {broker->node_id}, other[] = {broker->node_id + 1},
            both[] = {broker->node_id, broker->node_id + 1};
    assignment good[] = {{1, self, 1}, {0, self, 1}}, gap[] = {{0, self, 1}, {2, self, 1}},
               twice[] = {{0, self, 1}, {0, self, 1}}, empty[] = {{0, NULL, 0}},
               elsewhere[] = {{0, other, 1}}, two[] = {{0, both, 2}}, below[] = {{-1, self, 1}};
    assert_int_equal(error_assigned(2, -1, good, 2), KAFKA_INVALID_REQUEST);
    assert_int_equal(error_assigned(-1, 1, good, 2), KAFKA_INVALID_REQUEST);
    assert_int_equal(error_assigned(-1, -1, gap, 2), KAFKA_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(error_assigned(-1, -1, twice, 2), KAFKA_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(error_assigned(-1, -1, empty, 1), KAFKA_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(error_assigned(-1, -1, elsewhere, 1), KAFKA_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(error_assigned(-1, -1, two, 1), KAFKA_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(error_assigned(-1, -1, below, 1), KAFKA_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(error_assigned(-1, -1, good, 2), KAFKA_NONE);
    assert_int_equal(partitions_of("assigned"), 2);
}

/* All of a request are stored at once; those that cannot be made do not keep the others out. */
static void many_topics_are_one_change(void **state)
{
    (void)state;
    struct call call;
    asked topics[] = {topic("a.one", 1, 1), topic("a/b", 1, 1), topic("a_one", 1, 1),
                      topic("two", 0, 1), topic("three", 3, 1)};
    uint64_t before = directory_generation(log_directory);
    const response *answer = ask(&call, 7, topics, 5);
    assert_int_equal(answer->topics_count, 5);
    static const int16_t errors[] = {KAFKA_NONE, KAFKA_INVALID_TOPIC_EXCEPTION,
                                     KAFKA_INVALID_TOPIC_EXCEPTION, KAFKA_INVALID_PARTITIONS,
                                     KAFKA_NONE};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(answer->topics[i].error_code, errors[i]);
        assert_int_equal(answer->topics[i].error_message.size > 0, errors[i] != 0);
        assert_int_equal(answer->topics[i].num_partitions, errors[i] ? -1 : i ? 3 : 1);
    }
    call_end(&call);
    assert_int_equal(partitions_of("a.one"), 1);
    assert_int_equal(partitions_of("three"), 3);
    assert_int_equal(directory_generation(log_directory), before + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, broker_make, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_topic_is_made_in_every_version),
        TEST(defaults_are_the_brokers),
        TEST(replicas_are_on_one_broker),
        TEST(partitions_are_counted),
        TEST(names_are_checked),
        TEST(a_name_that_comes_twice_is_refused_once),
        TEST(validation_makes_nothing),
        TEST(settings_are_taken_and_told),
        TEST(bad_settings_are_refused),
        TEST(assignments_name_this_broker),
        TEST(many_topics_are_one_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
