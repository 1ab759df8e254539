#include "../broker_fixture.h"

#include "broker/parts.h"

#define DESCRIBE_CLUSTER 60

typedef struct describe_cluster_response response;

static struct describe_cluster_request good(void)
{
    struct describe_cluster_request body;
    wire_init(&wire_describe_cluster_request, &body);
    return body;
}

static void the_cluster_is_one_broker(void **state)
{
    (void)state;
    for (int16_t version = 0; version <= 2; version++) {
        struct call call;
        struct describe_cluster_request body = good();
        const response *answer = call_ask(&call, DESCRIBE_CLUSTER, version, &body);
        assert_int_equal(answer->error_code, KAFKA_NONE);
        assert_int_equal(answer->endpoint_type, 1);
        assert_true(wire_equal(answer->cluster_id, broker->cluster_id));
        assert_int_equal(answer->controller_id, broker->node_id);
        assert_int_equal(answer->brokers_count, 1);
        assert_int_equal(answer->brokers[0].broker_id, broker->node_id);
        assert_true(wire_equal(answer->brokers[0].host, "localhost"));
        assert_int_equal(answer->brokers[0].port, 9092);
        assert_int_equal(answer->cluster_authorized_operations, INT32_MIN);
        call_end(&call);
        body.include_cluster_authorized_operations = true;
        answer = call_ask(&call, DESCRIBE_CLUSTER, version, &body);
        assert_int_equal(answer->cluster_authorized_operations, 8096);
        call_end(&call);
    }
}

static void there_are_no_controllers(void **state)
{
    (void)state;
    struct call call;
    struct describe_cluster_request body = good();
    body.endpoint_type = 2;
    const response *answer = call_ask(&call, DESCRIBE_CLUSTER, 1, &body);
    assert_int_equal(answer->error_code, KAFKA_MISMATCHED_ENDPOINT_TYPE);
    assert_int_equal(answer->brokers_count, 0);
    call_end(&call);
    body.endpoint_type = 7;
    answer = call_ask(&call, DESCRIBE_CLUSTER, 2, &body);
    assert_int_equal(answer->error_code, KAFKA_UNSUPPORTED_ENDPOINT_TYPE);
    call_end(&call);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, broker_make, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_cluster_is_one_broker),
        TEST(there_are_no_controllers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
