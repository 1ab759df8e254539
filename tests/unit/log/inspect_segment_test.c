/* inspect_segment_test.c - every kind of damage of a segment is found and named with file and
 * position. */
#include "inspect_told.h"

#include <sys/wait.h>

#include "log/index.h"

static char log_path[64];
#define PARTITION "/t-0"
static struct segment_bytes bytes;
static char partition_path[80];

static int begin_files(void **state)
{
    (void)state;
    snprintf(log_path, sizeof log_path, "/tmp/maplog-test-XXXXXX");
    snprintf(partition_path, sizeof partition_path, "%s" PARTITION, mkdtemp(log_path));
    return 0;
}

static int end_files(void **state)
{
    (void)state;
    bytes_release(&bytes);
    return file_remove_tree(AT_FDCWD, log_path);
}

static const char *path_of(int64_t base, const char *suffix)
{
    static char path[LIMIT_PATH];
    files_path(path, log_path, "t-0", base, suffix);
    return path;
}

/* Writes `bytes` as a segment, with indexes made for it. */
static void write_segment(int64_t base, bool ended)
{
    static uint8_t index[65536], timeindex[65536];
    struct indexer_parts parts = {.index = index,
                                  .index_room = sizeof index,
                                  .timeindex = timeindex,
                                  .timeindex_room = sizeof timeindex};
    struct indexer indexer;
    indexer_init(&indexer, 500);
    indexer_build(&indexer, bytes.bytes, bytes.size, base, &parts);
    if (ended)
        indexer_end(&indexer, &parts);
    files_segment(log_path, "t-0", base, &bytes);
    files_write(path_of(base, ".index"), index, parts.index_bytes);
    files_write(path_of(base, ".timeindex"), timeindex, parts.timeindex_bytes);
}

/* Two segments: offsets 0 to 49 and 50 to 99, one record a batch. */
static size_t batch_size;
static void make_segments(void)
{
    bytes_release(&bytes);
    bytes_batches(&bytes, 0, 50);
    batch_size = bytes.size / 50;
    write_segment(0, true);
    bytes_release(&bytes);
    bytes_batches(&bytes, 50, 50);
    write_segment(50, false);
}

static void segments_without_a_directory_are_inspected(void **state)
{
    (void)state;
    make_segments();
    inspect(partition_path);
    expect_sound();
    assert_int_equal(counts.segments, 2);
    assert_int_equal(counts.batches, 100);
    assert_int_equal(counts.records, 100);
    assert_int_equal(counts.bytes, 2 * bytes.size);
    assert_int_equal(counts.codecs[0], 100);
    assert_true(counts.index_entries > 20);
    assert_int_equal(told.last.start, 0);
    assert_int_equal(told.last.end, 100);
    assert_int_equal(told.segments, 2);
    assert_int_equal(told.records, 100);
    inspect(path_of(50, ".log"));
    expect_sound();
    assert_int_equal(counts.segments, 1);
    inspect(log_path); /* a directory that holds partitions */
    expect_sound();
    assert_int_equal(counts.segments, 2);
}

static void every_flipped_bit_of_a_log_is_found(void **state)
{
    (void)state;
    make_segments();
    for (size_t at = 0; at < batch_size; at++) {
        /* The leader epoch is not under the CRC; the low byte of an offset may become another
         * offset that ascends. */
        if (at >= BATCH_LEADER_EPOCH && at < BATCH_MAGIC)
            continue;
        int64_t position = (int64_t)(batch_size * 20 + at);
        files_flip(path_of(0, ".log"), position);
        inspect(partition_path);
        if (counts.damaged == 0)
            fail_msg("byte %zu of a batch", at);
        files_flip(path_of(0, ".log"), position);
    }
    inspect(partition_path);
    expect_sound();
}

