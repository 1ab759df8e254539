#include "../broker_fixture.h"

#include "broker/parts.h"

#define METADATA 3

typedef struct metadata_response response;
typedef struct metadata_request_topics asked;

static struct metadata_request ask_for(asked *topics, int32_t count)
{
    struct metadata_request body;
    wire_init(&wire_metadata_request, &body);
    body.topics = topics;
    body.topics_count = count;
    body.allow_auto_topic_creation = false;
    return body;
}

static asked by_name(const char *name)
{
    return (asked){.name = wire_text(name)};
}

static asked by_id(const struct uuid *id)
{
    return (asked){.topic_id = *id, .name = wire_text(NULL)};
}

static struct uuid id_of(const char *topic)
{
    struct maplog_topic found;
    struct uuid id;
    assert_ok(directory_topic(log_directory, topic, &found));
    assert_true(uuid_parse(found.id, &id));
    return id;
}

static const response *ask(struct call *call, int16_t version, const struct metadata_request *body)
{
    return call_ask(call, METADATA, version, body);
}

static void the_broker_and_the_cluster_are_told(void **state)
{
    (void)state;
    struct metadata_request body = ask_for(NULL, 0);
    for (int16_t version = 1; version <= 13; version++) {
        struct call call;
        const response *answer = ask(&call, version, &body);
        assert_int_equal(answer->brokers_count, 1);
        assert_int_equal(answer->brokers[0].node_id, broker->node_id);
        assert_true(wire_equal(answer->brokers[0].host, "localhost"));
        assert_int_equal(answer->brokers[0].port, 9092);
        assert_int_equal(answer->controller_id, broker->node_id);
        if (version >= 2)
            assert_true(wire_equal(answer->cluster_id, broker->cluster_id));
        assert_int_equal(answer->topics_count, 0); /* none asked for */
        call_end(&call);
    }
}

static void no_list_is_all_topics(void **state)
{
    (void)state;
    struct call call;
    assert_ok(directory_create_topic(log_directory, "orders", 3, NULL));
    assert_ok(directory_create_topic(log_directory, "audit", 1, NULL));
    struct metadata_request null = ask_for(NULL, -1), empty = ask_for(NULL, 0);
    const response *answer = ask(&call, 1, &null);
    assert_int_equal(answer->topics_count, 3);
    assert_true(wire_equal(answer->topics[0].name, "__consumer_offsets"));
    assert_true(answer->topics[0].is_internal);
    assert_true(wire_equal(answer->topics[1].name, "audit"));
    assert_false(answer->topics[1].is_internal);
    assert_true(wire_equal(answer->topics[2].name, "orders"));
    assert_int_equal(answer->topics[2].partitions_count, 3);
    call_end(&call);
    answer = ask(&call, 0, &empty); /* in version 0 an empty list is all */
    assert_int_equal(answer->topics_count, 3);
    call_end(&call);
}

/* The topics of versions 9 and later take 4 bytes there where null takes one. */
static void librdkafka_asks_for_all_topics_with_bytes_left_over(void **state)
{
    (void)state;
    static const uint8_t frame[] = {0, METADATA, 0, 13, 0, 0, 0, 77, 0, 1, 'c', 0, /* header */
                                    0, 0,        0, 0,  1, 0, 0};
    struct call call = {.version = 13, .memory.limit = 1 << 20};
    assert_ok(directory_create_topic(log_directory, "orders", 3, NULL));
    assert_int_equal(call_begin_bytes(&call, bytes_over(frame, sizeof frame)), BROKER_ANSWER);
    const response *answer = call.answer;
    assert_int_equal(answer->topics_count, 2);
    assert_true(wire_equal(answer->topics[1].name, "orders"));
    call_end(&call);
}

