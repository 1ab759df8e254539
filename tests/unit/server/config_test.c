/* server.properties: what is applied, what is reported, what is refused. */
#include "server/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"

struct world {
    struct broker_settings settings;
    char path[64];
};

static int begin(void **state)
{
    static struct world world;
    broker_settings_default(&world.settings);
    snprintf(world.path, sizeof world.path, "/tmp/maplog-config-XXXXXX");
    close(mkstemp(world.path));
    *state = &world;
    return 0;
}

static int end(void **state)
{
    struct world *world = *state;
    broker_settings_free(&world->settings);
    unlink(world->path);
    return 0;
}

static int load(struct world *world, const char *text)
{
    FILE *file = fopen(world->path, "w");
    fputs(text, file);
    fclose(file);
    return config_load(&world->settings, world->path);
}

static void applies_names_of_kafka(void **state)
{
    struct world *world = *state;
    assert_int_equal(load(world, "# a comment\n\nnum.partitions=7\n"
                                 "listeners = PLAINTEXT://0.0.0.0:9092\n"
                                 "auto.create.topics.enable=false\n"),
                     0);
    assert_int_equal(world->settings.num_partitions, 7);
    assert_false(world->settings.auto_create_topics);
    assert_string_equal(world->settings.listeners, "PLAINTEXT://0.0.0.0:9092");
}

static void unknown_names_are_passed_over(void **state)
{
    struct world *world = *state;
    assert_int_equal(load(world, "num.partitoins=7\nnum.partitions=3\n"), 0);
    assert_int_equal(world->settings.num_partitions, 3);
}

static void bad_value_names_file_and_line(void **state)
{
    struct world *world = *state;
    assert_int_equal(load(world, "#\nnum.partitions=many\n"), MAPLOG_INVALID);
    assert_non_null(strstr(error_text(), world->path));
    assert_non_null(strstr(error_text(), "line 2"));
    assert_non_null(strstr(error_text(), "num.partitions"));
}

static void line_without_a_value_is_refused(void **state)
{
    struct world *world = *state;
    assert_int_equal(load(world, "num.partitions\n"), MAPLOG_INVALID);
    assert_non_null(strstr(error_text(), "line 1"));
}

static void missing_file_is_named(void **state)
{
    struct world *world = *state;
    assert_int_equal(config_load(&world->settings, "/nowhere/server.properties"), MAPLOG_NOT_FOUND);
    assert_non_null(strstr(error_text(), "/nowhere/server.properties"));
}

static void assignment_applies_one(void **state)
{
    struct world *world = *state;
    assert_int_equal(config_apply(&world->settings, "num.partitions=5"), 0);
    assert_int_equal(world->settings.num_partitions, 5);
    assert_int_equal(config_apply(&world->settings, "num.partitions"), MAPLOG_INVALID);
    assert_int_equal(config_apply(&world->settings, "num.partitoins=5"), MAPLOG_NOT_FOUND);
    assert_non_null(strstr(error_text(), "num.partitions"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(applies_names_of_kafka, begin, end),
        cmocka_unit_test_setup_teardown(unknown_names_are_passed_over, begin, end),
        cmocka_unit_test_setup_teardown(bad_value_names_file_and_line, begin, end),
        cmocka_unit_test_setup_teardown(line_without_a_value_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(missing_file_is_named, begin, end),
        cmocka_unit_test_setup_teardown(assignment_applies_one, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
