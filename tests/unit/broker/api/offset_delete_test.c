/* offset_delete_test.c - offsets go where no member reads. */
#include "../group_fixture.h"

/* The code of partitions 0 and 77 of a topic: the second is not there. error: of the whole. */
static int16_t delete_of(const char *group, const char *topic, int16_t error)
{
    struct call call;
    struct offset_delete_request_topics_partitions partitions[] = {{0}, {77}};
    struct offset_delete_request_topics topics = {wire_text(topic), partitions, 2};
    struct offset_delete_request body = {wire_text(group), &topics, 1};
    struct offset_delete_response *answer = ask(&call, OFFSET_DELETE, 0, &body);
    int16_t found = error;
    assert_int_equal(answer->error_code, error);
    assert_int_equal(answer->topics_count, !error);
    if (!error) {
        assert_true(wire_equal(answer->topics[0].name, topic));
        assert_int_equal(answer->topics[0].partitions[1].partition_index, 77);
        assert_int_equal(answer->topics[0].partitions[1].error_code,
                         KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        found = answer->topics[0].partitions[0].error_code;
    }
    call_end(&call);
    return found;
}

/* A consumer's metadata, version 0: topics s and u. */
static const char subscription[] = "\0\0"
                                   "\0\0\0\2"
                                   "\0\1s"
                                   "\0\1u"
                                   "\377\377\377\377";

static void of_groups_without_members(void **state)
{
    (void)state;
    struct client simple = client_of("g", "a");
    delete_of("g", "t", KAFKA_GROUP_ID_NOT_FOUND);
    delete_of("", "t", KAFKA_INVALID_GROUP_ID);
    assert_int_equal(commit(&simple, 0, 5), KAFKA_NONE);
    assert_int_equal(commit(&simple, 1, 6), KAFKA_NONE);
    assert_int_equal(delete_of("g", "not there", KAFKA_NONE), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(delete_of("g", "t", KAFKA_NONE), KAFKA_NONE);
    assert_int_equal(committed("g", 0), -1);
    assert_int_equal(committed("g", 1), 6);
}

/* Joins with bytes that have NULs in them, which client_of() cannot say. */
static void join_as_consumer(struct client *client, const void *metadata, size_t size)
{
    struct call call;
    struct join_group_request body;
    struct join_group_request_protocols protocol = {wire_text("range"), {metadata, (int32_t)size}};
    settings.group_initial_rebalance_delay_ms = 0;
    broker_configure(broker, &settings);
    wire_init(&wire_join_group_request, &body);
    body.group_id = wire_text(client->group);
    body.session_timeout_ms = SESSION_MS;
    body.rebalance_timeout_ms = REBALANCE_MS;
    body.protocol_type = wire_text("consumer");
    body.protocols = &protocol;
    body.protocols_count = 1;
    struct join_group_response *answer = ask(&call, JOIN_GROUP, 3, &body);
    assert_int_equal(answer->error_code, KAFKA_NONE);
    keep_text(client->member, sizeof client->member, answer->member_id.at, answer->member_id.size);
    keep_text(client->leader, sizeof client->leader, answer->leader.at, answer->leader.size);
    client->generation = answer->generation_id;
    client->type = "consumer";
    snprintf(client->chosen, sizeof client->chosen, "range");
    call_end(&call);
    assert_int_equal(sync_now(client, client, 1), KAFKA_NONE);
}

static void of_topics_that_no_consumer_reads(void **state)
{
    (void)state;
    struct client a = client_of("g", "a"), b = client_of("h", "b"), c = client_of("i", "c");
    assert_ok(directory_create_topic(log_directory, "u", 1, NULL));
    join_as_consumer(&a, subscription, sizeof subscription - 1);
    assert_int_equal(commit(&a, 0, 5), KAFKA_NONE);
    assert_int_equal(delete_of("g", "u", KAFKA_NONE), KAFKA_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_int_equal(delete_of("g", "t", KAFKA_NONE), KAFKA_NONE);
    assert_int_equal(committed("g", 0), -1);
    /* Metadata that cannot be read may say anything. */
    join_as_consumer(&b, subscription, 7);
    assert_int_equal(delete_of("h", "t", KAFKA_NONE), KAFKA_GROUP_SUBSCRIBED_TO_TOPIC);
    /* So may that of others than consumers. */
    assert_int_equal(join(&c), KAFKA_NONE);
    settle_all(&c, 1);
    delete_of("i", "t", KAFKA_NON_EMPTY_GROUP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, groups_setup, broker_remove)
        TEST(of_groups_without_members),
        TEST(of_topics_that_no_consumer_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
