/* recover_test.c - where a log ends that nobody vouches for. */
#include "recover_fixture.h"

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
        TEST(a_clean_log_is_read_from_its_last_index_entry),
        TEST(a_log_that_does_not_end_cleanly_is_not_taken_as_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
