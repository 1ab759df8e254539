#include "broker/settings.h"

#include <maplog.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "broker/settings_table.h"
#include "log/settings.h"

static int setup(void **state)
{
    static struct broker_settings settings;
    broker_settings_default(&settings);
    *state = &settings;
    return 0;
}

static int teardown(void **state)
{
    broker_settings_free(*state);
    return 0;
}

static const char *value(const struct broker_settings *settings, const char *name)
{
    static char text[256];
    broker_settings_value(settings, name, text, sizeof text);
    return text;
}

static void the_table_is_sorted_and_complete(void **state)
{
    (void)state;
    const struct setting_description *before = NULL, *now;
    size_t count = 0;
    for (; (now = broker_setting(count)); count++) {
        assert_true(!before || strcmp(before->name, now->name) < 0);
        assert_non_null(now->about);
        assert_int_equal(now->about[strlen(now->about) - 1], '.');
        assert_ptr_equal(broker_setting_find(now->name), now);
        before = now;
    }
    assert_true(count > 50);
    assert_null(broker_setting_find("no.such.setting"));
    for (const char *const *name = setting_passed_over; name[1]; name++)
        assert_true(strcmp(name[0], name[1]) < 0);
}

static void every_topic_setting_of_the_table_is_one(void **state)
{
    struct broker_settings *settings = *state;
    const struct setting_description *now;
    for (size_t i = 0; (now = broker_setting(i)); i++) {
        if (!now->topic)
            continue;
        assert_true(settings_is_known(now->topic));
        if (now->default_value) /* its own default is a value that it takes */
            assert_int_equal(broker_settings_apply(settings, now->name, now->default_value), 0);
    }
}

/* What a topic gets without a word from anybody is what the broker's defaults say. */
static void defaults_agree_with_those_of_topics(void **state)
{
    (void)state;
    const char *name, *standard;
    for (size_t i = 0; settings_known(i, &name, &standard); i++) {
        const struct setting_description *found[SETTINGS_FOR_TOPIC_MAX];
        size_t count = broker_settings_for_topic(name, found);
        for (size_t f = 0; f < count; f++) {
            char text[64];
            if (!found[f]->default_value)
                continue;
            broker_setting_to_topic(found[f]->name, found[f]->default_value, text, sizeof text);
            assert_string_equal(text, standard);
        }
    }
}

static void every_default_is_in_its_field(void **state)
{
    struct broker_settings *settings = *state;
    const struct setting_description *now;
    for (size_t i = 0; (now = broker_setting(i)); i++) {
        const char *standard = now->default_value ? now->default_value : "";
        assert_string_equal(value(settings, now->name), standard);
        assert_null(broker_settings_given(settings, now->name));
    }
    assert_string_equal(settings->listeners, "PLAINTEXT://localhost:9092");
    assert_int_equal(settings->num_partitions, 1);
    assert_true(settings->auto_create_topics);
    assert_int_equal(settings->idle_ms, 600000);
}

static void values_are_applied(void **state)
{
    struct broker_settings *settings = *state;
    assert_int_equal(broker_settings_apply(settings, "num.partitions", "4"), 0);
    assert_int_equal(settings->num_partitions, 4);
    assert_string_equal(value(settings, "num.partitions"), "4");
    assert_string_equal(broker_settings_given(settings, "num.partitions"), "4");
    assert_int_equal(broker_settings_apply(settings, "auto.create.topics.enable", "False"), 0);
    assert_false(settings->auto_create_topics);
    assert_int_equal(broker_settings_apply(settings, "connections.max.idle.ms", "5000000000"), 0);
    assert_int_equal(settings->idle_ms, 5000000000);
    assert_int_equal(broker_settings_apply(settings, "listeners", "PLAINTEXT://:9"), 0);
    assert_string_equal(settings->listeners, "PLAINTEXT://:9");
    assert_int_equal(broker_settings_apply(settings, "broker.id", "7"), 0);
    assert_int_equal(settings->node_id, 7);
}

