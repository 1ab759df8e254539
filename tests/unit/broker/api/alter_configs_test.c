#include "../broker_fixture.h"

#include "broker/configs.h"

#define ALTER_CONFIGS 33

typedef struct alter_configs_response response;
typedef struct alter_configs_request_resources asked;
typedef struct alter_configs_request_resources_configs config;

static int setup(void **state)
{
    static const char *const configs[] = {"retention.ms=1000", "segment.bytes=8192", NULL};
    int result = broker_make(state);
    return result ? result : directory_create_topic(log_directory, "orders", 1, configs);
}

static const response *ask(struct call *call, int16_t version, asked *resources, int32_t count,
                           bool validate_only)
{
    struct alter_configs_request body;
    wire_init(&wire_alter_configs_request, &body);
    body.resources = resources;
    body.resources_count = count;
    body.validate_only = validate_only;
    return call_ask(call, ALTER_CONFIGS, version, &body);
}

static asked resource(int8_t type, const char *name, config *configs, int32_t count)
{
    return (asked){type, wire_text(name), configs, count};
}

static const char * override(const char *name)
{
    return catalog_config(catalog_find(&log_directory->catalog, "orders"), name);
}

static void what_is_not_named_goes_back_to_its_default(void **state)
{
    (void)state;
    for (int16_t version = 0; version <= 2; version++) {
        struct call call;
        config configs[] = {{wire_text("retention.ms"), wire_text("2000")},
                            {wire_text("max.message.bytes"), wire_text("5000")}};
        asked orders = resource(RESOURCE_TOPIC, "orders", configs, 2);
        const response *answer = ask(&call, version, &orders, 1, false);
        assert_int_equal(answer->responses_count, 1);
        assert_int_equal(answer->responses[0].error_code, KAFKA_NONE);
        assert_int_equal(answer->responses[0].resource_type, RESOURCE_TOPIC);
        assert_true(wire_equal(answer->responses[0].resource_name, "orders"));
        assert_string_equal(override("retention.ms"), "2000");
        assert_string_equal(override("max.message.bytes"), "5000");
        assert_null(override("segment.bytes"));
        call_end(&call);
        log_alter("orders", "segment.bytes=8192");
    }
}

static void validation_changes_nothing(void **state)
{
    (void)state;
    struct call call;
    config good = {wire_text("retention.ms"), wire_text("2000")},
           bad = {wire_text("retention.ms"), wire_text("soon")};
    asked orders = resource(RESOURCE_TOPIC, "orders", &good, 1);
    assert_int_equal(ask(&call, 2, &orders, 1, true)->responses[0].error_code, KAFKA_NONE);
    call_end(&call);
    orders.configs = &bad;
    assert_int_equal(ask(&call, 2, &orders, 1, true)->responses[0].error_code,
                     KAFKA_INVALID_CONFIG);
    call_end(&call);
    assert_string_equal(override("retention.ms"), "1000");
    assert_string_equal(override("segment.bytes"), "8192");
}

/* Clients send back all that DescribeConfigs told them. */
static void a_broker_takes_back_what_it_told(void **state)
{
    (void)state;
    struct call call;
    config configs[] = {{wire_text("num.partitions"), wire_text("4")},
                        {wire_text("max.connections"), wire_text("2147483647")}};
    asked self = resource(RESOURCE_BROKER, "", configs, 2);
    assert_int_equal(ask(&call, 2, &self, 1, false)->responses[0].error_code, KAFKA_NONE);
    call_end(&call);
    assert_int_equal(BROKER_SETTING(broker, num_partitions), 4);
    self.configs_count = 0;
    assert_int_equal(ask(&call, 2, &self, 1, false)->responses[0].error_code, KAFKA_NONE);
    call_end(&call);
    assert_int_equal(BROKER_SETTING(broker, num_partitions), 1);
}

static void each_resource_comes_once(void **state)
{
    (void)state;
    struct call call;
    config one = {wire_text("retention.ms"), wire_text("1")};
    asked both[] = {resource(RESOURCE_TOPIC, "orders", &one, 1),
                    resource(RESOURCE_TOPIC, "orders", &one, 1)};
    const response *answer = ask(&call, 2, both, 2, false);
    assert_int_equal(answer->responses_count, 2);
    assert_int_equal(answer->responses[0].error_code, KAFKA_INVALID_REQUEST);
    assert_int_equal(answer->responses[1].error_code, KAFKA_INVALID_REQUEST);
    assert_string_equal(override("retention.ms"), "1000");
    call_end(&call);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_not_named_goes_back_to_its_default),
        TEST(validation_changes_nothing),
        TEST(a_broker_takes_back_what_it_told),
        TEST(each_resource_comes_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
