/* transfer_test.c - copying segments with new indexes, small files, and Kafka's lock. */
#include "kafka_directory.h"
#include "log_fixture.h"

#include "log/indexer.h"
#include "os/lock.h"

static struct transfer_counts counts;
static int to_fd;

static int begin(void **state)
{
    (void)state;
    heard.answer = 0;
    counts = (struct transfer_counts){0};
    if (kafka_make() || log_make(state))
        return -1;
    to_fd = open(kafka_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return mkdir(in_kafka("copy-0"), 0700);
}

static int end(void **state)
{
    close(to_fd);
    return kafka_remove() || log_remove(state);
}

/* Copies the first `bytes` of t-0's segment 0 (0: all). */
static int copy(uint64_t length, bool epoch_zero)
{
    struct partition *partition = log_partition(log_directory, "t");
    struct partition_end published;
    partition_end(partition, &published);
    struct segment *segment;
    assert_ok(partition->store->open(partition, 0, 0, false, &segment));
    const struct transfer transfer = {.from = segment,
                                      .bytes = length ? length : published.position,
                                      .to_fd = to_fd,
                                      .name = "copy-0",
                                      .index_interval = 600,
                                      .epoch_zero = epoch_zero,
                                      .durable = true};
    struct transfer_listener listener = listen_anew();
    int result = transfer_segment(&transfer, &listener, &counts);
    segment_drop(segment);
    return result;
}

static struct segment_bytes copied(const char *suffix)
{
    char path[LIMIT_PATH];
    files_path(path, kafka_path, "copy-0", 0, suffix);
    return files_read(path);
}

static void a_copy_has_the_bytes_and_complete_indexes(void **state)
{
    (void)state;
    log_fill(log_topic("t", NULL, NULL, NULL), 60, 100, 0);
    assert_ok(copy(0, false));
    assert_int_equal(counts.segments, 1);
    assert_int_equal(counts.records, 60);
    assert_int_equal(heard.records, 60);
    struct partition_end published;
    partition_end(log_partition(log_directory, "t"), &published);
    assert_int_equal(counts.bytes, published.position);
    char path[LIMIT_PATH];
    files_path(path, log_path, "t-0", 0, ".log");
    struct segment_bytes original = files_read(path), log = copied(".log");
    assert_int_equal(log.size, published.position);
    assert_memory_equal(log.bytes, original.bytes, log.size);
    struct segment_bytes index = copied(".index"), timeindex = copied(".timeindex");
    const struct indexer_parts parts = {index.bytes,     index.size,     1 << 20,
                                        timeindex.bytes, timeindex.size, 1 << 20};
    assert_true(index.size > 0);
    assert_true(indexer_sound(600, log.bytes, log.size, 0, &parts));
    bytes_release(&original);
    bytes_release(&log);
    bytes_release(&index);
    bytes_release(&timeindex);
}

static void what_is_there_is_replaced(void **state)
{
    (void)state;
    log_fill(log_topic("t", NULL, NULL, NULL), 2, 100, 0);
    char path[LIMIT_PATH], rubbish[4096] = "rubbish";
    for (int i = 0; i < 3; i++) {
        static const char *const suffixes[] = {".log", ".index", ".timeindex"};
        files_path(path, kafka_path, "copy-0", 0, suffixes[i]);
        files_write(path, rubbish, sizeof rubbish);
    }
    assert_ok(copy(0, false));
    struct segment_bytes log = copied(".log"), index = copied(".index");
    assert_int_equal(log.size, counts.bytes);
    assert_int_equal(index.size, 0);
    bytes_release(&log);
    bytes_release(&index);
}

static void epochs_are_zeroed_in_the_copy_alone(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    store_relaxed(&partition->control->leader_epoch, 7);
    log_fill(partition, 3, 100, 0);
    assert_ok(copy(0, true));
    struct segment_bytes log = copied(".log");
    char path[LIMIT_PATH];
    files_path(path, log_path, "t-0", 0, ".log");
    struct segment_bytes original = files_read(path);
    size_t size = log.size / 3;
    for (size_t at = 0; at < log.size; at += size) {
        assert_int_equal(bytes_load32(log.bytes + at + BATCH_LEADER_EPOCH), 0);
        assert_int_equal(bytes_load32(original.bytes + at + BATCH_LEADER_EPOCH), 7);
        assert_memory_equal(log.bytes + at + BATCH_MAGIC, original.bytes + at + BATCH_MAGIC,
                            size - BATCH_MAGIC);
    }
    bytes_release(&log);
    bytes_release(&original);
}

static void bytes_that_end_within_a_batch_are_not_copied(void **state)
{
    (void)state;
    log_fill(log_topic("t", NULL, NULL, NULL), 2, 100, 0);
    assert_code(MAPLOG_CORRUPT, copy(200, false));
    assert_text(error_text(), "copy-0/00000000000000000000.log position");
    assert_int_equal(counts.segments, 0);
}

static void a_listener_may_end_it(void **state)
{
    (void)state;
    log_fill(log_topic("t", NULL, NULL, NULL), 2, 100, 0);
    heard.answer = MAPLOG_CLOSED;
    assert_code(MAPLOG_CLOSED, copy(0, false));
    assert_int_equal(counts.segments, 0);
}

static void small_files_are_copied_when_they_are_there(void **state)
{
    (void)state;
    kafka_file("from", "some text");
    assert_ok(transfer_file(to_fd, to_fd, "from", "to", true));
    assert_ok(transfer_file(to_fd, to_fd, "missing", "nothing", true));
    struct segment_bytes text = files_read(in_kafka("to"));
    assert_int_equal(text.size, 9);
    assert_memory_equal(text.bytes, "some text", 9);
    bytes_release(&text);
    assert_int_equal(files_size(in_kafka("nothing")), -1);
    assert_ok(transfer_sync_directory(to_fd, "copy-0"));
    assert_code(MAPLOG_NOT_FOUND, transfer_sync_directory(to_fd, "other"));
}

static void a_brokers_lock_is_respected_and_taken(void **state)
{
    (void)state;
    int lock_fd;
    assert_ok(transfer_lock_kafka(to_fd, "there", &lock_fd));
    assert_int_equal(lock_fd, -1);
    kafka_file(".lock", "");
    assert_ok(transfer_lock_kafka(to_fd, "there", &lock_fd));
    int other = open(in_kafka(".lock"), O_RDWR | O_CLOEXEC);
    assert_code(MAPLOG_BUSY, lock_try(other, ".lock", 0, true)); /* no broker starts now */
    file_close(lock_fd);
    assert_ok(lock_try(other, ".lock", 0, true));
    assert_code(MAPLOG_BUSY, transfer_lock_kafka(to_fd, "there", &lock_fd));
    assert_text(error_text(), "there: a Kafka broker runs");
    close(other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_copy_has_the_bytes_and_complete_indexes),
        TEST(what_is_there_is_replaced),
        TEST(epochs_are_zeroed_in_the_copy_alone),
        TEST(bytes_that_end_within_a_batch_are_not_copied),
        TEST(a_listener_may_end_it),
        TEST(small_files_are_copied_when_they_are_there),
        TEST(a_brokers_lock_is_respected_and_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
