/* offset_for_leader_epoch_test.c - where an epoch ended. */
#include "../broker_fixture.h"

#define OFFSET_FOR_LEADER_EPOCH 23

typedef struct offset_for_leader_epoch_response_topics_partitions epoch_end;

/* Asks for one epoch of partition 0. */
static epoch_end find(const char *topic, int16_t version, int32_t current, int32_t epoch)
{
    struct call call;
    struct offset_for_leader_epoch_request_topics_partitions partition;
    struct offset_for_leader_epoch_request_topics asked;
    struct offset_for_leader_epoch_request body;
    wire_init(&wire_offset_for_leader_epoch_request, &body);
    wire_init(&wire_offset_for_leader_epoch_request_topics, &asked);
    wire_init(&wire_offset_for_leader_epoch_request_topics_partitions, &partition);
    partition.current_leader_epoch = current;
    partition.leader_epoch = epoch;
    asked.topic = wire_text(topic);
    asked.partitions = &partition;
    asked.partitions_count = 1;
    body.topics = &asked;
    body.topics_count = 1;
    const struct offset_for_leader_epoch_response *answer =
        call_ask(&call, OFFSET_FOR_LEADER_EPOCH, version, &body);
    epoch_end found = answer->topics[0].partitions[0];
    call_end(&call);
    return found;
}

static void the_current_epoch_ends_with_the_log(void **state)
{
    (void)state;
    log_topic("t", NULL, NULL, NULL);
    produce_ok("t", (struct sent){.records = 4});
    for (int16_t version = 2; version <= 4; version++) {
        epoch_end found = find("t", version, -1, 0);
        assert_int_equal(found.error_code, KAFKA_NONE);
        assert_int_equal(found.leader_epoch, 0);
        assert_int_equal(found.end_offset, 4);
    }
}

static void what_never_was_has_no_end(void **state)
{
    (void)state;
    log_topic("t", NULL, NULL, NULL);
    epoch_end found = find("t", 4, -1, 3);
    assert_int_equal(found.error_code, KAFKA_NONE);
    assert_int_equal(found.leader_epoch, -1);
    assert_int_equal(found.end_offset, -1);
}

static void errors(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    store_relaxed(&partition->control->leader_epoch, 2);
    assert_int_equal(find("u", 4, -1, 0).error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(find("t", 4, 1, 0).error_code, KAFKA_FENCED_LEADER_EPOCH);
    assert_int_equal(find("t", 4, 3, 0).error_code, KAFKA_UNKNOWN_LEADER_EPOCH);
    assert_int_equal(find("t", 4, 2, 0).error_code, KAFKA_NONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, broker_make, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_current_epoch_ends_with_the_log),
        TEST(what_never_was_has_no_end),
        TEST(errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