static void every_flipped_bit_of_an_index_is_found(void **state)
{
    (void)state;
    make_segments();
    static const char *const suffixes[] = {".index", ".timeindex"};
    for (int64_t base = 0; base <= 50; base += 50)
        for (int s = 0; s < 2; s++) {
            const char *path = path_of(base, suffixes[s]);
            char name[64];
            snprintf(name, sizeof name, "%020" PRId64 "%s@", base, suffixes[s]);
            int64_t size = files_size(path);
            assert_true(size > 0);
            for (int64_t at = 0; at < size; at++) {
                path = path_of(base, suffixes[s]);
                files_flip(path, at);
                inspect(partition_path);
                /* Behind the last entry that ascends, an index that may have grown ends. */
                if (base == 0)
                    expect(false, name, "");
                files_flip(path, at);
            }
        }
    inspect(partition_path);
    expect_sound();
}

static void what_is_wrong_is_said_with_file_and_position(void **state)
{
    (void)state;
    char place[64];
    make_segments();
    files_flip(path_of(0, ".log"), (int64_t)batch_size * 20 + 80);
    inspect(partition_path);
    snprintf(place, sizeof place, "t-0/%020d.log@%zu: ", 0, batch_size * 20);
    expect(false, place, "CRC");
    assert_int_equal(counts.damaged, 1);
    assert_int_equal(counts.batches, 100); /* the others are looked at all the same */
}

static void behind_a_lost_header_the_index_shows_the_way(void **state)
{
    (void)state;
    make_segments();
    uint8_t rubbish[40];
    memset(rubbish, 0xee, sizeof rubbish);
    files_patch(path_of(0, ".log"), rubbish, sizeof rubbish, (int64_t)batch_size * 20);
    inspect(partition_path);
    expect(false, ".log@", "");
    expect(true, ".log@", "passed over");
    assert_int_equal(counts.damaged, 1);
    assert_true(counts.batches > 90);
    assert_int_equal(told.last.end, 100);
}

static void a_record_that_does_not_add_up_is_found_under_a_right_crc(void **state)
{
    (void)state;
    make_segments();
    uint8_t *batch = bytes.bytes + batch_size * 3;
    batch[BATCH_HEADER_BYTES + 3] ^= 2; /* the first record's offset delta */
    bytes_store32(batch + BATCH_CRC,
                  crc32c(0, batch + BATCH_ATTRIBUTES, batch_size - BATCH_ATTRIBUTES));
    write_segment(50, false);
    inspect(partition_path);
    char place[64];
    snprintf(place, sizeof place, "t-0/%020d.log@%zu: ", 50, batch_size * 3);
    expect(false, place, "");
    assert_int_equal(counts.damaged, 1);
}

static void offsets_must_ascend_and_stay_in_their_segment(void **state)
{
    (void)state;
    make_segments();
    bytes_store64(bytes.bytes + batch_size * 7, 52);
    files_segment(log_path, "t-0", 50, &bytes);
    inspect(partition_path);
    expect(false, ".log@", "base offset 52 where 57 is next");
    bytes_release(&bytes);
    bytes_batches(&bytes, 0, 52);
    write_segment(0, true);
    inspect(partition_path);
    expect(false, "00000.log@", "belongs into the next segment");
}

