/* catalog_defaults_test.c - defaults that all topics of a directory share. */
#include "log_fixture.h"

#include "log/catalog.h"

static const struct uuid id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

static const char *const none[] = {NULL};
static const char *const hour[] = {"retention.ms=3600000", NULL};

static int parse(struct catalog *catalog, const char *text)
{
    return catalog_parse(catalog, text, strlen(text));
}

static void topics_without_an_override_get_the_default(void **state)
{
    (void)state;
    static const char *const own[] = {"retention.ms=5", NULL};
    struct catalog catalog = {0};
    assert_ok(catalog_add(&catalog, "plain", 1, NULL, &id));
    assert_ok(catalog_add(&catalog, "own", 1, own, &id));
    assert_int_equal(catalog_set_defaults(&catalog, hour, NULL), 1);
    assert_int_equal(catalog_find(&catalog, "plain")->settings.retention_ms, 3600000);
    assert_int_equal(catalog_find(&catalog, "own")->settings.retention_ms, 5);
    assert_ok(catalog_add(&catalog, "later", 1, NULL, &id));
    assert_int_equal(catalog_find(&catalog, "later")->settings.retention_ms, 3600000);
    static const char *const back[] = {"retention.ms=", NULL};
    assert_ok(catalog_alter(catalog_find(&catalog, "own"), back));
    assert_int_equal(catalog_find(&catalog, "own")->settings.retention_ms, 3600000);
    assert_string_equal(catalog_default(&catalog, "retention.ms"), "3600000");
    assert_string_equal(catalog_default(&catalog, "retention.bytes"), "-1");
    assert_null(catalog_default(&catalog, "no.such"));
    assert_int_equal(catalog_set_defaults(&catalog, none, NULL), 1);
    assert_int_equal(catalog_find(&catalog, "plain")->settings.retention_ms, 604800000);
    assert_null(catalog.defaults);
    catalog_free(&catalog);
}

static void it_is_told_whether_anything_changed(void **state)
{
    (void)state;
    static const char *const kept[] = {"num.partitions=4", NULL};
    struct catalog catalog = {0};
    assert_int_equal(catalog_set_defaults(&catalog, none, none), 0);
    assert_int_equal(catalog_set_defaults(&catalog, hour, kept), 1);
    assert_int_equal(catalog_set_defaults(&catalog, hour, kept), 0);
    assert_int_equal(catalog_set_defaults(&catalog, NULL, NULL), 0);
    assert_string_equal(catalog_config(catalog.broker, "num.partitions"), "4");
    assert_int_equal(catalog_set_defaults(&catalog, NULL, none), 1);
    assert_null(catalog_config(catalog.broker, "num.partitions"));
    assert_string_equal(catalog_config(catalog.defaults, "retention.ms"), "3600000");
    catalog_free(&catalog);
}

static void what_is_not_valid_changes_nothing(void **state)
{
    (void)state;
    static const char *const bad_value[] = {"retention.ms=soon", NULL};
    static const char *const bad_name[] = {"retention.mss=1", NULL};
    static const char *const no_value[] = {"retention.ms=", NULL};
    struct catalog catalog = {0};
    assert_int_equal(catalog_set_defaults(&catalog, hour, NULL), 1);
    assert_code(MAPLOG_INVALID, catalog_set_defaults(&catalog, bad_value, none));
    assert_code(MAPLOG_INVALID, catalog_set_defaults(&catalog, bad_name, NULL));
    assert_code(MAPLOG_INVALID, catalog_set_defaults(&catalog, no_value, NULL));
    assert_code(MAPLOG_INVALID, catalog_set_defaults(&catalog, none, no_value));
    assert_string_equal(catalog_config(catalog.defaults, "retention.ms"), "3600000");
    catalog_free(&catalog);
}

static void the_text_holds_them(void **state)
{
    (void)state;
    static const char text[] = "maplog-topics 1\n"
                               "* newer.setting=1 retention.ms=3600000\n"
                               "*broker some.list=a%20b num.partitions=4\n"
                               "orders id=AQIDBAUGBwgJCgsMDQ4PEA slots=0\n";
    struct catalog catalog = {0};
    assert_ok(parse(&catalog, text));
    assert_int_equal(catalog_find(&catalog, "orders")->settings.retention_ms, 3600000);
    assert_string_equal(catalog_config(catalog.broker, "some.list"), "a b");
    char *written;
    size_t length;
    assert_ok(catalog_format(&catalog, &written, &length));
    static const char sorted[] = "maplog-topics 1\n"
                                 "* newer.setting=1 retention.ms=3600000\n"
                                 "*broker num.partitions=4 some.list=a%20b\n"
                                 "orders id=AQIDBAUGBwgJCgsMDQ4PEA slots=0\n";
    assert_int_equal(length, strlen(sorted));
    assert_memory_equal(written, sorted, length);
    free(written);
    catalog_free(&catalog);
}

static void damaged_text_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "maplog-topics 1\n* retention.ms=1\n* retention.ms=2\n",
        "maplog-topics 1\norders id=AQIDBAUGBwgJCgsMDQ4PEA slots=0\n* retention.ms=1\n",
        "maplog-topics 1\n* retention.ms\n",
        "maplog-topics 1\n* retention.ms=soon\n",
        "maplog-topics 1\n* retention.ms=1 retention.ms=1\n",
        "maplog-topics 1\n*broker =1\n",
        "maplog-topics 1\n*other a=1\n",
        "maplog-topics 1\n* retention.ms=%zz\n",
    };
    struct catalog catalog = {0};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_code(MAPLOG_CORRUPT, parse(&catalog, texts[i]));
}

/* Open partitions of every process go by the new default. */
static void partitions_follow_the_default(void **state)
{
    (void)state;
    struct partition *partition;
    struct settings settings;
    uint64_t before, after;
    assert_ok(directory_create_topic(log_directory, "orders", 1, NULL));
    assert_ok(directory_partition(log_directory, "orders", 0, &partition));
    struct directory *other;
    assert_ok(directory_open(log_path, NULL, &other));
    assert_ok(partition_settings(partition, &settings, &before));
    assert_ok(directory_set_defaults(other, hour, NULL));
    assert_ok(partition_settings(partition, &settings, &after));
    assert_int_equal(settings.retention_ms, 3600000);
    assert_true(after > before);
    assert_ok(directory_set_defaults(other, hour, none));
    assert_ok(partition_settings(partition, &settings, &before));
    assert_int_equal(before, after); /* nothing changed, so nobody has to look */
    directory_drop(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_without_an_override_get_the_default),
        cmocka_unit_test(it_is_told_whether_anything_changed),
        cmocka_unit_test(what_is_not_valid_changes_nothing),
        cmocka_unit_test(the_text_holds_them),
        cmocka_unit_test(damaged_text_is_refused),
        TEST(partitions_follow_the_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
