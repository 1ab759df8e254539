#include "../broker_fixture.h"

#include "broker/configs.h"

#define INCREMENTAL_ALTER_CONFIGS 44

typedef struct incremental_alter_configs_response response;
typedef struct incremental_alter_configs_request_resources asked;
typedef struct incremental_alter_configs_request_resources_configs config;

static int setup(void **state)
{
    static const char *const configs[] = {"retention.ms=1000", NULL};
    int result = broker_make(state);
    return result ? result : directory_create_topic(log_directory, "orders", 1, configs);
}

static const response *ask(struct call *call, int16_t version, asked *resources, int32_t count,
                           bool validate_only)
{
    struct incremental_alter_configs_request body;
    wire_init(&wire_incremental_alter_configs_request, &body);
    body.resources = resources;
    body.resources_count = count;
    body.validate_only = validate_only;
    return call_ask(call, INCREMENTAL_ALTER_CONFIGS, version, &body);
}

static config change(const char *name, int8_t operation, const char *value)
{
    return (config){wire_text(name), operation, wire_text(value)};
}

/* Error of these changes; an error has a text. */
static int16_t alter(int8_t type, const char *name, config *configs, int32_t count)
{
    struct call call;
    asked wanted = {type, wire_text(name), configs, count};
    const response *answer = ask(&call, 1, &wanted, 1, false);
    assert_int_equal(answer->responses_count, 1);
    int16_t error = answer->responses[0].error_code;
    assert_int_equal(error != 0, answer->responses[0].error_message.size > 0);
    call_end(&call);
    return error;
}

static int16_t alter_topic(const char *name, int8_t operation, const char *value)
{
    config one = change(name, operation, value);
    return alter(RESOURCE_TOPIC, "orders", &one, 1);
}

static int16_t alter_broker(const char *name, int8_t operation, const char *value)
{
    config one = change(name, operation, value);
    return alter(RESOURCE_BROKER, "", &one, 1);
}

static const char * override(const char *name)
{
    return catalog_config(catalog_find(&log_directory->catalog, "orders"), name);
}

static void settings_are_set_and_deleted(void **state)
{
    (void)state;
    for (int16_t version = 0; version <= 1; version++) {
        struct call call;
        config configs[] = {change("segment.bytes", CONFIG_SET, "8192"),
                            change("retention.ms", CONFIG_DELETE, NULL)};
        asked wanted = {RESOURCE_TOPIC, wire_text("orders"), configs, 2};
        const response *answer = ask(&call, version, &wanted, 1, false);
        assert_int_equal(answer->responses[0].error_code, KAFKA_NONE);
        assert_true(wire_equal(answer->responses[0].resource_name, "orders"));
        assert_string_equal(override("segment.bytes"), "8192");
        assert_null(override("retention.ms"));
        call_end(&call);
        log_alter("orders", "retention.ms=1000");
        log_alter("orders", "segment.bytes=");
    }
}

static void what_is_not_named_stays(void **state)
{
    (void)state;
    assert_int_equal(alter_topic("segment.bytes", CONFIG_SET, "8192"), KAFKA_NONE);
    assert_string_equal(override("retention.ms"), "1000");
    assert_int_equal(alter_topic("max.message.bytes", CONFIG_DELETE, NULL), KAFKA_NONE);
    assert_int_equal(alter_topic("no.such.setting", CONFIG_DELETE, NULL), KAFKA_NONE);
}

