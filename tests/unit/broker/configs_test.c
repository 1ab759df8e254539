/* configs_test.c - what outlives the server that it was changed at. */
#include "broker_fixture.h"

#include "broker/configs.h"

/* Changes one setting of the broker as a client does; Kafka's code. */
static int16_t change(const char *name, const char *value)
{
    struct arena arena = {.limit = 1 << 20};
    const struct config_change one = {wire_text(name), wire_text(value),
                                      value ? CONFIG_SET : CONFIG_DELETE};
    const struct config_order order = {.broker = broker,
                                       .arena = &arena,
                                       .type = RESOURCE_BROKER,
                                       .resource = wire_text(""),
                                       .changes = &one,
                                       .count = 1};
    struct config_result found;
    assert_ok(configs_change(&order, 1, &found));
    arena_reset(&arena);
    return found.error;
}

static const described_config *describe(struct arena *arena, const char *name)
{
    const struct wire_string wanted = wire_text(name);
    const struct configs_query query = {
        .broker = broker, .arena = arena, .names = &wanted, .name_count = 1, .synonyms = true};
    struct configs_found found;
    assert_ok(configs_describe_broker(&query, SOURCE_BROKER, &found));
    assert_int_equal(found.count, 1);
    return found.configs;
}

static void changes_survive_the_server(void **state)
{
    (void)state;
    assert_int_equal(change("num.partitions", "4"), KAFKA_NONE);
    assert_int_equal(change("log.retention.ms", "5000"), KAFKA_NONE);
    broker_restart();
    assert_int_equal(BROKER_SETTING(broker, num_partitions), 4);
    assert_string_equal(catalog_default(&log_directory->catalog, "retention.ms"), "5000");
    assert_int_equal(change("num.partitions", NULL), KAFKA_NONE);
    assert_int_equal(change("log.retention.ms", NULL), KAFKA_NONE);
    broker_restart();
    assert_int_equal(BROKER_SETTING(broker, num_partitions), 1);
    assert_null(log_directory->catalog.broker);
    assert_null(log_directory->catalog.defaults);
}

static void a_change_is_stronger_than_the_file(void **state)
{
    (void)state;
    struct arena arena = {.limit = 1 << 20};
    assert_int_equal(change("num.partitions", "4"), KAFKA_NONE);
    assert_ok(broker_settings_apply(&settings, "num.partitions", "2"));
    broker_configure(broker, &settings);
    assert_int_equal(BROKER_SETTING(broker, num_partitions), 4);
    const described_config *found = describe(&arena, "num.partitions");
    assert_true(wire_equal(found->value, "4"));
    assert_int_equal(found->config_source, SOURCE_BROKER);
    assert_int_equal(found->synonyms_count, 3);
    assert_int_equal(found->synonyms[1].source, SOURCE_FILE);
    assert_true(wire_equal(found->synonyms[1].value, "2"));
    assert_int_equal(found->synonyms[2].source, SOURCE_DEFAULT);
    assert_int_equal(change("num.partitions", NULL), KAFKA_NONE); /* back to the file's */
    assert_int_equal(BROKER_SETTING(broker, num_partitions), 2);
    arena_reset(&arena);
}

static void the_file_gives_topics_their_defaults(void **state)
{
    (void)state;
    assert_ok(directory_create_topic(log_directory, "orders", 1, NULL));
    assert_ok(broker_settings_apply(&settings, "log.retention.hours", "1"));
    broker_configure(broker, &settings);
    assert_string_equal(catalog_default(&log_directory->catalog, "retention.ms"), "3600000");
    assert_int_equal(catalog_find(&log_directory->catalog, "orders")->settings.retention_ms,
                     3600000);
    assert_ok(broker_settings_apply(&settings, "log.retention.hours", ""));
    broker_configure(broker, &settings);
    assert_null(log_directory->catalog.defaults);
    assert_int_equal(catalog_find(&log_directory->catalog, "orders")->settings.retention_ms,
                     604800000);
}

/* A newer server's settings, or a hand in the file. */
static void what_cannot_be_applied_is_told_and_passed_over(void **state)
{
    (void)state;
    static const char *const kept[] = {"newer.setting=1", "num.partitions=4", NULL};
    assert_ok(directory_set_defaults(log_directory, NULL, kept));
    last_note[0] = '\0';
    broker_restart();
    assert_int_equal(BROKER_SETTING(broker, num_partitions), 4);
    assert_non_null(strstr(last_note, "newer.setting"));
    assert_int_equal(change("delete.topic.enable", "false"), KAFKA_NONE);
    assert_string_equal(catalog_config(log_directory->catalog.broker, "newer.setting"), "1");
}

static void the_offsets_keep_their_own_settings(void **state)
{
    (void)state;
    assert_int_equal(change("log.cleanup.policy", "delete"), KAFKA_NONE);
    assert_int_equal(change("log.retention.ms", "1"), KAFKA_NONE);
    assert_false(catalog_find(&log_directory->catalog, "__consumer_offsets")->settings.retain);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, broker_make, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(changes_survive_the_server),
        TEST(a_change_is_stronger_than_the_file),
        TEST(the_file_gives_topics_their_defaults),
        TEST(what_cannot_be_applied_is_told_and_passed_over),
        TEST(the_offsets_keep_their_own_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
