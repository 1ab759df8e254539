/* producers_test.c - the rules of KIP-98, and state that outlives the process. */
#include "producer_batches.h"

#include "log/retain.h"

/* ---- the rules: on an empty partition, offsets are made up ------------------------------------
 */

static struct partition *partition;
static struct producers *producers;

static int make(void **state)
{
    int result = log_make(state);
    if (result)
        return result;
    partition = log_topic("t", "segment.bytes=4096", NULL, NULL);
    producers = load_producers(partition, "");
    return 0;
}

static int drop(void **state)
{
    producers_free(producers);
    producers = NULL;
    return log_remove(state);
}

static void an_unknown_producer_may_begin_anywhere(void **state)
{
    (void)state;
    assert_verdict(PRODUCERS_APPEND, producers, .producer = 1, .records = 1);
    assert_verdict(PRODUCERS_APPEND, producers, .producer = 1, .records = 1, .sequence = 77);
    assert_verdict(PRODUCERS_APPEND, producers, .producer = 1, .records = 3, .sequence = INT32_MAX);
}

static void the_next_sequence_follows_the_last(void **state)
{
    (void)state;
    add_sent(producers, (struct sent){.producer = 1, .records = 10}, 100);
    assert_verdict(PRODUCERS_APPEND, producers, .producer = 1, .records = 1, .sequence = 10);
    assert_verdict(PRODUCERS_APPEND, producers, .producer = 2, .records = 1, .sequence = 3);
    assert_verdict(PRODUCERS_OUT_OF_ORDER, producers, .producer = 1, .records = 1, .sequence = 11);
    assert_verdict(PRODUCERS_OUT_OF_ORDER, producers, .producer = 1, .records = 1, .sequence = 9);
    assert_verdict(PRODUCERS_OUT_OF_ORDER, producers, .producer = 1, .records = 1, .sequence = 0);
}

static void a_batch_sent_again_is_found(void **state)
{
    (void)state;
    for (int i = 0; i < 7; i++) /* 3 records each, others between them */
        add_sent(producers, (struct sent){.producer = 1, .records = 3, .sequence = 3 * i}, 10 * i);
    for (int i = 0; i < 7; i++) {
        if (i < 2) /* only five are known */
            assert_verdict(PRODUCERS_OUT_OF_ORDER, producers, .producer = 1, .records = 3,
                           .sequence = 3 * i);
        else
            assert_duplicate(10 * i, producers, .producer = 1, .records = 3, .sequence = 3 * i);
        /* Both ends must be the same. */
        assert_verdict(PRODUCERS_OUT_OF_ORDER, producers, .producer = 1, .records = 2,
                       .sequence = 3 * i);
        assert_verdict(PRODUCERS_OUT_OF_ORDER, producers, .producer = 1, .records = 2,
                       .sequence = 3 * i + 1);
    }
}

static void the_largest_timestamp_is_told(void **state)
{
    (void)state;
    struct sent sent = {.producer = 1, .records = 2, .timestamp = 1234};
    struct producers_found found;
    struct batch batch = header_of(sent);
    add_sent(producers, sent, 8);
    assert_int_equal(producers_check(producers, &batch, &found), PRODUCERS_DUPLICATE);
    assert_int_equal(found.timestamp, 1234);
    assert_int_equal(found.base_offset, 8);
}

static void sequences_go_round(void **state)
{
    (void)state;
    add_sent(producers, (struct sent){.producer = 1, .records = 2, .sequence = INT32_MAX - 1}, 0);
    assert_verdict(PRODUCERS_APPEND, producers, .producer = 1, .records = 1, .sequence = 0);
    add_sent(producers, (struct sent){.producer = 2, .records = 5, .sequence = INT32_MAX - 1}, 7);
    assert_verdict(PRODUCERS_APPEND, producers, .producer = 2, .records = 1, .sequence = 3);
    assert_duplicate(7, producers, .producer = 2, .records = 5, .sequence = INT32_MAX - 1);
    assert_verdict(PRODUCERS_OUT_OF_ORDER, producers, .producer = 2, .records = 1, .sequence = 0);
    assert_int_equal(list_producers(producers).entries[1].last_sequence, 2);
}