static void lists_get_and_lose_words(void **state)
{
    (void)state;
    assert_int_equal(alter_topic("cleanup.policy", CONFIG_APPEND, "compact"), KAFKA_NONE);
    assert_string_equal(override("cleanup.policy"), "delete,compact");
    assert_non_null(strstr(last_note, "orders: cleanup.policy=delete,compact"));
    assert_int_equal(alter_topic("cleanup.policy", CONFIG_APPEND, "compact"), KAFKA_NONE);
    assert_string_equal(override("cleanup.policy"), "delete,compact");
    assert_int_equal(alter_topic("cleanup.policy", CONFIG_SUBTRACT, "delete"), KAFKA_NONE);
    assert_string_equal(override("cleanup.policy"), "compact");
    assert_int_equal(alter_topic("cleanup.policy", CONFIG_SUBTRACT, "absent"), KAFKA_NONE);
    assert_string_equal(override("cleanup.policy"), "compact");
    assert_int_equal(alter_topic("cleanup.policy", CONFIG_SUBTRACT, "compact"),
                     KAFKA_INVALID_CONFIG); /* nothing would be left */
    assert_int_equal(alter_topic("cleanup.policy", CONFIG_APPEND, "keep"), KAFKA_INVALID_CONFIG);
    assert_int_equal(alter_topic("retention.ms", CONFIG_APPEND, "1"), KAFKA_INVALID_CONFIG);
    assert_int_equal(alter_topic("retention.ms", CONFIG_SUBTRACT, "1"), KAFKA_INVALID_CONFIG);
    const char *throttled = "leader.replication.throttled.replicas";
    assert_int_equal(alter_topic(throttled, CONFIG_APPEND, "0:1,1:1"), KAFKA_NONE);
    assert_int_equal(alter_topic(throttled, CONFIG_SUBTRACT, "0:1"), KAFKA_NONE);
    assert_string_equal(override(throttled), "1:1");
    assert_int_equal(alter_topic(throttled, CONFIG_SUBTRACT, "1:1"), KAFKA_NONE);
    assert_null(override(throttled));
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    config twice[] = {change("retention.ms", CONFIG_SET, "1"),
                      change("retention.ms", CONFIG_DELETE, NULL)},
           half[] = {change("segment.bytes", CONFIG_SET, "8192"),
                     change("retention.ms", CONFIG_SET, "soon")};
    assert_int_equal(alter_topic("retention.ms", CONFIG_SET, NULL), KAFKA_INVALID_REQUEST);
    assert_int_equal(alter_topic("retention.ms", 9, "1"), KAFKA_INVALID_REQUEST);
    assert_int_equal(alter_topic("retention.ms", -1, "1"), KAFKA_INVALID_REQUEST);
    assert_int_equal(alter_topic("retention.ms", CONFIG_SET, ""), KAFKA_INVALID_CONFIG);
    assert_int_equal(alter_topic("retention.ms", CONFIG_SET, "soon"), KAFKA_INVALID_CONFIG);
    assert_int_equal(alter_topic("no.such.setting", CONFIG_SET, "1"), KAFKA_INVALID_CONFIG);
    assert_int_equal(alter(RESOURCE_TOPIC, "orders", twice, 2), KAFKA_INVALID_REQUEST);
    assert_int_equal(alter(RESOURCE_TOPIC, "orders", half, 2), KAFKA_INVALID_CONFIG);
    assert_null(override("segment.bytes")); /* all or none */
    assert_string_equal(override("retention.ms"), "1000");
}

