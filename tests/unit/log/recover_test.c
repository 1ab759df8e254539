/* recover_test.c - where a log ends that nobody vouches for, and what is left of it. */
#include "log_fixture.h"
#include "segment_files.h"

#include <sys/resource.h>

#include "log/checkpoint.h"
#include "log/index.h"
#include "log/recover.h"
#include "os/fault.h"

/* A partition of files alone: no process is attached. */
static struct directory *files;
static struct control_partition *control;
static struct partition partition;
static struct segment_bytes bytes; /* of the segment that a test makes */
static struct recovered found;

static int begin(void **state)
{
    (void)state;
    strcpy(log_path, "/tmp/maplog-test-XXXXXX");
    assert_non_null(mkdtemp(log_path));
    files = directory_new(log_path);
    control = aligned_alloc(CACHE_LINE, sizeof *control);
    memset(control, 0, sizeof *control);
    files->kind = FILE_SYSTEM_DISK;
    partition = (struct partition){.directory = files, .control = control, .store = &store_files};
    strcpy(partition.topic, "t");
    strcpy(partition.name, "t-0");
    settings_default(&partition.settings);
    partition.settings.index_interval_bytes = 400;
    return file_open(AT_FDCWD, log_path, O_RDONLY | O_DIRECTORY, 0, &files->fd);
}

static int end(void **state)
{
    (void)state;
    fault_clear();
    bytes_release(&bytes);
    directory_drop(files);
    free(control);
    return file_remove_tree(AT_FDCWD, log_path);
}

/* Offsets first.. of `count` batches in a segment; its bytes are left in `bytes`. */
static void make_segment(int64_t base, int64_t first, int count)
{
    bytes_release(&bytes);
    bytes_batches(&bytes, first, count);
    files_segment(log_path, "t-0", base, &bytes);
}

static const char *path_of(int64_t base, const char *suffix)
{
    static char path[LIMIT_PATH];
    files_path(path, log_path, "t-0", base, suffix);
    return path;
}

static void scan(int64_t recovery_point)
{
    assert_ok(recover_scan(&partition, recovery_point, 0, false, &found));
}

/* Batches of make_segment are of one size while offsets have no influence on it. */
static size_t batch_bytes(void)
{
    return BATCH_PREFIX_BYTES + bytes_load32(bytes.bytes + BATCH_LENGTH);
}

/* ---- scan ------------------------------------------------------------------------------------ */

static void a_whole_log_ends_behind_its_last_batch(void **state)
{
    (void)state;
    make_segment(0, 0, 10);
    make_segment(10, 10, 5);
    scan(0);
    assert_int_equal(found.end_offset, 15);
    assert_int_equal(found.active_base, 10);
    assert_int_equal(found.active_position, bytes.size);
    assert_int_equal(found.log_start, 0);
    assert_int_equal(found.scanned_from, 0);
    assert_int_equal(found.indexer.max_timestamp, FILES_NOW + 14);
    assert_int_equal(found.indexer.max_timestamp_relative, 4);
    assert_int_equal(found.first_timestamp, FILES_NOW + 10);
    assert_false(found.damaged);
    assert_int_equal(found.cut_bytes, 0);
    assert_int_equal(found.cut_base, -1);
}

static void no_segment_is_an_empty_log_at_its_start(void **state)
{
    (void)state;
    assert_ok(recover_scan(&partition, 7, 42, false, &found));
    assert_int_equal(found.active_base, -1);
    assert_int_equal(found.log_start, 42);
    assert_int_equal(found.end_offset, 42);
    assert_false(found.epoch_raised);
    assert_ok(recover_apply(&partition, &found));
    assert_int_equal(control->rolls, 0);
    assert_int_equal(control->log_start, 42);
}

