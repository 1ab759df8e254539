/* catalog_test.c - topics in memory: names, slots, settings. */
#include "log/catalog.h"

#include <maplog.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/error.h"

static struct catalog catalog;
static const struct uuid id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

static int drop(void **state)
{
    (void)state;
    catalog_free(&catalog);
    catalog_free(NULL);
    return 0;
}

static struct catalog_topic *add(const char *name, int32_t partitions)
{
    int result = catalog_add(&catalog, name, partitions, NULL, &id);
    if (result)
        fail_msg("%s: %s", name, error_text());
    return catalog_find(&catalog, name);
}

static void expect_text(int expected, int result, const char *said)
{
    assert_int_equal(result, expected);
    if (!strstr(error_text(), said))
        fail_msg("\"%s\" does not say \"%s\"", error_text(), said);
}

static void a_topic_is_added_and_found(void **state)
{
    (void)state;
    const char *const configs[] = {"segment.bytes= 8388608 ", "retention.ms=-1", NULL};
    assert_int_equal(catalog_add(&catalog, "orders", 3, configs, &id), 0);
    struct catalog_topic *topic = catalog_find(&catalog, "orders");
    assert_non_null(topic);
    assert_string_equal(topic->name, "orders");
    assert_memory_equal(&topic->id, &id, sizeof id);
    assert_int_equal(topic->partitions, 3);
    for (uint32_t p = 0; p < 3; p++)
        assert_int_equal(topic->slots[p], p);
    assert_int_equal(topic->config_count, 2);
    assert_string_equal(topic->configs[0].name, "retention.ms");
    assert_string_equal(topic->configs[0].value, "-1");
    assert_string_equal(topic->configs[1].name, "segment.bytes");
    assert_string_equal(topic->configs[1].value, "8388608");
    assert_int_equal(topic->settings.segment_bytes, 8388608);
    assert_int_equal(topic->settings.retention_ms, -1);
    assert_int_equal(topic->settings.max_message_bytes, 1048588);
    assert_null(catalog_find(&catalog, "order"));
    assert_null(catalog_find(&catalog, "orders2"));
    assert_null(catalog_find(&catalog, ""));
}

static void topics_are_sorted_by_name(void **state)
{
    (void)state;
    static const char *const names[] = {"m", "z", "a", "b", "ab", "A", "zz", "0"};
    static const char *const sorted[] = {"0", "A", "a", "ab", "b", "m", "z", "zz"};
    for (size_t i = 0; i < 8; i++)
        add(names[i], 1);
    struct catalog_topic *kept = catalog_find(&catalog, "m");
    assert_int_equal(catalog.count, 8);
    for (size_t i = 0; i < 8; i++)
        assert_string_equal(catalog.topics[i]->name, sorted[i]);
    catalog_remove(&catalog, catalog_find(&catalog, "a"));
    catalog_remove(&catalog, catalog_find(&catalog, "zz"));
    catalog_remove(&catalog, catalog_find(&catalog, "0"));
    assert_int_equal(catalog.count, 5);
    assert_null(catalog_find(&catalog, "a"));
    assert_non_null(catalog_find(&catalog, "ab"));
    assert_ptr_equal(catalog_find(&catalog, "m"), kept); /* pointers outlive changes around them */
}

static void names_follow_kafkas_rules(void **state)
{
    (void)state;
    char longest[252];
    memset(longest, 'n', sizeof longest);
    longest[249] = 0;
    const char *const good[] = {"a", "...", "_", "-", "A.b_c-9", longest};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(catalog_check_name(good[i]), 0);
    longest[249] = 'n';
    longest[250] = 0;
    const char *const bad[] = {"", ".", "..", "a b", "a/b", "\xc3\xa4", "a\n", "a=b", longest};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(catalog_check_name(bad[i]), MAPLOG_INVALID);
        assert_int_equal(catalog_add(&catalog, bad[i], 1, NULL, &id), MAPLOG_INVALID);
    }
    assert_int_equal(catalog.count, 0);
}

