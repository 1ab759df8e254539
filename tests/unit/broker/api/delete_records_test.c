/* delete_records_test.c - the start of a log moves. */
#include "../broker_fixture.h"

#define DELETE_RECORDS 21

typedef struct delete_records_response_topics_partitions deleted;

static deleted delete (const char *topic, int16_t version, int32_t number, int64_t offset)
{
    struct call call;
    struct delete_records_request_topics_partitions partition;
    struct delete_records_request_topics asked;
    struct delete_records_request body;
    wire_init(&wire_delete_records_request, &body);
    wire_init(&wire_delete_records_request_topics, &asked);
    wire_init(&wire_delete_records_request_topics_partitions, &partition);
    partition.partition_index = number;
    partition.offset = offset;
    asked.name = wire_text(topic);
    asked.partitions = &partition;
    asked.partitions_count = 1;
    body.topics = &asked;
    body.topics_count = 1;
    const struct delete_records_response *answer = call_ask(&call, DELETE_RECORDS, version, &body);
    assert_int_equal(answer->topics[0].partitions[0].partition_index, number);
    deleted found = answer->topics[0].partitions[0];
    call_end(&call);
    return found;
}

static void the_start_moves_and_segments_go(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "segment.bytes=4096", NULL, NULL);
    for (int i = 0; i < 40; i++)
        produce_ok("t", (struct sent){.value = 500});
    size_t segments = log_segments(partition, NULL);
    deleted found = delete ("t", 0, 0, 21);
    assert_int_equal(found.error_code, KAFKA_NONE);
    assert_int_equal(found.low_watermark, 21);
    assert_int_equal(partition_start(partition), 21);
    assert_true(log_segments(partition, NULL) < segments);
    assert_int_equal(delete ("t", 1, 0, 5).low_watermark, 21); /* never back */
    assert_int_equal(delete ("t", 2, 0, -1).low_watermark, 40);
    assert_int_equal(log_end(partition), 40);
}

static void errors(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    produce_ok("t", (struct sent){0});
    assert_int_equal(delete ("t", 1, 0, 2).error_code, KAFKA_OFFSET_OUT_OF_RANGE);
    assert_int_equal(delete ("t", 1, 0, 2).low_watermark, -1);
    assert_int_equal(delete ("t", 1, 0, -2).error_code, KAFKA_OFFSET_OUT_OF_RANGE);
    assert_int_equal(delete ("t", 1, 1, 0).error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(delete ("u", 1, 0, 0).error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    log_topic("__transaction_state", NULL, NULL, NULL);
    assert_int_equal(delete ("__transaction_state", 1, 0, 0).error_code,
                     KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(partition_start(partition), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, broker_make, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(the_start_moves_and_segments_go), TEST(errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