static void a_zero_tail_is_space_and_no_damage(void **state)
{
    (void)state;
    make_segment(0, 0, 10);
    size_t end_position = bytes.size;
    bytes_add(&bytes, NULL, 100000);
    files_segment(log_path, "t-0", 0, &bytes);
    scan(0);
    assert_int_equal(found.end_offset, 10);
    assert_int_equal(found.active_position, end_position);
    assert_false(found.damaged);
    assert_int_equal(found.cut_bytes, 0);
    assert_ok(recover_apply(&partition, &found));
    assert_int_equal(files_size(path_of(0, ".log")), end_position);
}

static void a_segment_of_zeros_is_empty(void **state)
{
    (void)state;
    bytes_add(&bytes, NULL, 5000);
    files_segment(log_path, "t-0", 30, &bytes);
    scan(0);
    assert_int_equal(found.end_offset, 30);
    assert_int_equal(found.active_base, 30);
    assert_int_equal(found.active_position, 0);
    assert_int_equal(found.indexer.max_timestamp, -1);
    assert_false(found.damaged);
}

static void a_half_written_batch_is_cut(void **state)
{
    (void)state;
    make_segment(0, 0, 10);
    size_t end_position = bytes.size;
    bytes_batches(&bytes, 10, 1);
    memset(bytes.bytes + end_position + 90, 0, bytes.size - end_position - 90);
    bytes_add(&bytes, NULL, 4000);
    files_segment(log_path, "t-0", 0, &bytes);
    scan(0);
    assert_int_equal(found.end_offset, 10);
    assert_true(found.damaged);
    assert_int_equal(found.cut_base, 0);
    assert_int_equal(found.cut_position, end_position);
    assert_int_equal(found.cut_bytes, 90);
    assert_non_null(strstr(found.reason, "CRC"));
    assert_ok(recover_apply(&partition, &found));
    assert_int_equal(files_size(path_of(0, ".log")), end_position);
}

static void what_follows_a_bad_batch_goes_too(void **state)
{
    (void)state;
    make_segment(0, 0, 10);
    files_flip(path_of(0, ".log"), (int64_t)batch_bytes() * 6 + 80);
    scan(0);
    assert_int_equal(found.end_offset, 6);
    assert_int_equal(found.cut_position, batch_bytes() * 6);
    assert_int_equal(found.cut_bytes, batch_bytes() * 4 - 1); /* the last byte of a batch is 0 */
}

static void a_lost_page_in_the_middle_is_damage(void **state)
{
    (void)state;
    make_segment(0, 0, 100);
    memset(bytes.bytes + batch_bytes() * 20, 0, 4096);
    files_segment(log_path, "t-0", 0, &bytes);
    scan(0);
    assert_int_equal(found.end_offset, 20);
    assert_true(found.damaged);
    assert_true(found.cut_bytes > 4096);
}

static void a_cut_takes_the_later_segments_along(void **state)
{
    (void)state;
    make_segment(0, 0, 10);
    size_t end_position = batch_bytes() * 3;
    uint64_t cut = batch_bytes() * 7 - 1;
    make_segment(10, 10, 10);
    make_segment(20, 20, 10);
    cut += 2 * (bytes.size - 1);
    files_flip(path_of(0, ".log"), (int64_t)end_position + 80);
    scan(0);
    assert_int_equal(found.end_offset, 3);
    assert_int_equal(found.active_base, 0);
    assert_int_equal(found.dropped_segments, 2);
    assert_int_equal(found.cut_bytes, cut);
    assert_ok(recover_apply(&partition, &found));
    assert_int_equal(log_segments(&partition, NULL), 1);
    assert_int_equal(files_size(path_of(10, ".index")), -1);
    scan(0);
    assert_false(found.damaged);
    assert_int_equal(found.end_offset, 3);
}

static void zeros_before_the_next_segment_are_lost_records(void **state)
{
    (void)state;
    make_segment(0, 0, 9); /* offset 9 never reached the disk */
    bytes_add(&bytes, NULL, 200);
    files_segment(log_path, "t-0", 0, &bytes);
    make_segment(10, 10, 10);
    scan(0);
    assert_int_equal(found.end_offset, 9);
    assert_true(found.damaged);
    assert_int_equal(found.dropped_segments, 1);
    assert_int_equal(found.cut_base, 0);
}