static void names_that_differ_by_dot_and_underscore_collide(void **state)
{
    (void)state;
    add("a.b_c", 1);
    assert_int_equal(catalog_check_new(&catalog, "a.b_c"), MAPLOG_EXISTS);
    expect_text(MAPLOG_INVALID, catalog_check_new(&catalog, "a_b_c"), "differs from a.b_c only");
    assert_int_equal(catalog_check_new(&catalog, "a.b.c"), MAPLOG_INVALID);
    assert_int_equal(catalog_check_new(&catalog, "a_b.c"), MAPLOG_INVALID);
    assert_int_equal(catalog_add(&catalog, "a_b_c", 1, NULL, &id), MAPLOG_INVALID);
    assert_int_equal(catalog_check_new(&catalog, "a-b_c"), 0);
    assert_int_equal(catalog_check_new(&catalog, "a.b_"), 0);
    assert_int_equal(catalog_check_new(&catalog, "a.b_cd"), 0);
}

static void no_slot_is_used_twice(void **state)
{
    (void)state;
    struct catalog_topic *a = add("a", 3), *b = add("b", 2), *c = add("c", 1);
    assert_int_equal(b->slots[0], 3);
    assert_int_equal(c->slots[0], 5);
    catalog_remove(&catalog, b);
    assert_int_equal(catalog_grow(&catalog, c, 4), 0);
    static const uint32_t grown[] = {5, 3, 4, 6};
    assert_memory_equal(c->slots, grown, sizeof grown);
    assert_int_equal(c->partitions, 4);
    int32_t partition = -1;
    assert_ptr_equal(catalog_slot(&catalog, 2, &partition), a);
    assert_int_equal(partition, 2);
    assert_ptr_equal(catalog_slot(&catalog, 4, &partition), c);
    assert_int_equal(partition, 2);
    assert_null(catalog_slot(&catalog, 7, &partition));
    assert_int_equal(partition, 2);
    catalog_remove(&catalog, a);
    assert_int_equal(catalog_grow(&catalog, c, 6), 0);
    assert_int_equal(c->slots[4], 0);
    assert_int_equal(c->slots[5], 1);
}

static void a_topic_only_grows(void **state)
{
    (void)state;
    struct catalog_topic *topic = add("a", 3);
    expect_text(MAPLOG_INVALID, catalog_grow(&catalog, topic, 3), "has 3 partitions");
    assert_int_equal(catalog_grow(&catalog, topic, 2), MAPLOG_INVALID);
    assert_int_equal(catalog_grow(&catalog, topic, -1), MAPLOG_INVALID);
    assert_int_equal(topic->partitions, 3);
}

static void a_directory_has_so_many_partitions(void **state)
{
    (void)state;
    assert_int_equal(catalog_add(&catalog, "t", 0, NULL, &id), MAPLOG_INVALID);
    assert_int_equal(catalog_add(&catalog, "t", -5, NULL, &id), MAPLOG_INVALID);
    assert_int_equal(catalog_add(&catalog, "t", LIMIT_PARTITIONS + 1, NULL, &id), MAPLOG_LIMIT);
    struct catalog_topic *topic = add("large", LIMIT_PARTITIONS - 1);
    assert_int_equal(catalog_add(&catalog, "t", 2, NULL, &id), MAPLOG_LIMIT);
    assert_int_equal(catalog.count, 1);
    add("t", 1);
    assert_int_equal(catalog_grow(&catalog, topic, LIMIT_PARTITIONS), MAPLOG_LIMIT);
    assert_int_equal(topic->partitions, LIMIT_PARTITIONS - 1);
    int32_t partition;
    assert_string_equal(catalog_slot(&catalog, LIMIT_PARTITIONS - 1, &partition)->name, "t");
}

