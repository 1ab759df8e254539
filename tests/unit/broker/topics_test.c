/* topics_test.c - partitions by name and by id. */
#include "broker_fixture.h"

#include "broker/topics.h"

static void by_name_and_by_id(void **state)
{
    (void)state;
    struct partition *known = log_topic("t", NULL, NULL, NULL), *found = NULL;
    assert_int_equal(topics_find(broker, wire_text("t"), NULL, 0, &found), KAFKA_NONE);
    assert_ptr_equal(found, known);
    assert_int_equal(topics_find(broker, wire_text(NULL), &known->topic_id, 0, &found), KAFKA_NONE);
    assert_ptr_equal(found, known);
}

static void what_is_not_there(void **state)
{
    (void)state;
    struct partition *known = log_topic("t", NULL, NULL, NULL), *found = NULL;
    char long_name[LIMIT_TOPIC_NAME + 2];
    memset(long_name, 't', sizeof long_name);
    long_name[sizeof long_name - 1] = 0;
    const struct wire_string names[] = {
        wire_text("u"), wire_text(""), wire_text(NULL), wire_text(long_name), {"t\0x", 3}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(topics_find(broker, names[i], NULL, 0, &found),
                         KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(topics_find(broker, wire_text("t"), NULL, 1, &found),
                     KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(topics_find(broker, wire_text("t"), NULL, -1, &found),
                     KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    struct uuid other = {{1}};
    assert_int_equal(topics_find(broker, wire_text(NULL), &other, 0, &found),
                     KAFKA_UNKNOWN_TOPIC_ID);
    assert_int_equal(topics_find(broker, wire_text(NULL), &known->topic_id, 1, &found),
                     KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
}

static void ids_follow_the_catalog(void **state)
{
    (void)state;
    struct uuid ids[20];
    struct partition *partition;
    char name[20];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "topic-%d", i * 7 % 20);
        partition = log_topic(name, NULL, NULL, NULL);
        ids[i] = partition->topic_id;
        for (int j = 0; j <= i; j++)
            assert_int_equal(topics_find(broker, wire_text(NULL), &ids[j], 0, &partition),
                             KAFKA_NONE);
        assert_memory_equal(&partition->topic_id, &ids[i], sizeof ids[i]);
    }
    assert_ok(directory_delete_topic(log_directory, "topic-7"));
    assert_int_equal(topics_find(broker, wire_text(NULL), &ids[1], 0, &partition),
                     KAFKA_UNKNOWN_TOPIC_ID);
    assert_int_equal(topics_find(broker, wire_text(NULL), &ids[2], 0, &partition), KAFKA_NONE);
}

static void epochs(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    store_relaxed(&partition->control->leader_epoch, 3);
    assert_int_equal(topics_check_epoch(partition, -1), KAFKA_NONE);
    assert_int_equal(topics_check_epoch(partition, 3), KAFKA_NONE);
    assert_int_equal(topics_check_epoch(partition, 2), KAFKA_FENCED_LEADER_EPOCH);
    assert_int_equal(topics_check_epoch(partition, 4), KAFKA_UNKNOWN_LEADER_EPOCH);
    assert_true(topics_is_internal("__consumer_offsets"));
    assert_false(topics_is_internal("consumer_offsets"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, broker_make, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(by_name_and_by_id),
        TEST(what_is_not_there),
        TEST(ids_follow_the_catalog),
        TEST(epochs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