static void partitions_have_one_replica(void **state)
{
    (void)state;
    struct call call;
    asked topic = by_name("orders");
    struct metadata_request body = ask_for(&topic, 1);
    assert_ok(directory_create_topic(log_directory, "orders", 3, NULL));
    struct uuid id = id_of("orders");
    const response *answer = ask(&call, 12, &body);
    assert_int_equal(answer->topics_count, 1);
    assert_int_equal(answer->topics[0].error_code, KAFKA_NONE);
    assert_memory_equal(&answer->topics[0].topic_id, &id, sizeof id);
    assert_int_equal(answer->topics[0].partitions_count, 3);
    for (int32_t p = 0; p < 3; p++) {
        const struct metadata_response_topics_partitions *partition =
            &answer->topics[0].partitions[p];
        assert_int_equal(partition->error_code, KAFKA_NONE);
        assert_int_equal(partition->partition_index, p);
        assert_int_equal(partition->leader_id, broker->node_id);
        assert_int_equal(partition->leader_epoch, 0);
        assert_int_equal(partition->replica_nodes_count, 1);
        assert_int_equal(partition->replica_nodes[0], broker->node_id);
        assert_int_equal(partition->isr_nodes_count, 1);
        assert_int_equal(partition->isr_nodes[0], broker->node_id);
        assert_int_equal(partition->offline_replicas_count, 0);
    }
    call_end(&call);
}

static void the_leader_epoch_is_the_partitions(void **state)
{
    (void)state;
    struct call call;
    asked topic = by_name("orders");
    struct metadata_request body = ask_for(&topic, 1);
    struct partition *partition = log_topic("orders", NULL, NULL, NULL);
    store_release(&partition->control->leader_epoch, 5);
    const response *answer = ask(&call, 7, &body);
    assert_int_equal(answer->topics[0].partitions[0].leader_epoch, 5);
    call_end(&call);
}

/* Asking opens nothing: ten thousand partitions cost ten thousand rows. */
static void partitions_are_not_opened(void **state)
{
    (void)state;
    struct call call;
    asked topic = by_name("many");
    struct metadata_request body = ask_for(&topic, 1);
    assert_ok(directory_create_topic(log_directory, "many", 1000, NULL));
    const response *answer = ask(&call, 12, &body);
    assert_int_equal(answer->topics[0].partitions_count, 1000);
    call_end(&call);
    struct catalog_topic *known = catalog_find(&log_directory->catalog, "many");
    for (int32_t p = 0; p < known->partitions; p++)
        assert_null(log_directory->partitions[known->slots[p]]);
}

static void topics_are_found_by_id(void **state)
{
    (void)state;
    struct call call;
    assert_ok(directory_create_topic(log_directory, "orders", 1, NULL));
    struct uuid id = id_of("orders"), other = {{9}};
    asked topics[] = {by_id(&id), by_id(&other)};
    struct metadata_request body = ask_for(topics, 2);
    const response *answer = ask(&call, 12, &body);
    assert_int_equal(answer->topics[0].error_code, KAFKA_NONE);
    assert_true(wire_equal(answer->topics[0].name, "orders"));
    assert_int_equal(answer->topics[1].error_code, KAFKA_UNKNOWN_TOPIC_ID);
    assert_int_equal(answer->topics[1].name.size, -1);
    assert_memory_equal(&answer->topics[1].topic_id, &other, sizeof other);
    call_end(&call);
    topics[0].name = wire_text(""); /* as Kafka's AdminClient sends it */
    answer = ask(&call, 13, &body);
    assert_int_equal(answer->topics[0].error_code, KAFKA_NONE);
    assert_true(wire_equal(answer->topics[0].name, "orders"));
    call_end(&call);
}

/* Versions 10 and 11 have the field, but no client may use it yet. */
static void ids_mean_something_from_version_12_on(void **state)
{
    (void)state;
    struct call call;
    struct uuid other = {{9}};
    asked topic = {.topic_id = other, .name = wire_text("orders")};
    struct metadata_request body = ask_for(&topic, 1);
    const response *answer = ask(&call, 10, &body);
    assert_int_equal(answer->topics[0].error_code, KAFKA_INVALID_REQUEST);
    call_end(&call);
}

static int16_t error_of(const char *name, int16_t version, bool allowed)
{
    struct call call;
    asked topic = by_name(name);
    struct metadata_request body = ask_for(&topic, 1);
    body.allow_auto_topic_creation = allowed;
    const response *answer = ask(&call, version, &body);
    assert_int_equal(answer->topics_count, 1);
    assert_true(wire_equal(answer->topics[0].name, name));
    int16_t error = answer->topics[0].error_code;
    call_end(&call);
    return error;
}

static int32_t partitions_of(const char *name)
{
    struct maplog_topic found;
    return directory_topic(log_directory, name, &found) == 0 ? found.partitions : 0;
}