static void a_new_epoch_begins_at_zero(void **state)
{
    (void)state;
    add_sent(producers, (struct sent){.producer = 1, .epoch = 4, .records = 3}, 0);
    assert_verdict(PRODUCERS_OUT_OF_ORDER, producers, .producer = 1, .epoch = 5, .records = 1,
                   .sequence = 3);
    assert_verdict(PRODUCERS_APPEND, producers, .producer = 1, .epoch = 5, .records = 3);
    add_sent(producers, (struct sent){.producer = 1, .epoch = 5, .records = 3}, 3);
    assert_duplicate(3, producers, .producer = 1, .epoch = 5, .records = 3);
    assert_verdict(PRODUCERS_FENCED, producers, .producer = 1, .epoch = 4, .records = 1,
                   .sequence = 3);
    assert_verdict(PRODUCERS_FENCED, producers, .producer = 1, .epoch = 4, .records = 3);
}

static void a_marker_ends_an_epoch(void **state)
{
    (void)state;
    add_sent(producers, (struct sent){.producer = 1, .epoch = 4, .records = 3}, 0);
    add_sent(producers,
             (struct sent){.producer = 1,
                           .epoch = 5,
                           .records = 1,
                           .sequence = -1,
                           .attributes = ATTRIBUTE_CONTROL | ATTRIBUTE_TRANSACTIONAL},
             3);
    assert_verdict(PRODUCERS_FENCED, producers, .producer = 1, .epoch = 4, .records = 1,
                   .sequence = 3);
    assert_verdict(PRODUCERS_OUT_OF_ORDER, producers, .producer = 1, .epoch = 5, .records = 1,
                   .sequence = 3);
    assert_verdict(PRODUCERS_APPEND, producers, .producer = 1, .epoch = 5, .records = 1);
    struct producers_entry entry = list_producers(producers).entries[0];
    assert_int_equal(entry.last_offset, -1);
    assert_int_equal(entry.last_sequence, -1);
}

