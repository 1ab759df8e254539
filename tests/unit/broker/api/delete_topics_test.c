#include "../broker_fixture.h"

#include "broker/parts.h"
#include "log/progress.h"

#define DELETE_TOPICS 20

typedef struct delete_topics_response response;
typedef struct delete_topics_request_topics asked;

static int setup(void **state)
{
    int result = broker_make(state);
    if (!result)
        result = directory_create_topic(log_directory, "orders", 2, NULL);
    if (!result)
        result = directory_create_topic(log_directory, "audit", 1, NULL);
    return result;
}

static struct uuid id_of(const char *topic)
{
    struct maplog_topic found;
    struct uuid id;
    assert_ok(directory_topic(log_directory, topic, &found));
    assert_true(uuid_parse(found.id, &id));
    return id;
}

static bool is_there(const char *topic)
{
    struct maplog_topic found;
    return directory_topic(log_directory, topic, &found) == 0;
}

static asked by_name(const char *name)
{
    return (asked){.name = wire_text(name)};
}

static asked by_id(const struct uuid *id)
{
    return (asked){.name = wire_text(NULL), .topic_id = *id};
}

static const response *ask(struct call *call, asked *topics, int32_t count)
{
    struct delete_topics_request body;
    wire_init(&wire_delete_topics_request, &body);
    body.topics = topics;
    body.topics_count = count;
    return call_ask(call, DELETE_TOPICS, 6, &body);
}

static const response *ask_names(struct call *call, int16_t version, const char *const *names)
{
    struct wire_string list[4];
    struct delete_topics_request body;
    wire_init(&wire_delete_topics_request, &body);
    body.topic_names = list;
    for (; names[body.topic_names_count]; body.topic_names_count++)
        list[body.topic_names_count] = wire_text(names[body.topic_names_count]);
    return call_ask(call, DELETE_TOPICS, version, &body);
}

static void topics_go_by_name(void **state)
{
    (void)state;
    static const char *const names[] = {"orders", "missing", NULL};
    for (int16_t version = 1; version <= 5; version++) {
        struct call call;
        if (!is_there("orders"))
            assert_ok(directory_create_topic(log_directory, "orders", 2, NULL));
        const response *answer = ask_names(&call, version, names);
        assert_int_equal(answer->responses_count, 2);
        assert_true(wire_equal(answer->responses[0].name, "orders"));
        assert_int_equal(answer->responses[0].error_code, KAFKA_NONE);
        assert_true(wire_equal(answer->responses[1].name, "missing"));
        assert_int_equal(answer->responses[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        assert_false(is_there("orders"));
        call_end(&call);
    }
}

static void topics_go_by_name_or_id(void **state)
{
    (void)state;
    struct call call;
    struct uuid orders = id_of("orders"), audit = id_of("audit"), other = {{9}};
    asked topics[] = {by_id(&orders), by_name("audit"), by_id(&other)};
    const response *answer = ask(&call, topics, 3);
    assert_int_equal(answer->responses_count, 3);
    assert_int_equal(answer->responses[0].error_code, KAFKA_NONE);
    assert_true(wire_equal(answer->responses[0].name, "orders"));
    assert_memory_equal(&answer->responses[0].topic_id, &orders, sizeof orders);
    assert_int_equal(answer->responses[1].error_code, KAFKA_NONE);
    assert_memory_equal(&answer->responses[1].topic_id, &audit, sizeof audit);
    assert_int_equal(answer->responses[2].error_code, KAFKA_UNKNOWN_TOPIC_ID);
    assert_int_equal(answer->responses[2].name.size, -1);
    assert_false(is_there("orders"));
    assert_false(is_there("audit"));
    call_end(&call);
}

static void a_topic_is_named_in_one_way_and_once(void **state)
{
    (void)state;
    struct call call;
    struct uuid orders = id_of("orders"), zero = {{0}};
    asked both = {.name = wire_text("orders"), .topic_id = orders};
    asked topics[] = {both, by_id(&zero), by_name("audit"), by_name("audit")};
    const response *answer = ask(&call, topics, 4);
    for (int32_t i = 0; i < 4; i++) {
        assert_int_equal(answer->responses[i].error_code, KAFKA_INVALID_REQUEST);
        assert_true(answer->responses[i].error_message.size > 0);
    }
    assert_true(is_there("orders"));
    assert_true(is_there("audit"));
    call_end(&call);
}

static void what_the_broker_needs_stays(void **state)
{
    (void)state;
    struct call call;
    asked topic = by_name(PROGRESS_TOPIC);
    const response *answer = ask(&call, &topic, 1);
    assert_int_equal(answer->responses[0].error_code, KAFKA_POLICY_VIOLATION);
    assert_true(is_there(PROGRESS_TOPIC));
    call_end(&call);
}

static void deletion_can_be_forbidden(void **state)
{
    (void)state;
    static const char *const names[] = {"orders", NULL};
    struct call call;
    assert_ok(broker_settings_apply(&settings, "delete.topic.enable", "false"));
    broker_configure(broker, &settings);
    const response *answer = ask_names(&call, 2, names);
    assert_int_equal(answer->responses[0].error_code, KAFKA_INVALID_REQUEST);
    call_end(&call);
    answer = ask_names(&call, 3, names);
    assert_int_equal(answer->responses[0].error_code, KAFKA_TOPIC_DELETION_DISABLED);
    call_end(&call);
    assert_true(is_there("orders"));
}

static void commit(const char *topic)
{
    struct progress_entry entry = {.group = "readers",
                                   .topic = topic,
                                   .offset = 7,
                                   .leader_epoch = -1,
                                   .metadata = "",
                                   .committed_ms = -1,
                                   .expires_ms = -1};
    assert_ok(progress_commit(broker->progress, &entry, 1, false));
}

static int fetched(const char *topic)
{
    struct progress_entry entry;
    return progress_fetch(broker->progress, "readers", topic, 0, &entry, NULL);
}

static void progress_goes_with_its_topic(void **state)
{
    (void)state;
    struct call call;
    asked topic = by_name("orders");
    commit("orders");
    commit("audit");
    assert_int_equal(fetched("orders"), 1);
    const response *answer = ask(&call, &topic, 1);
    assert_int_equal(answer->responses[0].error_code, KAFKA_NONE);
    call_end(&call);
    assert_int_equal(fetched("orders"), 0);
    assert_int_equal(fetched("audit"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(topics_go_by_name),
        TEST(topics_go_by_name_or_id),
        TEST(a_topic_is_named_in_one_way_and_once),
        TEST(what_the_broker_needs_stays),
        TEST(deletion_can_be_forbidden),
        TEST(progress_goes_with_its_topic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
