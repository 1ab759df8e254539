/* offsets_test.c - how far partitions reach, as a server tells it. */
#include "peer.h"

#include "remote/topics.h"

struct bounds {
    int64_t start, end;
    int32_t count; /* of partitions in the answer, in reverse order */
    int16_t code;
};

static bool serve(struct peer *peer, const struct wire_request_header *header, const void *body)
{
    const struct bounds *bounds = peer->context;
    if (header->api_key != REMOTE_LIST_OFFSETS) {
        peer_answer_empty(peer, header);
        return true;
    }
    const struct list_offsets_request *request = body;
    int64_t time = request->topics[0].partitions[0].timestamp;
    struct list_offsets_response response;
    struct list_offsets_response_topics topic;
    struct list_offsets_response_topics_partitions parts[8];
    wire_init(&wire_list_offsets_response, &response);
    wire_init(&wire_list_offsets_response_topics, &topic);
    topic.name = wire_text("t");
    topic.partitions = parts;
    topic.partitions_count = bounds->count;
    for (int32_t i = 0; i < bounds->count; i++) {
        wire_init(&wire_list_offsets_response_topics_partitions, &parts[i]);
        parts[i].partition_index = bounds->count - 1 - i;
        parts[i].offset =
            (time == REMOTE_EARLIEST ? bounds->start : bounds->end) + parts[i].partition_index;
        parts[i].error_code = bounds->code;
    }
    response.topics = &topic;
    response.topics_count = 1;
    peer_answer(peer, header, &response);
    return true;
}

static int ask(struct bounds *bounds, struct maplog_partition found[3])
{
    struct peer peer = {.handle = serve, .context = bounds};
    struct remote *remote = peer_connect(&peer);
    int result = remote_partitions_describe(remote, "t", 3, found);
    peer_disconnect(&peer, remote);
    return result;
}

static void bounds_of_all_partitions(void **state)
{
    (void)state;
    struct maplog_partition found[3];
    assert_int_equal(ask(&(struct bounds){10, 20, 3, 0}, found), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(found[i].start_offset, 10 + i);
        assert_int_equal(found[i].end_offset, 20 + i);
        assert_int_equal(found[i].durable_offset, -1);
        assert_int_equal(found[i].bytes, -1); /* the peer knows no sizes */
    }
}

static void partitions_that_are_missing(void **state)
{
    (void)state;
    struct maplog_partition found[3];
    assert_int_equal(ask(&(struct bounds){10, 20, 2, 0}, found), MAPLOG_CORRUPT);
    assert_int_equal(ask(&(struct bounds){10, 20, 5, 0}, found), MAPLOG_CORRUPT);
}

static void errors_of_partitions(void **state)
{
    (void)state;
    struct maplog_partition found[3];
    assert_int_equal(ask(&(struct bounds){10, 20, 3, KAFKA_UNKNOWN_TOPIC_OR_PARTITION}, found),
                     MAPLOG_NOT_FOUND);
    assert_says("topic t, partition 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_of_all_partitions),
        cmocka_unit_test(partitions_that_are_missing),
        cmocka_unit_test(errors_of_partitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
