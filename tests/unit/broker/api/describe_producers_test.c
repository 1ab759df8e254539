/* describe_producers_test.c - who produced to a partition. */
#include "../broker_fixture.h"

#define DESCRIBE_PRODUCERS 61

/* Asks for one partition; the answer is valid until call_end(). */
static const struct describe_producers_response_topics_partitions *
describe(struct call *call, const char *topic, int32_t number)
{
    struct describe_producers_request_topics asked;
    struct describe_producers_request body;
    wire_init(&wire_describe_producers_request, &body);
    wire_init(&wire_describe_producers_request_topics, &asked);
    asked.name = wire_text(topic);
    asked.partition_indexes = &number;
    asked.partition_indexes_count = 1;
    body.topics = &asked;
    body.topics_count = 1;
    const struct describe_producers_response *answer = call_ask(call, DESCRIBE_PRODUCERS, 0, &body);
    return &answer->topics[0].partitions[0];
}

static void producers_are_listed(void **state)
{
    (void)state;
    log_topic("t", NULL, NULL, NULL);
    struct call call;
    assert_int_equal(describe(&call, "t", 0)->active_producers_count, 0);
    call_end(&call);
    int64_t now = clock_wall_ms();
    for (int64_t id = 0; id < 40; id++)
        produce_ok("t", (struct sent){.idempotent = true,
                                      .producer = id,
                                      .epoch = 3,
                                      .sequence = 5,
                                      .records = 2,
                                      .timestamp = now});
    produce_ok("t", (struct sent){0}); /* has no id */
    for (int round = 0; round < 2; round++) {
        const struct describe_producers_response_topics_partitions *found = describe(&call, "t", 0);
        assert_int_equal(found->error_code, KAFKA_NONE);
        assert_int_equal(found->active_producers_count, 40);
        uint64_t seen = 0;
        for (int32_t i = 0; i < 40; i++) {
            const struct describe_producers_response_topics_partitions_active_producers *one =
                &found->active_producers[i];
            seen |= 1ull << one->producer_id;
            assert_int_equal(one->producer_epoch, 3);
            assert_int_equal(one->last_sequence, 6);
            assert_int_equal(one->last_timestamp, now);
            assert_int_equal(one->current_txn_start_offset, -1);
        }
        assert_int_equal(seen, (1ull << 40) - 1);
        call_end(&call);
        broker_restart(); /* read again from the log */
    }
}

static void errors(void **state)
{
    (void)state;
    log_topic("t", NULL, NULL, NULL);
    struct call call;
    assert_int_equal(describe(&call, "t", 1)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    call_end(&call);
    assert_int_equal(describe(&call, "u", 0)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    call_end(&call);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, broker_make, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(producers_are_listed), TEST(errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
