/* connection_test.c - a client against servers that do everything wrong. */
#include "peer.h"

static int16_t asked_version;

static bool note_version(struct peer *peer, const struct wire_request_header *header,
                         const void *body)
{
    (void)body;
    asked_version = header->api_version;
    peer_answer_empty(peer, header);
    return true;
}

static int ask(struct remote *remote)
{
    struct metadata_request request;
    struct metadata_response response;
    wire_init(&wire_metadata_request, &request);
    remote_begin(remote);
    return remote_call(remote, REMOTE_METADATA, &request, &response);
}

static void the_newest_common_version_is_spoken(void **state)
{
    (void)state;
    struct peer peer = {.handle = note_version};
    struct remote *remote = peer_connect(&peer);
    assert_int_equal(ask(remote), 0);
    assert_int_equal(asked_version, 12); /* 13 is known to the schema, not to the callers */
    assert_int_equal(remote->versions[REMOTE_FETCH], 12);
    peer_disconnect(&peer, remote);
}

static void a_server_that_knows_an_older_api_versions_only(void **state)
{
    (void)state;
    struct peer peer = {.handle = note_version, .newest_versions = 2};
    struct remote *remote = peer_connect(&peer);
    assert_int_equal(ask(remote), 0);
    peer_disconnect(&peer, remote);
}

static void an_api_that_the_server_has_not(void **state)
{
    (void)state;
    struct peer peer = {0};
    struct remote *remote = peer_connect(&peer);
    remote->versions[REMOTE_METADATA] = -1;
    assert_int_equal(ask(remote), MAPLOG_UNSUPPORTED);
    assert_says("Metadata");
    assert_false(remote_lost(remote));
    peer_disconnect(&peer, remote);
}

/* ---- answers that are none ------------------------------------------------------------------- */

struct bytes_of {
    const void *at;
    size_t size;
    bool hang_up;
};

static bool send_bytes(struct peer *peer, const struct wire_request_header *header,
                       const void *body)
{
    (void)header, (void)body;
    const struct bytes_of *bytes = peer->context;
    peer_send(peer, bytes->at, bytes->size);
    return !bytes->hang_up;
}

/* The connection is given up, and a new one works. */
static void expect_failure(struct bytes_of *bytes, int code, const char *part)
{
    struct peer peer = {.handle = send_bytes, .context = bytes};
    struct remote *remote = peer_connect(&peer);
    remote->timeout_ms = 300;
    assert_int_equal(ask(remote), code);
    assert_says(part);
    assert_says(peer.address);
    assert_says("Metadata");
    assert_true(remote_lost(remote));
    assert_int_equal(ask(remote), MAPLOG_IO);
    assert_says("lost");
    assert_int_equal(remote_reconnect(remote), 0);
    assert_false(remote_lost(remote));
    assert_int_equal(peer.connections, 2);
    peer_disconnect(&peer, remote);
}

static void a_peer_that_vanishes(void **state)
{
    (void)state;
    expect_failure(&(struct bytes_of){"", 0, true}, MAPLOG_IO, "closed the connection");
}

static void a_peer_that_vanishes_within_an_answer(void **state)
{
    (void)state;
    static const uint8_t half[] = {0, 0, 0, 40, 0, 0, 0, 2, 1, 2, 3};
    expect_failure(&(struct bytes_of){half, 2, true}, MAPLOG_IO, "closed the connection");
    expect_failure(&(struct bytes_of){half, sizeof half, true}, MAPLOG_IO, "closed the connection");
}

static void a_peer_that_is_silent(void **state)
{
    (void)state;
    static const uint8_t half[] = {0, 0, 0, 40, 0, 0, 0, 2, 1, 2, 3};
    expect_failure(&(struct bytes_of){"", 0, false}, MAPLOG_TIMED_OUT, "");
    expect_failure(&(struct bytes_of){half, sizeof half, false}, MAPLOG_TIMED_OUT, "");
}

static void absurd_sizes(void **state)
{
    (void)state;
    expect_failure(&(struct bytes_of){"\xff\xff\xff\xff", 4, false}, MAPLOG_CORRUPT,
                   "LIMIT_ANSWER");
    expect_failure(&(struct bytes_of){"\x7f\xff\xff\xff", 4, false}, MAPLOG_CORRUPT,
                   "LIMIT_ANSWER");
    expect_failure(&(struct bytes_of){"HTTP/1.1 400", 12, false}, MAPLOG_CORRUPT, "LIMIT_ANSWER");
    expect_failure(&(struct bytes_of){"\0\0\0\0", 4, false}, MAPLOG_CORRUPT, "");
    expect_failure(&(struct bytes_of){"\0\0\0\3abc", 7, false}, MAPLOG_CORRUPT, "");
}

