/* groups_test.c - committing and going on from what was committed. */
#include "fixture.h"

#include "client/client.h"

static int64_t committed(const char *group, const char *topic, int32_t partition)
{
    int64_t offset = -7;
    assert_ok(maplog_group_committed(fixture_log, group, topic, partition, &offset));
    return offset;
}

static void a_group_goes_on_where_it_committed(void **state)
{
    (void)state;
    make_topic("work", 1, NULL);
    fill_topic("work", 100);
    struct maplog_consumer_options options = {.group = "workers"};
    struct maplog_consumer *consumer = open_consumer("work", &options);
    assert_int_equal(committed("workers", "work", 0), -1);
    take_numbers(consumer, 0, 30);
    assert_ok(maplog_commit(consumer));
    assert_int_equal(committed("workers", "work", 0), 30);
    take_numbers(consumer, 30, 30);
    maplog_consumer_close(consumer); /* commits nothing */
    assert_int_equal(committed("workers", "work", 0), 30);
    options.at_end = 1; /* progress wins */
    consumer = open_consumer("work", &options);
    take_numbers(consumer, 30, 70);
    assert_ok(maplog_commit(consumer));
    assert_ok(maplog_commit(consumer));
    assert_int_equal(committed("workers", "work", 0), 100);
    maplog_consumer_close(consumer);
}

static void a_commit_covers_every_partition(void **state)
{
    (void)state;
    make_topic("wide", 3, NULL);
    struct maplog_producer *producer = open_producer("wide", NULL);
    struct maplog_record record = text_record("x");
    for (int i = 0; i < 6; i++)
        assert_ok(maplog_produce_to(producer, i / 2, &record, NULL));
    struct maplog_consumer_options options = {.group = "wide"};
    struct maplog_consumer *consumer = open_consumer("wide", &options);
    for (int i = 0; i < 6; i++)
        take(consumer, "x");
    assert_ok(maplog_commit(consumer));
    for (int32_t i = 0; i < 3; i++)
        assert_int_equal(committed("wide", "wide", i), 2);
    maplog_consumer_close(consumer);
    assert_ok(maplog_producer_close(producer));
}

static void groups_do_not_see_each_other(void **state)
{
    (void)state;
    make_topic("both", 1, NULL);
    fill_topic("both", 10);
    struct maplog_consumer_options one = {.group = "one"};
    struct maplog_consumer_options two = {.group = "two"};
    struct maplog_consumer *first = open_consumer("both", &one);
    struct maplog_consumer *second = open_consumer("both", &two);
    take_numbers(first, 0, 4);
    take_numbers(second, 0, 7);
    assert_ok(maplog_commit(first));
    assert_ok(maplog_commit(second));
    assert_int_equal(committed("one", "both", 0), 4);
    assert_int_equal(committed("two", "both", 0), 7);
    maplog_consumer_close(first);
    maplog_consumer_close(second);
}

static void commits_by_hand_are_checked(void **state)
{
    (void)state;
    make_topic("hand", 2, NULL);
    assert_ok(maplog_group_commit(fixture_log, "g", "hand", 1, 12345678901, "from here"));
    assert_int_equal(committed("g", "hand", 1), 12345678901);
    assert_int_equal(committed("g", "hand", 0), -1);
    assert_int_equal(committed("g", "missing", 0), -1);
    char metadata[4098];
    memset(metadata, 'm', sizeof metadata);
    metadata[4096] = 0;
    assert_ok(maplog_group_commit(fixture_log, "g", "hand", 1, 2, metadata));
    metadata[4096] = 'm';
    metadata[4097] = 0;
    assert_code(MAPLOG_LIMIT, maplog_group_commit(fixture_log, "g", "hand", 1, 3, metadata));
    assert_code(MAPLOG_INVALID, maplog_group_commit(fixture_log, "g", "hand", 1, -1, NULL));
    assert_code(MAPLOG_INVALID, maplog_group_commit(fixture_log, "", "hand", 1, 1, NULL));
    assert_code(MAPLOG_INVALID, maplog_group_commit(fixture_log, NULL, "hand", 1, 1, NULL));
    assert_code(MAPLOG_NOT_FOUND, maplog_group_commit(fixture_log, "g", "hand", 2, 1, NULL));
    assert_code(MAPLOG_NOT_FOUND, maplog_group_commit(fixture_log, "g", "missing", 0, 1, NULL));
    assert_int_equal(committed("g", "hand", 1), 2);
}

static void without_a_group_there_is_nothing_to_commit(void **state)
{
    (void)state;
    make_topic("loner", 1, NULL);
    struct maplog_consumer *consumer = open_consumer("loner", NULL);
    assert_code(MAPLOG_INVALID, maplog_commit(consumer));
    maplog_consumer_close(consumer);
}

