/* produce_records_test.c - Produce: the records of a refused batch that the answer names. */
#include "../broker_fixture.h"

static void records_to_blame_are_named(void **state)
{
    (void)state;
    log_topic("t", "cleanup.policy=compact", NULL, NULL);
    struct produce_call produce = {.arena.limit = 1 << 20};
    produce_to(&produce, "t", make_batch(&produce.arena, (struct sent){0}));
    call_ask(&produce.call, PRODUCE, 8, &produce.body);
    const produced *found = produce_answer(&produce);
    assert_int_equal(found->error_code, KAFKA_INVALID_RECORD);
    assert_int_equal(found->record_errors_count, 1);
    assert_int_equal(found->record_errors[0].batch_index, 0);
    assert_true(found->record_errors[0].batch_index_error_message.size > 0);
    assert_true(found->error_message.size > 0);
    produce_free(&produce);
}

/* librdkafka tells an application that the records which are not named were good. */
static void every_keyless_record_is_named(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "cleanup.policy=compact", NULL, NULL);
    for (int codec = 0; codec <= MAPLOG_COMPRESSION_ZSTD; codec++) {
        struct produce_call produce = {.arena.limit = 1 << 20};
        struct sent sent = {.records = 100, .keyless = 10, .codec = codec};
        produce_to(&produce, "t", make_batch(&produce.arena, sent));
        call_ask(&produce.call, PRODUCE, 8, &produce.body);
        const produced *found = produce_answer(&produce);
        assert_int_equal(found->error_code, KAFKA_INVALID_RECORD);
        assert_int_equal(found->record_errors_count, 10);
        for (int i = 0; i < 10; i++) {
            assert_int_equal(found->record_errors[i].batch_index, 10 * i);
            assert_true(found->record_errors[i].batch_index_error_message.size > 0);
        }
        call_end(&produce.call);
        call_ask(&produce.call, PRODUCE, 7, &produce.body); /* has no place for them */
        assert_int_equal(produce_answer(&produce)->error_code, KAFKA_INVALID_RECORD);
        assert_int_equal(produce_answer(&produce)->record_errors_count, 0);
        produce_free(&produce);
    }
    assert_int_equal(log_end(partition), 0);
}

static void an_answer_names_so_many_records(void **state)
{
    (void)state;
    log_topic("t", "cleanup.policy=compact", NULL, NULL);
    struct produce_call produce = {.arena.limit = 4 << 20};
    struct sent sent = {.records = LIMIT_RECORD_ERRORS - 5, .value = 1};
    produce_to(&produce, "t", make_batch(&produce.arena, sent));
    struct produce_request_topic_data_partition_data twice[] = {produce.partition,
                                                                produce.partition};
    produce.topic.partition_data = twice;
    produce.topic.partition_data_count = 2;
    call_ask(&produce.call, PRODUCE, 11, &produce.body);
    const struct produce_response *answer = produce.call.answer;
    assert_int_equal(answer->responses[0].partition_responses_count, 2);
    const produced *found = answer->responses[0].partition_responses;
    assert_int_equal(found[0].record_errors_count, LIMIT_RECORD_ERRORS - 5);
    assert_int_equal(found[0].record_errors[LIMIT_RECORD_ERRORS - 6].batch_index,
                     LIMIT_RECORD_ERRORS - 6);
    assert_int_equal(found[1].error_code, KAFKA_INVALID_RECORD);
    assert_int_equal(found[1].record_errors_count, 5);
    produce_free(&produce);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_to_blame_are_named, broker_make, broker_remove),
        cmocka_unit_test_setup_teardown(every_keyless_record_is_named, broker_make, broker_remove),
        cmocka_unit_test_setup_teardown(an_answer_names_so_many_records, broker_make,
                                        broker_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