static void settings_are_altered_all_or_none(void **state)
{
    (void)state;
    struct catalog_topic *topic = add("a", 1);
    const char *const first[] = {"segment.bytes=100000", "retention.ms=5", "cleanup.policy=compact",
                                 NULL};
    assert_int_equal(catalog_alter(topic, first), 0);
    assert_int_equal(topic->config_count, 3);
    assert_true(topic->settings.compact);

    const char *const half[] = {"segment.bytes=200000", "retention.ms=soon", NULL};
    expect_text(MAPLOG_INVALID, catalog_alter(topic, half), "retention.ms=soon");
    assert_int_equal(topic->settings.segment_bytes, 100000);
    assert_string_equal(topic->configs[2].value, "100000");
    const char *const unknown[] = {"segment.bytes=200000", "retention.m=5", NULL};
    expect_text(MAPLOG_INVALID, catalog_alter(topic, unknown), "did you mean retention.ms?");
    assert_int_equal(topic->settings.segment_bytes, 100000);

    const char *const back[] = {"segment.bytes=", "retention.ms=7", "retention.ms=8", NULL};
    assert_int_equal(catalog_alter(topic, back), 0);
    assert_int_equal(topic->config_count, 2);
    assert_int_equal(topic->settings.segment_bytes, 1073741824);
    assert_int_equal(topic->settings.retention_ms, 8);
    assert_true(topic->settings.compact);
    const char *const nothing[] = {NULL}, *const absent[] = {"flush.ms=", "cleanup.policy= ", NULL};
    assert_int_equal(catalog_alter(topic, nothing), 0);
    assert_int_equal(catalog_alter(topic, absent), 0);
    assert_int_equal(topic->config_count, 1);
    assert_true(topic->settings.retain);
}

static void a_setting_is_written_as_name_and_value(void **state)
{
    (void)state;
    struct catalog_topic *topic = add("a", 1);
    static const char *const wrong[] = {"segment.bytes", "=5", "", "colour=red", "colour="};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *const configs[] = {wrong[i], NULL};
        assert_int_equal(catalog_alter(topic, configs), MAPLOG_INVALID);
        assert_int_equal(catalog_add(&catalog, "b", 1, configs, &id), MAPLOG_INVALID);
    }
    assert_int_equal(topic->config_count, 0);
    assert_int_equal(catalog.count, 1);
}

static struct uuid id_number(int number)
{
    return (struct uuid){{(uint8_t)(number * 37), (uint8_t)(number >> 8), (uint8_t)number}};
}

static void topics_are_found_by_id(void **state)
{
    (void)state;
    struct uuid one = id_number(0);
    assert_null(catalog_find_id(&catalog, &one));
    char name[16];
    for (int i = 0; i < 300; i++) {
        one = id_number(i);
        snprintf(name, sizeof name, "t%d", i * 7919 % 300);
        assert_int_equal(catalog_add(&catalog, name, 1, NULL, &one), 0);
        if (i % 50 == 0)
            assert_string_equal(catalog_find_id(&catalog, &one)->name, name);
    }
    for (int i = 0; i < 300; i += 2) {
        one = id_number(i);
        catalog_remove(&catalog, catalog_find_id(&catalog, &one));
    }
    for (int i = 0; i < 300; i++) {
        one = id_number(i);
        struct catalog_topic *topic = catalog_find_id(&catalog, &one);
        if (i % 2 == 0)
            assert_null(topic);
        else
            assert_memory_equal(&topic->id, &one, sizeof one);
    }
}

static void many_topics_keep_their_order_and_slots(void **state)
{
    (void)state;
    char name[16];
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "t%d", i * 7919 % 500);
        add(name, 1 + i % 3);
    }
    static bool used[LIMIT_PARTITIONS];
    for (size_t t = 0; t < catalog.count; t++) {
        struct catalog_topic *topic = catalog.topics[t];
        assert_true(t == 0 || strcmp(catalog.topics[t - 1]->name, topic->name) < 0);
        for (int32_t p = 0; p < topic->partitions; p++) {
            assert_false(used[topic->slots[p]]);
            used[topic->slots[p]] = true;
        }
    }
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "t%d", i);
        assert_non_null(catalog_find(&catalog, name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_topic_is_added_and_found, drop),
        cmocka_unit_test_teardown(topics_are_sorted_by_name, drop),
        cmocka_unit_test_teardown(names_follow_kafkas_rules, drop),
        cmocka_unit_test_teardown(names_that_differ_by_dot_and_underscore_collide, drop),
        cmocka_unit_test_teardown(no_slot_is_used_twice, drop),
        cmocka_unit_test_teardown(a_topic_only_grows, drop),
        cmocka_unit_test_teardown(a_directory_has_so_many_partitions, drop),
        cmocka_unit_test_teardown(settings_are_altered_all_or_none, drop),
        cmocka_unit_test_teardown(a_setting_is_written_as_name_and_value, drop),
        cmocka_unit_test_teardown(topics_are_found_by_id, drop),
        cmocka_unit_test_teardown(many_topics_keep_their_order_and_slots, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
