/* broker_test.c - opening and closing, and requests that are not what they should be. */
#include "broker_fixture.h"

#include "broker/apis.h"
#include "broker/parts.h"
#include "log/segment_cache.h"

#define API_VERSIONS 18

static void one_server_a_directory(void **state)
{
    (void)state;
    struct directory *other = log_attach();
    struct broker *second;
    assert_code(MAPLOG_BUSY, broker_open(other, &settings, &host, clock_wall_ms(), &second));
    assert_non_null(strstr(error_text(), "one server at a time"));
    broker_stop();
    assert_ok(broker_open(other, &settings, &host, clock_wall_ms(), &second));
    broker_close(second);
    directory_drop(other);
    broker_start();
}

static void a_read_only_attachment_cannot_serve(void **state)
{
    (void)state;
    struct maplog_open_options options = {.flags = MAPLOG_READ_ONLY};
    struct directory *reader;
    struct broker *second;
    broker_stop();
    assert_ok(directory_open(log_path, &options, &reader));
    assert_code(MAPLOG_DENIED, broker_open(reader, &settings, &host, clock_wall_ms(), &second));
    directory_drop(reader);
    broker_start();
}

/* Header of version 1: key, version, correlation id 77, client id "c". */
static size_t put_header(uint8_t *to, int16_t key, int16_t version)
{
    bytes_store16(to, (uint16_t)key);
    bytes_store16(to + 2, (uint16_t)version);
    bytes_store32(to + 4, 77);
    bytes_store16(to + 8, 1);
    to[10] = 'c';
    return 11;
}

static void expect_close(const uint8_t *bytes, size_t size, const char *why)
{
    struct call call = {.memory.limit = 1 << 20};
    uint8_t *copy = malloc(size ? size : 1); /* so that reading behind it is noticed */
    memcpy(copy, bytes, size);
    assert_int_equal(call_begin_bytes(&call, bytes_over(copy, size)), BROKER_CLOSE);
    if (!strstr(error_text(), why))
        fail_msg("\"%s\" is not in \"%s\"", why, error_text());
    call_end(&call);
    free(copy);
}

static void what_is_not_offered_ends_the_connection(void **state)
{
    (void)state;
    uint8_t frame[100] = {0};
    expect_close(frame, put_header(frame, 4, 0), "API 4");
    expect_close(frame, put_header(frame, -1, 0), "API -1");
    expect_close(frame, put_header(frame, 32000, 0), "API 32000");
    for (int16_t version = 0; version < 3; version++) /* listed, but only for old librdkafkas */
        expect_close(frame, put_header(frame, PRODUCE, version), "Produce");
    expect_close(frame, put_header(frame, PRODUCE, 14) + 1, "");
    expect_close(frame, put_header(frame, FETCH, 3), "4 to 17");
    expect_close(frame, put_header(frame, FETCH, 18) + 1, "4 to 17");
    expect_close(frame, put_header(frame, FETCH, -1), "Fetch");
}

static void what_is_cut_off_ends_the_connection(void **state)
{
    (void)state;
    log_topic("t", NULL, NULL, NULL);
    for (int16_t version = 8; version <= 9; version++) {
        struct produce_call produce = {.arena.limit = 1 << 20};
        produce_to(&produce, "t", make_batch(&produce.arena, (struct sent){0}));
        call_ask(&produce.call, PRODUCE, version, &produce.body);
        struct bytes frame = produce.call.request.frame;
        for (size_t size = 0; size < bytes_left(&frame); size++)
            expect_close(frame.at, size, "");
        produce_free(&produce);
    }
}

static void an_answer_that_does_not_fit_ends_the_connection(void **state)
{
    (void)state;
    log_topic("t", NULL, NULL, NULL);
    struct produce_call produce = {.arena.limit = 1 << 20};
    produce_to(&produce, "t", make_batch(&produce.arena, (struct sent){0}));
    call_ask(&produce.call, PRODUCE, 9, &produce.body);
    struct broker_request request = {.frame = produce.call.request.frame,
                                     .server = &produce.call,
                                     .peer = "",
                                     .arena.limit = 100};
    assert_int_equal(broker_begin(broker, &request, clock_wall_ms()), BROKER_CLOSE);
    broker_end(broker, &request);
    arena_reset(&request.arena);
    produce_free(&produce);
}

