/* export_test.c - what a Kafka data directory gets, and what is left alone there. */
#include "kafka_directory.h"
#include "log_fixture.h"
#include "producer_batches.h"

#include "log/export.h"
#include "log/import.h"
#include "log/inspect.h"
#include "os/lock.h"

static struct transfer_counts counts;

static int begin(void **state)
{
    return kafka_make() || log_make(state);
}

static int end(void **state)
{
    return kafka_remove() || log_remove(state);
}

static int export(const char *const *topics)
{
    struct export_options options = {.to = kafka_path, .topics = topics, .listener = listen_anew()};
    counts = (struct transfer_counts){0};
    return export_directory(log_directory, &options, &counts);
}

static int fail_on_finding(void *context, const struct inspect_finding *finding)
{
    (void)context;
    fail_msg("%s: %s", finding->file, finding->what);
    return 0;
}

static struct inspect_counts inspected;

static void inspect_is_sound(void)
{
    const struct inspect_visitor visitor = {.finding = fail_on_finding};
    assert_ok(inspect_path(kafka_path, &visitor, &inspected));
}

static const char *kafka_segment_path(const char *partition, int64_t base, const char *suffix)
{
    static char path[LIMIT_PATH];
    files_path(path, kafka_path, partition, base, suffix);
    return path;
}

static void expect_file(const char *file, const char *text)
{
    struct segment_bytes there = files_read(in_kafka(file));
    bytes_add(&there, "", 1);
    assert_string_equal((char *)there.bytes, text);
    bytes_release(&there);
}

static void a_live_topic_is_exported_up_to_its_end(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("t", "segment.bytes=8000", "index.interval.bytes=400", NULL);
    struct writer writer;
    writer_open(partition, &writer);
    for (int i = 0; i < 150; i++)
        writer_put(&writer, 100, FILES_NOW + i);
    int64_t bases[64];
    size_t segments = log_segments(partition, bases);
    assert_true(segments > 2);
    assert_ok(export(NULL));
    assert_int_equal(counts.topics, 1);
    assert_int_equal(counts.partitions, 1);
    assert_int_equal(counts.segments, segments);
    assert_int_equal(counts.records, 150);
    inspect_is_sound();
    assert_int_equal(inspected.records, 150);
    /* The last segment is complete as well: exact size, and the largest timestamp is indexed. */
    struct partition_end published;
    partition_end(partition, &published);
    assert_int_equal(files_size(kafka_segment_path("t-0", bases[segments - 1], ".log")),
                     published.position);
    struct segment_bytes times =
        files_read(kafka_segment_path("t-0", bases[segments - 1], ".timeindex"));
    assert_int_equal(bytes_load64(times.bytes + times.size - 12), FILES_NOW + 149);
    bytes_release(&times);
    writer_close(&writer);
}

static void producers_are_known_there(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "segment.bytes=4096", NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    for (int i = 0; i < 9; i++)
        append_sent(&writer,
                    (struct sent){.producer = 7, .records = 2, .sequence = 2 * i, .value = 400});
    writer_close(&writer);
    kafka_segment("t-0", 0, 0, 0);
    kafka_file("t-0/00000000000000000003.snapshot", "of what was there");
    assert_ok(export(NULL));
    const struct producer_place place = {AT_FDCWD, in_kafka("t-0")};
    struct segment_list list;
    struct producers_entry *entries;
    size_t count;
    assert_ok(producer_snapshot_list(&place, &list));
    assert_int_equal(list.count, 1);
    assert_int_equal(list.bases[0], 18);
    segment_list_free(&list);
    assert_ok(producer_snapshot_load(&place, 18, &entries, &count));
    assert_int_equal(count, 1);
    assert_int_equal(entries[0].producer_id, 7);
    assert_int_equal(entries[0].last_sequence, 17);
    assert_int_equal(entries[0].last_offset, 17);
    free(entries);
}

static void the_ids_that_are_there_are_kept(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    log_fill(partition, 10, 100, 0);
    mkdir(in_kafka("t-0"), 0700);
    kafka_file("t-0/partition.metadata", "version: 0\ntopic_id: 7Jz9bAAARuqZ1gQ3sJcM0w");
    kafka_file("t-0/00000000000000000000.log", "");
    kafka_file("t-0/00000000000000000000.snapshot", "x");
    assert_ok(export(NULL));
    assert_string_equal(heard.notes, "");
    expect_file("t-0/partition.metadata", "version: 0\ntopic_id: 7Jz9bAAARuqZ1gQ3sJcM0w");
    assert_int_equal(files_size(in_kafka("t-0/00000000000000000000.snapshot")), -1);
    inspect_is_sound();
}

static void a_new_directory_gets_our_id_and_a_word_of_warning(void **state)
{
    (void)state;
    log_fill(log_topic("t", NULL, NULL, NULL), 10, 100, 0);
    assert_ok(export(NULL));
    assert_text(heard.notes, "make the topic in Kafka first");
    struct maplog_topic topic;
    assert_ok(directory_topic(log_directory, "t", &topic));
    char text[64];
    snprintf(text, sizeof text, "version: 0\ntopic_id: %s", topic.id);
    expect_file("t-0/partition.metadata", text);
}

static void records_that_are_there_are_never_replaced(void **state)
{
    (void)state;
    log_fill(log_topic("a", NULL, NULL, NULL), 10, 100, 0);
    log_fill(log_topic("b", NULL, NULL, NULL), 10, 100, 0);
    kafka_segment("b-0", 7, 7, 3);
    assert_code(MAPLOG_EXISTS, export(NULL));
    assert_text(error_text(), "b-0/00000000000000000007.log has records");
    assert_int_equal(files_size(in_kafka("a-0")), -1); /* nothing was written */
    const char *const only[] = {"a", "a", NULL};
    assert_ok(export(only));
    assert_int_equal(counts.topics, 1);
    assert_int_equal(counts.records, 10);
    assert_true(files_size(in_kafka("b-0/00000000000000000007.log")) > 0);
}

