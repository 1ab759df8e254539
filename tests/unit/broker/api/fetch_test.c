/* fetch_test.c - Fetch: what comes back, byte limits, long polls, epochs. */
#include "fetch_fixture.h"

/* ---- what comes back ------------------------------------------------------------------------- */

static void whole_batches_come_from_the_one_with_the_offset(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    for (int i = 0; i < 3; i++)
        produce_ok("t", (struct sent){.records = 10});
    for (int16_t version = 4; version <= 17; version++) {
        struct fetch_call fetch;
        fetch_from(&fetch, "t", 15);
        fetch.topic.topic_id = partition->topic_id;
        const fetched *all = ask(&fetch, version);
        assert_int_equal(all->error_code, KAFKA_NONE);
        assert_int_equal(read_batches(all, 10), 30);
        assert_int_equal(all->high_watermark, 30);
        assert_int_equal(all->last_stable_offset, 30);
        assert_int_equal(all->log_start_offset, version < 5 ? -1 : 0);
        assert_int_equal(all->aborted_transactions_count, -1);
        assert_int_equal(all->diverging_epoch.epoch, -1);
        call_end(&fetch.call);
    }
}

static void nothing_is_empty_and_never_null(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    produce_ok("t", (struct sent){0});
    static const int16_t versions[] = {4, 11, 12, 17};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        struct fetch_call fetch;
        fetch_from(&fetch, "t", 1);
        fetch.topic.topic_id = partition->topic_id;
        fetch.body.isolation_level = 1;
        const fetched *none = ask(&fetch, versions[i]);
        assert_int_equal(none->error_code, KAFKA_NONE);
        assert_int_equal(none->records.size, 0);
        assert_int_equal(none->aborted_transactions_count, 0);
        call_end(&fetch.call);
    }
}

static void offsets_outside_are_an_error(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    produce_ok("t", (struct sent){.records = 10});
    assert_ok(partition_delete_records(partition, 5));
    struct fetch_call fetch;
    static const int64_t outside[] = {-1, 4, 11, INT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        const fetched *refused = ask(fetch_from(&fetch, "t", outside[i]), 11);
        assert_int_equal(refused->error_code, KAFKA_OFFSET_OUT_OF_RANGE);
        assert_int_equal(refused->high_watermark, -1);
        assert_int_equal(refused->records.size, 0);
        call_end(&fetch.call);
    }
    const fetched *inside = ask(fetch_from(&fetch, "t", 5), 11);
    assert_int_equal(inside->log_start_offset, 5);
    assert_int_equal(read_batches(inside, 0), 10); /* the batch begins below the start */
    call_end(&fetch.call);
    assert_int_equal(error_of(fetch_from(&fetch, "t", 10), 11), KAFKA_NONE);
}

