/* sources_test.c - who of a group has which partition. */
#include "fixture.h"

static const struct maplog_consumer_options in_group = {.group = "g"};

static void put_to(struct maplog_producer *producer, int32_t partition, const char *text)
{
    struct maplog_record record = text_record(text);
    assert_ok(maplog_produce_to(producer, partition, &record, NULL));
}

static void a_partition_has_one_consumer_of_a_group(void **state)
{
    (void)state;
    make_topic("single", 1, NULL);
    struct maplog_consumer *first = open_consumer("single", &in_group);
    struct maplog_consumer *second = NULL;
    assert_code(MAPLOG_GROUP_BUSY, maplog_consumer_open(fixture_log, "single", &in_group, &second));
    struct maplog *other = attach_again();
    assert_code(MAPLOG_GROUP_BUSY, maplog_consumer_open(other, "single", &in_group, &second));
    assert_null(second);
    struct maplog_consumer *bystander = open_consumer("single", NULL);
    maplog_consumer_close(bystander);
    maplog_consumer_close(first);
    assert_ok(maplog_consumer_open(other, "single", &in_group, &second));
    maplog_consumer_close(second);
    maplog_close(other);
}

static void a_second_consumer_gets_what_is_left(void **state)
{
    (void)state;
    make_topic("left", 3, NULL);
    struct maplog_producer *producer = open_producer("left", NULL);
    for (int32_t i = 0; i < 3; i++)
        put_to(producer, i, "x");
    int32_t one[] = {1};
    struct maplog_consumer_options listed = {.group = "g", .partitions = one, .partition_count = 1};
    struct maplog_consumer *first = open_consumer("left", &listed);
    struct maplog_consumer *second = open_consumer("left", &in_group);
    struct maplog_consumer *third = NULL;
    assert_code(MAPLOG_GROUP_BUSY, maplog_consumer_open(fixture_log, "left", &in_group, &third));
    assert_code(MAPLOG_GROUP_BUSY, maplog_consumer_open(fixture_log, "left", &listed, &third));
    assert_int_equal(take(first, "x").partition, 1);
    assert_nothing(first);
    assert_int_not_equal(take(second, "x").partition, 1);
    assert_int_not_equal(take(second, "x").partition, 1);
    assert_nothing(second);
    maplog_consumer_close(first);
    maplog_consumer_close(second);
    assert_ok(maplog_producer_close(producer));
}

static void a_free_partition_is_taken_over(void **state)
{
    (void)state;
    make_topic("freed", 2, NULL);
    struct maplog_producer *producer = open_producer("freed", NULL);
    for (int i = 0; i < 4; i++)
        put_to(producer, 1, i < 2 ? "done" : "open");
    int32_t one[] = {1};
    struct maplog_consumer_options listed = {.group = "g", .partitions = one, .partition_count = 1};
    struct maplog_consumer *first = open_consumer("freed", &listed);
    struct maplog_consumer *second = open_consumer("freed", &in_group);
    take(first, "done");
    take(first, "done");
    assert_ok(maplog_commit(first));
    take(first, "open"); /* not committed: the other one does it again */
    assert_nothing(second);
    maplog_consumer_close(first);
    struct maplog_message message;
    assert_code(1, maplog_consume(second, &message, LONG_MS));
    assert_value(&message, "open");
    assert_int_equal(message.partition, 1);
    assert_int_equal(message.offset, 2);
    maplog_consumer_close(second);
    assert_ok(maplog_producer_close(producer));
}

static void a_busy_consumer_takes_free_partitions_too(void **state)
{
    (void)state;
    make_topic("busy", 2, NULL);
    struct maplog_producer *producer = open_producer("busy", NULL);
    put_to(producer, 1, "other");
    for (int i = 0; i < 20000; i++)
        put_to(producer, 0, "x");
    int32_t one[] = {1};
    struct maplog_consumer_options listed = {.group = "g", .partitions = one, .partition_count = 1};
    struct maplog_consumer *first = open_consumer("busy", &listed);
    struct maplog_consumer *second = open_consumer("busy", &in_group);
    take(second, "x");
    maplog_consumer_close(first);
    struct maplog_message message = {0};
    for (int i = 0; i < 20000 && message.partition == 0; i++)
        assert_code(1, maplog_consume(second, &message, 0));
    assert_value(&message, "other");
    maplog_consumer_close(second);
    assert_ok(maplog_producer_close(producer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_partition_has_one_consumer_of_a_group),
        cmocka_unit_test(a_second_consumer_gets_what_is_left),
        cmocka_unit_test(a_free_partition_is_taken_over),
        cmocka_unit_test(a_busy_consumer_takes_free_partitions_too),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