static void another_attachment_sees_a_commit_at_once(void **state)
{
    (void)state;
    make_topic("seen", 1, NULL);
    struct maplog *other = attach_again();
    for (int64_t i = 0; i < 100; i++) {
        int64_t offset;
        assert_ok(maplog_group_commit(i % 2 ? other : fixture_log, "g", "seen", 0, i, NULL));
        assert_ok(maplog_group_committed(i % 2 ? fixture_log : other, "g", "seen", 0, &offset));
        assert_int_equal(offset, i);
    }
    maplog_close(other);
}

static void a_group_with_members_at_a_server_is_that_servers(void **state)
{
    (void)state;
    make_topic("served", 2, NULL);
    fill_topic("served", 10);
    struct maplog_consumer_options options = {.group = "served"};
    const int32_t first[] = {0};
    struct maplog_consumer_options first_only = {
        .group = "served", .partitions = first, .partition_count = 1};
    struct maplog_consumer *consumer = open_consumer("served", &first_only);
    struct maplog_consumer *refused = NULL;
    int server = -1;
    assert_ok(progress_activate(fixture_log->directory, "served", &server));
    assert_code(MAPLOG_GROUP_ACTIVE,
                maplog_consumer_open(fixture_log, "served", &options, &refused));
    assert_null(refused);
    assert_code(MAPLOG_GROUP_ACTIVE,
                maplog_group_commit(fixture_log, "served", "served", 0, 3, NULL));
    assert_ok(maplog_seek(consumer, 0, 5));
    assert_code(MAPLOG_GROUP_ACTIVE, maplog_commit(consumer));
    assert_int_equal(committed("served", "served", 0), -1);
    /* Its members went: all of it works again, and what failed is committed. */
    progress_deactivate(fixture_log->directory, "served", server);
    assert_ok(maplog_commit(consumer));
    assert_int_equal(committed("served", "served", 0), 5);
    progress_unclaim(server);
    maplog_consumer_close(consumer);
}

static void a_local_consumer_reads_on_when_its_group_becomes_a_servers(void **state)
{
    (void)state;
    make_topic("overtaken", 2, NULL);
    struct maplog_producer *producer = open_producer("overtaken", NULL);
    struct maplog_record record = text_record("x");
    assert_ok(maplog_produce_to(producer, 1, &record, NULL));
    const int32_t first[] = {0};
    struct maplog_consumer_options listed = {
        .group = "overtaken", .partitions = first, .partition_count = 1};
    struct maplog_consumer_options rest = {.group = "overtaken"};
    struct maplog_consumer *one = open_consumer("overtaken", &listed);
    struct maplog_consumer *other = open_consumer("overtaken", &rest);
    int server = -1;
    assert_ok(progress_activate(fixture_log->directory, "overtaken", &server));
    maplog_consumer_close(one); /* its partition is free, but no longer to be had */
    struct maplog_message message;
    int64_t offset;
    take(other, "x");
    assert_int_equal(maplog_consume(other, &message, 1100), 0);
    assert_ok(maplog_topic_grow(fixture_log, "overtaken", 3)); /* nor is a new one */
    assert_int_equal(maplog_consume(other, &message, 0), 0);
    assert_code(MAPLOG_NOT_FOUND, maplog_position(other, 0, &offset));
    assert_code(MAPLOG_NOT_FOUND, maplog_position(other, 2, &offset));
    assert_code(MAPLOG_GROUP_ACTIVE, maplog_commit(other));
    progress_unclaim(server);
    maplog_consumer_close(other);
    assert_ok(maplog_producer_close(producer));
}

/* More partitions than one batch of progress holds. */
static void a_commit_of_many_partitions_covers_them_all(void **state)
{
    (void)state;
    enum { PARTITIONS = 600 };
    make_topic("many", PARTITIONS, NULL);
    struct maplog_producer *producer = open_producer("many", NULL);
    struct maplog_record record = text_record("x");
    for (int32_t i = 0; i < PARTITIONS; i += 2)
        assert_ok(maplog_produce_to(producer, i, &record, NULL));
    struct maplog_consumer_options options = {.group = "many"};
    struct maplog_consumer *consumer = open_consumer("many", &options);
    for (int32_t i = 0; i < PARTITIONS; i++)
        assert_ok(maplog_seek(consumer, i, i % 2 ? 0 : 1));
    assert_ok(maplog_commit(consumer));
    for (int32_t i = 0; i < PARTITIONS; i++)
        assert_int_equal(committed("many", "many", i), i % 2 ? 0 : 1);
    maplog_consumer_close(consumer);
    assert_ok(maplog_producer_close(producer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_goes_on_where_it_committed),
        cmocka_unit_test(a_commit_covers_every_partition),
        cmocka_unit_test(groups_do_not_see_each_other),
        cmocka_unit_test(commits_by_hand_are_checked),
        cmocka_unit_test(without_a_group_there_is_nothing_to_commit),
        cmocka_unit_test(a_group_with_members_at_a_server_is_that_servers),
        cmocka_unit_test(a_local_consumer_reads_on_when_its_group_becomes_a_servers),
        cmocka_unit_test(a_commit_of_many_partitions_covers_them_all),
        cmocka_unit_test(another_attachment_sees_a_commit_at_once),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
