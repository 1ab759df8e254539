/* list_offsets_test.c - ListOffsets: ends, times exact to the record, epochs, errors. */
#include "../broker_fixture.h"

#define LIST_OFFSETS 2
#define NOW 1700000000000ll

typedef struct list_offsets_response_topics_partitions listed;

struct list_call {
    struct call call;
    struct list_offsets_request body;
    struct list_offsets_request_topics topic;
    struct list_offsets_request_topics_partitions partitions[2];
};

static const listed *list(struct list_call *list, const char *topic, int16_t version,
                          int64_t timestamp)
{
    call_end(&list->call);
    list->topic.name = wire_text(topic);
    list->partitions[0].timestamp = timestamp;
    call_ask(&list->call, LIST_OFFSETS, version, &list->body);
    const struct list_offsets_response *answer = list->call.answer;
    return &answer->topics[0].partitions[0];
}

static struct list_call *list_init(struct list_call *call)
{
    memset(call, 0, sizeof *call);
    wire_init(&wire_list_offsets_request, &call->body);
    wire_init(&wire_list_offsets_request_topics, &call->topic);
    for (int i = 0; i < 2; i++)
        wire_init(&wire_list_offsets_request_topics_partitions, &call->partitions[i]);
    call->body.topics = &call->topic;
    call->body.topics_count = 1;
    call->topic.partitions = call->partitions;
    call->topic.partitions_count = 1;
    return call;
}

static void expect(const listed *found, int64_t offset, int64_t timestamp)
{
    assert_int_equal(found->error_code, KAFKA_NONE);
    assert_int_equal(found->offset, offset);
    assert_int_equal(found->timestamp, timestamp);
}

/* Two batches of three records, a millisecond and a second apart. */
static struct partition *make_topic(void)
{
    /* Retention, which the keeper looks after, goes by the date: these records are old. */
    struct partition *partition = log_topic("t", "retention.ms=-1", NULL, NULL);
    for (int b = 0; b < 2; b++) {
        struct produce_call produce = {.arena.limit = 1 << 20};
        struct builder builder;
        uint8_t *batch;
        size_t size;
        struct maplog_record record = {.value = "v", .value_size = 1};
        builder_init(&builder, MAPLOG_COMPRESSION_LZ4);
        for (int i = 0; i < 3; i++)
            assert_ok(builder_add(&builder, &record, NOW + b * 1000 + i));
        assert_ok(builder_finish(&builder, &batch, &size));
        produce_to(&produce, "t", (struct wire_records){.at = batch, .size = (int32_t)size});
        call_ask(&produce.call, PRODUCE, 9, &produce.body);
        assert_int_equal(produce_answer(&produce)->error_code, KAFKA_NONE);
        produce_free(&produce);
        builder_free(&builder);
    }
    return partition;
}

static void both_ends(void **state)
{
    (void)state;
    struct partition *partition = make_topic();
    struct list_call call;
    list_init(&call);
    for (int16_t version = 1; version <= 10; version++) {
        expect(list(&call, "t", version, -1), 6, -1);
        expect(list(&call, "t", version, -2), 0, -1);
    }
    assert_ok(partition_delete_records(partition, 2));
    expect(list(&call, "t", 1, -2), 2, -1);
    expect(list(&call, "t", 8, -4), 2, -1);
    expect(list(&call, "t", 9, -5), -1, -1);
    call_end(&call.call);
}

static void times_are_of_records(void **state)
{
    (void)state;
    make_topic();
    struct list_call call;
    list_init(&call);
    expect(list(&call, "t", 5, 0), 0, NOW);
    expect(list(&call, "t", 5, NOW + 1), 1, NOW + 1);
    expect(list(&call, "t", 5, NOW + 3), 3, NOW + 1000);
    expect(list(&call, "t", 5, NOW + 1002), 5, NOW + 1002);
    expect(list(&call, "t", 5, NOW + 1003), -1, -1);
    expect(list(&call, "t", 7, -3), 5, NOW + 1002);
    call_end(&call.call);
}

static void an_empty_partition(void **state)
{
    (void)state;
    log_topic("t", NULL, NULL, NULL);
    struct list_call call;
    list_init(&call);
    expect(list(&call, "t", 7, -1), 0, -1);
    expect(list(&call, "t", 7, -2), 0, -1);
    expect(list(&call, "t", 7, -3), -1, -1);
    expect(list(&call, "t", 7, 5), -1, -1);
    call_end(&call.call);
}

static void what_a_version_does_not_know(void **state)
{
    (void)state;
    make_topic();
    struct list_call call;
    list_init(&call);
    static const struct {
        int16_t version;
        int64_t timestamp;
    } cases[] = {{6, -3}, {7, -4}, {8, -5}, {10, -6}, {10, -7}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const listed *found = list(&call, "t", cases[i].version, cases[i].timestamp);
        assert_int_equal(found->error_code, KAFKA_UNSUPPORTED_VERSION);
        assert_int_equal(found->offset, -1);
    }
    call_end(&call.call);
}

static void epochs(void **state)
{
    (void)state;
    struct partition *partition = make_topic();
    store_relaxed(&partition->control->leader_epoch, 2);
    struct list_call call;
    list_init(&call);
    assert_int_equal(list(&call, "t", 4, -1)->leader_epoch, 2);
    assert_int_equal(list(&call, "t", 4, -2)->leader_epoch, 0);
    assert_int_equal(list(&call, "t", 4, NOW)->leader_epoch, 0);
    call.partitions[0].current_leader_epoch = 1;
    assert_int_equal(list(&call, "t", 4, -1)->error_code, KAFKA_FENCED_LEADER_EPOCH);
    call.partitions[0].current_leader_epoch = 3;
    assert_int_equal(list(&call, "t", 4, -1)->error_code, KAFKA_UNKNOWN_LEADER_EPOCH);
    call_end(&call.call);
}

static void unknown_and_named_twice(void **state)
{
    (void)state;
    make_topic();
    struct list_call call;
    list_init(&call);
    assert_int_equal(list(&call, "u", 4, -1)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    call.topic.partitions_count = 2;
    const listed *found = list(&call, "t", 4, -1);
    assert_int_equal(found[0].error_code, KAFKA_INVALID_REQUEST);
    assert_int_equal(found[1].error_code, KAFKA_INVALID_REQUEST);
    call.partitions[1].partition_index = 1;
    found = list(&call, "t", 4, -1);
    assert_int_equal(found[0].error_code, KAFKA_NONE);
    assert_int_equal(found[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    call_end(&call.call);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, broker_make, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_ends),
        TEST(times_are_of_records),
        TEST(an_empty_partition),
        TEST(what_a_version_does_not_know),
        TEST(epochs),
        TEST(unknown_and_named_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
