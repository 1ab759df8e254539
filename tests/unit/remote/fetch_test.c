/* fetch_test.c - fetching: parts in any order, errors of some, partitions that nobody asked for. */
#include "remote/fetch.h"

#include "peer.h"

static bool serve(struct peer *peer, const struct wire_request_header *header, const void *body)
{
    const struct fetch_request *request = body;
    struct fetch_response response;
    struct fetch_response_responses topic;
    struct fetch_response_responses_partitions parts[3];
    wire_init(&wire_fetch_response, &response);
    wire_init(&wire_fetch_response_responses, &topic);
    for (int i = 0; i < 3; i++)
        wire_init(&wire_fetch_response_responses_partitions, &parts[i]);
    parts[0].partition_index = 9; /* not asked for */
    parts[0].records = (struct wire_records){.at = (const uint8_t *)"nine", .size = 4};
    parts[1].partition_index = 5;
    parts[1].high_watermark = 70 + request->topics[0].partitions_count;
    parts[1].records = (struct wire_records){.at = (const uint8_t *)"five", .size = 4};
    parts[2].partition_index = 3;
    parts[2].error_code = KAFKA_OFFSET_OUT_OF_RANGE;
    topic.topic = wire_text("t");
    topic.partitions = parts;
    topic.partitions_count = 3;
    response.responses = &topic;
    response.responses_count = 1;
    const int16_t *code = peer->context;
    response.error_code = *code;
    peer_answer(peer, header, &response);
    return true;
}

static void parts_are_found(void **state)
{
    (void)state;
    int16_t code = 0;
    struct peer peer = {.handle = serve, .context = &code};
    struct remote *remote = peer_connect(&peer);
    struct remote_part parts[] = {
        {.partition = 3, .offset = 8}, {.partition = 4}, {.partition = 5, .offset = 50}};
    assert_int_equal(remote_fetch(remote, "t", parts, 3, 0), 0);
    assert_int_equal(parts[0].error, MAPLOG_OFFSET_OUT_OF_RANGE);
    assert_int_equal(parts[0].size, 0);
    assert_says("partition 3, offset 8");
    assert_int_equal(parts[1].error, 0);
    assert_int_equal(parts[1].size, 0);
    assert_int_equal(parts[1].end, -1);
    assert_int_equal(parts[2].size, 4);
    assert_memory_equal(parts[2].records, "five", 4);
    assert_int_equal(parts[2].end, 73);
    code = KAFKA_UNKNOWN_SERVER_ERROR;
    assert_int_equal(remote_fetch(remote, "t", parts, 3, 0), MAPLOG_IO);
    assert_false(remote_lost(remote));
    peer_disconnect(&peer, remote);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(parts_are_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
