#include "../broker_fixture.h"

#include "broker/parts.h"

#define DESCRIBE_LOG_DIRS 35

typedef struct describe_log_dirs_response response;
typedef struct describe_log_dirs_request_topics asked;
typedef struct describe_log_dirs_response_results_topics answered;

static int setup(void **state)
{
    int result = broker_make(state);
    return result ? result : directory_create_topic(log_directory, "orders", 3, NULL);
}

static const response *ask(struct call *call, int16_t version, asked *topics, int32_t count)
{
    struct describe_log_dirs_request body;
    wire_init(&wire_describe_log_dirs_request, &body);
    body.topics = topics;
    body.topics_count = count;
    return call_ask(call, DESCRIBE_LOG_DIRS, version, &body);
}

static const answered *find(const response *answer, const char *name)
{
    for (int32_t t = 0; t < answer->results[0].topics_count; t++) {
        if (wire_equal(answer->results[0].topics[t].name, name))
            return &answer->results[0].topics[t];
    }
    return NULL;
}

static void the_directory_is_one_log_dir(void **state)
{
    (void)state;
    for (int16_t version = 1; version <= 4; version++) {
        struct call call;
        const response *answer = ask(&call, version, NULL, -1);
        assert_int_equal(answer->error_code, KAFKA_NONE);
        assert_int_equal(answer->results_count, 1);
        assert_true(wire_equal(answer->results[0].log_dir, log_path));
        assert_int_equal(answer->results[0].error_code, KAFKA_NONE);
        assert_non_null(find(answer, "orders"));
        assert_non_null(find(answer, "__consumer_offsets"));
        if (version >= 4) {
            assert_true(answer->results[0].total_bytes > 0);
            assert_true(answer->results[0].usable_bytes <= answer->results[0].total_bytes);
        }
        call_end(&call);
    }
}

static void sizes_are_those_of_the_records(void **state)
{
    (void)state;
    struct call call;
    struct partition *partition;
    assert_ok(directory_partition(log_directory, "orders", 1, &partition));
    log_fill(partition, 10, 100, 1);
    const response *answer = ask(&call, 4, NULL, -1);
    const answered *topic = find(answer, "orders");
    struct partition_end end;
    partition_end(partition, &end);
    assert_int_equal(topic->partitions_count, 3);
    for (int32_t p = 0; p < 3; p++) {
        assert_int_equal(topic->partitions[p].partition_index, p);
        assert_int_equal(topic->partitions[p].partition_size, p == 1 ? end.position : 0);
        assert_int_equal(topic->partitions[p].offset_lag, 0);
        assert_false(topic->partitions[p].is_future_key);
    }
    call_end(&call);
}

static void partitions_that_are_not_there_are_left_out(void **state)
{
    (void)state;
    struct call call;
    int32_t numbers[] = {2, 7, -1, 0};
    asked topics[] = {{wire_text("missing"), numbers, 1}, {wire_text("orders"), numbers, 4}};
    const response *answer = ask(&call, 4, topics, 2);
    assert_int_equal(answer->results[0].topics_count, 1);
    const answered *topic = find(answer, "orders");
    assert_int_equal(topic->partitions_count, 2);
    assert_int_equal(topic->partitions[0].partition_index, 2);
    assert_int_equal(topic->partitions[1].partition_index, 0);
    call_end(&call);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_directory_is_one_log_dir),
        TEST(sizes_are_those_of_the_records),
        TEST(partitions_that_are_not_there_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
