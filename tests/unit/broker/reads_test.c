/* reads_test.c - one partition's answer to a fetch; most of it is seen in api/fetch_test.c. */
#include "broker_fixture.h"

#include "broker/reads.h"

static struct fetch_item item_from(int64_t offset)
{
    return (struct fetch_item){.topic = wire_text("t"),
                               .leader_epoch = -1,
                               .last_fetched_epoch = -1,
                               .max_bytes = 1 << 20,
                               .offset = offset};
}

static void the_budget_is_used_up(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    log_fill(partition, 10, 1000, clock_wall_ms());
    struct fetch_item item = item_from(0);
    struct read_budget budget = {.bytes = 5000, .any = true, .zstd = true};
    struct read_result result;
    reads_take(broker, &item, &budget, &result);
    assert_int_equal(result.error, KAFKA_NONE);
    assert_int_equal(result.high_watermark, 10);
    assert_false(budget.any);
    assert_int_equal(budget.bytes, 5000 - result.slice.size);
    uint32_t first = result.slice.size;
    reads_drop(&result);
    reads_take(broker, &item, &budget, &result); /* less than a batch is left */
    assert_int_equal(result.slice.size, 0);
    assert_null(result.slice.segment);
    reads_drop(&result);
    budget = (struct read_budget){.bytes = 1, .any = true};
    reads_take(broker, &item, &budget, &result);
    assert_true(result.slice.size > 0 && result.slice.size < first);
    assert_int_equal(budget.bytes, 0);
    reads_drop(&result);
}

static void what_is_there_is_counted(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    log_fill(partition, 10, 1000, clock_wall_ms());
    struct fetch_item item = item_from(10);
    assert_int_equal(reads_available(broker, &item, 500), 0);
    item.offset = 9;
    int64_t one = reads_available(broker, &item, 5000);
    assert_true(one > 1000 && one < 1200);
    item.offset = 0;
    assert_int_equal(reads_available(broker, &item, 5000), 5000);
    item.max_bytes = 700;
    assert_int_equal(reads_available(broker, &item, 5000), 700);
    /* An error is enough. */
    item.offset = 11;
    assert_int_equal(reads_available(broker, &item, 5000), 5000);
    item.offset = 0;
    item.leader_epoch = 4;
    assert_int_equal(reads_available(broker, &item, 5000), 5000);
}

static void a_change_of_topics_is_seen(void **state)
{
    (void)state;
    struct partition *old = log_topic("t", NULL, NULL, NULL);
    struct fetch_item item = item_from(0);
    assert_int_equal(reads_available(broker, &item, 10), 0);
    assert_ptr_equal(item.partition, old);
    assert_ok(directory_delete_topic(log_directory, "t"));
    struct partition *made = log_topic("t", NULL, NULL, NULL);
    assert_int_equal(reads_available(broker, &item, 10), 0);
    assert_ptr_equal(item.partition, made);
    assert_ok(directory_delete_topic(log_directory, "t"));
    assert_int_equal(reads_available(broker, &item, 10), 10);
    assert_null(item.partition);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, broker_make, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_budget_is_used_up),
        TEST(what_is_there_is_counted),
        TEST(a_change_of_topics_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
