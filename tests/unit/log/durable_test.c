/* durable_test.c - the durable offset: what raises it, what never does, and who waits for whom. */
#include "log_fixture.h"

#include <errno.h>
#include <pthread.h>

#include "log/durable.h"

static int64_t durable_offset(const struct partition *partition)
{
    return (int64_t)load_acquire(&partition->control->durable_offset);
}

static void a_wait_syncs_up_to_the_published_end(void **state)
{
    (void)state;
    struct partition *partition = log_topic("wait", NULL, NULL, NULL);
    log_fill(partition, 3, 100, 1);
    assert_int_equal(durable_offset(partition), 0);
    assert_ok(durable_wait(partition, 2, LONG_NS));
    assert_int_equal(durable_offset(partition), 3);
    assert_int_equal(load_relaxed(&partition->control->flushes), 1);
    /* Nothing new: nothing to sync. */
    fault_set(FAULT_SYNC, 1, EIO, 1);
    assert_ok(durable_wait(partition, 3, LONG_NS));
    fault_clear();
    assert_int_equal(load_relaxed(&partition->control->flushes), 1);
    assert_code(MAPLOG_INVALID, durable_wait(partition, 4, LONG_NS));
}

static void I5_segments_are_synced_in_order(void **state)
{
    (void)state;
    struct partition *partition = log_topic("order", "segment.bytes=4096", NULL, NULL);
    log_fill(partition, 9, 1000, 1); /* three to a segment */
    int64_t bases[8];
    assert_int_equal(log_segments(partition, bases), 3);
    /* A segment's first sync is of the file and of two directories: the second segment fails. */
    fault_set(FAULT_SYNC, 4, EIO, 0);
    assert_code(MAPLOG_IO, durable_wait(partition, 9, LONG_NS));
    fault_clear();
    assert_int_equal(durable_offset(partition), bases[1]);
}

static void I5_after_a_failed_sync_nothing_is_acknowledged_any_more(void **state)
{
    (void)state;
    struct partition *partition = log_topic("fails", NULL, NULL, NULL);
    log_fill(partition, 2, 100, 1);
    assert_ok(durable_wait(partition, 2, LONG_NS));
    log_fill(partition, 1, 100, 1);
    fault_set(FAULT_SYNC, 1, EIO, 0);
    assert_code(MAPLOG_IO, durable_wait(partition, 3, LONG_NS));
    fault_clear();
    /* The disk works again, but what the kernel dropped is gone. */
    assert_code(MAPLOG_IO, durable_wait(partition, 3, LONG_NS));
    assert_non_null(strstr(error_text(), "fails-0/00000000000000000000.log"));
    assert_code(MAPLOG_IO, durable_sealed(partition, 3));
    assert_int_equal(durable_offset(partition), 2);
    assert_ok(durable_wait(partition, 2, LONG_NS)); /* that was durable before */
    /* Appends go on in memory. */
    log_fill(partition, 1, 100, 1);
    assert_int_equal(log_walk(partition), 4);
}

static void sealed_segments_are_flushed_without_the_active_one(void **state)
{
    (void)state;
    struct partition *partition = log_topic("sealed", "segment.bytes=4096", NULL, NULL);
    log_fill(partition, 8, 1000, 1);
    int64_t bases[8];
    assert_int_equal(log_segments(partition, bases), 3);
    assert_ok(durable_sealed(partition, bases[1]));
    assert_int_equal(durable_offset(partition), bases[1]);
    assert_ok(durable_wait(partition, bases[1] + 1, LONG_NS)); /* within a sealed segment */
    assert_int_equal(durable_offset(partition), bases[2]);
    assert_ok(durable_sealed(partition, INT64_MAX));
    assert_int_equal(durable_offset(partition), bases[2]);
    assert_ok(durable_wait(partition, 8, LONG_NS));
    assert_int_equal(durable_offset(partition), 8);
}

static void a_segment_that_retention_removed_is_skipped(void **state)
{
    (void)state;
    struct partition *partition = log_topic("removed", "segment.bytes=4096", NULL, NULL);
    log_fill(partition, 9, 1000, 1);
    assert_ok(partition_delete_records(partition, 4));
    assert_int_equal(log_segments(partition, NULL), 2);
    assert_ok(durable_wait(partition, 9, LONG_NS));
    assert_int_equal(durable_offset(partition), 9);
}

#define THREADS 6
#define RECORDS 40