static void epochs_become_the_brokers(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    log_fill(partition, 10, 100, 0);
    directory_drop(log_directory);
    char control[128];
    snprintf(control, sizeof control, "%s/maplog.control", log_path);
    unlink(control); /* recovery raises the epoch */
    assert_ok(directory_open(log_path, NULL, &log_directory));
    partition = log_partition(log_directory, "t");
    assert_true(partition->control->leader_epoch > 0);
    log_fill(partition, 10, 100, 0);
    assert_ok(export(NULL));
    inspect_is_sound();
    struct segment_bytes log = files_read(kafka_segment_path("t-0", 0, ".log"));
    size_t batches = 0;
    for (size_t at = 0; at < log.size; batches++) {
        assert_int_equal(bytes_load32(log.bytes + at + BATCH_LEADER_EPOCH), 0);
        at += BATCH_PREFIX_BYTES + bytes_load32(log.bytes + at + BATCH_LENGTH);
    }
    assert_int_equal(batches, 20);
    bytes_release(&log);
    expect_file("t-0/leader-epoch-checkpoint", "0\n1\n0 0\n");
    /* Ours are as they were. */
    struct reader reader;
    struct batch batch;
    reader_init(&reader, partition, 19);
    assert_int_equal(reader_next(&reader, &batch), 1);
    assert_true(batch.leader_epoch > 0);
    reader_close(&reader);
}

static void checkpoints_are_merged(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("t", "segment.bytes=4096", "index.interval.bytes=400", NULL);
    log_fill(partition, 100, 100, 0);
    assert_ok(partition_delete_records(partition, 42));
    int64_t bases[64];
    log_segments(partition, bases);
    assert_true(bases[0] > 0 && bases[0] <= 42);
    kafka_file("log-start-offset-checkpoint", "0\n2\nother 3 8\nt 0 1\n");
    assert_ok(export(NULL));
    expect_file("log-start-offset-checkpoint", "0\n2\nother 3 8\nt 0 42\n");
    expect_file("recovery-point-offset-checkpoint", "0\n1\nt 0 100\n");
    inspect_is_sound();
}

static void partitions_without_records_and_group_progress_stay_here(void **state)
{
    (void)state;
    const char *const none[] = {NULL};
    assert_ok(directory_create_topic(log_directory, "t", 3, none));
    assert_ok(directory_create_topic(log_directory, "__consumer_offsets", 1, none));
    log_fill(log_partition(log_directory, "t"), 10, 100, 0);
    log_fill(log_partition(log_directory, "__consumer_offsets"), 10, 100, 0);
    assert_ok(export(NULL));
    assert_int_equal(counts.partitions, 3);
    assert_int_equal(files_size(in_kafka("t-1")), -1);
    assert_int_equal(files_size(in_kafka("__consumer_offsets-0")), -1);
    const char *const named[] = {"__consumer_offsets", NULL};
    assert_ok(export(named));
    assert_true(files_size(in_kafka("__consumer_offsets-0")) > 0);
    const char *const unknown[] = {"nothing", NULL};
    assert_code(MAPLOG_NOT_FOUND, export(unknown));
}

static void a_running_broker_and_our_own_directories_are_refused(void **state)
{
    (void)state;
    log_fill(log_topic("t", NULL, NULL, NULL), 10, 100, 0);
    kafka_file(".lock", "");
    int fd = open(in_kafka(".lock"), O_RDWR | O_CLOEXEC);
    assert_ok(lock_try(fd, ".lock", 0, true));
    assert_code(MAPLOG_BUSY, export(NULL));
    close(fd);
    kafka_file("maplog.topics", "maplog-topics 1\n");
    assert_code(MAPLOG_INVALID, export(NULL));
    assert_int_equal(files_size(in_kafka("t-0")), -1);
}

static void damage_is_not_exported(void **state)
{
    (void)state;
    log_fill(log_topic("t", NULL, NULL, NULL), 10, 100, 0);
    char path[LIMIT_PATH];
    files_path(path, log_path, "t-0", 0, ".log");
    files_flip(path, BATCH_MAGIC);
    assert_code(MAPLOG_CORRUPT, export(NULL));
    assert_text(error_text(), "t-0/00000000000000000000.log position 0");
}

static void what_is_exported_can_be_imported(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("t", "segment.bytes=4096", "index.interval.bytes=400", NULL);
    log_fill(partition, 100, 100, 0);
    assert_ok(partition_delete_records(partition, 42));
    assert_ok(export(NULL));
    assert_ok(directory_delete_topic(log_directory, "t"));
    struct import_options options = {.from = kafka_path, .listener = listen_anew()};
    assert_ok(import_directory(log_directory, &options, &counts));
    partition = log_partition(log_directory, "t");
    assert_int_equal(partition_start(partition), 42);
    assert_int_equal(log_end(partition), 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_live_topic_is_exported_up_to_its_end),
        TEST(producers_are_known_there),
        TEST(the_ids_that_are_there_are_kept),
        TEST(a_new_directory_gets_our_id_and_a_word_of_warning),
        TEST(records_that_are_there_are_never_replaced),
        TEST(epochs_become_the_brokers),
        TEST(checkpoints_are_merged),
        TEST(partitions_without_records_and_group_progress_stay_here),
        TEST(a_running_broker_and_our_own_directories_are_refused),
        TEST(damage_is_not_exported),
        TEST(what_is_exported_can_be_imported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
