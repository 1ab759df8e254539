/* epochs_test.c - which leader epoch ended where: by the checkpoint, and by the batches alone. */
#include "kafka_directory.h"
#include "log_fixture.h"

#include "log/epochs.h"
#include "log/import.h"

#define NOW 1700000000000ll
#define PATH "t-0/" CHECKPOINT_LEADER_EPOCH

static void assert_end(struct partition *partition, int32_t epoch, int32_t found, int64_t offset)
{
    int32_t epoch_found = 77;
    int64_t end_offset = 77;
    assert_ok(epochs_find_end(partition, epoch, &epoch_found, &end_offset));
    assert_int_equal(epoch_found, found);
    assert_int_equal(end_offset, offset);
}

/* From now on appends are of this epoch, as after a recovery. */
static void begin_epoch(struct partition *partition, int32_t epoch)
{
    store_release(&partition->control->leader_epoch, (uint32_t)epoch);
}

/* Offsets 0 to 9 in epoch 2, 10 to 29 in 5, from 30 on in 9; several segments; no checkpoint. */
static struct partition *make(void)
{
    static const struct {
        int32_t epoch;
        int records;
    } parts[] = {{2, 10}, {5, 20}, {9, 5}};
    struct partition *partition = log_topic("t", "segment.bytes=4096", NULL, NULL);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        begin_epoch(partition, parts[i].epoch);
        log_fill(partition, parts[i].records, 300, NOW);
    }
    return partition;
}

static void a_new_log_has_one_epoch(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    assert_int_equal(epochs_current(partition), 0);
    assert_end(partition, 0, 0, 0);
    assert_end(partition, 1, -1, -1);
    assert_end(partition, -1, -1, -1);
    assert_int_equal(epochs_of_offset(partition, 0), -1);
    log_fill(partition, 7, 100, NOW);
    assert_end(partition, 0, 0, 7);
    assert_int_equal(epochs_of_offset(partition, 6), 0);
    assert_int_equal(epochs_of_offset(partition, 7), -1);
}

/* What must be answered, checkpoint or not. */
static void check_made(struct partition *partition)
{
    assert_int_equal(epochs_current(partition), 9);
    for (int32_t epoch = 2; epoch < 5; epoch++)
        assert_end(partition, epoch, 2, 10);
    for (int32_t epoch = 5; epoch < 9; epoch++)
        assert_end(partition, epoch, 5, 30);
    assert_end(partition, 9, 9, 35);
    assert_end(partition, 10, -1, -1);
    for (int32_t epoch = -2; epoch < 2; epoch++)
        assert_end(partition, epoch, -1, -1);
}

static void without_a_checkpoint_the_batches_tell(void **state)
{
    (void)state;
    struct partition *partition = make();
    check_made(partition);
    for (int64_t offset = 0; offset < 35; offset++)
        assert_int_equal(epochs_of_offset(partition, offset), offset < 10   ? 2
                                                              : offset < 30 ? 5
                                                                            : 9);
    assert_int_equal(epochs_of_offset(partition, -1), -1);
    assert_ok(partition_delete_records(partition, 12));
    assert_end(partition, 4, -1, -1);
    assert_end(partition, 8, 5, 30);
    assert_int_equal(epochs_of_offset(partition, 11), -1);
    begin_epoch(partition, 11); /* no record yet */
    assert_end(partition, 10, 9, 35);
    assert_end(partition, 11, 11, 35);
}

static void a_checkpoint_tells_of_what_retention_took_too(void **state)
{
    (void)state;
    struct partition *partition = make();
    const struct checkpoint_epoch entries[] = {{2, 0}, {5, 10}, {9, 30}};
    assert_ok(checkpoint_store_epochs(log_directory->fd, PATH, entries, 3, false));
    check_made(partition);
    assert_ok(partition_delete_records(partition, 12));
    check_made(partition);
}

