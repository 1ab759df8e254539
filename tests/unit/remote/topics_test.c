/* topics_test.c - what is asked of a server's topics, and what its answers mean. */
#include "remote/topics.h"

#include "peer.h"

#define NAMES 100 /* bytes */

/* What came last, copied while it is there. */
static char seen[200];
static int16_t says;

static bool serve(struct peer *peer, const struct wire_request_header *header, const void *body)
{
    (void)peer;
    if (header->api_key == REMOTE_CREATE_TOPICS) {
        const struct create_topics_request *request = body;
        const struct create_topics_request_topics *topic = request->topics;
        snprintf(seen, sizeof seen, "%.*s %d %d %.*s=%.*s", (int)topic->name.size, topic->name.at,
                 topic->num_partitions, topic->replication_factor,
                 topic->configs_count ? (int)topic->configs[0].name.size : 0,
                 topic->configs_count ? topic->configs[0].name.at : "",
                 topic->configs_count ? (int)topic->configs[0].value.size : 0,
                 topic->configs_count ? topic->configs[0].value.at : "");
        struct create_topics_response response;
        struct create_topics_response_topics row;
        wire_init(&wire_create_topics_response, &response);
        wire_init(&wire_create_topics_response_topics, &row);
        row.name = topic->name;
        row.error_code = says;
        row.error_message = wire_text("the server's words");
        response.topics = &row;
        response.topics_count = 1;
        peer_answer(peer, header, &response);
    } else if (header->api_key == REMOTE_INCREMENTAL_ALTER_CONFIGS) {
        const struct incremental_alter_configs_request *request = body;
        const struct incremental_alter_configs_request_resources_configs *configs =
            request->resources[0].configs;
        snprintf(seen, sizeof seen, "%d %d/%d", request->resources[0].configs_count,
                 configs[0].config_operation, configs[1].config_operation);
        peer_answer_empty(peer, header);
    } else if (header->api_key == REMOTE_METADATA) {
        const struct metadata_request *request = body;
        struct metadata_response response;
        struct metadata_response_topics rows[2];
        wire_init(&wire_metadata_response, &response);
        wire_init(&wire_metadata_response_topics, &rows[0]);
        rows[1] = rows[0];
        rows[0].name = wire_text("zebra");
        rows[1].name = wire_text("ape");
        rows[0].error_code = says;
        response.topics = rows;
        response.topics_count = request->topics_count < 0 ? 2 : 1;
        snprintf(seen, sizeof seen, "%s", request->allow_auto_topic_creation ? "auto" : "");
        peer_answer(peer, header, &response);
    } else {
        peer_answer_empty(peer, header);
    }
    return true;
}

static struct peer peer;
static struct remote *remote;

static int set_up(void **state)
{
    (void)state;
    says = 0;
    peer = (struct peer){.handle = serve};
    remote = peer_connect(&peer);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    peer_disconnect(&peer, remote);
    return 0;
}

static void creating(void **state)
{
    (void)state;
    const char *configs[] = {"a=b=c", NULL};
    assert_int_equal(remote_topic_create(remote, "t", 3, configs), 0);
    assert_string_equal(seen, "t 3 -1 a=b=c");
    assert_int_equal(remote_topic_create(remote, "t", 0, NULL), 0);
    assert_string_equal(seen, "t -1 -1 =");
    says = KAFKA_TOPIC_ALREADY_EXISTS;
    assert_int_equal(remote_topic_create(remote, "t", 0, NULL), MAPLOG_EXISTS);
    assert_says("the server's words");
    const char *wrong[] = {"nothing", NULL};
    assert_int_equal(remote_topic_create(remote, "t", 0, wrong), MAPLOG_INVALID);
}

static void altering(void **state)
{
    (void)state;
    const char *configs[] = {"set=1", "back=", NULL};
    /* An answer without the topic is none. */
    assert_int_equal(remote_topic_alter(remote, "t", configs), MAPLOG_CORRUPT);
    assert_string_equal(seen, "2 0/1");
}

static int gather(void *context, const struct maplog_topic *topic)
{
    struct maplog_topic found;
    size_t length = strlen(context);
    snprintf((char *)context + length, NAMES - length, "%s ", topic->name);
    return remote_topic_describe(remote, topic->name, &found); /* while the list is walked */
}

static void listing(void **state)
{
    (void)state;
    char names[NAMES] = "";
    assert_int_equal(remote_topic_list(remote, gather, names), 0);
    assert_string_equal(names, "ape zebra ");
}

static void describing_creates_nothing(void **state)
{
    (void)state;
    struct maplog_topic found;
    says = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    assert_int_equal(remote_topic_describe(remote, "zebra", &found), MAPLOG_NOT_FOUND);
    assert_says("no topic zebra");
    assert_string_equal(seen, "");
}

static void answers_that_say_nothing_of_the_topic(void **state)
{
    (void)state;
    char value[10];
    assert_int_equal(remote_topic_delete(remote, "t"), MAPLOG_CORRUPT);
    assert_says("topic t");
    assert_int_equal(remote_topic_grow(remote, "t", 3), MAPLOG_CORRUPT);
    assert_int_equal(remote_topic_config(remote, "t", "a", value, sizeof value), MAPLOG_CORRUPT);
    assert_false(remote_lost(remote));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(creating, set_up, tear_down),
        cmocka_unit_test_setup_teardown(altering, set_up, tear_down),
        cmocka_unit_test_setup_teardown(listing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(describing_creates_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answers_that_say_nothing_of_the_topic, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