static void old_ones_are_forgotten(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        add_sent(producers, (struct sent){.producer = i, .records = 1, .timestamp = BATCH_NOW + i},
                 i);
    producers_expire(producers, BATCH_NOW);
    assert_int_equal(list_producers(producers).count, 10);
    producers_expire(producers, BATCH_NOW + 7);
    struct listed listed = list_producers(producers);
    assert_int_equal(listed.count, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(listed.entries[i].producer_id, 7 + i);
    assert_verdict(PRODUCERS_APPEND, producers, .producer = 6, .records = 1, .sequence = 40);
}

static int end_early(void *context, const struct producers_entry *entry)
{
    ++*(int *)context;
    return entry->producer_id == 2 ? 99 : 0;
}

static void what_is_known_is_listed(void **state)
{
    (void)state;
    int visited = 0;
    for (int i = 0; i < 4; i++)
        add_sent(producers, (struct sent){.producer = i, .epoch = 1, .records = 2, .sequence = 6},
                 10 + i * 2);
    struct producers_entry entry = list_producers(producers).entries[3];
    assert_int_equal(entry.producer_id, 3);
    assert_int_equal(entry.epoch, 1);
    assert_int_equal(entry.last_sequence, 7);
    assert_int_equal(entry.last_offset, 17);
    assert_int_equal(entry.offset_delta, 1);
    assert_int_equal(entry.timestamp, BATCH_NOW);
    assert_int_equal(producers_list(producers, end_early, &visited), 99);
    assert_int_equal(visited, 3);
}

/* ---- what the log says ------------------------------------------------------------------------
 */

/* Appends as the door does: checked, appended, added; a snapshot when a segment began. */
struct door {
    struct writer writer;
    int64_t base; /* of the active segment */
};

static int64_t door_put(struct door *door, struct sent sent)
{
    assert_verdict(PRODUCERS_APPEND, producers, .producer = sent.producer, .epoch = sent.epoch,
                   .records = sent.records, .sequence = sent.sequence);
    int64_t offset = append_sent(&door->writer, sent);
    struct partition_end end;
    partition_end(partition, &end);
    if (end.base != door->base)
        assert_ok(producers_store(producers, end.base));
    door->base = end.base;
    add_sent(producers, sent, offset);
    return offset;
}

static void reload(const char *note)
{
    producers_free(producers);
    producers = load_producers(partition, note);
}

/* Batches of 2 records, `count` of each producer in turn; their offsets. */
static void put_row(struct door *door, int32_t first, int count, int of, int64_t offsets[][4])
{
    for (int i = 0; i < count; i++)
        for (int p = 0; p < of; p++)
            offsets[i][p] = door_put(
                door, (struct sent){
                          .producer = p, .records = 2, .sequence = 2 * (first + i), .value = 400});
}

static void state_comes_from_the_log_alone(void **state)
{
    (void)state;
    struct door door = {.base = 0};
    int64_t offsets[20][4];
    writer_open(partition, &door.writer);
    put_row(&door, 0, 20, 3, offsets);
    writer_close(&door.writer);
    const struct producer_place place = place_of(partition);
    assert_ok(producer_snapshot_prune(&place, -1));
    reload("");
    assert_int_equal(list_producers(producers).count, 3);
    for (int p = 0; p < 3; p++)
        for (int i = 15; i < 20; i++)
            assert_duplicate(offsets[i][p], producers, .producer = p, .records = 2,
                             .sequence = 2 * i);
    assert_verdict(PRODUCERS_APPEND, producers, .producer = 0, .records = 1, .sequence = 40);
    /* The next one need not look at all of it. */
    int64_t snapshots[8];
    assert_int_equal(snapshots_of(partition, snapshots), 1);
    assert_int_equal(snapshots[0], log_end(partition));
    reload("");
    assert_int_equal(list_producers(producers).count, 3);
    for (int p = 0; p < 3; p++)
        assert_duplicate(offsets[19][p], producers, .producer = p, .records = 2, .sequence = 38);
}

static void snapshots_are_kept_and_read(void **state)
{
    (void)state;
    struct door door = {.base = 0};
    int64_t offsets[20][4], bases[64], snapshots[8];
    writer_open(partition, &door.writer);
    /* Long ago, and only then. */
    int64_t early = door_put(&door, (struct sent){.producer = 3, .records = 2, .sequence = 5});
    put_row(&door, 0, 20, 3, offsets);
    writer_close(&door.writer);
    size_t segments = log_segments(partition, bases);
    assert_true(segments > 6);
    assert_int_equal(snapshots_of(partition, snapshots), PRODUCER_SNAPSHOT_KEPT);
    assert_int_equal(snapshots[2], bases[segments - 1]);
    reload("");
    assert_int_equal(list_producers(producers).count, 4);
    assert_duplicate(early, producers, .producer = 3, .records = 2, .sequence = 5);
    for (int p = 0; p < 3; p++)
        assert_duplicate(offsets[19][p], producers, .producer = p, .records = 2, .sequence = 38);
    /* A second writing gives the same, with less to know. */
    assert_ok(producers_store(producers, log_end(partition)));
    reload("");
    assert_duplicate(early, producers, .producer = 3, .records = 2, .sequence = 5);
    for (int p = 0; p < 3; p++)
        assert_duplicate(offsets[19][p], producers, .producer = p, .records = 2, .sequence = 38);
}

/* The five last of a producer are known again when they lie in the last two segments. */
static void the_window_spans_segments(void **state)
{
    (void)state;
    struct door door = {.base = 0};
    int64_t offsets[5];
    writer_open(partition, &door.writer);
    for (int i = 0; i < 5; i++) {
        offsets[i] = door_put(
            &door, (struct sent){.producer = 1, .records = 1, .sequence = i, .value = 1000});
        reload("");
        for (int k = 0; k <= i; k++)
            assert_duplicate(offsets[k], producers, .producer = 1, .records = 1, .sequence = k);
    }
    assert_true(door.base > 0);
    writer_close(&door.writer);
}

static void a_snapshot_holds_what_lies_below(void **state)
{
    (void)state;
    struct door door = {.base = 0};
    writer_open(partition, &door.writer);
    for (int i = 0; i < 3; i++)
        door_put(&door, (struct sent){.producer = 1, .records = 1, .sequence = i});
    door_put(&door, (struct sent){.producer = 2, .records = 1});
    writer_close(&door.writer);
    assert_ok(producers_store(producers, 2));
    const struct producer_place place = place_of(partition);
    struct producers_entry *entries;
    size_t count;
    assert_ok(producer_snapshot_load(&place, 2, &entries, &count));
    assert_int_equal(count, 1);
    assert_int_equal(entries[0].last_sequence, 1);
    assert_int_equal(entries[0].last_offset, 1);
    free(entries);
}

static void damaged_snapshots_are_passed_over(void **state)
{
    (void)state;
    struct door door = {.base = 0};
    int64_t offsets[20][4], snapshots[8];
    const struct producer_place place = place_of(partition);
    writer_open(partition, &door.writer);
    int64_t early = door_put(&door, (struct sent){.producer = 3, .records = 2, .sequence = 5});
    put_row(&door, 0, 20, 3, offsets);
    writer_close(&door.writer);
    assert_int_equal(snapshots_of(partition, snapshots), 3);
    for (int i = 2; i >= 0; i--) {
        assert_ok(producer_snapshot_store(&place, snapshots[i], (const uint8_t *)"\0\1rubbish", 9,
                                          false));
        reload("9 bytes");
        assert_duplicate(early, producers, .producer = 3, .records = 2, .sequence = 5);
        for (int p = 0; p < 3; p++)
            assert_duplicate(offsets[19][p], producers, .producer = p, .records = 2,
                             .sequence = 38);
        assert_ok(producer_snapshot_prune(&place, snapshots[2])); /* the good one of this time */
    }
}

static void snapshots_of_another_log_are_ignored(void **state)
{
    (void)state;
    const struct producer_place place = place_of(partition);
    const struct producers_entry other = {9, 0, 4, 4, 0, BATCH_NOW};
    uint8_t *bytes;
    size_t size;
    log_fill(partition, 20, 1000, BATCH_NOW);
    int64_t bases[32];
    assert_true(log_segments(partition, bases) > 3);
    assert_ok(partition_delete_records(partition, bases[2]));
    assert_ok(producer_snapshot_encode(&other, 1, &bytes, &size));
    assert_ok(producer_snapshot_store(&place, log_end(partition) + 1, bytes, size, false));
    assert_ok(producer_snapshot_store(&place, bases[1], bytes, size, false));
    free(bytes);
    reload("");
    assert_int_equal(list_producers(producers).count, 0);
}

static void what_retention_removed_is_forgotten(void **state)
{
    (void)state;
    struct door door = {.base = 0};
    writer_open(partition, &door.writer);
    door_put(&door, (struct sent){.producer = 1, .records = 1});
    writer_close(&door.writer);
    log_fill(partition, 20, 1000, BATCH_NOW);
    assert_ok(partition_delete_records(partition, -1));
    reload("");
    assert_int_equal(list_producers(producers).count, 0);
    assert_verdict(PRODUCERS_APPEND, producers, .producer = 1, .records = 1, .sequence = 9);
}

static void records_deleted_within_a_segment_still_count(void **state)
{
    (void)state;
    struct door door = {.base = 0};
    writer_open(partition, &door.writer);
    door_put(&door, (struct sent){.producer = 1, .records = 5});
    writer_close(&door.writer);
    assert_ok(partition_delete_records(partition, -1));
    reload("");
    assert_duplicate(0, producers, .producer = 1, .records = 5);
    assert_verdict(PRODUCERS_APPEND, producers, .producer = 1, .records = 5, .sequence = 5);
}

static void nothing_is_stored_for_a_deleted_topic(void **state)
{
    (void)state;
    log_fill(partition, 1, 10, BATCH_NOW);
    assert_ok(directory_delete_topic(log_directory, "t"));
    struct partition *again = log_topic("t", NULL, NULL, NULL);
    int64_t offsets[8];
    log_fill(again, 1, 10, BATCH_NOW);
    assert_code(MAPLOG_TOPIC_DELETED, producers_store(producers, 1));
    assert_int_equal(snapshots_of(again, offsets), 0);
}

static void a_full_disk_leaves_the_old_snapshots(void **state)
{
    (void)state;
    int64_t offsets[8];
    log_fill(partition, 1, 10, BATCH_NOW);
    assert_ok(producers_store(producers, 0));
    fault_set(FAULT_WRITE, 1, ENOSPC, 1);
    assert_code(MAPLOG_DISK_FULL, producers_store(producers, 1));
    fault_clear();
    assert_int_equal(snapshots_of(partition, offsets), 1);
    reload("");
    assert_ok(producers_store(producers, 1));
    assert_int_equal(snapshots_of(partition, offsets), 2);
}

/* A recovery that cuts takes along what tells of offsets behind the cut: they are given again. */
static void a_recovery_takes_snapshots_along(void **state)
{
    (void)state;
    struct door door = {.base = 0};
    int64_t offsets[8];
    writer_open(partition, &door.writer);
    for (int i = 0; i < 4; i++) {
        door_put(&door, (struct sent){.producer = 1, .records = 1, .sequence = i, .value = 100});
        assert_ok(producers_store(producers, i + 1));
    }
    struct partition_end end;
    partition_end(partition, &end);
    writer_close(&door.writer);
    producers_free(producers);
    producers = NULL;
    directory_drop(log_directory);
    /* The machine died: the last batch never came to the disk. */
    char path[LIMIT_PATH];
    snprintf(path, sizeof path, "%s/t-0/00000000000000000000.log", log_path);
    assert_int_equal(truncate(path, end.position - 1), 0);
    snprintf(path, sizeof path, "%s/maplog.control", log_path);
    assert_int_equal(unlink(path), 0);
    assert_ok(directory_open(log_path, NULL, &log_directory));
    partition = log_partition(log_directory, "t");
    assert_int_equal(log_end(partition), 3);
    size_t count = snapshots_of(partition, offsets);
    assert_true(count > 0);
    assert_int_equal(offsets[count - 1], 3);
    producers = load_producers(partition, "");
    assert_duplicate(2, producers, .producer = 1, .records = 1, .sequence = 2);
    assert_verdict(PRODUCERS_APPEND, producers, .producer = 1, .records = 1, .sequence = 3);
}

/* Killed at a snapshot's end or at any passage before it: what was appended is known again. */
static void a_killed_process_loses_nothing(void **state)
{
    (void)state;
    for (unsigned nth = 1; nth <= 3; nth++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct door door = {.base = 0};
            struct partition *mine = log_partition(log_attach(), "t");
            partition = mine;
            producers = load_producers(partition, "");
            writer_open(partition, &door.writer);
            struct listed listed = list_producers(producers);
            int32_t sequence = listed.count ? listed.entries[0].last_sequence + 1 : 0;
            fault_signal_at("producers-stored", nth, SIGKILL);
            for (;;)
                door_put(&door,
                         (struct sent){
                             .producer = 1, .records = 1, .sequence = sequence++, .value = 1000});
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        reload("");
        struct listed listed = list_producers(producers);
        assert_int_equal(listed.count, 1);
        assert_int_equal(listed.entries[0].last_offset, log_end(partition) - 1);
        assert_int_equal(listed.entries[0].last_sequence, log_end(partition) - 1);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)
    const struct CMUnitTest tests[] = {
        TEST(an_unknown_producer_may_begin_anywhere),
        TEST(the_next_sequence_follows_the_last),
        TEST(a_batch_sent_again_is_found),
        TEST(the_largest_timestamp_is_told),
        TEST(sequences_go_round),
        TEST(a_new_epoch_begins_at_zero),
        TEST(a_marker_ends_an_epoch),
        TEST(old_ones_are_forgotten),
        TEST(what_is_known_is_listed),
        TEST(state_comes_from_the_log_alone),
        TEST(snapshots_are_kept_and_read),
        TEST(the_window_spans_segments),
        TEST(a_snapshot_holds_what_lies_below),
        TEST(damaged_snapshots_are_passed_over),
        TEST(snapshots_of_another_log_are_ignored),
        TEST(what_retention_removed_is_forgotten),
        TEST(records_deleted_within_a_segment_still_count),
        TEST(nothing_is_stored_for_a_deleted_topic),
        TEST(a_full_disk_leaves_the_old_snapshots),
        TEST(a_recovery_takes_snapshots_along),
        TEST(a_killed_process_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