static void *append_durably(void *argument)
{
    struct partition *partition = argument;
    struct writer writer;
    writer_open(partition, &writer);
    for (int i = 0; i < RECORDS; i++) {
        int64_t offset = writer_put(&writer, 100, 1);
        assert_true(offset >= 0);
        assert_ok(durable_wait(partition, offset + 1, LONG_NS));
        assert_true(durable_offset(partition) > offset);
    }
    writer_close(&writer);
    return NULL;
}

static void many_producers_share_flushes(void **state)
{
    (void)state;
    struct partition *partition = log_topic("many", "segment.bytes=16384", NULL, NULL);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, append_durably, partition), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(durable_offset(partition), THREADS * RECORDS);
    assert_true(load_relaxed(&partition->control->flushes) <= THREADS * RECORDS);
    assert_int_equal(log_walk(partition), THREADS * RECORDS);
}

static void a_flush_expects_those_whom_the_last_one_woke(void **state)
{
    (void)state;
    struct partition *partition = log_topic("company", NULL, NULL, NULL);
    struct control_partition *control = partition->control;
    log_fill(partition, 1, 100, 1);
    store_relaxed(&control->flush_waiters, 3); /* as left by waiters that were killed */
    assert_ok(durable_wait(partition, 1, LONG_NS));
    assert_int_equal(load_relaxed(&control->flush_waiters), 0);
    assert_int_equal(load_relaxed(&control->flush_group), 3);
    log_fill(partition, 1, 100, 1);
    store_relaxed(&control->flush_us, UINT32_MAX); /* nobody comes: it does not wait that long */
    assert_ok(durable_wait(partition, 2, LONG_NS));
    assert_int_equal(load_relaxed(&control->flush_group), 0);
    assert_true(load_relaxed(&control->flush_us) < UINT32_MAX);
}

/* A process that became the flusher and stays inside until it is killed. */
static void flush_for_ever(int say)
{
    struct directory *directory;
    bool died;
    if (directory_open(log_path, NULL, &directory) != 0)
        _exit(1);
    struct control_partition *control = &directory->view.control->partitions[0];
    if (thread_mutex_lock(&control->flusher, 0, &died) != 0)
        _exit(2);
    store_relaxed(&control->flusher_process, directory->view.process + 1);
    if (write(say, "", 1) != 1)
        _exit(3);
    for (;;)
        pause();
}

static void a_killed_flusher_is_replaced(void **state)
{
    (void)state;
    struct partition *partition = log_topic("killed", NULL, NULL, NULL);
    assert_int_equal(partition->slot, 0);
    log_fill(partition, 5, 100, 1);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        flush_for_ever(ends[1]);
    char word;
    assert_int_equal(read(ends[0], &word, 1), 1);
    assert_code(MAPLOG_TIMED_OUT, durable_wait(partition, 5, 20000000));
    char process[32];
    snprintf(process, sizeof process, "%d (", (int)child);
    assert_non_null(strstr(error_text(), process)); /* it names who is in the way */
    assert_code(MAPLOG_BUSY, durable_sealed(partition, 5));
    kill(child, SIGKILL);
    assert_ok(durable_wait(partition, 5, LONG_NS));
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ends[0]);
    close(ends[1]);
}

static void a_log_in_memory_is_never_durable(void **state)
{
    (void)state;
    struct directory *memory;
    assert_ok(anonymous_open(NULL, &memory));
    struct partition *partition = log_partition(memory, "anonymous");
    log_fill(partition, 1, 10, 1);
    assert_code(MAPLOG_NOT_PERSISTENT, durable_wait(partition, 1, LONG_NS));
    directory_drop(memory);
}

static void an_announcement_is_seen_by_all(void **state)
{
    (void)state;
    struct partition *partition = log_topic("announced", NULL, NULL, NULL);
    struct directory *other = log_attach();
    durable_announce(partition);
    assert_int_equal(load_relaxed(&log_partition(other, "announced")->control->durable_policy), 1);
    directory_drop(other);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(a_wait_syncs_up_to_the_published_end),
        EACH(I5_segments_are_synced_in_order),
        EACH(I5_after_a_failed_sync_nothing_is_acknowledged_any_more),
        EACH(sealed_segments_are_flushed_without_the_active_one),
        EACH(a_segment_that_retention_removed_is_skipped),
        EACH(many_producers_share_flushes),
        EACH(a_flush_expects_those_whom_the_last_one_woke),
        EACH(a_killed_flusher_is_replaced),
        EACH(a_log_in_memory_is_never_durable),
        EACH(an_announcement_is_seen_by_all),
    };
    return cmocka_run_group_tests_name("durable", tests, NULL, NULL);
}
