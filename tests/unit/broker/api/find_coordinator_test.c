/* find_coordinator_test.c - every group is coordinated where it is asked for. */
#include "../group_fixture.h"

static void groups_are_here(void **state)
{
    (void)state;
    for (int16_t version = 0; version <= 3; version++) {
        struct call call;
        struct find_coordinator_request body;
        wire_init(&wire_find_coordinator_request, &body);
        body.key = wire_text("g");
        struct find_coordinator_response *answer = ask(&call, FIND_COORDINATOR, version, &body);
        assert_int_equal(answer->error_code, KAFKA_NONE);
        assert_true(answer->node_id >= 0);
        assert_true(wire_equal(answer->host, "localhost"));
        assert_int_equal(answer->port, 9092);
        call_end(&call);
    }
}

static void several_at_once(void **state)
{
    (void)state;
    struct call call;
    struct wire_string keys[] = {wire_text("g"), wire_text("h")};
    struct find_coordinator_request body;
    wire_init(&wire_find_coordinator_request, &body);
    body.coordinator_keys = keys;
    body.coordinator_keys_count = 2;
    for (int16_t version = 4; version <= 6; version++) {
        struct find_coordinator_response *answer = ask(&call, FIND_COORDINATOR, version, &body);
        assert_int_equal(answer->coordinators_count, 2);
        for (int i = 0; i < 2; i++) {
            assert_true(wire_equal(answer->coordinators[i].key, i ? "h" : "g"));
            assert_int_equal(answer->coordinators[i].error_code, KAFKA_NONE);
            assert_true(wire_equal(answer->coordinators[i].host, "localhost"));
            assert_int_equal(answer->coordinators[i].port, 9092);
        }
        call_end(&call);
    }
}

/* With a code that clients do not try again after. */
static void transactions_and_share_groups_are_not_offered(void **state)
{
    (void)state;
    for (int8_t type = 1; type <= 3; type++) {
        int16_t code =
            type == 1 ? KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED : KAFKA_INVALID_REQUEST;
        assert_false(kafka_error_retriable(code));
        struct call call;
        struct find_coordinator_request body;
        struct wire_string key = wire_text("k");
        wire_init(&wire_find_coordinator_request, &body);
        body.key = key;
        body.key_type = type;
        struct find_coordinator_response *answer = ask(&call, FIND_COORDINATOR, 2, &body);
        assert_int_equal(answer->error_code, code);
        assert_true(answer->error_message.size > 0);
        assert_int_equal(answer->node_id, -1);
        call_end(&call);
        body.coordinator_keys = &key;
        body.coordinator_keys_count = 1;
        answer = ask(&call, FIND_COORDINATOR, 4, &body);
        assert_int_equal(answer->coordinators[0].error_code, code);
        assert_true(answer->coordinators[0].error_message.size > 0);
        call_end(&call);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, groups_setup, broker_remove)
        TEST(groups_are_here),
        TEST(several_at_once),
        TEST(transactions_and_share_groups_are_not_offered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
