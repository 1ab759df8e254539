#include "../broker_fixture.h"

#define DESCRIBE_ACLS 29

static void security_is_disabled(void **state)
{
    (void)state;
    for (int16_t version = 1; version <= 3; version++) {
        struct call call;
        struct describe_acls_request body;
        wire_init(&wire_describe_acls_request, &body);
        const struct describe_acls_response *answer =
            call_ask(&call, DESCRIBE_ACLS, version, &body);
        assert_int_equal(answer->error_code, KAFKA_SECURITY_DISABLED);
        assert_true(answer->error_message.size > 0);
        assert_int_equal(answer->resources_count, 0);
        call_end(&call);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(security_is_disabled, broker_make, broker_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
