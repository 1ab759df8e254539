/* maplog_test.c - opening, closing and syncing a log. */
#include "fixture.h"

#include "log/directory.h"
#include "client/client.h"

static void texts_of_codes_are_there(void **state)
{
    (void)state;
    assert_string_equal(maplog_error_name(MAPLOG_IO), "MAPLOG_IO");
    assert_non_null(maplog_error_name(-12345));
    assert_true(strlen(maplog_version()) >= strlen("0.1.0"));
}

static void a_missing_directory_is_made_only_on_request(void **state)
{
    (void)state;
    char path[96];
    snprintf(path, sizeof path, "%s-other", fixture_path);
    struct maplog *log = NULL;
    assert_code(MAPLOG_NOT_FOUND, maplog_open(path, NULL, &log));
    assert_null(log);
    assert_non_null(strstr(maplog_error_text(), path));
    struct maplog_open_options options = {.flags = MAPLOG_CREATE};
    assert_ok(maplog_open(path, &options, &log));
    maplog_close(log);
    assert_ok(maplog_open(path, NULL, &log));
    maplog_close(log);
    assert_ok(file_remove_tree(AT_FDCWD, path));
}

static void open_refuses_what_it_does_not_know(void **state)
{
    (void)state;
    struct maplog *log = NULL;
    struct maplog_open_options options = {.flags = 64};
    assert_code(MAPLOG_INVALID, maplog_open(fixture_path, &options, &log));
    options.flags = MAPLOG_CREATE | MAPLOG_READ_ONLY;
    assert_code(MAPLOG_INVALID, maplog_open(fixture_path, &options, &log));
    options = (struct maplog_open_options){.reserved = {0, 1}};
    assert_code(MAPLOG_INVALID, maplog_open(fixture_path, &options, &log));
    options = (struct maplog_open_options){.timeout_ms = -1};
    assert_code(MAPLOG_INVALID, maplog_open(fixture_path, &options, &log));
    assert_code(MAPLOG_INVALID, maplog_open(NULL, NULL, &log));
    assert_null(log);
}

static void a_read_only_log_is_read_and_not_written(void **state)
{
    (void)state;
    make_topic("seen", 1, NULL);
    fill_topic("seen", 3);
    struct maplog *log;
    struct maplog_open_options options = {.flags = MAPLOG_READ_ONLY};
    assert_ok(maplog_open(fixture_path, &options, &log));
    struct maplog_consumer *consumer;
    assert_ok(maplog_consumer_open(log, "seen", NULL, &consumer));
    take_numbers(consumer, 0, 3);
    struct maplog_producer *producer;
    assert_code(MAPLOG_DENIED, maplog_producer_open(log, "seen", NULL, &producer));
    assert_code(MAPLOG_DENIED, maplog_topic_create(log, "more", 1, NULL));
    assert_code(MAPLOG_DENIED, maplog_topic_delete(log, "seen"));
    assert_code(MAPLOG_DENIED, maplog_delete_records(log, "seen", 0, -1));
    assert_code(MAPLOG_DENIED, maplog_sync(log));
    assert_code(MAPLOG_DENIED, maplog_group_commit(log, "g", "seen", 0, 1, NULL));
    struct maplog_consumer_options in_group = {.group = "g"};
    assert_code(MAPLOG_DENIED, maplog_consumer_open(log, "seen", &in_group, &consumer));
    maplog_consumer_close(consumer);
    maplog_close(log);
}

static void what_was_opened_outlives_the_log(void **state)
{
    (void)state;
    make_topic("outlives", 1, NULL);
    struct maplog *log = attach_again();
    struct maplog_producer *producer;
    struct maplog_consumer *consumer;
    struct maplog_consumer_options options = {.group = "outlives"};
    assert_ok(maplog_producer_open(log, "outlives", NULL, &producer));
    assert_ok(maplog_consumer_open(log, "outlives", &options, &consumer));
    maplog_close(log);
    assert_int_equal(put(producer, "after"), 0);
    take(consumer, "after");
    assert_ok(maplog_commit(consumer));
    assert_ok(maplog_producer_close(producer));
    maplog_consumer_close(consumer);
    int64_t offset;
    assert_ok(maplog_group_committed(fixture_log, "outlives", "outlives", 0, &offset));
    assert_int_equal(offset, 1);
}

