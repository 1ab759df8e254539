/* import_test.c - what is taken over from a Kafka data directory, what is refused, and why. */
#include "kafka_directory.h"
#include "log_fixture.h"
#include "producer_batches.h"

#include "log/import.h"
#include "log/inspect.h"
#include "log/producer_ids.h"
#include "os/lock.h"

static struct transfer_counts counts;
static struct segment_bytes bytes;

static int begin(void **state)
{
    heard.answer = 0;
    return kafka_make() || log_make(state);
}

static int end(void **state)
{
    bytes_release(&bytes);
    return kafka_remove() || log_remove(state);
}

static int import(const char *const *topics)
{
    struct import_options options = {
        .from = kafka_path, .topics = topics, .listener = listen_anew()};
    counts = (struct transfer_counts){0};
    return import_directory(log_directory, &options, &counts);
}

static int fail_on_finding(void *context, const struct inspect_finding *finding)
{
    (void)context;
    fail_msg("%s: %s", finding->file, finding->what);
    return 0;
}

static void inspect_is_sound(void)
{
    const struct inspect_visitor visitor = {.finding = fail_on_finding};
    struct inspect_counts inspected;
    assert_ok(inspect_path(log_path, &visitor, &inspected));
    assert_int_equal(inspected.damaged, 0);
}

/* Nothing was left in the directory: neither topics nor directories. */
static int see_directory(void *context, const char *name, bool is_directory)
{
    (void)context;
    if (is_directory)
        fail_msg("%s was left", name);
    return 0;
}

static void nothing_was_imported(void)
{
    assert_ok(file_list(AT_FDCWD, log_path, see_directory, NULL));
    assert_int_equal(log_directory->catalog.count, 0);
}

static const char *config_of(const char *topic, const char *name)
{
    const struct catalog_topic *found = catalog_find(&log_directory->catalog, topic);
    for (size_t i = 0; i < found->config_count; i++)
        if (strcmp(found->configs[i].name, name) == 0)
            return found->configs[i].value;
    return NULL;
}

/* ---- taken over ------------------------------------------------------------------------------ */

static void topics_keep_offsets_epochs_starts_and_ids(void **state)
{
    (void)state;
    kafka_file(".kafka_cleanshutdown", "{\"version\":0}");
    kafka_segment("orders-0", 10, 10, 40);
    kafka_segment("orders-0", 50, 50, 20);
    for (int i = 0; i < 5; i++)
        bytes_batch(&bytes, (struct batch_plan){.base_offset = i * 3, .leader_epoch = 4});
    files_segment(kafka_path, "orders-1", 0, &bytes);
    kafka_file("orders-0/partition.metadata", "version: 0\ntopic_id: 7Jz9bAAARuqZ1gQ3sJcM0w");
    kafka_file("orders-1/leader-epoch-checkpoint", "0\n1\n4 0\n");
    kafka_file("log-start-offset-checkpoint", "0\n1\norders 0 33\n");
    assert_ok(import(NULL));
    assert_int_equal(counts.topics, 1);
    assert_int_equal(counts.partitions, 2);
    assert_int_equal(counts.segments, 3);
    assert_int_equal(counts.records, 65);
    assert_int_equal(heard.records, 65);
    assert_int_equal(heard.bytes, counts.bytes);
    assert_string_equal(heard.notes, "");
    struct maplog_topic topic;
    assert_ok(directory_topic(log_directory, "orders", &topic));
    assert_string_equal(topic.id, "7Jz9bAAARuqZ1gQ3sJcM0w");
    assert_string_equal(config_of("orders", "retention.ms"), "-1");
    assert_string_equal(config_of("orders", "retention.bytes"), "-1");
    for (int again = 0; again < 2; again++) {
        struct partition *first, *second;
        assert_ok(directory_partition(log_directory, "orders", 0, &first));
        assert_ok(directory_partition(log_directory, "orders", 1, &second));
        assert_int_equal(partition_start(first), 33);
        assert_int_equal(log_end(first), 70);
        assert_int_equal(log_end(second), 13);
        assert_int_equal(second->control->leader_epoch, again ? 5 : 4);
        inspect_is_sound();
        /* It is all on disk, too: attach as after a power cut. */
        directory_drop(log_directory);
        char control[128];
        snprintf(control, sizeof control, "%s/maplog.control", log_path);
        unlink(control);
        assert_ok(directory_open(log_path, NULL, &log_directory));
    }
    log_fill(log_partition(log_directory, "orders"), 5, 100, 0);
    assert_int_equal(log_end(log_partition(log_directory, "orders")), 75);
    inspect_is_sound();
}

