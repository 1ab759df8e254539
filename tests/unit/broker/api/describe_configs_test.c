#include "../broker_fixture.h"

#include "broker/configs.h"

#define DESCRIBE_CONFIGS 32

typedef struct describe_configs_response response;
typedef struct describe_configs_response_results answered;
typedef struct describe_configs_request_resources asked;

static int setup(void **state)
{
    static const char *const configs[] = {"retention.ms=1000", NULL};
    int result = broker_make(state);
    return result ? result : directory_create_topic(log_directory, "orders", 1, configs);
}

static asked resource(int8_t type, const char *name)
{
    asked made;
    wire_init(&wire_describe_configs_request_resources, &made);
    made.resource_type = type;
    made.resource_name = wire_text(name);
    made.configuration_keys_count = -1;
    return made;
}

static const answered *ask(struct call *call, int16_t version, asked wanted)
{
    struct describe_configs_request body;
    wire_init(&wire_describe_configs_request, &body);
    body.resources = &wanted;
    body.resources_count = 1;
    body.include_synonyms = true;
    body.include_documentation = version >= 3;
    const response *answer = call_ask(call, DESCRIBE_CONFIGS, version, &body);
    assert_int_equal(answer->results_count, 1);
    assert_int_equal(answer->results[0].resource_type, wanted.resource_type);
    return &answer->results[0];
}

static const described_config *config_of(const answered *found, const char *name)
{
    for (int32_t i = 0; i < found->configs_count; i++) {
        if (wire_equal(found->configs[i].name, name))
            return &found->configs[i];
    }
    fail_msg("no setting %s", name);
    return NULL;
}

static void expect(const described_config *config, const char *value, enum config_source source)
{
    if (!wire_equal(config->value, value))
        fail_msg("%.*s=%.*s, not %s", (int)config->name.size, config->name.at,
                 (int)config->value.size, config->value.at, value);
    assert_int_equal(config->config_source, source);
}

static void expect_synonym(const described_config *config, int32_t i, const char *name,
                           const char *value, enum config_source source)
{
    assert_true(i < config->synonyms_count);
    assert_true(wire_equal(config->synonyms[i].name, name));
    assert_true(wire_equal(config->synonyms[i].value, value));
    assert_int_equal(config->synonyms[i].source, source);
}

static void every_setting_of_a_topic_is_told(void **state)
{
    (void)state;
    const char *name, *standard;
    for (int16_t version = 1; version <= 4; version++) {
        struct call call;
        const answered *found = ask(&call, version, resource(RESOURCE_TOPIC, "orders"));
        assert_int_equal(found->error_code, KAFKA_NONE);
        int32_t count = 0;
        for (; settings_known((size_t)count, &name, &standard); count++) {
            const described_config *config = config_of(found, name);
            assert_false(config->read_only);
            assert_false(config->is_sensitive);
            if (strcmp(name, "retention.ms") != 0)
                expect(config, standard, SOURCE_DEFAULT);
            if (version >= 3) {
                assert_true(config->config_type > 0);
                assert_true(config->documentation.size > 0);
            }
        }
        assert_int_equal(found->configs_count, count);
        expect(config_of(found, "retention.ms"), "1000", SOURCE_TOPIC);
        call_end(&call);
    }
}

static void types_are_kafkas(void **state)
{
    (void)state;
    struct call call;
    const answered *found = ask(&call, 4, resource(RESOURCE_TOPIC, "orders"));
    assert_int_equal(config_of(found, "cleanup.policy")->config_type, 7);
    assert_int_equal(config_of(found, "compression.type")->config_type, 2);
    assert_int_equal(config_of(found, "max.message.bytes")->config_type, 3);
    assert_int_equal(config_of(found, "retention.ms")->config_type, 5);
    assert_int_equal(config_of(found, "segment.ms")->config_type, 5);
    assert_int_equal(config_of(found, "min.cleanable.dirty.ratio")->config_type, 6);
    assert_int_equal(config_of(found, "preallocate")->config_type, 1);
    assert_int_equal(config_of(found, "leader.replication.throttled.replicas")->config_type, 7);
    call_end(&call);
}

