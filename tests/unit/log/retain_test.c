/* retain_test.c - which segments go, by size, by age and below the log start, and which never do.
 */
#include "log_fixture.h"

#include "log/retain.h"

#define HOUR 3600000ll
#define NOW (1000 * HOUR)
#define RECORD 1000 /* bytes of a value: three records fill a segment of 4096 bytes */

static int64_t segment_bytes(struct partition *partition, int64_t base)
{
    struct segment_sizes sizes;
    assert_ok(partition->store->sizes(partition, base, &sizes));
    return (int64_t)sizes.log;
}

static void by_size_the_oldest_go_while_the_rest_holds_enough(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("size", "segment.bytes=4096", "retention.ms=-1", "retention.bytes=-1");
    log_fill(partition, 14, RECORD, NOW); /* 0 3 6 9, active 12 with two records */
    int64_t bases[8];
    assert_int_equal(log_segments(partition, bases), 5);
    assert_ok(retain_apply(partition, NOW));
    assert_int_equal(log_segments(partition, NULL), 5);
    struct partition_end end;
    partition_end(partition, &end);
    int64_t three = segment_bytes(partition, 6) + segment_bytes(partition, 9) + end.position;
    char config[64];
    snprintf(config, sizeof config, "retention.bytes=%lld", (long long)three + 1);
    log_alter("size", config);
    assert_ok(retain_apply(partition, NOW)); /* without segment 3 a byte would be missing */
    assert_int_equal(partition_start(partition), 3);
    assert_int_equal(log_segments(partition, bases), 4);
    assert_int_equal(bases[0], 3);
    snprintf(config, sizeof config, "retention.bytes=%lld", (long long)three);
    log_alter("size", config);
    assert_ok(retain_apply(partition, NOW));
    assert_int_equal(partition_start(partition), 6);
    assert_int_equal(log_segments(partition, NULL), 3);
    log_alter("size", "retention.bytes=0"); /* even then the active one stays */
    assert_ok(retain_apply(partition, NOW));
    assert_int_equal(log_segments(partition, bases), 1);
    assert_int_equal(bases[0], 12);
    assert_int_equal(log_walk(partition), 2);
}

static void by_age_a_segment_goes_when_its_newest_record_is_too_old(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("age", "segment.bytes=4096", "retention.ms=3600000", NULL);
    for (int i = 0; i < 11; i++) /* segments end with hours 2, 5, 8; active: 9, 10 */
        log_fill(partition, 1, RECORD, NOW + i * HOUR);
    int64_t next_ms;
    assert_ok(retain_check(partition, NOW + 3 * HOUR, &next_ms));
    assert_int_equal(partition_start(partition), 0); /* exactly retention.ms is not too old */
    assert_int_equal(next_ms, NOW + 3 * HOUR + 1);
    assert_ok(retain_check(partition, next_ms, &next_ms));
    assert_int_equal(partition_start(partition), 3);
    assert_int_equal(next_ms, NOW + 6 * HOUR + 1);
    assert_ok(retain_check(partition, NOW + 10 * HOUR, &next_ms));
    assert_int_equal(partition_start(partition), 9);
    assert_int_equal(log_segments(partition, NULL), 1);
    assert_int_equal(next_ms, NOW + 11 * HOUR + 1); /* the active one's turn */
}

static void an_old_segment_behind_a_young_one_stays(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("mixed", "segment.bytes=4096", "retention.ms=3600000", NULL);
    log_fill(partition, 3, RECORD, NOW);
    log_fill(partition, 3, RECORD, NOW - 9 * HOUR);
    log_fill(partition, 1, RECORD, NOW);
    assert_ok(retain_apply(partition, NOW));
    assert_int_equal(log_segments(partition, NULL), 3);
}

static void an_expired_active_segment_is_rolled_and_goes(void **state)
{
    (void)state;
    struct partition *partition = log_topic("expired", "retention.ms=3600000", NULL, NULL);
    log_fill(partition, 5, RECORD, NOW);
    int64_t next_ms;
    assert_ok(retain_check(partition, NOW + 2 * HOUR, &next_ms));
    assert_int_equal(partition_start(partition), 5);
    int64_t bases[4];
    assert_int_equal(log_segments(partition, bases), 1);
    assert_int_equal(bases[0], 5);
    assert_int_equal(next_ms, INT64_MAX);
    /* An empty active segment is not rolled again and again. */
    assert_ok(retain_apply(partition, NOW + 9 * HOUR));
    assert_int_equal(log_end(partition), 5);
    log_fill(partition, 1, RECORD, NOW + 9 * HOUR);
    assert_int_equal(log_walk(partition), 1);
}

