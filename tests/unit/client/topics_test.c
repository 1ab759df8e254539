/* topics_test.c - making, changing, listing and deleting topics. */
#include "fixture.h"

#define NAMES_SIZE 256

static int count_topic(void *context, const struct maplog_topic *topic)
{
    char *names = context;
    size_t length = strlen(names);
    snprintf(names + length, NAMES_SIZE - length, "%s ", topic->name);
    return 0;
}

static int stop_at_once(void *context, const struct maplog_topic *topic)
{
    (void)context;
    (void)topic;
    return 42;
}

static int delete_it(void *context, const struct maplog_topic *topic)
{
    return maplog_topic_delete(context, topic->name);
}

static void topics_are_listed_in_name_order(void **state)
{
    (void)state;
    make_topic("pear", 1, NULL);
    make_topic("apple", 2, NULL);
    make_topic("fig", 3, NULL);
    char names[NAMES_SIZE] = "";
    assert_ok(maplog_topic_list(fixture_log, count_topic, names));
    assert_string_equal(names, "apple fig pear ");
    assert_int_equal(maplog_topic_list(fixture_log, stop_at_once, NULL), 42);
    assert_ok(maplog_topic_list(fixture_log, delete_it, fixture_log));
    names[0] = 0;
    assert_ok(maplog_topic_list(fixture_log, count_topic, names));
    assert_string_equal(names, "");
}

static void a_topic_describes_itself(void **state)
{
    (void)state;
    make_topic("described", 0, NULL);
    struct maplog_topic found;
    assert_ok(maplog_topic_describe(fixture_log, "described", &found));
    assert_string_equal(found.name, "described");
    assert_int_equal(found.partitions, 1);
    assert_int_equal(strlen(found.id), 22);
    assert_code(MAPLOG_NOT_FOUND, maplog_topic_describe(fixture_log, "missing", &found));
    assert_code(MAPLOG_EXISTS, maplog_topic_create(fixture_log, "described", 1, NULL));
    assert_code(MAPLOG_INVALID, maplog_topic_create(fixture_log, "a/b", 1, NULL));
    assert_code(MAPLOG_INVALID, maplog_topic_create(fixture_log, "minus", -1, NULL));
    assert_code(MAPLOG_INVALID, maplog_topic_create(fixture_log, NULL, 1, NULL));
    assert_code(MAPLOG_INVALID, maplog_topic_describe(fixture_log, "described", NULL));
    assert_code(MAPLOG_INVALID, maplog_partition_describe(fixture_log, "described", 0, NULL));
    assert_code(MAPLOG_INVALID, maplog_topic_list(fixture_log, NULL, NULL));
    assert_code(MAPLOG_INVALID, maplog_topic_configs(fixture_log, "described", NULL, NULL));
}

struct wanted {
    const char *name;
    char value[64];
    int is_default;
};

static int find_setting(void *context, const char *name, const char *value, int is_default)
{
    struct wanted *wanted = context;
    if (strcmp(name, wanted->name) == 0) {
        snprintf(wanted->value, sizeof wanted->value, "%s", value);
        wanted->is_default = is_default;
    }
    return 0;
}

static struct wanted setting(const char *topic, const char *name)
{
    struct wanted wanted = {.name = name, .value = "absent"};
    assert_ok(maplog_topic_configs(fixture_log, topic, find_setting, &wanted));
    return wanted;
}