static void layers_are_told_the_strongest_first(void **state)
{
    (void)state;
    struct call call;
    assert_ok(broker_settings_apply(&settings, "log.retention.minutes", "2"));
    assert_ok(broker_settings_apply(&settings, "log.segment.bytes", "8192"));
    broker_configure(broker, &settings);
    const answered *found = ask(&call, 4, resource(RESOURCE_TOPIC, "orders"));
    const described_config *retention = config_of(found, "retention.ms");
    expect(retention, "1000", SOURCE_TOPIC);
    assert_int_equal(retention->synonyms_count, 3);
    expect_synonym(retention, 0, "retention.ms", "1000", SOURCE_TOPIC);
    expect_synonym(retention, 1, "log.retention.minutes", "2", SOURCE_FILE);
    expect_synonym(retention, 2, "log.retention.hours", "168", SOURCE_DEFAULT);
    const described_config *segment = config_of(found, "segment.bytes");
    expect(segment, "8192", SOURCE_FILE);
    expect_synonym(segment, 0, "log.segment.bytes", "8192", SOURCE_FILE);
    expect_synonym(segment, 1, "log.segment.bytes", "1073741824", SOURCE_DEFAULT);
    call_end(&call);
    assert_ok(directory_create_topic(log_directory, "plain", 1, NULL));
    found = ask(&call, 4, resource(RESOURCE_TOPIC, "plain"));
    expect(config_of(found, "retention.ms"), "120000", SOURCE_FILE);
    call_end(&call);
}

static void without_the_wish_there_are_no_layers_and_no_texts(void **state)
{
    (void)state;
    struct call call;
    asked wanted = resource(RESOURCE_TOPIC, "orders");
    struct describe_configs_request body;
    wire_init(&wire_describe_configs_request, &body);
    body.resources = &wanted;
    body.resources_count = 1;
    const response *answer = call_ask(&call, DESCRIBE_CONFIGS, 4, &body);
    for (int32_t i = 0; i < answer->results[0].configs_count; i++) {
        assert_int_equal(answer->results[0].configs[i].synonyms_count, 0);
        assert_int_equal(answer->results[0].configs[i].documentation.size, -1);
    }
    call_end(&call);
}

static void only_the_keys_that_are_asked_for(void **state)
{
    (void)state;
    struct call call;
    struct wire_string keys[] = {wire_text("segment.bytes"), wire_text("no.such.setting")};
    asked wanted = resource(RESOURCE_TOPIC, "orders");
    wanted.configuration_keys = keys;
    wanted.configuration_keys_count = 2;
    const answered *found = ask(&call, 4, wanted);
    assert_int_equal(found->configs_count, 1);
    assert_true(wire_equal(found->configs[0].name, "segment.bytes"));
    call_end(&call);
    wanted.configuration_keys_count = 0;
    found = ask(&call, 4, wanted);
    assert_int_equal(found->configs_count, 0);
    call_end(&call);
}

static void the_broker_has_settings(void **state)
{
    (void)state;
    struct call call;
    char node[16];
    snprintf(node, sizeof node, "%d", broker->node_id);
    const char *const names[] = {node, ""};
    for (int i = 0; i < 2; i++) {
        const answered *found = ask(&call, 4, resource(RESOURCE_BROKER, names[i]));
        assert_int_equal(found->error_code, KAFKA_NONE);
        int32_t count = 0;
        for (; broker_setting((size_t)count); count++) {
            const described_config *config = config_of(found, broker_setting((size_t)count)->name);
            assert_int_equal(config->read_only, !broker_setting((size_t)count)->dynamic);
            assert_int_equal(config->config_source, SOURCE_DEFAULT);
            assert_true(config->documentation.size > 0);
        }
        assert_int_equal(found->configs_count, count);
        expect(config_of(found, "num.partitions"), "1", SOURCE_DEFAULT);
        expect(config_of(found, "node.id"), node, SOURCE_DEFAULT);
        expect(config_of(found, "log.dirs"), log_path, SOURCE_DEFAULT);
        expect(config_of(found, "log.retention.hours"), "168", SOURCE_DEFAULT);
        expect(config_of(found, "offsets.topic.num.partitions"), "4", SOURCE_DEFAULT);
        assert_int_equal(config_of(found, "log.retention.ms")->value.size, -1); /* not set */
        expect_synonym(config_of(found, "log.retention.ms"), 0, "log.retention.hours", "168",
                       SOURCE_DEFAULT);
        call_end(&call);
    }
}