static void zeros_are_space_when_the_offsets_go_on(void **state)
{
    (void)state;
    make_segment(0, 0, 10);
    size_t end_position = bytes.size;
    bytes_add(&bytes, NULL, 200); /* created the next one, died before it sealed this one */
    files_segment(log_path, "t-0", 0, &bytes);
    make_segment(10, 10, 5);
    scan(0);
    assert_int_equal(found.end_offset, 15);
    assert_false(found.damaged);
    assert_ok(recover_apply(&partition, &found));
    assert_int_equal(files_size(path_of(0, ".log")), end_position);
}

static void an_empty_segment_that_was_passed_by_is_dropped_quietly(void **state)
{
    (void)state;
    make_segment(0, 0, 12);
    struct segment_bytes empty = {0};
    bytes_add(&empty, NULL, 65536); /* its creator died; another went on in the first one */
    files_segment(log_path, "t-0", 10, &empty);
    bytes_release(&empty);
    scan(0);
    assert_int_equal(found.end_offset, 12);
    assert_int_equal(found.dropped_segments, 1);
    assert_false(found.damaged);
}

static void offsets_may_have_gaps_but_not_go_back(void **state)
{
    (void)state;
    bytes_batch(&bytes, (struct batch_plan){.base_offset = 3, .value = 10});
    bytes_batch(&bytes, (struct batch_plan){.base_offset = 50, .records = 4, .value = 10});
    size_t end_position = bytes.size;
    files_segment(log_path, "t-0", 0, &bytes);
    scan(0);
    assert_int_equal(found.end_offset, 54);
    bytes_batch(&bytes, (struct batch_plan){.base_offset = 53, .value = 10});
    files_segment(log_path, "t-0", 0, &bytes);
    scan(0);
    assert_int_equal(found.end_offset, 54);
    assert_int_equal(found.active_position, end_position);
    assert_true(found.damaged);
    assert_non_null(strstr(found.reason, "53"));
}

static void segments_below_the_recovery_point_are_not_scanned(void **state)
{
    (void)state;
    make_segment(0, 0, 10);
    files_flip(path_of(0, ".log"), 80);
    make_segment(10, 10, 10);
    scan(12);
    assert_int_equal(found.scanned_from, 10);
    assert_int_equal(found.end_offset, 20);
    assert_int_equal(found.durable_offset, 12);
    assert_false(found.damaged);
}

static void durable_records_behind_a_flipped_bit_stay(void **state)
{
    (void)state;
    make_segment(0, 0, 10);
    files_flip(path_of(0, ".log"), (int64_t)batch_bytes() * 4 + 80);
    scan(8);
    assert_int_equal(found.end_offset, 10);
    assert_false(found.damaged);
    /* Without the records up to the recovery point it is no single bad batch. */
    truncate(path_of(0, ".log"), (int64_t)batch_bytes() * 7);
    scan(8);
    assert_int_equal(found.end_offset, 4);
    assert_true(found.damaged);
    assert_int_equal(found.cut_position, batch_bytes() * 4);
    assert_int_equal(found.durable_offset, 4);
}

static void the_start_comes_from_the_checkpoint_or_the_first_segment(void **state)
{
    (void)state;
    make_segment(20, 20, 10);
    assert_ok(recover_scan(&partition, 0, 3, true, &found));
    assert_int_equal(found.log_start, 20);
    assert_ok(recover_scan(&partition, 0, 25, true, &found));
    assert_int_equal(found.log_start, 25);
    assert_ok(recover_scan(&partition, 0, 99, true, &found));
    assert_int_equal(found.log_start, 30);
}

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

/* ---- after a clean detach -------------------------------------------------------------------- */

