#include "../broker_fixture.h"

#define LIST_PARTITION_REASSIGNMENTS 46

static void nothing_moves(void **state)
{
    (void)state;
    struct call call;
    struct list_partition_reassignments_request body;
    wire_init(&wire_list_partition_reassignments_request, &body);
    assert_ok(directory_create_topic(log_directory, "orders", 1, NULL));
    const struct list_partition_reassignments_response *answer =
        call_ask(&call, LIST_PARTITION_REASSIGNMENTS, 0, &body);
    assert_int_equal(answer->error_code, KAFKA_NONE);
    assert_int_equal(answer->error_message.size, -1);
    assert_int_equal(answer->topics_count, 0);
    call_end(&call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_moves, broker_make, broker_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
