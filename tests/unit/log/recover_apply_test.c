/* recover_apply_test.c - what recovery leaves on disk and in the control slot. */
#include "recover_fixture.h"

#include <sys/resource.h>

#include "log/checkpoint.h"
#include "log/index.h"
#include "os/fault.h"

/* ---- epochs ---------------------------------------------------------------------------------- */

static void load_epochs(struct checkpoint_epoch **entries, size_t *count)
{
    assert_ok(checkpoint_load_epochs(files->fd, "t-0/" CHECKPOINT_LEADER_EPOCH, entries, count));
}

static void I6_doubt_raises_the_leader_epoch_before_the_first_append(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        bytes_batch(&bytes, (struct batch_plan){.base_offset = i, .leader_epoch = i / 2 + 4});
    files_segment(log_path, "t-0", 0, &bytes);
    assert_ok(recover_scan(&partition, 0, 0, true, &found));
    assert_int_equal(found.leader_epoch, 5);
    assert_false(found.epoch_raised);
    /* All is whole, but what the zeros of a tail once were nobody can say. */
    scan(0);
    assert_int_equal(found.leader_epoch, 6);
    assert_true(found.epoch_raised);
    struct checkpoint_epoch old[] = {{4, 0}, {5, 2}, {5, 99}, {9, 4}};
    assert_ok(checkpoint_store_epochs(files->fd, "t-0/" CHECKPOINT_LEADER_EPOCH, old, 2, true));
    scan(0);
    assert_ok(recover_apply(&partition, &found));
    assert_int_equal(control->leader_epoch, 6);
    struct checkpoint_epoch *entries;
    size_t count;
    load_epochs(&entries, &count);
    assert_int_equal(count, 3);
    assert_int_equal(entries[2].epoch, 6);
    assert_int_equal(entries[2].start_offset, 4);
    free(entries);
    /* An epoch without a record of its own is not given again. */
    scan(0);
    assert_int_equal(found.leader_epoch, 7);
    assert_ok(recover_apply(&partition, &found));
    load_epochs(&entries, &count);
    assert_int_equal(count, 3); /* 6 began at the end too, and falls away */
    assert_int_equal(entries[2].epoch, 7);
    free(entries);
}

static void a_log_without_epochs_on_disk_gets_its_first_entry(void **state)
{
    (void)state;
    make_segment(5, 5, 4);
    scan(0);
    assert_ok(recover_apply(&partition, &found));
    struct checkpoint_epoch *entries;
    size_t count;
    load_epochs(&entries, &count);
    assert_int_equal(count, 2);
    assert_int_equal(entries[0].epoch, 0);
    assert_int_equal(entries[0].start_offset, 5);
    assert_int_equal(entries[1].epoch, 1);
    assert_int_equal(entries[1].start_offset, 9);
    free(entries);
}

static void a_damaged_epoch_file_says_nothing(void **state)
{
    (void)state;
    make_segment(0, 0, 2);
    char path[LIMIT_PATH];
    snprintf(path, sizeof path, "%s/t-0/" CHECKPOINT_LEADER_EPOCH, log_path);
    files_write(path, "rubbish", 7);
    scan(0);
    assert_int_equal(found.leader_epoch, 1);
    assert_ok(recover_apply(&partition, &found));
    scan(0);
    assert_int_equal(found.leader_epoch, 2);
}

static void the_largest_epoch_does_not_overflow(void **state)
{
    (void)state;
    bytes_batch(&bytes, (struct batch_plan){.leader_epoch = INT32_MAX});
    files_segment(log_path, "t-0", 0, &bytes);
    scan(0);
    assert_int_equal(found.leader_epoch, INT32_MAX);
    assert_false(found.epoch_raised);
}

/* ---- indexes --------------------------------------------------------------------------------- */

/* What the indexes of a segment must be; complete ones when it is `ended`. */
static void expect_indexes(int64_t base, bool ended)
{
    struct segment_bytes log = files_read(path_of(base, ".log"));
    static uint8_t index[8192], timeindex[8192];
    struct indexer_parts parts = {.index = index,
                                  .index_room = sizeof index,
                                  .timeindex = timeindex,
                                  .timeindex_room = sizeof timeindex};
    struct indexer indexer;
    indexer_init(&indexer, 400);
    assert_int_equal(indexer_build(&indexer, log.bytes, log.size, base, &parts), log.size);
    if (ended)
        indexer_end(&indexer, &parts);
    bytes_release(&log);
    struct segment_bytes there = files_read(path_of(base, ".index"));
    assert_int_equal(there.size, parts.index_bytes);
    assert_memory_equal(there.bytes, index, there.size);
    bytes_release(&there);
    there = files_read(path_of(base, ".timeindex"));
    assert_int_equal(there.size, parts.timeindex_bytes);
    assert_memory_equal(there.bytes, timeindex, there.size);
    bytes_release(&there);
}

static void missing_indexes_are_built(void **state)
{
    (void)state;
    make_segment(0, 0, 30);
    make_segment(30, 30, 30);
    make_segment(60, 60, 30);
    scan(40); /* the first segment is not scanned */
    assert_false(found.indexed);
    assert_ok(recover_apply(&partition, &found));
    expect_indexes(0, true);
    expect_indexes(30, true);
    expect_indexes(60, false);
    assert_int_equal(control->index_bytes[1], files_size(path_of(60, ".index")));
    assert_int_equal(control->timeindex_bytes[1], files_size(path_of(60, ".timeindex")));
    assert_true(control->index_bytes[1] > 0);
}