static void gaps_and_empty_segments_of_compaction_stay(void **state)
{
    (void)state;
    bytes_batch(&bytes, (struct batch_plan){.base_offset = 4, .records = 3, .codec = 4});
    bytes_batch(&bytes, (struct batch_plan){.base_offset = 90, .codec = 1});
    files_segment(kafka_path, "t-0", 0, &bytes);
    bytes_release(&bytes);
    bytes_add(&bytes, NULL, 0);
    files_segment(kafka_path, "t-0", 200, &bytes); /* empty, and yet it says where offsets go on */
    assert_ok(import(NULL));
    struct partition *partition = log_partition(log_directory, "t");
    assert_int_equal(log_end(partition), 200);
    log_fill(partition, 1, 10, 0);
    assert_int_equal(log_end(partition), 201);
    inspect_is_sound();
}

static void partitions_that_are_elsewhere_are_empty(void **state)
{
    (void)state;
    kafka_segment("t-2", 0, 0, 5);
    assert_ok(import(NULL));
    assert_text(heard.notes, "1 of its partitions");
    struct maplog_topic topic;
    assert_ok(directory_topic(log_directory, "t", &topic));
    assert_int_equal(topic.partitions, 3);
    assert_int_equal(log_end(log_partition(log_directory, "t")), 0);
    log_fill(log_partition(log_directory, "t"), 3, 10, 0);
    assert_int_equal(log_end(log_partition(log_directory, "t")), 3);
}

static void kafka_snapshot(const char *partition, int64_t offset, int64_t producer)
{
    const struct producers_entry entry = {producer, 2, 6, offset - 1, 1, FILES_NOW};
    char name[128];
    uint8_t *snapshot;
    size_t size;
    assert_ok(producer_snapshot_encode(&entry, 1, &snapshot, &size));
    snprintf(name, sizeof name, "%s/%020" PRId64 ".snapshot", partition, offset);
    files_write(in_kafka(name), snapshot, size);
    free(snapshot);
}

static void producers_are_known_again(void **state)
{
    (void)state;
    kafka_segment("orders-0", 0, 0, 10);
    bytes_batch(&bytes, (struct batch_plan){.base_offset = 10, .records = 3, .producer_id = 300});
    files_segment(kafka_path, "orders-0", 10, &bytes);
    for (int64_t offset = 2; offset <= 10; offset += 2)
        kafka_snapshot("orders-0", offset, 90 + offset);
    kafka_file("orders-0/00000000000000000013.snapshot", "damaged");
    kafka_snapshot("orders-0", 14, 5000); /* above the end: of a log that was longer once */
    assert_ok(import(NULL));
    struct partition *partition = log_partition(log_directory, "orders");
    int64_t offsets[8];
    assert_int_equal(snapshots_of(partition, offsets), 2);
    assert_int_equal(offsets[0], 10);
    assert_int_equal(offsets[1], 13);
    struct producers *producers = load_producers(partition, "passed over");
    assert_int_equal(list_producers(producers).count, 2);
    assert_duplicate(10, producers, .producer = 300, .records = 3);
    assert_duplicate(8, producers, .producer = 100, .epoch = 2, .records = 2, .sequence = 5);
    producers_free(producers);
    struct producer_ids *ids;
    int64_t id;
    assert_ok(producer_ids_open(log_directory, &ids));
    assert_ok(producer_ids_take(ids, &id));
    assert_int_equal(id, 5001);
    producer_ids_close(ids);
}

static void only_named_topics_are_imported(void **state)
{
    (void)state;
    kafka_segment("a-0", 0, 0, 5);
    kafka_segment("a-b-0", 0, 0, 5);
    kafka_segment("c-0", 0, 0, 5);
    const char *const topics[] = {"a-b", "c", NULL};
    assert_ok(import(topics));
    assert_int_equal(log_directory->catalog.count, 2);
    assert_non_null(catalog_find(&log_directory->catalog, "a-b"));
    const char *const missing[] = {"a", "x", NULL};
    assert_code(MAPLOG_NOT_FOUND, import(missing));
    assert_null(catalog_find(&log_directory->catalog, "a"));
}