static void settings_change_and_go_back(void **state)
{
    (void)state;
    make_topic("tuned", 1, "segment.bytes=65536");
    assert_string_equal(setting("tuned", "segment.bytes").value, "65536");
    assert_int_equal(setting("tuned", "segment.bytes").is_default, 0);
    assert_int_equal(setting("tuned", "retention.ms").is_default, 1);
    const char *changes[] = {"segment.bytes=", "retention.ms=1000", NULL};
    assert_ok(maplog_topic_alter(fixture_log, "tuned", changes));
    assert_int_equal(setting("tuned", "segment.bytes").is_default, 1);
    assert_string_equal(setting("tuned", "retention.ms").value, "1000");
    const char *wrong[] = {"retention.ms=2000", "no.such.setting=1", NULL};
    assert_code(MAPLOG_INVALID, maplog_topic_alter(fixture_log, "tuned", wrong));
    assert_string_equal(setting("tuned", "retention.ms").value, "1000");
    assert_code(MAPLOG_INVALID, maplog_topic_alter(fixture_log, "tuned", NULL));
    assert_code(MAPLOG_NOT_FOUND, maplog_topic_alter(fixture_log, "missing", changes));
}

static void a_topic_grows_and_never_shrinks(void **state)
{
    (void)state;
    make_topic("growing", 2, NULL);
    assert_ok(maplog_topic_grow(fixture_log, "growing", 5));
    struct maplog_topic found;
    assert_ok(maplog_topic_describe(fixture_log, "growing", &found));
    assert_int_equal(found.partitions, 5);
    assert_code(MAPLOG_INVALID, maplog_topic_grow(fixture_log, "growing", 3));
}

static void the_progress_topic_keeps_its_partitions(void **state)
{
    (void)state;
    make_topic("anything", 1, NULL);
    assert_ok(maplog_group_commit(fixture_log, "g", "anything", 0, 1, NULL));
    assert_code(MAPLOG_INVALID, maplog_topic_grow(fixture_log, "__consumer_offsets", 8));
}

static void a_deleted_topic_takes_its_groups_progress_along(void **state)
{
    (void)state;
    make_topic("again", 1, NULL);
    make_topic("stays", 1, NULL);
    int64_t offset;
    assert_ok(maplog_group_commit(fixture_log, "g", "again", 0, 5, NULL));
    assert_ok(maplog_group_commit(fixture_log, "h", "again", 0, 6, NULL));
    assert_ok(maplog_group_commit(fixture_log, "g", "stays", 0, 7, NULL));
    assert_ok(maplog_topic_delete(fixture_log, "again"));
    make_topic("again", 1, NULL);
    assert_ok(maplog_group_committed(fixture_log, "g", "again", 0, &offset));
    assert_int_equal(offset, -1);
    assert_ok(maplog_group_committed(fixture_log, "h", "again", 0, &offset));
    assert_int_equal(offset, -1);
    assert_ok(maplog_group_committed(fixture_log, "g", "stays", 0, &offset));
    assert_int_equal(offset, 7);
}

static void records_below_an_offset_go(void **state)
{
    (void)state;
    make_topic("cut", 1, NULL);
    fill_topic("cut", 10);
    assert_ok(maplog_delete_records(fixture_log, "cut", 0, 4));
    assert_int_equal(describe("cut", 0).start_offset, 4);
    struct maplog_consumer *consumer = open_consumer("cut", NULL);
    take_numbers(consumer, 4, 6);
    maplog_consumer_close(consumer);
    assert_ok(maplog_delete_records(fixture_log, "cut", 0, -1));
    assert_int_equal(describe("cut", 0).start_offset, 10);
    assert_code(MAPLOG_OFFSET_OUT_OF_RANGE, maplog_delete_records(fixture_log, "cut", 0, 11));
    assert_code(MAPLOG_INVALID, maplog_delete_records(fixture_log, "cut", 0, -2));
    assert_code(MAPLOG_NOT_FOUND, maplog_delete_records(fixture_log, "cut", 1, -1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_are_listed_in_name_order),
        cmocka_unit_test(a_topic_describes_itself),
        cmocka_unit_test(settings_change_and_go_back),
        cmocka_unit_test(a_topic_grows_and_never_shrinks),
        cmocka_unit_test(the_progress_topic_keeps_its_partitions),
        cmocka_unit_test(a_deleted_topic_takes_its_groups_progress_along),
        cmocka_unit_test(records_below_an_offset_go),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
