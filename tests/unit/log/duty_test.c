/* duty_test.c - what the keeper does in its rounds, at times that the test chooses. */
#include "log_fixture.h"

#include <errno.h>

#include "log/checkpoint.h"
#include "log/duty.h"

#define SECOND 1000ll
#define RECORD 1000 /* bytes of a value: three records fill a segment of 4096 bytes */

static struct duty *duty;
static int64_t now_ms;

static int make(void **state)
{
    now_ms = clock_wall_ms();
    return log_make(state) || duty_make(log_directory, &duty) ? -1 : 0;
}

static int end(void **state)
{
    duty_end(duty);
    return log_remove(state);
}

static void round_after(int64_t ms)
{
    now_ms += ms;
    duty_round(duty, now_ms);
}

static int64_t durable_offset(const struct partition *partition)
{
    return (int64_t)load_acquire(&partition->control->durable_offset);
}

/* A partition's offset in a checkpoint file; -1: not in it. */
static int64_t stored(const char *path, const char *topic)
{
    struct checkpoint_offset *entries = NULL;
    size_t count = 0;
    int64_t offset = -1;
    assert_ok(checkpoint_load_offsets(log_directory->fd, path, &entries, &count));
    for (size_t i = 0; i < count; i++)
        if (strcmp(entries[i].topic, topic) == 0)
            offset = entries[i].offset;
    free(entries);
    return offset;
}

static void retention_is_applied(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("retained", "segment.bytes=4096", "retention.bytes=1", NULL);
    log_fill(partition, 10, RECORD, now_ms);
    round_after(SECOND);
    assert_int_equal(partition_start(partition), 9);
    log_fill(partition, 10, RECORD, now_ms);
    round_after(SECOND);
    assert_int_equal(partition_start(partition), 18);
    /* Settings count from the next round on. */
    log_alter("retained", "retention.bytes=-1");
    log_fill(partition, 10, RECORD, now_ms);
    round_after(SECOND);
    assert_int_equal(partition_start(partition), 18);
}

static void an_idle_segment_expires_in_time(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("idle", "segment.bytes=4096", "retention.ms=100000", NULL);
    log_fill(partition, 4, RECORD, now_ms);
    round_after(0);
    round_after(100 * SECOND);
    assert_int_equal(partition_start(partition), 0);
    round_after(1);
    assert_int_equal(partition_start(partition), 4);
    round_after(SECOND);
    assert_int_equal(log_segments(partition, NULL), 1);
}

static void an_idle_segment_is_rolled_after_segment_ms(void **state)
{
    (void)state;
    struct partition *partition = log_topic("aged", "segment.ms=60000", NULL, NULL);
    log_fill(partition, 2, RECORD, now_ms);
    round_after(0);
    round_after(59 * SECOND);
    assert_int_equal(log_segments(partition, NULL), 1);
    round_after(2 * SECOND);
    assert_int_equal(log_segments(partition, NULL), 2);
    round_after(1000 * SECOND); /* an empty one is not rolled */
    assert_int_equal(log_segments(partition, NULL), 2);
    log_fill(partition, 2, RECORD, now_ms);
    assert_int_equal(log_walk(partition), 4);
}

static void flush_ms_is_kept(void **state)
{
    (void)state;
    struct partition *partition = log_topic("timed", "flush.ms=5000", NULL, NULL);
    log_fill(partition, 2, RECORD, now_ms);
    round_after(0);
    round_after(4 * SECOND);
    assert_int_equal(durable_offset(partition), 0);
    round_after(SECOND);
    assert_int_equal(durable_offset(partition), 2);
    round_after(100 * SECOND);
    log_fill(partition, 1, RECORD, now_ms);
    round_after(SECOND); /* the time runs from the first record that is not durable */
    assert_int_equal(durable_offset(partition), 2);
    round_after(5 * SECOND);
    assert_int_equal(durable_offset(partition), 3);
}

static void flush_messages_is_kept(void **state)
{
    (void)state;
    struct partition *partition = log_topic("counted", "flush.messages=10", NULL, NULL);
    log_fill(partition, 9, RECORD, now_ms);
    round_after(SECOND);
    assert_int_equal(durable_offset(partition), 0);
    log_fill(partition, 1, RECORD, now_ms);
    round_after(SECOND);
    assert_int_equal(durable_offset(partition), 10);
}

static void sealed_segments_are_flushed_after_a_while(void **state)
{
    (void)state;
    struct partition *partition = log_topic("sealed", "segment.bytes=4096", NULL, NULL);
    log_fill(partition, 7, RECORD, now_ms);
    round_after(0);
    round_after(15 * SECOND);
    log_fill(partition, 6, RECORD, now_ms); /* segments 6 and 9 are young */
    round_after(14 * SECOND);
    assert_int_equal(durable_offset(partition), 0);
    round_after(SECOND);
    assert_int_equal(durable_offset(partition), 6);
    round_after(29 * SECOND);
    assert_int_equal(durable_offset(partition), 6);
    round_after(SECOND);
    assert_int_equal(durable_offset(partition), 12);
    round_after(1000 * SECOND); /* never the active one */
    assert_int_equal(durable_offset(partition), 12);
}