static void an_id_that_is_taken_is_not_given_twice(void **state)
{
    (void)state;
    kafka_segment("a-0", 0, 0, 5);
    kafka_segment("b-0", 0, 0, 5);
    kafka_file("a-0/partition.metadata", "version: 0\ntopic_id: 7Jz9bAAARuqZ1gQ3sJcM0w");
    kafka_file("b-0/partition.metadata", "version: 0\ntopic_id: 7Jz9bAAARuqZ1gQ3sJcM0w");
    assert_ok(import(NULL));
    struct maplog_topic a, b;
    assert_ok(directory_topic(log_directory, "a", &a));
    assert_ok(directory_topic(log_directory, "b", &b));
    assert_string_not_equal(a.id, b.id);
    inspect_is_sound();
}

static void internal_topics_stay_behind_but_for_group_progress(void **state)
{
    (void)state;
    kafka_segment("__cluster_metadata-0", 0, 0, 5);
    kafka_segment("__transaction_state-3", 0, 0, 5);
    kafka_segment("__consumer_offsets-0", 0, 0, 5);
    kafka_segment("__mine-0", 0, 0, 5);
    assert_ok(import(NULL));
    assert_int_equal(log_directory->catalog.count, 2);
    assert_non_null(catalog_find(&log_directory->catalog, "__consumer_offsets"));
    assert_non_null(catalog_find(&log_directory->catalog, "__mine"));
    assert_text(heard.notes, "__transaction_state is left out");
    assert_text(heard.notes, "__consumer_offsets is taken over");
    assert_string_equal(config_of("__consumer_offsets", "cleanup.policy"), "compact");
    const char *const again[] = {"__consumer_offsets", NULL};
    assert_ok(import(again));
    assert_text(heard.notes, "groups of its own");
    assert_int_equal(counts.topics, 0);
}

/* ---- transactions ---------------------------------------------------------------------------- */

#define COMMIT "\0\0\0\1"
#define ABORT "\0\0\0\0"

static void transactional(int64_t offset, int64_t producer, const void *marker)
{
    bytes_batch(&bytes,
                (struct batch_plan){.base_offset = offset,
                                    .producer_id = producer,
                                    .attributes = (uint16_t)(ATTRIBUTE_TRANSACTIONAL |
                                                             (marker ? ATTRIBUTE_CONTROL : 0)),
                                    .key = marker,
                                    .key_size = marker ? 4 : 0});
}

static void ended_transactions_are_fine(void **state)
{
    (void)state;
    transactional(0, 7, NULL);
    transactional(1, 8, NULL);
    transactional(2, 7, COMMIT);
    transactional(3, 8, ABORT);
    transactional(4, 9, COMMIT); /* compaction took its records */
    files_segment(kafka_path, "t-0", 0, &bytes);
    files_write(in_kafka("t-0/00000000000000000000.txnindex"), "index", 5);
    assert_ok(import(NULL));
    assert_text(heard.notes, "1 aborted");
    char path[LIMIT_PATH];
    files_path(path, log_path, "t-0", 0, ".txnindex");
    assert_int_equal(files_size(path), 5);
}

static void open_transactions_are_refused_by_name(void **state)
{
    (void)state;
    transactional(0, 7, NULL);
    transactional(1, 7, COMMIT);
    transactional(2, 7, NULL);
    transactional(3, 1234, NULL);
    files_segment(kafka_path, "t-0", 0, &bytes);
    assert_code(MAPLOG_INVALID, import(NULL));
    assert_int_equal(heard.refused, 2);
    assert_text(heard.refusals, "producer 7 that began at offset 2");
    assert_text(heard.refusals, "producer 1234 that began at offset 3");
    nothing_was_imported();
}

/* ---- refused --------------------------------------------------------------------------------- */

static void old_formats_are_refused_by_name(void **state)
{
    (void)state;
    bytes_batches(&bytes, 0, 3);
    size_t position = bytes.size;
    bytes_batches(&bytes, 3, 1);
    bytes.bytes[position + BATCH_MAGIC] = 1;
    files_segment(kafka_path, "old-0", 0, &bytes);
    assert_code(MAPLOG_INVALID, import(NULL));
    char text[96];
    snprintf(text, sizeof text, "old-0/%020d.log position %zu: a message of format 1", 0, position);
    assert_text(heard.refusals, text);
    nothing_was_imported();
}

