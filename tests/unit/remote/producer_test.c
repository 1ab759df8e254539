/* producer_test.c - batches under way: answered, refused, lost, sent again. */
#include "peer.h"

#include "remote/producer.h"

#define MOST 64

/* A server that remembers what came, and does what the script says with the n-th batch. */
struct script {
    char does[MOST]; /* 'o' it is there; 't' try again; 'e' out of order; 'd' duplicate; 'l' too
                        large; 'h' hangs up before, 'H' after it took it; 0: 'o' */
    char came[MOST]; /* the first byte of each batch, in order */
    int count;
    int16_t acks;
};

static void answer_code(struct peer *peer, const struct wire_request_header *header, int16_t code)
{
    struct produce_response response;
    struct produce_response_responses topic;
    struct produce_response_responses_partition_responses part;
    wire_init(&wire_produce_response, &response);
    wire_init(&wire_produce_response_responses, &topic);
    wire_init(&wire_produce_response_responses_partition_responses, &part);
    part.error_code = code;
    topic.partition_responses = &part;
    topic.partition_responses_count = 1;
    response.responses = &topic;
    response.responses_count = 1;
    peer_answer(peer, header, &response);
}

static bool serve(struct peer *peer, const struct wire_request_header *header, const void *body)
{
    struct script *script = peer->context;
    if (header->api_key == REMOTE_INIT_PRODUCER_ID) {
        struct init_producer_id_response response;
        wire_init(&wire_init_producer_id_response, &response);
        response.producer_id = 77;
        peer_answer(peer, header, &response);
        return true;
    }
    const struct produce_request *request = body;
    const struct wire_records *records = &request->topic_data[0].partition_data[0].records;
    int n = script->count++;
    script->acks = request->acks;
    script->came[n] = (char)records->at[0];
    switch (script->does[n]) {
    case 'h':
    case 'H':
        return false;
    case 't':
        answer_code(peer, header, KAFKA_NOT_ENOUGH_REPLICAS);
        return true;
    case 'e':
        answer_code(peer, header, KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
        return true;
    case 'd':
        answer_code(peer, header, KAFKA_DUPLICATE_SEQUENCE_NUMBER);
        return true;
    case 'l':
        answer_code(peer, header, KAFKA_MESSAGE_TOO_LARGE);
        return true;
    default:
        if (request->acks != 0)
            answer_code(peer, header, KAFKA_NONE);
        return true;
    }
}

/* Sends the batches, one for each letter, to partition 0; the first failure. */
static int send_letters(struct remote_producer *producer, const char *letters)
{
    int result = 0;
    for (; !result && *letters; letters++)
        result = remote_producer_send(producer, 0, (const uint8_t *)letters, 1, 10);
    return result ? result : remote_producer_wait(producer);
}

static int run(struct script *script, enum remote_acks acks, const char *letters)
{
    struct peer peer = {.handle = serve, .context = script};
    struct remote *remote = peer_connect(&peer);
    struct remote_producer *producer;
    assert_int_equal(remote_producer_open(remote, "t", 2, acks, &producer), 0);
    int result = send_letters(producer, letters);
    remote_producer_close(producer);
    peer_disconnect(&peer, remote);
    return result;
}

static void batches_arrive_in_order(void **state)
{
    (void)state;
    struct script script = {0};
    assert_int_equal(run(&script, REMOTE_ACKS_ALL, "abcdefghijkl"), 0);
    assert_string_equal(script.came, "abcdefghijkl");
    assert_int_equal(script.acks, -1);
}

static void stamps_count_records(void **state)
{
    (void)state;
    struct script script = {0};
    struct peer peer = {.handle = serve, .context = &script};
    struct remote *remote = peer_connect(&peer);
    struct remote_producer *producer;
    assert_int_equal(remote_producer_open(remote, "t", 2, REMOTE_ACKS_ONE, &producer), 0);
    assert_int_equal(remote_producer_stamp(producer, 0).producer_id, 77);
    assert_int_equal(remote_producer_stamp(producer, 0).base_sequence, 0);
    assert_int_equal(send_letters(producer, "abc"), 0);
    assert_int_equal(remote_producer_stamp(producer, 0).base_sequence, 30);
    assert_int_equal(remote_producer_stamp(producer, 1).base_sequence, 0);
    /* The numbers begin again behind the largest. */
    assert_int_equal(remote_producer_send(producer, 1, (const uint8_t *)"x", 1, INT32_MAX), 0);
    assert_int_equal(remote_producer_send(producer, 1, (const uint8_t *)"y", 1, 3), 0);
    assert_int_equal(remote_producer_stamp(producer, 1).base_sequence, 2);
    assert_int_equal(remote_producer_wait(producer), 0);
    remote_producer_close(producer);
    peer_disconnect(&peer, remote);
}

static void a_batch_that_came_too_early_is_sent_again_with_its_forerunner(void **state)
{
    (void)state;
    struct script script = {.does = "oteee"};
    assert_int_equal(run(&script, REMOTE_ACKS_ALL, "abcde"), 0);
    assert_string_equal(script.came, "abcdebcde");
}

/* Apache Kafka, asked before it led the new partition, refused the first batch, took the second as
 * the producer's beginning, and then found the first, sent again, out of order. */
static void nothing_is_sent_behind_the_first_batch_before_that_is_there(void **state)
{
    (void)state;
    struct script script = {.does = "tt"};
    assert_int_equal(run(&script, REMOTE_ACKS_ALL, "abcd"), 0);
    assert_string_equal(script.came, "aaabcd");
}

static void duplicates_are_fine(void **state)
{
    (void)state;
    struct script script = {.does = "ddd"};
    assert_int_equal(run(&script, REMOTE_ACKS_ALL, "abc"), 0);
}

static void a_lost_connection_is_made_again(void **state)
{
    (void)state;
    struct script script = {.does = "ooH"};
    assert_int_equal(run(&script, REMOTE_ACKS_ALL, "abcde"), 0);
    /* c comes again, and all behind it; before it, what was answered and not read yet. */
    assert_memory_equal(script.came, "abc", 3);
    const char *again = strstr("abcde", script.came + 3);
    assert_non_null(again);
    assert_true(strlen(again) >= 3);
}

static void a_refusal_ends_the_producer(void **state)
{
    (void)state;
    struct script script = {.does = "ol"};
    assert_int_equal(run(&script, REMOTE_ACKS_ALL, "ab"), MAPLOG_TOO_LARGE);
    assert_says("10 records were not acknowledged");
    assert_says("MESSAGE_TOO_LARGE");
}

static void out_of_order_without_reason_is_an_error(void **state)
{
    (void)state;
    struct script script = {.does = "oe"};
    assert_int_equal(run(&script, REMOTE_ACKS_ALL, "ab"), MAPLOG_IO);
    assert_says("OUT_OF_ORDER");
}

static void tries_end_at_the_deadline(void **state)
{
    (void)state;
    struct script script = {0};
    memset(script.does, 't', MOST);
    struct peer peer = {.handle = serve, .context = &script};
    struct remote *remote = peer_connect(&peer);
    struct remote_producer *producer;
    assert_int_equal(remote_producer_open(remote, "t", 1, REMOTE_ACKS_ALL, &producer), 0);
    remote_producer_timeout(producer, 300);
    assert_int_equal(send_letters(producer, "a"), MAPLOG_BUSY);
    assert_says("NOT_ENOUGH_REPLICAS");
    assert_true(script.count >= 2);
    /* And it stays so. */
    assert_int_equal(send_letters(producer, "b"), MAPLOG_BUSY);
    remote_producer_close(producer);
    peer_disconnect(&peer, remote);
}

static void without_acknowledgements_nothing_is_waited_for(void **state)
{
    (void)state;
    struct script script = {0};
    assert_int_equal(run(&script, REMOTE_ACKS_NONE, "abcdefgh"), 0);
    assert_int_equal(script.acks, 0);
}

static void what_is_not_idempotent_is_not_sent_twice(void **state)
{
    (void)state;
    struct script script = {.does = "H"};
    struct peer peer = {.handle = serve, .context = &script};
    struct remote *remote = peer_connect(&peer);
    remote->versions[REMOTE_INIT_PRODUCER_ID] = -1;
    struct remote_producer *producer;
    assert_int_equal(remote_producer_open(remote, "t", 1, REMOTE_ACKS_ONE, &producer), 0);
    assert_int_equal(remote_producer_stamp(producer, 0).producer_id, -1);
    assert_int_equal(send_letters(producer, "a"), MAPLOG_IO);
    remote_producer_close(producer);
    peer_disconnect(&peer, remote);
    assert_int_equal(script.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_arrive_in_order),
        cmocka_unit_test(stamps_count_records),
        cmocka_unit_test(a_batch_that_came_too_early_is_sent_again_with_its_forerunner),
        cmocka_unit_test(nothing_is_sent_behind_the_first_batch_before_that_is_there),
        cmocka_unit_test(duplicates_are_fine),
        cmocka_unit_test(a_lost_connection_is_made_again),
        cmocka_unit_test(a_refusal_ends_the_producer),
        cmocka_unit_test(out_of_order_without_reason_is_an_error),
        cmocka_unit_test(tries_end_at_the_deadline),
        cmocka_unit_test(without_acknowledgements_nothing_is_waited_for),
        cmocka_unit_test(what_is_not_idempotent_is_not_sent_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