static void a_newer_api_versions_is_answered_in_version_0(void **state)
{
    (void)state;
    if (!apis_find(API_VERSIONS))
        skip();
    uint8_t frame[100] = {0};
    size_t size = put_header(frame, API_VERSIONS, 100);
    struct call call = {.version = 0, .memory.limit = 1 << 20};
    assert_int_equal(call_begin_bytes(&call, bytes_over(frame, size)), BROKER_ANSWER);
    const struct api_versions_response *answer = call.answer;
    assert_int_equal(answer->error_code, KAFKA_UNSUPPORTED_VERSION);
    call_end(&call);
}

static void time_passes(void **state)
{
    (void)state;
    log_topic("t", NULL, NULL, NULL);
    produce_ok("t", (struct sent){.idempotent = true, .sequence = 0});
    int64_t now = clock_wall_ms();
    int64_t next = broker_tick(broker, now);
    assert_true(next > now);
    /* A day later: the writer is closed, its producer's batches are old; both come back. */
    int64_t later = now + 90000000;
    assert_true(broker_tick(broker, later) > later);
    assert_int_equal(produce_ok("t", (struct sent){.idempotent = true, .sequence = 1}), 1);
}

/* Deadlines go by a clock that nobody sets; what is compared with clients' times, by the date. */
static void the_date_is_told_apart_from_the_clock(void **state)
{
    (void)state;
    const int64_t ahead = 7200000;
    log_topic("t", NULL, NULL, NULL);
    struct sent of_then = {.timestamp = clock_wall_ms() + ahead};
    assert_int_equal(produce("t", of_then).error_code, KAFKA_INVALID_TIMESTAMP);
    broker_set_wall(broker, ahead);
    assert_int_equal(produce("t", of_then).error_code, KAFKA_NONE);
    broker_set_wall(broker, 0); /* the clock was set back */
    assert_int_equal(produce("t", of_then).error_code, KAFKA_INVALID_TIMESTAMP);
}

/* What was fetched lately is kept mapped: not for longer than it is there. */
static void deleted_segments_are_let_go(void **state)
{
    (void)state;
    struct segment *segment;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    produce_ok("t", (struct sent){.records = 1});
    assert_ok(segment_cache_get(broker->segments, partition, 0, &segment));
    assert_int_equal(load_relaxed(&segment->references), 2); /* ours, and the cache's */
    assert_ok(directory_delete_topic(log_directory, "t"));
    broker_tick(broker, clock_wall_ms() + 60000);
    assert_int_equal(load_relaxed(&segment->references), 1);
    segment_drop(segment);
}

static _Atomic int notes;

static void count_note(void *context, char level, const char *text)
{
    (void)context;
    (void)level;
    (void)text;
    atomic_fetch_add(&notes, 1);
}

static void what_is_said_often_is_said_seldom(void **state)
{
    (void)state;
    struct broker_host counting = host;
    counting.note = count_note;
    broker->host = &counting;
    for (int i = 0; i < 100; i++)
        broker_note_seldom(broker, 'E', i % 2 ? "one" : "other");
    assert_int_equal(atomic_load(&notes), 2);
    broker_tick(broker, clock_wall_ms() + 60000);
    broker_note_seldom(broker, 'E', "one");
    assert_int_equal(atomic_load(&notes), 3);
    broker->host = &host;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, broker_make, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_server_a_directory),
        TEST(a_read_only_attachment_cannot_serve),
        TEST(what_is_not_offered_ends_the_connection),
        TEST(what_is_cut_off_ends_the_connection),
        TEST(an_answer_that_does_not_fit_ends_the_connection),
        TEST(a_newer_api_versions_is_answered_in_version_0),
        TEST(time_passes),
        TEST(the_date_is_told_apart_from_the_clock),
        TEST(deleted_segments_are_let_go),
        TEST(what_is_said_often_is_said_seldom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