static void unclean_ends_are_refused_by_name(void **state)
{
    (void)state;
    bytes_batches(&bytes, 0, 3);
    bytes_add(&bytes, NULL, 500);
    files_segment(kafka_path, "t-0", 0, &bytes);
    bytes.size -= 501;
    files_segment(kafka_path, "t-1", 0, &bytes);
    kafka_segment("good-0", 0, 0, 5);
    assert_code(MAPLOG_INVALID, import(NULL));
    assert_int_equal(heard.refused, 2);
    assert_text(heard.refusals, "t-0/00000000000000000000.log ends with 500 bytes");
    assert_text(heard.refusals, "t-1/00000000000000000000.log ends with");
    nothing_was_imported();
    const char *const good[] = {"good", NULL};
    assert_ok(import(good));
}

static void damage_is_refused_by_name(void **state)
{
    (void)state;
    kafka_segment("t-0", 0, 0, 10);
    files_flip(in_kafka("t-0/00000000000000000000.log"), 90);
    kafka_segment("u-0", 0, 0, 10);
    kafka_segment("u-0", 5, 5, 10);
    assert_code(MAPLOG_INVALID, import(NULL));
    assert_text(heard.refusals, "t-0/00000000000000000000.log position 0: ");
    assert_text(heard.refusals, "u-0/00000000000000000005.log begins below the end");
    nothing_was_imported();
}

static void a_topic_that_exists_is_refused(void **state)
{
    (void)state;
    log_topic("t", NULL, NULL, NULL);
    kafka_segment("t-0", 0, 0, 10);
    assert_code(MAPLOG_INVALID, import(NULL));
    assert_text(heard.refusals, "topic t exists");
    assert_int_equal(log_end(log_partition(log_directory, "t")), 0);
}

static void other_directories_are_refused(void **state)
{
    (void)state;
    assert_code(MAPLOG_NOT_FOUND, import(NULL));
    kafka_file(CATALOG_FILE, "maplog-topics 1\n");
    assert_code(MAPLOG_INVALID, import(NULL));
    assert_text(error_text(), "backup");
}

static void a_running_broker_is_refused(void **state)
{
    (void)state;
    kafka_segment("t-0", 0, 0, 10);
    kafka_file(".lock", "");
    int fd = open(in_kafka(".lock"), O_RDWR | O_CLOEXEC);
    assert_ok(lock_try(fd, ".lock", 0, true));
    assert_code(MAPLOG_BUSY, import(NULL));
    close(fd);
    assert_ok(import(NULL));
}

/* ---- failures in the middle --------------------------------------------------------------------
 */

static void a_failed_import_leaves_nothing(void **state)
{
    (void)state;
    kafka_segment("t-0", 0, 0, 100);
    kafka_segment("t-1", 0, 0, 100);
    heard.answer = MAPLOG_CLOSED;
    assert_code(MAPLOG_CLOSED, import(NULL));
    nothing_was_imported();
    heard.answer = 0;
    static const enum fault_kind kinds[] = {FAULT_OPEN, FAULT_WRITE, FAULT_RENAME, FAULT_SYNC,
                                            FAULT_MAP};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        int result = MAPLOG_IO;
        unsigned nth = 0;
        while (result) {
            assert_true(++nth < 300);
            fault_set(kinds[k], nth, EIO, 0);
            result = import(NULL);
            fault_clear();
            if (catalog_find(&log_directory->catalog, "t"))
                break; /* stored, although it may not be durable */
            if (result)
                nothing_was_imported();
        }
        assert_true(nth > 1);
        assert_int_equal(log_end(log_partition(log_directory, "t")), 100);
        assert_ok(directory_delete_topic(log_directory, "t"));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(topics_keep_offsets_epochs_starts_and_ids),
        TEST(gaps_and_empty_segments_of_compaction_stay),
        TEST(partitions_that_are_elsewhere_are_empty),
        TEST(producers_are_known_again),
        TEST(only_named_topics_are_imported),
        TEST(an_id_that_is_taken_is_not_given_twice),
        TEST(internal_topics_stay_behind_but_for_group_progress),
        TEST(ended_transactions_are_fine),
        TEST(open_transactions_are_refused_by_name),
        TEST(old_formats_are_refused_by_name),
        TEST(unclean_ends_are_refused_by_name),
        TEST(damage_is_refused_by_name),
        TEST(a_topic_that_exists_is_refused),
        TEST(other_directories_are_refused),
        TEST(a_running_broker_is_refused),
        TEST(a_failed_import_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
