/* catalog_text_test.c - the file of topics: written, read, damaged. */
#include "log/catalog.h"

#include "../os/scratch.h"

#include <errno.h>
#include <maplog.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/fault.h"

#define ID "AQIDBAUGBwgJCgsMDQ4PEA"

static const struct uuid id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

static const char example[] = "maplog-topics 1\n"
                              "audit id=AQIDBAUGBwgJCgsMDQ4PEA slots=7,5-6\n"
                              "orders id=AQIDBAUGBwgJCgsMDQ4PEA slots=0-2,9 retention.ms=-1 "
                              "segment.bytes=8388608\n";

static int parse(struct catalog *catalog, const char *text)
{
    return catalog_parse(catalog, text, strlen(text));
}

static void expect_format(const struct catalog *catalog, const char *expected)
{
    char *text;
    size_t length;
    assert_int_equal(catalog_format(catalog, &text, &length), 0);
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(text, expected, length);
    free(text);
}

static void an_empty_catalog_is_one_line(void **state)
{
    (void)state;
    struct catalog catalog = {0};
    expect_format(&catalog, "maplog-topics 1\n");
    assert_int_equal(parse(&catalog, "maplog-topics 1\n"), 0);
    assert_int_equal(catalog.count, 0);
    catalog_free(&catalog);
}

static void text_is_read_and_written_alike(void **state)
{
    (void)state;
    struct catalog catalog = {0};
    assert_int_equal(parse(&catalog, example), 0);
    assert_int_equal(catalog.count, 2);
    const struct catalog_topic *audit = catalog_find(&catalog, "audit");
    const struct catalog_topic *orders = catalog_find(&catalog, "orders");
    static const uint32_t audit_slots[] = {7, 5, 6}, orders_slots[] = {0, 1, 2, 9};
    assert_int_equal(audit->partitions, 3);
    assert_memory_equal(audit->slots, audit_slots, sizeof audit_slots);
    assert_int_equal(orders->partitions, 4);
    assert_memory_equal(orders->slots, orders_slots, sizeof orders_slots);
    assert_memory_equal(&orders->id, &id, sizeof id);
    assert_int_equal(orders->settings.segment_bytes, 8388608);
    assert_int_equal(orders->settings.retention_ms, -1);
    expect_format(&catalog, example);
    catalog_free(&catalog);
}

static void fields_and_topics_may_stand_in_any_order(void **state)
{
    (void)state;
    struct catalog catalog = {0};
    assert_int_equal(parse(&catalog, "maplog-topics 1\n"
                                     "orders segment.bytes=8388608 slots=0,1,2,9 retention.ms=-1 "
                                     "id=" ID "\n"
                                     "audit slots=7,5,6 id=" ID "\n"),
                     0);
    expect_format(&catalog, example);
    catalog_free(&catalog);
}

static void settings_of_a_newer_version_are_kept(void **state)
{
    (void)state;
    static const char text[] = "maplog-topics 1\n"
                               "a id=" ID " slots=0 future.thing=a=b%25%20c retention.ms=5\n";
    struct catalog catalog = {0};
    assert_int_equal(parse(&catalog, text), 0);
    struct catalog_topic *topic = catalog_find(&catalog, "a");
    assert_int_equal(topic->config_count, 2);
    assert_string_equal(topic->configs[0].name, "future.thing");
    assert_string_equal(topic->configs[0].value, "a=b% c");
    assert_int_equal(topic->settings.retention_ms, 5);
    expect_format(&catalog, text);
    /* They stay when others change, cannot be changed, and can be taken back. */
    const char *const other[] = {"retention.ms=6", NULL}, *const change[] = {"future.thing=1",
                                                                             NULL};
    const char *const back[] = {"future.thing=", NULL};
    assert_int_equal(catalog_alter(topic, other), 0);
    assert_int_equal(topic->config_count, 2);
    assert_int_equal(catalog_alter(topic, change), MAPLOG_INVALID);
    assert_string_equal(topic->configs[0].value, "a=b% c");
    assert_int_equal(catalog_alter(topic, back), 0);
    assert_int_equal(topic->config_count, 1);
    catalog_free(&catalog);
}

