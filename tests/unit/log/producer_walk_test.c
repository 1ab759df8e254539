/* producer_walk_test.c - which batches a walk sees, and what it does where there are none. */
#include "producer_batches.h"

#include "log/producer_walk.h"

struct seen {
    int64_t producers[64];
    int64_t offsets[64];
    size_t count;
    int answer; /* to the second */
};

static int see(void *context, const struct batch *batch)
{
    struct seen *seen = context;
    assert_true(seen->count < 64);
    seen->producers[seen->count] = batch->producer_id;
    seen->offsets[seen->count++] = batch->base_offset;
    return seen->count == 2 ? seen->answer : 0;
}

static void walk(struct partition *partition, int64_t from, struct seen *seen, const char *note)
{
    char told[PRODUCER_WALK_NOTE] = "";
    *seen = (struct seen){.count = 0};
    assert_ok(producer_walk(partition, from, see, seen, told));
    if (note[0] ? !strstr(told, note) : told[0] != '\0')
        fail_msg("note \"%s\", expected \"%s\"", told, note);
}

static void only_batches_of_producers_are_seen(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    struct seen seen;
    struct writer writer;
    walk(partition, 0, &seen, "");
    assert_int_equal(seen.count, 0);
    writer_open(partition, &writer);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(writer_put(&writer, 10, BATCH_NOW), 3 * i);
        append_sent(&writer, (struct sent){.producer = i, .records = 2, .sequence = i});
    }
    walk(partition, 0, &seen, "");
    assert_int_equal(seen.count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(seen.producers[i], i);
        assert_int_equal(seen.offsets[i], 3 * i + 1);
    }
    writer_close(&writer);
}

static void a_walk_may_be_ended(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    struct seen seen = {.answer = 7};
    struct writer writer;
    char note[PRODUCER_WALK_NOTE] = "";
    writer_open(partition, &writer);
    for (int i = 0; i < 5; i++)
        append_sent(&writer, (struct sent){.records = 1, .sequence = i});
    writer_close(&writer);
    assert_int_equal(producer_walk(partition, 0, see, &seen, note), 7);
    assert_int_equal(seen.count, 2);
}

static void it_begins_at_the_segment(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "segment.bytes=4096", NULL, NULL);
    struct seen seen;
    struct writer writer;
    int64_t bases[32];
    writer_open(partition, &writer);
    for (int i = 0; i < 20; i++)
        append_sent(&writer, (struct sent){.records = 1, .sequence = i, .value = 1000});
    writer_close(&writer);
    assert_true(log_segments(partition, bases) > 4);
    walk(partition, bases[2] + 1, &seen, "");
    assert_int_equal(seen.offsets[0], bases[2]);
    assert_int_equal(seen.count, 20 - bases[2]);
    /* Below the log start it goes on as long as the segment is there. */
    assert_ok(partition_delete_records(partition, bases[2] + 1));
    walk(partition, 0, &seen, "");
    assert_int_equal(seen.offsets[0], bases[2]);
    assert_int_equal(seen.count, 20 - bases[2]);
}

static void damage_costs_the_rest_of_a_segment(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "segment.bytes=4096", NULL, NULL);
    struct seen seen;
    struct writer writer;
    char path[LIMIT_PATH];
    int64_t bases[32];
    writer_open(partition, &writer);
    for (int i = 0; i < 20; i++)
        append_sent(&writer, (struct sent){.records = 1, .sequence = i, .value = 1000});
    writer_close(&writer);
    assert_true(log_segments(partition, bases) > 3);
    segment_path(partition, bases[1], SEGMENT_LOG_SUFFIX, path, sizeof path);
    int fd = openat(log_directory->fd, path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "\xff", 1, BATCH_MAGIC), 1);
    close(fd);
    walk(partition, 0, &seen, "magic 255");
    assert_int_equal(seen.count, 20 - (bases[2] - bases[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_batches_of_producers_are_seen, log_make, log_remove),
        cmocka_unit_test_setup_teardown(a_walk_may_be_ended, log_make, log_remove),
        cmocka_unit_test_setup_teardown(it_begins_at_the_segment, log_make, log_remove),
        cmocka_unit_test_setup_teardown(damage_costs_the_rest_of_a_segment, log_make, log_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