static void other_resources_are_refused(void **state)
{
    (void)state;
    config one = change("retention.ms", CONFIG_SET, "1");
    char other[16];
    snprintf(other, sizeof other, "%d", broker->node_id + 1);
    assert_int_equal(alter(RESOURCE_TOPIC, "missing", &one, 1), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(alter(RESOURCE_TOPIC, "a b", &one, 1), KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(alter(RESOURCE_BROKER, other, &one, 1), KAFKA_INVALID_REQUEST);
    assert_int_equal(alter(RESOURCE_BROKER_LOGGER, "1", &one, 1), KAFKA_INVALID_REQUEST);
    assert_int_equal(alter(RESOURCE_CLIENT_METRICS, "m", &one, 1), KAFKA_INVALID_REQUEST);
    assert_int_equal(alter(RESOURCE_GROUP, "g", &one, 1), KAFKA_INVALID_REQUEST);
    assert_int_equal(alter(99, "x", &one, 1), KAFKA_INVALID_REQUEST);
}

static void the_broker_is_changed_while_it_runs(void **state)
{
    (void)state;
    assert_int_equal(alter_broker("num.partitions", CONFIG_SET, "4"), KAFKA_NONE);
    assert_int_equal(BROKER_SETTING(broker, num_partitions), 4);
    assert_int_equal(alter_broker("auto.create.topics.enable", CONFIG_SET, "false"), KAFKA_NONE);
    assert_int_equal(BROKER_SETTING(broker, num_partitions), 4);
    assert_false(BROKER_SETTING(broker, auto_create_topics));
    assert_int_equal(alter_broker("num.partitions", CONFIG_DELETE, NULL), KAFKA_NONE);
    assert_int_equal(BROKER_SETTING(broker, num_partitions), 1);
    assert_int_equal(alter_broker("num.partitions", CONFIG_SET, "0"), KAFKA_INVALID_REQUEST);
    assert_int_equal(alter_broker("num.partitions", CONFIG_SET, ""), KAFKA_INVALID_REQUEST);
    assert_int_equal(alter_broker("no.such.setting", CONFIG_SET, "1"), KAFKA_INVALID_REQUEST);
}

static void what_may_not_change_is_read_only(void **state)
{
    (void)state;
    assert_int_equal(alter_broker("listeners", CONFIG_SET, "PLAINTEXT://:1"),
                     KAFKA_INVALID_REQUEST);
    assert_int_equal(alter_broker("max.connections", CONFIG_DELETE, NULL), KAFKA_INVALID_REQUEST);
    assert_int_equal(alter_broker("log.retention.hours", CONFIG_SET, "1"), KAFKA_INVALID_REQUEST);
}

/* Kafka knows it, it changes nothing here, and test suites set it. */
static void what_means_nothing_here_is_taken(void **state)
{
    (void)state;
    assert_int_equal(alter_broker("sasl.kerberos.min.time.before.relogin", CONFIG_SET, "58000"),
                     KAFKA_NONE);
}

static void defaults_of_topics_reach_every_process(void **state)
{
    (void)state;
    assert_ok(directory_create_topic(log_directory, "plain", 1, NULL));
    struct directory *other = log_attach();
    assert_int_equal(alter_broker("log.retention.ms", CONFIG_SET, "5000"), KAFKA_NONE);
    struct partition *partition = log_partition(other, "plain");
    struct settings found;
    uint64_t generation;
    assert_ok(partition_settings(partition, &found, &generation));
    assert_int_equal(found.retention_ms, 5000);
    assert_int_equal(alter_broker("log.retention.ms", CONFIG_DELETE, NULL), KAFKA_NONE);
    assert_ok(partition_settings(partition, &found, &generation));
    assert_int_equal(found.retention_ms, 604800000);
    directory_drop(other);
}

static void validation_changes_nothing(void **state)
{
    (void)state;
    struct call call;
    config topics = change("retention.ms", CONFIG_SET, "2000"),
           brokers = change("num.partitions", CONFIG_SET, "4");
    asked wanted[] = {{RESOURCE_TOPIC, wire_text("orders"), &topics, 1},
                      {RESOURCE_BROKER, wire_text(""), &brokers, 1}};
    const response *answer = ask(&call, 1, wanted, 2, true);
    assert_int_equal(answer->responses[0].error_code, KAFKA_NONE);
    assert_int_equal(answer->responses[1].error_code, KAFKA_NONE);
    assert_string_equal(override("retention.ms"), "1000");
    assert_int_equal(BROKER_SETTING(broker, num_partitions), 1);
    call_end(&call);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(settings_are_set_and_deleted),
        TEST(what_is_not_named_stays),
        TEST(lists_get_and_lose_words),
        TEST(what_makes_no_sense_is_refused),
        TEST(other_resources_are_refused),
        TEST(the_broker_is_changed_while_it_runs),
        TEST(what_may_not_change_is_read_only),
        TEST(what_means_nothing_here_is_taken),
        TEST(defaults_of_topics_reach_every_process),
        TEST(validation_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