static void an_empty_value_is_the_default(void **state)
{
    struct broker_settings *settings = *state;
    assert_int_equal(broker_settings_apply(settings, "num.partitions", "4"), 0);
    assert_int_equal(broker_settings_apply(settings, "num.partitions", ""), 0);
    assert_int_equal(settings->num_partitions, 1);
    assert_null(broker_settings_given(settings, "num.partitions"));
    assert_int_equal(broker_settings_apply(settings, "log.retention.ms", "5"), 0);
    assert_int_equal(broker_settings_apply(settings, "log.retention.ms", ""), 0);
    assert_string_equal(value(settings, "log.retention.ms"), "");
}

static void refused(struct broker_settings *settings, const char *name, const char *text, int code,
                    const char *says)
{
    assert_int_equal(broker_settings_apply(settings, name, text), code);
    if (!strstr(error_text(), says))
        fail_msg("\"%s\" does not say \"%s\"", error_text(), says);
    assert_null(broker_settings_given(settings, name));
}

static void bad_values_are_refused(void **state)
{
    struct broker_settings *settings = *state;
    refused(settings, "num.partitions", "0", MAPLOG_INVALID, "from 1 to 32768");
    refused(settings, "num.partitions", "4k", MAPLOG_INVALID, "num.partitions=4k");
    refused(settings, "num.partitions", "99999999999999999999", MAPLOG_INVALID, "from 1");
    refused(settings, "delete.topic.enable", "yes", MAPLOG_INVALID, "true or false");
    refused(settings, "log.retention.ms", "1d", MAPLOG_INVALID, "log.retention.ms");
    refused(settings, "log.retention.hours", "-2", MAPLOG_INVALID, "from -1");
    refused(settings, "log.roll.hours", "0", MAPLOG_INVALID, "log.roll.hours");
    refused(settings, "log.cleanup.policy", "keep", MAPLOG_INVALID, "compact, delete");
    assert_int_equal(settings->num_partitions, 1);
    assert_true(settings->delete_topics);
}

static void unknown_names_are_told(void **state)
{
    refused(*state, "num.partition", "1", MAPLOG_NOT_FOUND, "did you mean num.partitions?");
    refused(*state, "log.retention.hour", "1", MAPLOG_NOT_FOUND, "log.retention.hours?");
    refused(*state, "quite.another.thing", "1", MAPLOG_NOT_FOUND, "there is no setting");
    char name[200];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    refused(*state, name, "1", MAPLOG_NOT_FOUND, "...");
}