static void values_with_spaces_survive(void **state)
{
    (void)state;
    struct catalog catalog = {0}, again = {0};
    const char *const configs[] = {"cleanup.policy=compact, \tdelete", NULL};
    assert_int_equal(catalog_add(&catalog, "a", 1, configs, &id), 0);
    char *text;
    size_t length;
    assert_int_equal(catalog_format(&catalog, &text, &length), 0);
    assert_int_equal(catalog_parse(&again, text, length), 0);
    assert_string_equal(catalog_find(&again, "a")->configs[0].value, "compact, \tdelete");
    assert_true(catalog_find(&again, "a")->settings.compact);
    free(text);
    catalog_free(&catalog);
    catalog_free(&again);
}

/* What is wrong, in the second line if not said otherwise, and what the error says. */
static const struct {
    const char *text, *said;
    int code;
} wrong[] = {
    {"", "line 1", MAPLOG_CORRUPT},
    {"\n", "line 1", MAPLOG_CORRUPT},
    {"maplog-topics 1", "line 1: the line has no end", MAPLOG_CORRUPT},
    {"maplog-topics\n", "line 1: version", MAPLOG_VERSION},
    {"maplog-topics 2\n", "line 1: version 2", MAPLOG_VERSION},
    {"topics 1\n", "line 1", MAPLOG_CORRUPT},
    {"maplog-topics 1\n\n", "line 2", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=0", "no end", MAPLOG_CORRUPT},
    {"maplog-topics 1\na/b id=" ID " slots=0\n", "does not begin with a topic", MAPLOG_CORRUPT},
    {"maplog-topics 1\n id=" ID " slots=0\n", "does not begin with a topic", MAPLOG_CORRUPT},
    {"maplog-topics 1\na\n", "no id", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID "\n", "no slots", MAPLOG_CORRUPT},
    {"maplog-topics 1\na slots=0\n", "no id", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID "A slots=0\n", "id " ID "A", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id= slots=0\n", "id ", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " id=" ID " slots=0\n", "id ", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=0 slots=1\n", "second slots", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=\n", "slots ", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=x\n", "slots x", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=-1\n", "slots -1", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=3-\n", "slots 3-", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=3-1\n", "slots 3-1", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=32768\n", "slots 32768", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=4294967296\n", "slots 4294967296", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=0,0\n", "slot 0 is used twice", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=0-3,2\n", "slot 2 is used twice", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=0\nb id=" ID " slots=0\n", "line 3: slot 0",
     MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=0\na id=" ID " slots=1\n",
     "line 3: topic a is there twice", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=0 x\n", "\"x\" is not of the form", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=0 =x\n", "not of the form", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=0  b=1\n", "not of the form", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=0 b=1 b=2\n", "a second b=", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=0 b=%\n", "value %", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=0 b=%2\n", "value %2", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=0 b=%zz\n", "value %zz", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=0 b=%00\n", "value %00", MAPLOG_CORRUPT},
    {"maplog-topics 1\na id=" ID " slots=0 retention.ms=soon\n", "retention.ms=soon",
     MAPLOG_CORRUPT},
    {"maplog-topics 1\r\n", "version 1\r", MAPLOG_VERSION},
    {"maplog-topics 1\na id=" ID " slots=0\r\n", "control character", MAPLOG_CORRUPT},
};

static void wrong_lines_are_named_and_change_nothing(void **state)
{
    (void)state;
    struct catalog catalog = {0};
    assert_int_equal(parse(&catalog, example), 0);
    struct catalog_topic *kept = catalog_find(&catalog, "orders");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (parse(&catalog, wrong[i].text) != wrong[i].code)
            fail_msg("\"%s\" is not refused as it should: %s", wrong[i].text, error_text());
        if (!strstr(error_text(), wrong[i].said))
            fail_msg("\"%s\" does not say \"%s\"", error_text(), wrong[i].said);
        assert_non_null(strstr(error_text(), CATALOG_FILE));
        assert_ptr_equal(catalog_find(&catalog, "orders"), kept);
    }
    static const char zero[] = "maplog-topics 1\na\0 id=" ID " slots=0\n";
    assert_int_equal(catalog_parse(&catalog, zero, sizeof zero - 1), MAPLOG_CORRUPT);
    catalog_free(&catalog);
}

/* Every cut of a valid text is refused, or is a text of whole lines. */
static void cut_texts_are_refused(void **state)
{
    (void)state;
    for (size_t length = 0; length < strlen(example); length++) {
        struct catalog catalog = {0};
        char *text = malloc(length + !length);
        memcpy(text, example, length);
        int result = catalog_parse(&catalog, text, length);
        assert_int_equal(result == 0, length > 0 && example[length - 1] == '\n');
        catalog_free(&catalog);
        free(text);
    }
}

static void a_directory_without_the_file_has_no_topics(void **state)
{
    (void)state;
    struct catalog catalog = {0};
    assert_int_equal(parse(&catalog, example), 0);
    assert_int_equal(catalog_load(&catalog, scratch_fd), 0);
    assert_int_equal(catalog.count, 0);
    assert_null(catalog.topics);
}

static void the_file_is_stored_and_loaded(void **state)
{
    (void)state;
    struct catalog catalog = {0}, again = {0};
    assert_int_equal(parse(&catalog, example), 0);
    assert_int_equal(catalog_store(&catalog, scratch_fd, true), 0);
    assert_int_equal(catalog_load(&again, scratch_fd), 0);
    expect_format(&again, example);
    catalog_remove(&catalog, catalog_find(&catalog, "orders"));
    assert_int_equal(catalog_store(&catalog, scratch_fd, false), 0);
    assert_int_equal(catalog_load(&again, scratch_fd), 0); /* replaces what it held */
    assert_int_equal(again.count, 1);
    assert_null(catalog_find(&again, "orders"));
    catalog_free(&catalog);
    catalog_free(&again);
}

static void a_failed_store_leaves_the_old_file(void **state)
{
    (void)state;
    struct catalog catalog = {0}, again = {0};
    assert_int_equal(parse(&catalog, example), 0);
    assert_int_equal(catalog_store(&catalog, scratch_fd, true), 0);
    catalog_remove(&catalog, catalog_find(&catalog, "audit"));
    static const enum fault_kind kinds[] = {FAULT_OPEN, FAULT_WRITE, FAULT_SYNC, FAULT_RENAME};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        fault_set(kinds[i], 1, ENOSPC, 0);
        assert_int_equal(catalog_store(&catalog, scratch_fd, true), MAPLOG_DISK_FULL);
        fault_clear();
        assert_int_equal(catalog_load(&again, scratch_fd), 0);
        expect_format(&again, example);
    }
    catalog_free(&catalog);
    catalog_free(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_catalog_is_one_line),
        cmocka_unit_test(text_is_read_and_written_alike),
        cmocka_unit_test(fields_and_topics_may_stand_in_any_order),
        cmocka_unit_test(settings_of_a_newer_version_are_kept),
        cmocka_unit_test(values_with_spaces_survive),
        cmocka_unit_test(wrong_lines_are_named_and_change_nothing),
        cmocka_unit_test(cut_texts_are_refused),
        cmocka_unit_test_setup_teardown(a_directory_without_the_file_has_no_topics, scratch_make,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(the_file_is_stored_and_loaded, scratch_make,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(a_failed_store_leaves_the_old_file, scratch_make,
                                        scratch_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