static void topics_that_are_not_there(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    struct fetch_call fetch;
    assert_int_equal(error_of(fetch_from(&fetch, "u", 0), 12), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    fetch_from(&fetch, "t", 0)->partitions[0].partition = 1;
    assert_int_equal(error_of(&fetch, 12), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    fetch_from(&fetch, "", 0);
    assert_int_equal(error_of(&fetch, 13), KAFKA_UNKNOWN_TOPIC_ID);
    fetch.topic.topic_id = partition->topic_id;
    assert_int_equal(error_of(&fetch, 13), KAFKA_NONE);
    fetch.partitions[0].partition = 1;
    assert_int_equal(error_of(&fetch, 13), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
}

static void limits_of_bytes(void **state)
{
    (void)state;
    make_partitions("t");
    struct fetch_call fetch;
    /* A batch at least, however small the limits; then nothing more. */
    fetch_from(&fetch, "t", 0)->topic.partitions_count = PARTITIONS;
    fetch.body.max_bytes = 1;
    ask(&fetch, 11);
    assert_int_equal(read_batches(found(&fetch, 0), 0), 1);
    for (int32_t i = 1; i < PARTITIONS; i++) {
        assert_int_equal(found(&fetch, i)->records.size, 0);
        assert_int_equal(found(&fetch, i)->high_watermark, 10);
    }
    call_end(&fetch.call);
    /* The limit of each partition; batches are never cut. */
    fetch.body.max_bytes = 1 << 20;
    for (int i = 0; i < PARTITIONS; i++)
        fetch.partitions[i].partition_max_bytes = 2500;
    ask(&fetch, 11);
    for (int32_t i = 0; i < PARTITIONS; i++)
        assert_int_equal(read_batches(found(&fetch, i), 0), 2);
    call_end(&fetch.call);
    /* The first one that has anything counts, not the first one. */
    fetch.partitions[0].fetch_offset = 10;
    fetch.body.max_bytes = 1;
    ask(&fetch, 11);
    assert_int_equal(found(&fetch, 0)->records.size, 0);
    assert_int_equal(read_batches(found(&fetch, 1), 0), 1);
    assert_int_equal(found(&fetch, 2)->records.size, 0);
    call_end(&fetch.call);
    /* What the broker allows in all. */
    settings.fetch_max_bytes = 5000;
    broker_configure(broker, &settings);
    fetch_from(&fetch, "t", 0)->topic.partitions_count = PARTITIONS;
    ask(&fetch, 11);
    int64_t records = 0;
    for (int32_t i = 0; i < PARTITIONS; i++)
        records += read_batches(found(&fetch, i), 0);
    assert_int_equal(records, 4);
    call_end(&fetch.call);
}

static void zstd_is_not_for_old_clients(void **state)
{
    (void)state;
    log_topic("t", NULL, NULL, NULL);
    produce_ok("t", (struct sent){.codec = MAPLOG_COMPRESSION_LZ4});
    produce_ok("t", (struct sent){.codec = MAPLOG_COMPRESSION_ZSTD});
    struct fetch_call fetch;
    assert_int_equal(read_batches(ask(fetch_from(&fetch, "t", 0), 9), 0), 1);
    call_end(&fetch.call);
    assert_int_equal(error_of(fetch_from(&fetch, "t", 1), 9), KAFKA_UNSUPPORTED_COMPRESSION_TYPE);
    assert_int_equal(read_batches(ask(fetch_from(&fetch, "t", 0), 10), 0), 2);
    call_end(&fetch.call);
}

static void epochs_are_looked_at(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    store_relaxed(&partition->control->leader_epoch, 5);
    produce_ok("t", (struct sent){0});
    struct fetch_call fetch;
    fetch_from(&fetch, "t", 0)->partitions[0].current_leader_epoch = 4;
    assert_int_equal(error_of(&fetch, 11), KAFKA_FENCED_LEADER_EPOCH);
    fetch.partitions[0].current_leader_epoch = 6;
    assert_int_equal(error_of(&fetch, 11), KAFKA_UNKNOWN_LEADER_EPOCH);
    fetch.partitions[0].current_leader_epoch = 5;
    fetch.partitions[0].last_fetched_epoch = 5;
    assert_int_equal(error_of(&fetch, 12), KAFKA_NONE);
    /* Who has records of an epoch that this log never had is told. */
    fetch.partitions[0].last_fetched_epoch = 7;
    assert_int_equal(error_of(&fetch, 12), KAFKA_OFFSET_OUT_OF_RANGE);
}

/* Takes a file's pages out of memory, as far as the kernel does so. */
static void forget_pages(const char *path)
{
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fsync(fd), 0);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

static void a_helper_reads_what_lies_on_disk(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "segment.bytes=33554432", NULL, NULL);
    log_fill(partition, 4000, 10000, clock_wall_ms());
    broker_stop();
    directory_drop(log_directory); /* nobody maps the segments */
    char path[200];
    snprintf(path, sizeof path, "%s/t-0/00000000000000000000.log", log_path);
    forget_pages(path);
    assert_ok(directory_open(log_path, NULL, &log_directory));
    broker_start();
    struct fetch_call fetch;
    fetch_from(&fetch, "t", 50)->partitions[0].partition_max_bytes = 25 << 20;
    for (int round = 0; round < 2; round++) {
        /* How much the look-up alone brings in, the kernel decides. */
        assert_true(read_batches(ask(&fetch, 11), 50) > 2000);
        assert_true(fetch.call.cold <= (round == 0));
        call_end(&fetch.call);
    }
}

/* ---- long polls ------------------------------------------------------------------------------ */

static void a_producer_wakes_a_waiting_fetch(void **state)
{
    (void)state;
    make_partitions("t");
    struct fetch_call fetch;
    fetch_from(&fetch, "t", 10)->topic.partitions_count = PARTITIONS;
    begin_waiting(&fetch, 1);
    produce_ok("t", (struct sent){.records = 3});
    assert_int_equal(atomic_load(&fetch.call.woken), 1); /* at once: not by the listener */
    assert_int_equal(call_resume(&fetch.call), BROKER_ANSWER);
    assert_int_equal(read_batches(found(&fetch, 0), 10), 13);
    call_end(&fetch.call);
}

static void an_append_of_another_process_does_too(void **state)
{
    (void)state;
    log_topic("t", NULL, NULL, NULL);
    struct fetch_call fetch;
    fetch_from(&fetch, "t", 0);
    begin_waiting(&fetch, 1);
    pid_t pid = fork();
    if (pid == 0) {
        struct directory *directory;
        int64_t offset = -1;
        struct maplog_record record = {.value = "hello", .value_size = 5};
        struct writer writer;
        struct partition *partition;
        if (directory_open(log_path, NULL, &directory) == 0 &&
            directory_partition(directory, "t", 0, &partition) == 0 &&
            control_take_seat(&directory->view, &writer.seat) == 0 &&
            appender_open(partition, writer.seat, LONG_NS, &writer.appender) == 0)
            appender_append_record(&writer.appender, &record, clock_wall_ms(), &offset);
        _exit(offset == 0 ? 0 : 1);
    }
    assert_int_equal(call_wait(&fetch.call), BROKER_ANSWER);
    assert_true(clock_wall_ms() < fetch.call.request.deadline_ms);
    assert_int_equal(read_batches(found(&fetch, 0), 0), 1);
    call_end(&fetch.call);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* The topic was deleted and made again meanwhile: it has another control slot. */
static void a_topic_made_anew_is_heard_of(void **state)
{
    (void)state;
    log_topic("t", NULL, NULL, NULL);
    struct fetch_call fetch;
    fetch_from(&fetch, "t", 0);
    begin_waiting(&fetch, 1);
    assert_ok(directory_delete_topic(log_directory, "t"));
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    assert_int_equal(call_resume(&fetch.call), BROKER_PARK);
    log_fill(partition, 1, 1000, clock_wall_ms());
    assert_soon(atomic_load(&fetch.call.woken));
    assert_int_equal(call_resume(&fetch.call), BROKER_ANSWER);
    assert_int_equal(read_batches(found(&fetch, 0), 0), 1);
    call_end(&fetch.call);
}

static void it_waits_until_there_is_enough(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    struct fetch_call fetch;
    fetch_from(&fetch, "t", 0);
    begin_waiting(&fetch, 3000);
    log_fill(partition, 2, 1000, clock_wall_ms());
    assert_soon(atomic_load(&fetch.call.woken));
    assert_int_equal(call_resume(&fetch.call), BROKER_PARK);
    log_fill(partition, 1, 1000, clock_wall_ms()); /* heard of again */
    assert_int_equal(call_wait(&fetch.call), BROKER_ANSWER);
    assert_int_equal(read_batches(found(&fetch, 0), 0), 3);
    call_end(&fetch.call);
}

static void the_time_limit_ends_it(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    log_fill(partition, 1, 100, clock_wall_ms());
    struct fetch_call fetch;
    fetch_from(&fetch, "t", 0)->body.max_wait_ms = 20;
    fetch.body.min_bytes = 3000;
    assert_int_equal(call_begin(&fetch.call, FETCH, 11, &fetch.body), BROKER_PARK);
    assert_int_equal(call_wait(&fetch.call), BROKER_ANSWER);
    assert_int_equal(read_batches(found(&fetch, 0), 0), 1);
    call_end(&fetch.call);
}

static void nobody_waits_for_more_than_comes_at_once(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    log_fill(partition, 10, 1000, clock_wall_ms());
    struct fetch_call fetch;
    fetch_from(&fetch, "t", 0)->body.max_wait_ms = LATER_MS;
    fetch.body.min_bytes = INT32_MAX;
    fetch.body.max_bytes = 500;
    assert_int_equal(call_begin(&fetch.call, FETCH, 11, &fetch.body), BROKER_ANSWER);
    assert_int_equal(read_batches(found(&fetch, 0), 0), 1);
    call_end(&fetch.call);
}

static void an_error_is_answered_at_once(void **state)
{
    (void)state;
    make_partitions("t");
    struct fetch_call fetch;
    fetch_from(&fetch, "t", 10)->topic.partitions_count = 2;
    fetch.partitions[1].partition = 9;
    fetch.body.max_wait_ms = LATER_MS;
    assert_int_equal(call_begin(&fetch.call, FETCH, 11, &fetch.body), BROKER_ANSWER);
    assert_int_equal(found(&fetch, 0)->error_code, KAFKA_NONE);
    assert_int_equal(found(&fetch, 1)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    call_end(&fetch.call);
    fetch_from(&fetch, "t", 10)->body.max_wait_ms = LATER_MS;
    fetch.body.topics_count = 0; /* who asks for nothing does not wait for it */
    assert_int_equal(call_begin(&fetch.call, FETCH, 11, &fetch.body), BROKER_ANSWER);
    call_end(&fetch.call);
}

static void a_deleted_topic_ends_the_wait(void **state)
{
    (void)state;
    log_topic("t", NULL, NULL, NULL);
    struct fetch_call fetch;
    fetch_from(&fetch, "t", 0);
    begin_waiting(&fetch, 1);
    assert_ok(directory_delete_topic(log_directory, "t"));
    assert_int_equal(call_wait(&fetch.call), BROKER_ANSWER);
    assert_int_equal(found(&fetch, 0)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    call_end(&fetch.call);
}

static void a_vanished_client_is_forgotten(void **state)
{
    (void)state;
    log_topic("t", NULL, NULL, NULL);
    struct fetch_call fetch;
    fetch_from(&fetch, "t", 0);
    begin_waiting(&fetch, 1);
    int before = atomic_load(&wakes);
    call_end(&fetch.call);
    produce_ok("t", (struct sent){0});
    assert_int_equal(atomic_load(&wakes), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whole_batches_come_from_the_one_with_the_offset),
        TEST(nothing_is_empty_and_never_null),
        TEST(offsets_outside_are_an_error),
        TEST(topics_that_are_not_there),
        TEST(limits_of_bytes),
        TEST(zstd_is_not_for_old_clients),
        TEST(epochs_are_looked_at),
        TEST(a_helper_reads_what_lies_on_disk),
        TEST(a_producer_wakes_a_waiting_fetch),
        TEST(an_append_of_another_process_does_too),
        TEST(a_topic_made_anew_is_heard_of),
        TEST(it_waits_until_there_is_enough),
        TEST(the_time_limit_ends_it),
        TEST(nobody_waits_for_more_than_comes_at_once),
        TEST(an_error_is_answered_at_once),
        TEST(a_deleted_topic_ends_the_wait),
        TEST(a_vanished_client_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