static void a_clean_log_is_read_from_its_last_index_entry(void **state)
{
    (void)state;
    make_segment(0, 0, 50);
    make_segment(50, 50, 50);
    scan(0);
    assert_ok(recover_apply(&partition, &found));
    struct recovered scanned, clean;
    assert_ok(recover_scan(&partition, 0, 2, true, &scanned));
    files_flip(path_of(50, ".log"), 80); /* before the last index entry: not looked at */
    assert_ok(recover_clean(&partition, 2, &clean));
    assert_int_equal(clean.end_offset, scanned.end_offset);
    assert_int_equal(clean.log_start, 2);
    assert_int_equal(clean.active_base, scanned.active_base);
    assert_int_equal(clean.active_position, scanned.active_position);
    assert_int_equal(clean.leader_epoch, scanned.leader_epoch);
    assert_memory_equal(&clean.indexer, &scanned.indexer, sizeof clean.indexer);
    assert_int_equal(clean.index_bytes, scanned.index_bytes);
    assert_int_equal(clean.timeindex_bytes, scanned.timeindex_bytes);
    assert_int_equal(clean.first_timestamp, scanned.first_timestamp);
    assert_int_equal(clean.durable_offset, 100);
}

static void a_log_that_does_not_end_cleanly_is_not_taken_as_clean(void **state)
{
    (void)state;
    make_segment(0, 0, 50);
    scan(0);
    assert_ok(recover_apply(&partition, &found));
    struct segment_bytes log = files_read(path_of(0, ".log"));
    struct segment_bytes index = files_read(path_of(0, ".index"));
    struct recovered clean;
    uint8_t zero = 0;
    files_patch(path_of(0, ".log"), &zero, 1, (int64_t)log.size);
    assert_code(MAPLOG_CORRUPT, recover_clean(&partition, 0, &clean));
    truncate(path_of(0, ".log"), (int64_t)log.size - 1);
    assert_code(MAPLOG_CORRUPT, recover_clean(&partition, 0, &clean));
    files_write(path_of(0, ".log"), log.bytes, log.size);
    assert_ok(recover_clean(&partition, 0, &clean));
    truncate(path_of(0, ".log"), (int64_t)batch_bytes()); /* its last entry points behind the end */
    assert_code(MAPLOG_CORRUPT, recover_clean(&partition, 0, &clean));
    files_write(path_of(0, ".log"), log.bytes, log.size);
    files_flip(path_of(0, ".index"), (int64_t)index.size - 1);
    assert_code(MAPLOG_CORRUPT, recover_clean(&partition, 0, &clean));
    unlink(path_of(0, ".index"));
    assert_ok(recover_clean(&partition, 0, &clean)); /* only slower */
    assert_int_equal(clean.end_offset, 50);
    bytes_release(&log);
    bytes_release(&index);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_whole_log_ends_behind_its_last_batch),
        TEST(no_segment_is_an_empty_log_at_its_start),
        TEST(a_zero_tail_is_space_and_no_damage),
        TEST(a_segment_of_zeros_is_empty),
        TEST(a_half_written_batch_is_cut),
        TEST(what_follows_a_bad_batch_goes_too),
        TEST(a_lost_page_in_the_middle_is_damage),
        TEST(a_cut_takes_the_later_segments_along),
        TEST(zeros_before_the_next_segment_are_lost_records),
        TEST(zeros_are_space_when_the_offsets_go_on),
        TEST(an_empty_segment_that_was_passed_by_is_dropped_quietly),
        TEST(offsets_may_have_gaps_but_not_go_back),
        TEST(segments_below_the_recovery_point_are_not_scanned),
        TEST(durable_records_behind_a_flipped_bit_stay),
        TEST(the_start_comes_from_the_checkpoint_or_the_first_segment),
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
        TEST(a_clean_log_is_read_from_its_last_index_entry),
        TEST(a_log_that_does_not_end_cleanly_is_not_taken_as_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