static void the_file_is_a_source(void **state)
{
    (void)state;
    struct call call;
    assert_ok(broker_settings_apply(&settings, "num.partitions", "4"));
    broker_configure(broker, &settings);
    const answered *found = ask(&call, 1, resource(RESOURCE_BROKER, ""));
    expect(config_of(found, "num.partitions"), "4", SOURCE_FILE);
    call_end(&call);
}

/* A tool that lists topics asks for the settings of all of them at once. */
static void ten_thousand_topics_fit_in_an_answer(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    struct call call;
    asked *resources = calloc(COUNT, sizeof *resources);
    for (int32_t i = 0; i < COUNT; i++)
        resources[i] = resource(RESOURCE_TOPIC, "orders");
    struct describe_configs_request body;
    wire_init(&wire_describe_configs_request, &body);
    body.resources = resources;
    body.resources_count = COUNT;
    const response *answer = call_ask(&call, DESCRIBE_CONFIGS, 4, &body);
    assert_int_equal(answer->results_count, COUNT);
    expect(config_of(&answer->results[COUNT - 1], "retention.ms"), "1000", SOURCE_TOPIC);
    call_end(&call);
    free(resources);
}

static int16_t error_of(int8_t type, const char *name)
{
    struct call call;
    const answered *found = ask(&call, 4, resource(type, name));
    int16_t error = found->error_code;
    assert_int_equal(error != 0, found->error_message.size > 0);
    assert_int_equal(found->configs_count, 0);
    call_end(&call);
    return error;
}

static void what_is_not_there_has_an_error(void **state)
{
    (void)state;
    char other[16], node[16];
    snprintf(other, sizeof other, "%d", broker->node_id + 1);
    snprintf(node, sizeof node, "%d", broker->node_id);
    assert_int_equal(error_of(RESOURCE_TOPIC, "missing"), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(error_of(RESOURCE_TOPIC, "a b"), KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(error_of(RESOURCE_BROKER, other), KAFKA_INVALID_REQUEST);
    assert_int_equal(error_of(RESOURCE_BROKER, "one"), KAFKA_INVALID_REQUEST);
    assert_int_equal(error_of(RESOURCE_BROKER, "1x"), KAFKA_INVALID_REQUEST);
    assert_int_equal(error_of(RESOURCE_BROKER_LOGGER, node), KAFKA_NONE);
    assert_int_equal(error_of(RESOURCE_BROKER_LOGGER, ""), KAFKA_INVALID_REQUEST);
    assert_int_equal(error_of(RESOURCE_BROKER_LOGGER, other), KAFKA_INVALID_REQUEST);
    assert_int_equal(error_of(RESOURCE_CLIENT_METRICS, "some"), KAFKA_NONE);
    assert_int_equal(error_of(RESOURCE_CLIENT_METRICS, ""), KAFKA_INVALID_REQUEST);
    assert_int_equal(error_of(RESOURCE_GROUP, "readers"), KAFKA_NONE);
    assert_int_equal(error_of(RESOURCE_GROUP, ""), KAFKA_INVALID_REQUEST);
    assert_int_equal(error_of(3, "x"), KAFKA_INVALID_REQUEST);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_setting_of_a_topic_is_told),
        TEST(types_are_kafkas),
        TEST(layers_are_told_the_strongest_first),
        TEST(without_the_wish_there_are_no_layers_and_no_texts),
        TEST(only_the_keys_that_are_asked_for),
        TEST(the_broker_has_settings),
        TEST(the_file_is_a_source),
        TEST(ten_thousand_topics_fit_in_an_answer),
        TEST(what_is_not_there_has_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