static void a_checkpoint_that_knows_less_is_not_believed(void **state)
{
    (void)state;
    struct partition *partition = make();
    const struct checkpoint_epoch entries[] = {{2, 0}, {3, 10}, {4, 10}};
    for (size_t count = 0; count < 2; count++) {
        assert_ok(checkpoint_store_epochs(log_directory->fd, PATH, entries, count, false));
        check_made(partition);
    }
    /* Epochs 3 and 4 began and had no record. */
    assert_ok(checkpoint_store_epochs(log_directory->fd, PATH, entries, 3, false));
    check_made(partition);
    char path[LIMIT_PATH];
    snprintf(path, sizeof path, "%s/" PATH, log_path);
    files_write(path, "0\nrubbish\n", 10);
    check_made(partition);
}

static void a_recovery_that_cut_ends_an_epoch(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    log_fill(partition, 20, 100, NOW);
    struct reader reader;
    struct batch batch;
    reader_init(&reader, partition, 12);
    assert_code(1, reader_next(&reader, &batch));
    int64_t position = batch.bytes - reader.segment->log;
    reader_close(&reader);
    directory_drop(log_directory);
    char path[LIMIT_PATH];
    files_path(path, log_path, "t-0", 0, ".log");
    files_flip(path, position + BATCH_HEADER_BYTES + 5);
    snprintf(path, sizeof path, "%s/maplog.control", log_path);
    assert_int_equal(unlink(path), 0);
    log_directory = log_attach();
    partition = log_partition(log_directory, "t");
    assert_int_equal(log_end(partition), 12);
    assert_int_equal(epochs_current(partition), 1);
    assert_end(partition, 0, 0, 12);
    assert_end(partition, 1, 1, 12);
    log_fill(partition, 3, 100, NOW);
    assert_end(partition, 0, 0, 12); /* who was at 15 in epoch 0 read what is no more */
    assert_end(partition, 1, 1, 15);
    assert_int_equal(epochs_of_offset(partition, 11), 0);
    assert_int_equal(epochs_of_offset(partition, 12), 1);
}

static void imported_epochs_go_on(void **state)
{
    (void)state;
    assert_int_equal(kafka_make(), 0);
    struct segment_bytes bytes = {0};
    for (int64_t offset = 100; offset < 120; offset++)
        bytes_batch(&bytes, (struct batch_plan){.base_offset = offset,
                                                .value = 50,
                                                .timestamp = NOW,
                                                .leader_epoch = offset < 110 ? 3 : 8});
    files_segment(kafka_path, "t-0", 100, &bytes);
    bytes_release(&bytes);
    kafka_file("meta.properties", "version=1\nnode.id=1\n");
    kafka_file(".kafka_cleanshutdown", "{\"version\":0,\"brokerEpoch\":1}");
    kafka_file("t-0/leader-epoch-checkpoint", "0\n2\n3 100\n8 110\n");
    struct import_options options = {.from = kafka_path, .listener = listen_anew()};
    struct transfer_counts counts = {0};
    assert_ok(import_directory(log_directory, &options, &counts));
    assert_int_equal(kafka_remove(), 0);
    struct partition *partition = log_partition(log_directory, "t");
    assert_int_equal(epochs_current(partition), 8);
    assert_end(partition, 2, -1, -1);
    assert_end(partition, 5, 3, 110);
    assert_end(partition, 8, 8, 120);
    log_fill(partition, 2, 100, NOW);
    assert_int_equal(epochs_of_offset(partition, 121), 8);
    assert_end(partition, 8, 8, 122);
}

static void a_deleted_topic_has_none(void **state)
{
    (void)state;
    struct partition *partition = make();
    assert_ok(directory_delete_topic(log_directory, "t"));
    int32_t found;
    int64_t offset;
    assert_code(MAPLOG_TOPIC_DELETED, epochs_find_end(partition, 5, &found, &offset));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_log_has_one_epoch),
        TEST(without_a_checkpoint_the_batches_tell),
        TEST(a_checkpoint_tells_of_what_retention_took_too),
        TEST(a_checkpoint_that_knows_less_is_not_believed),
        TEST(a_recovery_that_cut_ends_an_epoch),
        TEST(imported_epochs_go_on),
        TEST(a_deleted_topic_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
