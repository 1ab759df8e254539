#include "../broker_fixture.h"

#include "broker/apis.h"
#include "broker/parts.h"

#define API_VERSIONS 18

typedef struct api_versions_response response;

static struct api_versions_request good(void)
{
    struct api_versions_request body;
    wire_init(&wire_api_versions_request, &body);
    body.client_software_name = wire_text("apache-kafka-java");
    body.client_software_version = wire_text("4.1.0");
    return body;
}

static void every_offered_api_is_listed(void **state)
{
    (void)state;
    for (int16_t version = 0; version <= 4; version++) {
        struct call call;
        struct api_versions_request body = good();
        const response *answer = call_ask(&call, API_VERSIONS, version, &body);
        assert_int_equal(answer->error_code, KAFKA_NONE);
        int32_t at = 0;
        const struct broker_handler *row = NULL;
        while ((row = apis_next(row ? row->key : -1))) {
            assert_true(at < answer->api_keys_count);
            assert_int_equal(answer->api_keys[at].api_key, row->key);
            assert_int_equal(answer->api_keys[at].min_version, row->first_version);
            assert_int_equal(answer->api_keys[at++].max_version, row->last_version);
        }
        assert_int_equal(at, answer->api_keys_count);
        assert_int_equal(answer->supported_features_count, 0);
        assert_int_equal(answer->finalized_features_count, 0);
        assert_int_equal(answer->finalized_features_epoch, -1);
        call_end(&call);
    }
}

/* The client reads version 0, finds this row and asks again in a version that both know. */
static void an_unknown_version_is_answered_in_version_0(void **state)
{
    (void)state;
    static const uint8_t frame[] = {0, API_VERSIONS, 0, 99, 0, 0, 0, 77, 0xff, 0xff, 0, 1, 2};
    struct call call = {.version = 0, .memory.limit = 1 << 20};
    assert_int_equal(call_begin_bytes(&call, bytes_over(frame, sizeof frame)), BROKER_ANSWER);
    const response *answer = call.answer;
    assert_int_equal(answer->error_code, KAFKA_UNSUPPORTED_VERSION);
    assert_int_equal(answer->api_keys_count, 1);
    assert_int_equal(answer->api_keys[0].api_key, API_VERSIONS);
    assert_int_equal(answer->api_keys[0].max_version, apis_find(API_VERSIONS)->last_version);
    call_end(&call);
}

static int16_t error_for(const char *name, const char *version, int16_t api_version)
{
    struct call call;
    struct api_versions_request body = good();
    body.client_software_name = wire_text(name);
    body.client_software_version = wire_text(version);
    const response *answer = call_ask(&call, API_VERSIONS, api_version, &body);
    int16_t error = answer->error_code;
    call_end(&call);
    return error;
}

static void software_has_a_name(void **state)
{
    (void)state;
    assert_int_equal(error_for("kcat", "1.7-2.b", 3), KAFKA_NONE);
    assert_int_equal(error_for("k", "1", 3), KAFKA_NONE);
    assert_int_equal(error_for("", "1", 3), KAFKA_INVALID_REQUEST);
    assert_int_equal(error_for("kcat", "", 3), KAFKA_INVALID_REQUEST);
    assert_int_equal(error_for("-kcat", "1", 3), KAFKA_INVALID_REQUEST);
    assert_int_equal(error_for("kcat.", "1", 3), KAFKA_INVALID_REQUEST);
    assert_int_equal(error_for("k cat", "1", 4), KAFKA_INVALID_REQUEST);
    assert_int_equal(error_for("kcat", "1_0", 4), KAFKA_INVALID_REQUEST);
    assert_int_equal(error_for("", "", 2), KAFKA_NONE); /* it has no such fields */
}

/* Versions that only the handler knows so far: offered with the release that has them. */
static int16_t error_at(const char *cluster, int32_t node)
{
    struct api_versions_request body = good();
    body.cluster_id = wire_text(cluster);
    body.node_id = node;
    struct api_versions_response answer;
    wire_init(&wire_api_versions_response, &answer);
    struct broker_request request = {
        .arena.limit = 1 << 20,
        .header = {.api_key = API_VERSIONS, .api_version = 5},
        .api = wire_api(API_VERSIONS),
        .handler = apis_find(API_VERSIONS),
        .body = &body,
        .answer = &answer,
    };
    assert_int_equal(api_versions_handle(broker, &request, 0), BROKER_ANSWER);
    arena_reset(&request.arena);
    return answer.error_code;
}

static void who_means_another_broker_starts_anew(void **state)
{
    (void)state;
    assert_int_equal(error_at(NULL, -1), KAFKA_NONE);
    assert_int_equal(error_at(broker->cluster_id, broker->node_id), KAFKA_NONE);
    assert_int_equal(error_at("another", -1), KAFKA_REBOOTSTRAP_REQUIRED);
    assert_int_equal(error_at(NULL, broker->node_id + 1), KAFKA_REBOOTSTRAP_REQUIRED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, broker_make, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_offered_api_is_listed),
        TEST(an_unknown_version_is_answered_in_version_0),
        TEST(software_has_a_name),
        TEST(who_means_another_broker_starts_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