/* What Kafka ships as config/server.properties. */
static void kafkas_own_file_is_accepted(void **state)
{
    static const char *const lines[][2] = {
        {"process.roles", "broker,controller"},
        {"node.id", "1"},
        {"controller.quorum.bootstrap.servers", "localhost:9093"},
        {"listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"},
        {"inter.broker.listener.name", "PLAINTEXT"},
        {"advertised.listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"},
        {"controller.listener.names", "CONTROLLER"},
        {"listener.security.protocol.map", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL"},
        {"num.network.threads", "3"},
        {"num.io.threads", "8"},
        {"socket.send.buffer.bytes", "102400"},
        {"socket.receive.buffer.bytes", "102400"},
        {"socket.request.max.bytes", "104857600"},
        {"log.dirs", "/tmp/kraft-combined-logs"},
        {"num.partitions", "1"},
        {"num.recovery.threads.per.data.dir", "1"},
        {"offsets.topic.replication.factor", "3"},
        {"share.coordinator.state.topic.replication.factor", "1"},
        {"share.coordinator.state.topic.min.isr", "1"},
        {"transaction.state.log.replication.factor", "1"},
        {"transaction.state.log.min.isr", "1"},
        {"log.flush.interval.messages", "10000"},
        {"log.flush.interval.ms", "1000"},
        {"log.retention.hours", "168"},
        {"log.retention.bytes", "1073741824"},
        {"log.segment.bytes", "1073741824"},
        {"log.retention.check.interval.ms", "300000"},
    };
    struct broker_settings *settings = *state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_int_equal(broker_settings_apply(settings, lines[i][0], lines[i][1]), 0);
    assert_int_equal(settings->node_id, 1);
    assert_string_equal(settings->controller_listener_names, "CONTROLLER");
    assert_string_equal(settings->log_dirs, "/tmp/kraft-combined-logs");
    /* What is as it is stays so, whatever the file says. */
    assert_string_equal(value(settings, "offsets.topic.replication.factor"), "1");
}

static void access_control_is_not_passed_over(void **state)
{
    refused(*state, "authorizer.class.name", "org.example.Authorizer", MAPLOG_UNSUPPORTED,
            "no access control");
    assert_int_equal(broker_settings_apply(*state, "authorizer.class.name", ""), 0);
}

static void has_default(struct broker_settings *settings, const char *expected)
{
    char **list = broker_settings_defaults(settings);
    assert_non_null(list);
    bool found = false;
    for (size_t i = 0; list[i]; i++)
        found |= strcmp(list[i], expected) == 0;
    free(list);
    if (!found)
        fail_msg("there is no \"%s\"", expected);
}

static void the_finest_unit_rules(void **state)
{
    struct broker_settings *settings = *state;
    char **none = broker_settings_defaults(settings);
    assert_null(none[0]);
    free(none);
    assert_int_equal(broker_settings_apply(settings, "log.retention.hours", "2"), 0);
    has_default(settings, "retention.ms=7200000");
    assert_int_equal(broker_settings_apply(settings, "log.retention.minutes", "3"), 0);
    has_default(settings, "retention.ms=180000");
    assert_int_equal(broker_settings_apply(settings, "log.retention.ms", "17"), 0);
    has_default(settings, "retention.ms=17");
    assert_int_equal(broker_settings_apply(settings, "log.retention.ms", ""), 0);
    assert_int_equal(broker_settings_apply(settings, "log.retention.minutes", "-1"), 0);
    has_default(settings, "retention.ms=-1");
    assert_int_equal(broker_settings_apply(settings, "log.roll.hours", "1"), 0);
    has_default(settings, "segment.ms=3600000");
    assert_int_equal(broker_settings_apply(settings, "num.partitions", "9"), 0);
    assert_int_equal(broker_settings_apply(settings, "message.max.bytes", "1000"), 0);
    has_default(settings, "max.message.bytes=1000");
    char **list = broker_settings_defaults(settings);
    assert_non_null(list[2]);
    assert_null(list[3]);
    free(list);
}

static void a_copy_stands_alone(void **state)
{
    struct broker_settings *settings = *state, copy;
    assert_int_equal(broker_settings_apply(settings, "listeners", "PLAINTEXT://:1"), 0);
    assert_int_equal(broker_settings_apply(settings, "log.retention.ms", "5"), 0);
    settings->num_partitions = 12; /* set by the program, not by name */
    assert_int_equal(broker_settings_copy(settings, &copy), 0);
    assert_int_equal(broker_settings_apply(settings, "listeners", "PLAINTEXT://:2"), 0);
    assert_int_equal(broker_settings_apply(settings, "log.retention.ms", ""), 0);
    assert_string_equal(copy.listeners, "PLAINTEXT://:1");
    assert_string_equal(broker_settings_given(&copy, "log.retention.ms"), "5");
    assert_int_equal(copy.num_partitions, 12);
    broker_settings_free(&copy);
    assert_null(copy.listeners);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_table_is_sorted_and_complete),
        TEST(every_topic_setting_of_the_table_is_one),
        TEST(defaults_agree_with_those_of_topics),
        TEST(every_default_is_in_its_field),
        TEST(values_are_applied),
        TEST(an_empty_value_is_the_default),
        TEST(bad_values_are_refused),
        TEST(unknown_names_are_told),
        TEST(kafkas_own_file_is_accepted),
        TEST(access_control_is_not_passed_over),
        TEST(the_finest_unit_rules),
        TEST(a_copy_stands_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