static void a_failed_flush_is_not_tried_again(void **state)
{
    (void)state;
    struct partition *partition = log_topic("broken", "flush.ms=1000", NULL, NULL);
    log_fill(partition, 1, RECORD, now_ms);
    round_after(0);
    fault_set(FAULT_SYNC, 1, EIO, 0);
    round_after(SECOND);
    fault_clear();
    assert_int_equal(load_acquire(&partition->control->flush_failed), EIO);
    round_after(SECOND);
    assert_int_equal(durable_offset(partition), 0);
}

static void checkpoints_follow_once_a_minute(void **state)
{
    (void)state;
    struct partition *partition = log_topic("pointed", "segment.bytes=4096", "flush.ms=1000", NULL);
    log_fill(partition, 7, RECORD, now_ms);
    round_after(0);
    round_after(SECOND);
    assert_int_equal(durable_offset(partition), 7);
    round_after(SECOND);
    assert_int_equal(stored(CHECKPOINT_RECOVERY_POINT, "pointed"), -1);
    round_after(60 * SECOND);
    assert_int_equal(stored(CHECKPOINT_RECOVERY_POINT, "pointed"), 7);
    assert_int_equal(stored(CHECKPOINT_LOG_START, "pointed"), -1);
    /* Nothing new: the file is left alone. */
    assert_ok(file_remove(log_directory->fd, CHECKPOINT_RECOVERY_POINT));
    round_after(120 * SECOND);
    assert_int_equal(stored(CHECKPOINT_RECOVERY_POINT, "pointed"), -1);
}

static void deleted_records_are_remembered_at_once(void **state)
{
    (void)state;
    struct partition *partition = log_topic("deleted", NULL, NULL, NULL);
    log_fill(partition, 7, RECORD, now_ms);
    round_after(0);
    assert_ok(partition_delete_records(partition, 3));
    round_after(SECOND);
    assert_int_equal(stored(CHECKPOINT_LOG_START, "deleted"), 3);
}

static void more_partitions_than_one_round_takes_all_get_their_turn(void **state)
{
    (void)state;
    const char *configs[] = {"flush.messages=2", NULL};
    assert_ok(directory_create_topic(log_directory, "wide", 600, configs));
    for (int32_t i = 0; i < 600; i++) {
        struct partition *partition;
        assert_ok(directory_partition(log_directory, "wide", i, &partition));
        log_fill(partition, 2, 10, now_ms);
    }
    for (int i = 0; i < 3; i++)
        round_after(SECOND);
    for (int32_t i = 0; i < 600; i++) {
        struct partition *partition;
        assert_ok(directory_partition(log_directory, "wide", i, &partition));
        assert_int_equal(durable_offset(partition), 2);
    }
}

static void a_deleted_topic_is_no_trouble(void **state)
{
    (void)state;
    struct partition *partition = log_topic("gone", "flush.ms=1000", NULL, NULL);
    log_fill(partition, 2, RECORD, now_ms);
    round_after(0);
    assert_ok(directory_delete_topic(log_directory, "gone"));
    round_after(10 * SECOND);
    partition = log_topic("new", "flush.ms=1000", NULL, NULL); /* maybe in the same slot */
    log_fill(partition, 3, RECORD, now_ms);
    round_after(SECOND);
    round_after(SECOND);
    assert_int_equal(durable_offset(partition), 3);
}

static void only_one_keeper_at_a_time(void **state)
{
    (void)state;
    struct directory *other = log_attach();
    struct duty *first = NULL, *second = NULL;
    assert_ok(duty_begin(log_directory, &first));
    assert_code(MAPLOG_BUSY, duty_begin(other, &second));
    assert_null(second);
    duty_end(first);
    assert_ok(duty_begin(other, &second));
    duty_end(second);
    directory_drop(other);
    duty_end(NULL);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, make, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(retention_is_applied),
        EACH(an_idle_segment_expires_in_time),
        EACH(an_idle_segment_is_rolled_after_segment_ms),
        EACH(flush_ms_is_kept),
        EACH(flush_messages_is_kept),
        EACH(sealed_segments_are_flushed_after_a_while),
        EACH(a_failed_flush_is_not_tried_again),
        EACH(checkpoints_follow_once_a_minute),
        EACH(deleted_records_are_remembered_at_once),
        EACH(more_partitions_than_one_round_takes_all_get_their_turn),
        EACH(a_deleted_topic_is_no_trouble),
        EACH(only_one_keeper_at_a_time),
    };
    return cmocka_run_group_tests_name("duty", tests, NULL, NULL);
}