static void a_writer_at_work_keeps_the_expired_active_segment(void **state)
{
    (void)state;
    struct partition *partition = log_topic("busy", "retention.ms=3600000", NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    assert_int_equal(writer_put(&writer, RECORD, NOW), 0);
    assert_int_equal(lease_enter(&writer.appender.lease, LONG_NS), 0);
    assert_ok(retain_apply(partition, NOW + 2 * HOUR)); /* waits for nobody */
    assert_int_equal(partition_start(partition), 0);
    lease_leave(&writer.appender.lease);
    assert_ok(retain_apply(partition, NOW + 2 * HOUR));
    assert_int_equal(partition_start(partition), 1);
    assert_int_equal(writer_put(&writer, RECORD, NOW), 1);
    writer_close(&writer);
}

static void without_timestamps_the_file_time_counts(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("untimed", "segment.bytes=4096", "retention.ms=3600000", NULL);
    log_fill(partition, 4, RECORD, -1);
    assert_ok(retain_apply(partition, clock_wall_ms()));
    assert_int_equal(partition_start(partition), 0);
    assert_ok(retain_apply(partition, clock_wall_ms() + 2 * HOUR));
    assert_int_equal(partition_start(partition), 4);
}

static void a_compacted_topic_keeps_all_but_what_lies_below_the_start(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("compacted", "segment.bytes=4096", "retention.ms=1", "cleanup.policy=compact");
    log_fill(partition, 9, RECORD, NOW);
    assert_ok(retain_apply(partition, NOW + HOUR));
    assert_int_equal(log_segments(partition, NULL), 3);
    raise_to(&partition->control->log_start, 3);
    assert_ok(retain_apply(partition, NOW + HOUR));
    assert_int_equal(log_segments(partition, NULL), 2);
}

static void only_whole_segments_below_the_start_are_removed(void **state)
{
    (void)state;
    struct partition *partition = log_topic("start", "segment.bytes=4096", NULL, NULL);
    log_fill(partition, 8, RECORD, NOW);
    int64_t bases[4];
    assert_ok(partition_delete_records(partition, 5));
    assert_int_equal(log_segments(partition, bases), 2);
    assert_int_equal(bases[0], 3);
    assert_ok(partition_delete_records(partition, -1));
    assert_int_equal(log_segments(partition, bases), 1);
    assert_int_equal(bases[0], 6); /* active, although nothing in it can be read any more */
    assert_int_equal(partition_start(partition), 8);
    log_fill(partition, 1, RECORD, NOW);
    struct reader reader;
    struct batch batch;
    reader_init(&reader, partition, 8);
    assert_int_equal(reader_next(&reader, &batch), 1);
    assert_int_equal(batch.base_offset, 8);
    reader_close(&reader);
}

/* Left over by a process that died between raising the start and removing. */
static void left_over_segments_go_with_the_next_round(void **state)
{
    (void)state;
    struct partition *partition = log_topic("left", "segment.bytes=4096", NULL, NULL);
    log_fill(partition, 8, RECORD, clock_wall_ms());
    raise_to(&partition->control->log_start, 6);
    assert_ok(retain_apply(partition, clock_wall_ms()));
    assert_int_equal(log_segments(partition, NULL), 1);
}

static void I1_a_reader_keeps_the_bytes_of_a_removed_segment(void **state)
{
    (void)state;
    struct partition *partition = log_topic("kept", "segment.bytes=4096", NULL, NULL);
    log_fill(partition, 7, RECORD, clock_wall_ms());
    struct reader reader;
    struct batch batch;
    reader_init(&reader, partition, 0);
    assert_int_equal(reader_next(&reader, &batch), 1);
    uint8_t *copy = malloc(batch.size);
    memcpy(copy, batch.bytes, batch.size);
    assert_ok(partition_delete_records(partition, 6));
    assert_int_equal(log_segments(partition, NULL), 1);
    assert_memory_equal(copy, batch.bytes, batch.size);
    /* It also reads on in the segment that it holds. */
    assert_int_equal(reader_next(&reader, &batch), 1);
    assert_int_equal(batch.base_offset, 1);
    free(copy);
    reader_close(&reader);
}

static void two_processes_may_tidy_at_once(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("twice", "segment.bytes=4096", "retention.bytes=1", NULL);
    log_fill(partition, 30, RECORD, clock_wall_ms());
    struct directory *other = log_attach();
    struct partition *same = log_partition(other, "twice");
    pid_t child = fork();
    if (child == 0) {
        struct directory *own;
        struct partition *twice;
        if (directory_open(log_path, NULL, &own) || directory_partition(own, "twice", 0, &twice))
            _exit(1);
        int result = retain_apply(twice, clock_wall_ms());
        directory_drop(own);
        _exit(result ? 2 : 0);
    }
    assert_ok(retain_apply(same, clock_wall_ms()));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(log_segments(partition, NULL), 1);
    directory_drop(other);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(by_size_the_oldest_go_while_the_rest_holds_enough),
        EACH(by_age_a_segment_goes_when_its_newest_record_is_too_old),
        EACH(an_old_segment_behind_a_young_one_stays),
        EACH(an_expired_active_segment_is_rolled_and_goes),
        EACH(a_writer_at_work_keeps_the_expired_active_segment),
        EACH(without_timestamps_the_file_time_counts),
        EACH(a_compacted_topic_keeps_all_but_what_lies_below_the_start),
        EACH(only_whole_segments_below_the_start_are_removed),
        EACH(left_over_segments_go_with_the_next_round),
        EACH(I1_a_reader_keeps_the_bytes_of_a_removed_segment),
        EACH(two_processes_may_tidy_at_once),
    };
    return cmocka_run_group_tests_name("retain", tests, NULL, NULL);
}