static void sync_makes_everything_durable(void **state)
{
    (void)state;
    make_topic("synced", 3, NULL);
    struct maplog_producer *producer = open_producer("synced", NULL);
    struct maplog_record record = text_record("x");
    for (int i = 0; i < 10; i++)
        assert_ok(maplog_produce_to(producer, i % 2, &record, NULL));
    int result = maplog_sync(fixture_log);
    if (fixture_log->directory->kind == FILE_SYSTEM_MEMORY) {
        assert_code(MAPLOG_NOT_PERSISTENT, result);
    } else {
        assert_ok(result);
        for (int32_t i = 0; i < 2; i++) {
            struct maplog_partition found = describe("synced", i);
            assert_int_equal(found.end_offset, 5);
            assert_int_equal(found.durable_offset, 5);
        }
    }
    assert_ok(maplog_producer_close(producer));
}

static void nothing_in_memory_is_durable(void **state)
{
    (void)state;
    char path[] = "/dev/shm/maplog-test-XXXXXX";
    assert_non_null(mkdtemp(path));
    struct maplog_open_options options = {.flags = MAPLOG_CREATE};
    struct maplog *log;
    assert_ok(maplog_open(path, &options, &log));
    assert_code(MAPLOG_NOT_PERSISTENT, maplog_sync(log));
    maplog_close(log);
    assert_ok(file_remove_tree(AT_FDCWD, path));
}

static void an_anonymous_log_passes_by_its_descriptor(void **state)
{
    (void)state;
    struct maplog *log;
    struct maplog_anonymous_options options = {.topic = "ring", .segment_bytes = 1 << 20};
    assert_ok(maplog_open_anonymous(&options, &log));
    int fd = maplog_descriptor(log);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    struct maplog *other;
    assert_ok(maplog_attach(fd, &other));
    struct maplog_producer *producer;
    struct maplog_consumer *consumer;
    assert_ok(maplog_producer_open(log, "ring", NULL, &producer));
    assert_ok(maplog_consumer_open(other, "ring", NULL, &consumer));
    put_numbers(producer, 0, 100);
    take_numbers(consumer, 0, 100);
    assert_nothing(consumer);
    assert_code(MAPLOG_NOT_PERSISTENT, maplog_sync(log));
    assert_code(MAPLOG_UNSUPPORTED, maplog_topic_create(log, "second", 1, NULL));
    assert_code(MAPLOG_UNSUPPORTED, maplog_group_commit(log, "g", "ring", 0, 1, NULL));
    assert_ok(maplog_producer_close(producer));
    maplog_consumer_close(consumer);
    maplog_close(other);
    maplog_close(log);
}

static void only_an_anonymous_log_has_a_descriptor(void **state)
{
    (void)state;
    assert_code(MAPLOG_UNSUPPORTED, maplog_descriptor(fixture_log));
    struct maplog *log = NULL;
    assert_code(MAPLOG_INVALID, maplog_attach(-1, &log));
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_true(maplog_attach(fd, &log) < 0);
    close(fd);
    assert_null(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_codes_are_there),
        cmocka_unit_test(a_missing_directory_is_made_only_on_request),
        cmocka_unit_test(open_refuses_what_it_does_not_know),
        cmocka_unit_test(a_read_only_log_is_read_and_not_written),
        cmocka_unit_test(what_was_opened_outlives_the_log),
        cmocka_unit_test(sync_makes_everything_durable),
        cmocka_unit_test(nothing_in_memory_is_durable),
        cmocka_unit_test(an_anonymous_log_passes_by_its_descriptor),
        cmocka_unit_test(only_an_anonymous_log_has_a_descriptor),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