static void an_unknown_topic_is_created_when_client_and_broker_agree(void **state)
{
    (void)state;
    assert_int_equal(error_of("one", 4, false), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(partitions_of("one"), 0);
    assert_int_equal(error_of("one", 4, true), KAFKA_NONE);
    assert_int_equal(partitions_of("one"), 1);
    assert_int_equal(error_of("two", 3, false), KAFKA_NONE); /* it cannot say that it minds */
    assert_int_equal(partitions_of("two"), 1);
    assert_ok(broker_settings_apply(&settings, "num.partitions", "4"));
    broker_configure(broker, &settings);
    assert_int_equal(error_of("three", 13, true), KAFKA_NONE);
    assert_int_equal(partitions_of("three"), 4);
    assert_ok(broker_settings_apply(&settings, "auto.create.topics.enable", "false"));
    broker_configure(broker, &settings);
    assert_int_equal(error_of("four", 13, true), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(partitions_of("four"), 0);
}

static void a_bad_name_is_told_apart_from_an_unknown_one(void **state)
{
    (void)state;
    char name[LIMIT_TOPIC_NAME + 2];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_int_equal(error_of(name, 9, true), KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(error_of("", 9, true), KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(error_of("..", 9, true), KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(error_of("sp ace", 9, true), KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_ok(directory_create_topic(log_directory, "a.b", 1, NULL));
    assert_int_equal(error_of("a_b", 9, true), KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(error_of("__transaction_state", 9, true), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
}

static void a_name_with_a_nul_byte_is_no_name(void **state)
{
    (void)state;
    struct call call;
    assert_ok(directory_create_topic(log_directory, "orders", 1, NULL));
    asked topic = {.name = {"orders\0x", 8}};
    struct metadata_request body = ask_for(&topic, 1);
    body.allow_auto_topic_creation = true;
    const response *answer = ask(&call, 9, &body);
    assert_int_equal(answer->topics[0].error_code, KAFKA_INVALID_TOPIC_EXCEPTION);
    call_end(&call);
}

static void operations_are_told_when_asked_for(void **state)
{
    (void)state;
    struct call call;
    asked topic = by_name("orders");
    struct metadata_request body = ask_for(&topic, 1);
    assert_ok(directory_create_topic(log_directory, "orders", 1, NULL));
    const response *answer = ask(&call, 8, &body);
    assert_int_equal(answer->topics[0].topic_authorized_operations, INT32_MIN);
    assert_int_equal(answer->cluster_authorized_operations, INT32_MIN);
    call_end(&call);
    body.include_topic_authorized_operations = true;
    body.include_cluster_authorized_operations = true;
    answer = ask(&call, 8, &body);
    assert_int_equal(answer->topics[0].topic_authorized_operations, 3576);
    assert_int_equal(answer->cluster_authorized_operations, 8096);
    call_end(&call);
}

static void nobody_asks_for_more_topics_than_there_can_be(void **state)
{
    (void)state;
    struct call call;
    int32_t count = LIMIT_PARTITIONS + 1;
    asked *topics = calloc((size_t)count, sizeof *topics);
    for (int32_t t = 0; t < count; t++)
        topics[t] = by_name("t");
    struct metadata_request body = ask_for(topics, count);
    assert_int_equal(call_begin(&call, METADATA, 9, &body), BROKER_CLOSE);
    assert_non_null(strstr(error_text(), "at most 32768"));
    call_end(&call);
    free(topics);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, broker_make, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_broker_and_the_cluster_are_told),
        TEST(no_list_is_all_topics),
        TEST(librdkafka_asks_for_all_topics_with_bytes_left_over),
        TEST(partitions_have_one_replica),
        TEST(the_leader_epoch_is_the_partitions),
        TEST(partitions_are_not_opened),
        TEST(topics_are_found_by_id),
        TEST(ids_mean_something_from_version_12_on),
        TEST(an_unknown_topic_is_created_when_client_and_broker_agree),
        TEST(a_bad_name_is_told_apart_from_an_unknown_one),
        TEST(a_name_with_a_nul_byte_is_no_name),
        TEST(operations_are_told_when_asked_for),
        TEST(nobody_asks_for_more_topics_than_there_can_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