static void index_entries_are_held_against_the_batches(void **state)
{
    (void)state;
    uint8_t entry[12];
    make_segments();
    index_put(entry, 0, 3, (uint32_t)batch_size * 6); /* the batch ends with 6 */
    files_patch(path_of(0, ".index"), entry, 8, 0);
    inspect(partition_path);
    expect(false, "00000.index@0:", "ends with offset 3, it ends with");
    make_segments();
    index_put(entry, 0, 5, (uint32_t)batch_size * 5 + 7);
    files_patch(path_of(0, ".index"), entry, 8, 0);
    inspect(partition_path);
    expect(false, "00000.index@0:", "no batch begins at position");
    make_segments();
    files_patch(path_of(0, ".index"), entry, 3, files_size(path_of(0, ".index")));
    inspect(partition_path);
    expect(false, "00000.index@", "within an entry");
    make_segments();
    struct segment_bytes times = files_read(path_of(0, ".timeindex"));
    timeindex_put(entry, 0, FILES_NOW + 2, 3); /* the batch of offset 3 has 3 */
    files_patch(path_of(0, ".timeindex"), entry, 12, 0);
    inspect(partition_path);
    expect(false, "00000.timeindex@0:", "it has");
    files_write(path_of(0, ".timeindex"), times.bytes, times.size - 12);
    inspect(partition_path);
    expect(false, "00000.timeindex@-1:", "has no entry");
    unlink(path_of(0, ".timeindex"));
    unlink(path_of(0, ".index"));
    inspect(partition_path);
    expect(true, "00000.index@-1", "missing");
    expect(true, "00000.timeindex@-1", "missing");
    assert_int_equal(counts.damaged, 0);
    bytes_release(&times);
}

static void a_late_timestamp_must_be_the_largest_so_far(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        bytes_batch(&bytes, (struct batch_plan){.base_offset = i, .timestamp = 100 - i});
    write_segment(0, true);
    inspect(partition_path);
    expect_sound();
    uint8_t entry[12];
    timeindex_put(entry, 0, 96, 4); /* right of the batch, but 0 has 100 */
    files_write(path_of(0, ".timeindex"), entry, 12);
    inspect(partition_path);
    expect(false, ".timeindex@0", "not the largest");
}

static void a_tail_is_space_or_rubbish(void **state)
{
    (void)state;
    make_segments();
    size_t size = bytes.size;
    bytes_add(&bytes, NULL, 10000);
    files_segment(log_path, "t-0", 50, &bytes);
    inspect(partition_path);
    expect(true, "00050.log@", "allocated bytes");
    assert_int_equal(counts.damaged, 0);
    bytes.bytes[size + 500] = 1;
    files_segment(log_path, "t-0", 50, &bytes);
    inspect(partition_path);
    expect(false, "00050.log@", "");
    assert_int_equal(counts.damaged, 1);
    /* No segment but the last may have a tail. */
    make_segments();
    uint8_t zeros[100] = {0};
    files_patch(path_of(0, ".log"), zeros, sizeof zeros, (int64_t)batch_size * 50);
    inspect(partition_path);
    expect(false, "00000.log@", "zero bytes");
}

static void only_logs_and_directories_can_be_inspected(void **state)
{
    (void)state;
    make_segments();
    assert_code(MAPLOG_INVALID, inspect_path(path_of(0, ".index"), &visitor, &counts));
    assert_code(MAPLOG_NOT_FOUND, inspect_path(path_of(1, ".log"), &visitor, &counts));
    char path[LIMIT_PATH + 10];
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = 0;
    assert_code(MAPLOG_LIMIT, inspect_path(path, &visitor, &counts));
}

static void a_visitor_may_end_it(void **state)
{
    (void)state;
    make_segments();
    told.answer = MAPLOG_CLOSED;
    told.batches = 0;
    assert_code(MAPLOG_CLOSED, inspect_path(partition_path, &visitor, &counts));
    assert_int_equal(told.batches, 1);
    told.answer = 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_files, end_files)
    const struct CMUnitTest tests[] = {
        TEST(segments_without_a_directory_are_inspected),
        TEST(every_flipped_bit_of_a_log_is_found),
        TEST(every_flipped_bit_of_an_index_is_found),
        TEST(what_is_wrong_is_said_with_file_and_position),
        TEST(behind_a_lost_header_the_index_shows_the_way),
        TEST(a_record_that_does_not_add_up_is_found_under_a_right_crc),
        TEST(offsets_must_ascend_and_stay_in_their_segment),
        TEST(index_entries_are_held_against_the_batches),
        TEST(a_late_timestamp_must_be_the_largest_so_far),
        TEST(a_tail_is_space_or_rubbish),
        TEST(only_logs_and_directories_can_be_inspected),
        TEST(a_visitor_may_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