static void indexes_that_agree_are_kept(void **state)
{
    (void)state;
    make_segment(0, 0, 50);
    scan(0);
    assert_ok(recover_apply(&partition, &found));
    /* Allocated ahead, as after a kill. */
    uint8_t zeros[512] = {0};
    files_patch(path_of(0, ".index"), zeros, sizeof zeros, files_size(path_of(0, ".index")));
    files_patch(path_of(0, ".timeindex"), zeros, sizeof zeros,
                files_size(path_of(0, ".timeindex")));
    scan(0);
    assert_true(found.indexed);
    assert_ok(recover_apply(&partition, &found));
    expect_indexes(0, false);
}

static void damaged_indexes_are_built_again(void **state)
{
    (void)state;
    make_segment(0, 0, 50);
    make_segment(50, 50, 50);
    scan(0);
    assert_ok(recover_apply(&partition, &found));
    static const struct {
        int64_t base;
        const char *suffix;
        int64_t position; /* of a flipped bit; -1: cut one entry off; -2: all */
    } damages[] = {{0, ".index", 9},      {0, ".index", -1},      {0, ".index", -2},
                   {0, ".timeindex", -1}, {0, ".timeindex", -2},  {0, ".timeindex", 3},
                   {50, ".index", 7},     {50, ".timeindex", 20}, {50, ".timeindex", -1},
                   {50, ".index", -2}};
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        const char *path = path_of(damages[i].base, damages[i].suffix);
        if (damages[i].position >= 0)
            files_flip(path, damages[i].position);
        else if (damages[i].position == -1)
            truncate(path, files_size(path) - (strlen(damages[i].suffix) == 6 ? 8 : 12));
        else
            unlink(path);
        scan(60); /* of the first segment only the indexes are looked at */
        assert_ok(recover_apply(&partition, &found));
        expect_indexes(0, true);
        expect_indexes(50, false);
    }
}

static void a_full_disk_does_not_forbid_recovery(void **state)
{
    (void)state;
    make_segment(0, 0, 50);
    scan(0);
    fault_set(FAULT_ALLOCATE, 1, ENOSPC, 1);
    assert_ok(recover_apply(&partition, &found));
    fault_clear();
    assert_int_equal(control->index_bytes[1], 0);
    assert_int_equal(files_size(path_of(0, ".index")), 0);
    assert_int_equal((uint32_t)control->published[1], 50);
}

/* ---- what is published ----------------------------------------------------------------------- */

static void the_control_slot_tells_where_appends_go_on(void **state)
{
    (void)state;
    make_segment(7, 7, 21);
    scan(9);
    assert_ok(recover_apply(&partition, &found));
    struct partition_end published;
    partition_end(&partition, &published);
    assert_int_equal(published.rolls, 1);
    assert_int_equal(published.base, 7);
    assert_int_equal(published.offset, 28);
    assert_int_equal(published.position, bytes.size);
    assert_int_equal(control->noted_published, published.word);
    assert_int_equal(control->allocated[1], bytes.size);
    assert_int_equal(control->max_timestamp, FILES_NOW + 27);
    assert_int_equal(control->max_timestamp_offset, 20);
    assert_int_equal(control->first_append_ms, FILES_NOW + 7);
    assert_int_equal(control->durable_offset, 9);
    assert_int_equal(control->bytes_since_index, found.indexer.bytes_since);
    assert_true(control->bytes_since_index > 0);
}

/* Killed at any step, recovery begins anew and comes to the same end. */
static void recovery_may_die_and_begin_again(void **state)
{
    (void)state;
    static const char *const points[] = {"recover-epoch", "recover-removed", "recover-mended"};
    for (unsigned i = 0; i < 9; i++) {
        make_segment(0, 0, 20);
        make_segment(20, 20, 20);
        size_t end_position = batch_bytes() * 5;
        make_segment(40, 40, 20);
        make_segment(60, 60, 20);
        files_flip(path_of(20, ".log"), (int64_t)end_position + 80);
        pid_t child = fork();
        if (child == 0) {
            struct rlimit no_core = {0, 0};
            setrlimit(RLIMIT_CORE, &no_core);
            fault_signal_at(points[i % 3], i / 3 + 1, SIGKILL);
            if (recover_scan(&partition, 0, 0, false, &found) == 0)
                recover_apply(&partition, &found);
            _exit(0);
        }
        assert_int_equal(waitpid(child, NULL, 0), child);
        scan(0);
        assert_int_equal(found.end_offset, 25);
        assert_ok(recover_apply(&partition, &found));
        assert_int_equal(log_segments(&partition, NULL), 2);
        assert_int_equal(files_size(path_of(20, ".log")), end_position);
        expect_indexes(0, true);
        expect_indexes(20, false);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(I6_doubt_raises_the_leader_epoch_before_the_first_append),
        TEST(a_log_without_epochs_on_disk_gets_its_first_entry),
        TEST(a_damaged_epoch_file_says_nothing),
        TEST(the_largest_epoch_does_not_overflow),
        TEST(missing_indexes_are_built),
        TEST(indexes_that_agree_are_kept),
        TEST(damaged_indexes_are_built_again),
        TEST(a_full_disk_does_not_forbid_recovery),
        TEST(the_control_slot_tells_where_appends_go_on),
        TEST(recovery_may_die_and_begin_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
