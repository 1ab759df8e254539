/* backup_test.c - a copy made while processes append is whole, and opens. */
#include "kafka_directory.h"
#include "log_fixture.h"
#include "producer_batches.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include "log/backup.h"
#include "log/inspect.h"
#include "log/meta.h"
#include "log/producer_ids.h"

static struct transfer_counts counts;
static char copy_path[80];

static int begin(void **state)
{
    heard.answer = 0;
    int result = kafka_make() || log_make(state);
    snprintf(copy_path, sizeof copy_path, "%s/copy", kafka_path);
    return result;
}

static int end(void **state)
{
    return kafka_remove() || log_remove(state);
}

static int backup(struct directory *directory)
{
    struct transfer_listener listener = listen_anew();
    counts = (struct transfer_counts){0};
    return backup_directory(directory, copy_path, &listener, &counts);
}

static int fail_on_finding(void *context, const struct inspect_finding *finding)
{
    (void)context;
    fail_msg("%s: %s", finding->file, finding->what);
    return 0;
}

static struct inspect_counts inspected;

static void copy_is_sound(void)
{
    const struct inspect_visitor visitor = {.finding = fail_on_finding};
    assert_ok(inspect_path(copy_path, &visitor, &inspected));
}

static void a_copy_has_topics_settings_starts_and_records(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("t", "segment.bytes=4096", "index.interval.bytes=400", NULL);
    log_topic("empty", "retention.ms=77", NULL, NULL);
    log_fill(partition, 100, 100, 0);
    assert_ok(partition_delete_records(partition, 42));
    assert_ok(backup(log_directory));
    assert_int_equal(counts.topics, 2);
    assert_int_equal(counts.partitions, 2);
    assert_int_equal(counts.bytes, heard.bytes);
    copy_is_sound();
    struct directory *copy;
    assert_ok(directory_open(copy_path, NULL, &copy));
    struct partition *copied = log_partition(copy, "t");
    assert_int_equal(partition_start(copied), 42);
    assert_int_equal(log_end(copied), 100);
    assert_int_equal(copied->settings.segment_bytes, 4096);
    assert_int_equal(log_partition(copy, "empty")->settings.retention_ms, 77);
    assert_memory_equal(&copied->topic_id, &partition->topic_id, sizeof copied->topic_id);
    log_fill(copied, 10, 100, 0);
    assert_int_equal(log_end(copied), 110);
    assert_int_equal(log_end(partition), 100);
    directory_drop(copy);
    copy_is_sound();
}

static void producers_go_along(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    append_sent(&writer, (struct sent){.producer = 7, .records = 2});
    writer_close(&writer);
    struct producers *producers = load_producers(partition, "");
    assert_ok(producers_store(producers, 2));
    assert_ok(producers_store(producers, 3)); /* above the end */
    producers_free(producers);
    assert_ok(producer_ids_raise(log_directory, 70));
    assert_ok(backup(log_directory));
    struct directory *copy;
    int64_t offsets[8], id;
    struct producer_ids *ids;
    assert_ok(directory_open(copy_path, NULL, &copy));
    partition = log_partition(copy, "t");
    assert_int_equal(snapshots_of(partition, offsets), 1);
    assert_int_equal(offsets[0], 2);
    producers = load_producers(partition, "");
    assert_duplicate(0, producers, .producer = 7, .records = 2);
    producers_free(producers);
    assert_ok(producer_ids_open(copy, &ids));
    assert_ok(producer_ids_take(ids, &id));
    assert_int_equal(id, 71);
    producer_ids_close(ids);
    directory_drop(copy);
}

static void a_copy_of_a_log_in_use_is_a_prefix(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("t", "segment.bytes=30000", "index.interval.bytes=300", NULL);
    log_topic("__consumer_offsets", NULL, NULL, NULL);
    pid_t child = fork();
    if (child == 0) {
        struct directory *directory;
        if (directory_open(log_path, NULL, &directory))
            _exit(1);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int i = 0; i < 200; i++) { /* no more, or a slow reader never comes to its end */
            log_fill(log_partition(directory, "t"), 50, 100, 0);
            clock_sleep_ns(2000000);
        }
        for (;;)
            pause();
    }
    for (int i = 0; i < 15; i++) {
        int64_t before = log_end(partition);
        if (i == 10)
            assert_ok(partition_delete_records(partition, before / 2));
        assert_ok(backup(log_directory));
        copy_is_sound();
        assert_int_equal(inspected.damaged, 0);
        struct maplog_open_options read_only = {.flags = MAPLOG_READ_ONLY};
        struct directory *copy;
        assert_ok(directory_open(copy_path, &read_only, &copy));
        struct partition *copied = log_partition(copy, "t");
        assert_true(log_end(copied) >= before);
        assert_true(log_end(copied) <= log_end(partition));
        log_walk(copied);
        directory_drop(copy);
        assert_ok(file_remove_tree(AT_FDCWD, copy_path));
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void a_copy_from_a_read_only_attachment_is_the_same(void **state)
{
    (void)state;
    log_fill(log_topic("t", NULL, NULL, NULL), 100, 100, 0);
    directory_drop(log_directory);
    struct maplog_open_options read_only = {.flags = MAPLOG_READ_ONLY};
    assert_ok(directory_open(log_path, &read_only, &log_directory));
    assert_ok(backup(log_directory));
    copy_is_sound();
    assert_int_equal(inspected.records, 100);
}

static void what_is_there_is_not_overwritten(void **state)
{
    (void)state;
    mkdir(copy_path, 0700);
    assert_ok(backup(log_directory)); /* an empty directory is fine */
    assert_code(MAPLOG_EXISTS, backup(log_directory));
    assert_text(error_text(), "not empty");
}

static void an_interrupted_copy_does_not_open(void **state)
{
    (void)state;
    log_fill(log_topic("t", NULL, NULL, NULL), 100, 100, 0);
    heard.answer = MAPLOG_CLOSED;
    assert_code(MAPLOG_CLOSED, backup(log_directory));
    struct directory *copy;
    assert_code(MAPLOG_NOT_FOUND, directory_open(copy_path, NULL, &copy));
}

static void errors_are_passed_on(void **state)
{
    (void)state;
    log_fill(log_topic("t", NULL, NULL, NULL), 100, 100, 0);
    fault_set(FAULT_WRITE, 1, ENOSPC, 1);
    assert_code(MAPLOG_DISK_FULL, backup(log_directory));
    fault_clear();
    assert_ok(file_remove_tree(AT_FDCWD, copy_path));
    fault_set(FAULT_SYNC, 1, EIO, 0);
    assert_code(MAPLOG_IO, backup(log_directory));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_copy_has_topics_settings_starts_and_records),
        TEST(producers_go_along),
        TEST(a_copy_of_a_log_in_use_is_a_prefix),
        TEST(a_copy_from_a_read_only_attachment_is_the_same),
        TEST(what_is_there_is_not_overwritten),
        TEST(an_interrupted_copy_does_not_open),
        TEST(errors_are_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