static void a_truncated_message(void **state)
{
    (void)state;
    /* The right correlation id, tags, and a message that ends within the throttle time. */
    static const uint8_t cut[] = {0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0};
    expect_failure(&(struct bytes_of){cut, sizeof cut, false}, MAPLOG_CORRUPT, "");
    /* An array of 2^31 topics. */
    static const uint8_t many[] = {0, 0, 0, 18, 0, 0, 0, 2, 0,    0,    0,
                                   0, 0, 1, 0,  0, 0, 0, 0, 0xff, 0xff, 0xff};
    expect_failure(&(struct bytes_of){many, sizeof many, false}, MAPLOG_CORRUPT, "");
}

static bool answer_another(struct peer *peer, const struct wire_request_header *header,
                           const void *body)
{
    (void)body;
    struct wire_request_header other = *header;
    other.correlation_id += 5;
    peer_answer_empty(peer, &other);
    return true;
}

static void a_wrong_correlation_id(void **state)
{
    (void)state;
    struct peer peer = {.handle = answer_another};
    struct remote *remote = peer_connect(&peer);
    assert_int_equal(ask(remote), MAPLOG_CORRUPT);
    assert_says("request 7, the one to 2");
    assert_true(remote_lost(remote));
    peer_disconnect(&peer, remote);
}

static bool answer_slowly(struct peer *peer, const struct wire_request_header *header,
                          const void *body)
{
    (void)body;
    clock_sleep_ns(300000000);
    peer_answer_empty(peer, header);
    return true;
}

static void a_slow_peer_has_the_time_that_it_was_given(void **state)
{
    (void)state;
    struct peer peer = {.handle = answer_slowly};
    struct remote *remote = peer_connect(&peer);
    struct metadata_request request;
    struct metadata_response response;
    int32_t correlation_id;
    remote->timeout_ms = 50;
    wire_init(&wire_metadata_request, &request);
    remote_begin(remote);
    assert_int_equal(remote_send(remote, REMOTE_METADATA, &request, &correlation_id), 0);
    assert_int_equal(remote_receive(remote, REMOTE_METADATA, correlation_id, 10000, &response), 0);
    assert_int_equal(ask(remote), MAPLOG_TIMED_OUT);
    peer_disconnect(&peer, remote);
}

static int always(void)
{
    return 1;
}

static void a_long_wait_can_be_interrupted(void **state)
{
    (void)state;
    struct bytes_of nothing = {"", 0, false};
    struct peer peer = {.handle = send_bytes, .context = &nothing};
    struct remote *remote = peer_connect(&peer);
    remote->interrupted = always;
    remote->interruptible = true;
    assert_int_equal(ask(remote), MAPLOG_CLOSED);
    peer_disconnect(&peer, remote);
}

/* ---- addresses ------------------------------------------------------------------------------- */

static void the_first_that_answers_is_taken(void **state)
{
    (void)state;
    struct peer peer = {0};
    struct remote *remote;
    char list[300];
    peer_begin(&peer);
    snprintf(list, sizeof list, "unix:///nowhere/at.all,,%s", peer.address);
    assert_int_equal(remote_open(list, PEER_TIMEOUT_MS, &remote), 0);
    assert_string_equal(remote->address, peer.address);
    peer_disconnect(&peer, remote);
    assert_int_equal(remote_open("", 1000, &remote), MAPLOG_INVALID);
    assert_int_equal(remote_open(",", 1000, &remote), MAPLOG_INVALID);
    assert_int_equal(remote_open(peer.address, 1000, &remote), MAPLOG_IO);
    assert_says(peer.address);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_common_version_is_spoken),
        cmocka_unit_test(a_server_that_knows_an_older_api_versions_only),
        cmocka_unit_test(an_api_that_the_server_has_not),
        cmocka_unit_test(a_peer_that_vanishes),
        cmocka_unit_test(a_peer_that_vanishes_within_an_answer),
        cmocka_unit_test(a_peer_that_is_silent),
        cmocka_unit_test(absurd_sizes),
        cmocka_unit_test(a_truncated_message),
        cmocka_unit_test(a_wrong_correlation_id),
        cmocka_unit_test(a_slow_peer_has_the_time_that_it_was_given),
        cmocka_unit_test(a_long_wait_can_be_interrupted),
        cmocka_unit_test(the_first_that_answers_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
