/* slice_test.c - the bytes that answer a fetch: whole batches, none behind the published end, and
 * never of another segment, while the log moves. */
#include "log_fixture.h"
#include "segment_files.h"

#include "log/slice.h"
#include "os/thread.h"

#define NOW 1700000000000ll
#define ALL UINT32_MAX

static struct segment_cache *cache;

static int begin(void **state)
{
    return log_make(state) ? -1 : segment_cache_open(100, &cache);
}

static int end(void **state)
{
    segment_cache_close(cache);
    cache = NULL;
    return log_remove(state);
}

/* 11 records a segment, index entries each other batch. */
static struct partition *make(int records)
{
    struct partition *partition =
        log_topic("t", "segment.bytes=4096", "index.interval.bytes=500", NULL);
    if (records)
        log_fill(partition, records, 300, NOW);
    return partition;
}

/* Checks the slice's batches one by one: it must be of exactly these. Their last offset + 1. */
static int64_t walk(const struct slice *slice)
{
    struct batch batch;
    int64_t next = slice->base_offset;
    assert_ptr_equal(slice->at, slice->segment->log + slice->position);
    for (uint32_t at = 0; at < slice->size; at += batch.size) {
        assert_ok(batch_read(slice->at + at, slice->size - at, &batch));
        assert_ok(batch_check_crc(&batch));
        assert_true(batch.base_offset >= next);
        next = batch.last_offset + 1;
    }
    return next;
}

static void assert_empty(struct partition *partition, int64_t offset)
{
    struct slice slice;
    assert_ok(slice_find(cache, partition, offset, ALL, true, &slice));
    assert_int_equal(slice.size, 0);
    assert_null(slice.segment);
}

static void assert_refused(struct partition *partition, int64_t offset)
{
    struct slice slice;
    assert_code(MAPLOG_OFFSET_OUT_OF_RANGE,
                slice_find(cache, partition, offset, ALL, true, &slice));
    assert_int_equal(slice_available(cache, partition, offset, 1), MAPLOG_OFFSET_OUT_OF_RANGE);
}

/* Takes the slice from the offset, checks it, and returns where the next one begins. */
static int64_t take(struct partition *partition, int64_t offset, uint32_t max_bytes)
{
    struct slice slice;
    assert_ok(slice_find(cache, partition, offset, max_bytes, true, &slice));
    assert_true(slice.size > 0);
    int64_t next = walk(&slice);
    assert_true(slice.base_offset <= offset && next > offset);
    struct batch first = {0};
    assert_ok(batch_read(slice.at, slice.size, &first));
    assert_true(slice.size <= max_bytes || slice.size == first.size);
    segment_drop(slice.segment);
    return next;
}

static void an_empty_partition_gives_an_empty_slice(void **state)
{
    (void)state;
    struct partition *partition = make(0);
    assert_empty(partition, 0);
    assert_refused(partition, 1);
    assert_refused(partition, -1);
    assert_int_equal(slice_available(cache, partition, 0, 100), 0);
}

static void every_offset_and_every_limit_gives_whole_batches(void **state)
{
    (void)state;
    struct partition *partition = make(60);
    int64_t bases[20];
    size_t segments = log_segments(partition, bases);
    assert_true(segments > 4);
    bases[segments] = 60;
    struct slice slice;
    assert_ok(slice_find(cache, partition, 0, 1, true, &slice));
    uint32_t batch = slice.size; /* all of one size */
    segment_drop(slice.segment);
    for (int64_t offset = 0; offset < 60; offset++) {
        size_t segment = 0;
        while (bases[segment + 1] <= offset)
            segment++;
        int64_t left = bases[segment + 1] - offset;
        for (uint32_t max = 0; max < 5000; max += 97) {
            int64_t fit = max / batch < left ? max / batch : left;
            assert_int_equal(take(partition, offset, max), offset + (fit ? fit : 1));
        }
        for (int64_t exact = 1; exact <= left; exact++) {
            assert_int_equal(take(partition, offset, (uint32_t)exact * batch), offset + exact);
            assert_int_equal(take(partition, offset, (uint32_t)exact * batch + 1), offset + exact);
        }
        assert_int_equal(take(partition, offset, ALL), bases[segment + 1]);
    }
    assert_empty(partition, 60);
    assert_refused(partition, 61);
}

static void nothing_is_given_when_not_even_one_fits(void **state)
{
    (void)state;
    struct partition *partition = make(3);
    struct slice slice;
    assert_ok(slice_find(cache, partition, 1, 300, false, &slice));
    assert_int_equal(slice.size, 0);
    assert_null(slice.segment);
    assert_ok(slice_find(cache, partition, 1, 300, true, &slice));
    assert_true(slice.size > 300);
    assert_int_equal(walk(&slice), 2);
    segment_drop(slice.segment);
}

static void an_offset_within_a_batch_gives_the_batch(void **state)
{
    (void)state;
    struct partition *partition = make(0);
    struct writer writer;
    writer_open(partition, &writer);
    for (int i = 0; i < 30; i++) {
        struct segment_bytes bytes = {0};
        struct appended appended;
        bytes_batch(&bytes, (struct batch_plan){.records = 10, .value = 20, .timestamp = NOW});
        assert_ok(appender_append(&writer.appender, bytes.bytes, bytes.size, &appended));
        bytes_release(&bytes);
    }
    writer_close(&writer);
    for (int64_t offset = 0; offset < 300; offset++) {
        struct slice slice;
        assert_ok(slice_find(cache, partition, offset, 1, true, &slice));
        assert_int_equal(slice.base_offset, offset / 10 * 10);
        assert_int_equal(walk(&slice), offset / 10 * 10 + 10);
        segment_drop(slice.segment);
    }
}

static void what_comes_later_is_seen_later(void **state)
{
    (void)state;
    struct partition *partition = make(0);
    for (int64_t offset = 0; offset < 300; offset++) { /* over many rolls and growing files */
        assert_empty(partition, offset);
        log_fill(partition, 1, offset % 7 ? 300 : 3000, NOW);
        assert_int_equal(take(partition, offset, ALL), offset + 1);
        assert_int_equal(slice_available(cache, partition, offset, 100), 100);
    }
    for (int64_t offset = 0; offset < 300;)
        offset = take(partition, offset, 2000);
}

static void a_growing_segment_is_mapped_again(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "index.interval.bytes=100", NULL, NULL);
    for (int64_t offset = 0; offset < 400; offset++) {
        log_fill(partition, 1, 5000, NOW);
        assert_int_equal(take(partition, offset, ALL), offset + 1);
        assert_int_equal(take(partition, offset / 2, 11000), offset / 2 + (offset ? 2 : 1));
    }
}

static void available_bytes_are_counted_across_segments(void **state)
{
    (void)state;
    struct partition *partition = make(60);
    struct slice slice;
    assert_ok(slice_find(cache, partition, 0, 1, true, &slice));
    int64_t batch = slice.size;
    segment_drop(slice.segment);
    for (int64_t offset = 0; offset <= 60; offset += 5) {
        int64_t left = (60 - offset) * batch;
        assert_int_equal(slice_available(cache, partition, offset, 1ll << 40), left);
        assert_int_equal(slice_available(cache, partition, offset, 1000), left ? 1000 : 0);
    }
}

static void a_slice_outlives_retention_and_deletion(void **state)
{
    (void)state;
    struct partition *partition = make(60);
    struct slice slice, last;
    assert_ok(slice_find(cache, partition, 0, ALL, true, &slice));
    assert_ok(partition_delete_records(partition, 40));
    assert_refused(partition, 0);
    assert_refused(partition, 39);
    segment_cache_forget(cache, partition);
    assert_true(walk(&slice) > 1);
    segment_drop(slice.segment);
    assert_true(take(partition, 40, ALL) > 40);
    assert_ok(slice_find(cache, partition, 59, ALL, true, &last));
    assert_ok(directory_delete_topic(log_directory, "t"));
    assert_code(MAPLOG_TOPIC_DELETED, slice_find(cache, partition, 59, ALL, true, &slice));
    assert_int_equal(slice_available(cache, partition, 59, 1), MAPLOG_TOPIC_DELETED);
    segment_cache_forget(cache, NULL);
    assert_int_equal(walk(&last), 60);
    segment_drop(last.segment);
    partition = make(5); /* of the same name */
    assert_int_equal(take(partition, 0, ALL), 5);
}

/* A log as compaction leaves it: gaps in batches, between them, and between segments. */
static void gaps_are_passed(void **state)
{
    (void)state;
    static const int64_t offsets[] = {0, 1, 5, 6, 30, 31, 50, 51, 52, 90, 200, 201};
    static const size_t count = sizeof offsets / sizeof *offsets;
    struct partition *partition = make(0);
    struct writer writer;
    writer_open(partition, &writer);
    for (size_t i = 0; i < count; i++) {
        struct segment_bytes bytes = {0};
        bytes_batch(&bytes,
                    (struct batch_plan){.base_offset = offsets[i], .value = 100, .timestamp = NOW});
        assert_ok(appender_append_kept(&writer.appender, bytes.bytes, bytes.size));
        bytes_release(&bytes);
        if (i % 4 == 3)
            assert_ok(appender_roll(&writer.appender));
    }
    writer_close(&writer);
    assert_int_equal(log_segments(partition, NULL), 4);
    for (int64_t offset = 0; offset <= 201; offset++) {
        size_t next = 0;
        while (offsets[next] < offset)
            next++;
        struct slice slice;
        assert_ok(slice_find(cache, partition, offset, 1, true, &slice));
        assert_int_equal(slice.base_offset, offsets[next]);
        walk(&slice);
        segment_drop(slice.segment);
    }
    assert_empty(partition, 202);
}

static void a_missing_or_damaged_index_costs_time_only(void **state)
{
    (void)state;
    struct partition *partition = make(60);
    char path[LIMIT_PATH];
    uint8_t wrong[40];
    for (size_t i = 0; i < sizeof wrong; i++)
        wrong[i] = (uint8_t)(i * 37 + 1) & 0x0f; /* entries within the segment, at no batch */
    files_path(path, log_path, "t-0", 0, ".index");
    assert_int_equal(unlink(path), 0);
    int64_t bases[20];
    log_segments(partition, bases);
    files_path(path, log_path, "t-0", bases[1], ".index");
    files_patch(path, wrong, sizeof wrong, 0);
    for (int64_t offset = 0; offset < 60; offset++) {
        assert_int_equal(take(partition, offset, 1), offset + 1);
        assert_true(take(partition, offset, 1000) > offset);
    }
}

static void a_damaged_batch_is_named_and_what_is_before_it_given(void **state)
{
    (void)state;
    struct partition *partition = make(10);
    struct slice slice;
    assert_ok(slice_find(cache, partition, 5, 1, true, &slice));
    char path[LIMIT_PATH];
    files_path(path, log_path, "t-0", 0, ".log");
    files_flip(path, slice.position + BATCH_MAGIC);
    segment_drop(slice.segment);
    assert_int_equal(take(partition, 3, 1000), 5);
    assert_code(MAPLOG_CORRUPT, slice_find(cache, partition, 5, 1000, true, &slice));
    assert_non_null(strstr(error_text(), "00000000000000000000.log position"));
}

static void a_log_in_memory_is_sliced_too(void **state)
{
    (void)state;
    struct directory *anonymous;
    struct partition *partition;
    struct maplog_anonymous_options options = {.segment_bytes = 64 << 10, .segments = 4};
    assert_ok(anonymous_open(&options, &anonymous));
    assert_ok(directory_partition(anonymous, anonymous->catalog.topics[0]->name, 0, &partition));
    log_fill(partition, 150, 1000, NOW);
    for (int64_t offset = 0; offset < 150;)
        offset = take(partition, offset, 20000);
    struct slice slice;
    assert_ok(slice_find(cache, partition, 0, ALL, true, &slice));
    assert_false(slice_cold(&slice));
    slice_warm(&slice);
    segment_drop(slice.segment);
    segment_cache_close(cache);
    cache = NULL;
    directory_drop(anonymous);
}

static void a_cold_slice_is_told_and_warmed(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    log_fill(partition, 500, 10000, NOW);
    struct slice slice;
    assert_ok(slice_find(cache, partition, 100, 2 << 20, true, &slice));
    slice_warm(&slice);
    assert_false(slice_cold(&slice));
    /* Out of the page cache, if the file system has a disk behind it. */
    int fd = slice.segment->log_fd;
    assert_int_equal(fdatasync(fd), 0);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    if (slice_cold(&slice)) {
        slice_warm(&slice);
        assert_false(slice_cold(&slice));
    }
    walk(&slice);
    segment_drop(slice.segment);
    const struct slice none = {0};
    assert_false(slice_cold(&none));
    slice_warm(&none);
}

/* ---- while others write, roll and remove -------------------------------------------------------
 */

struct churn {
    struct partition *partition;
    _Atomic int stop;
};

static void *churn(void *context)
{
    struct churn *churn = context;
    struct writer writer;
    writer_open(churn->partition, &writer);
    for (int i = 0; i < 3000; i++) {
        assert_true(writer_put(&writer, 100 + (size_t)i % 900, NOW) >= 0);
        if (i % 50 == 49)
            assert_ok(partition_delete_records(churn->partition, i - 45));
    }
    writer_close(&writer);
    store_release(&churn->stop, 1);
    return NULL;
}

static void *follow(void *context)
{
    struct churn *churn = context;
    int64_t offset = 0;
    uint32_t turn = 0;
    while (offset < 3000) {
        struct slice slice;
        int result = slice_find(cache, churn->partition, offset, 700 + turn++ % 3000, true, &slice);
        if (result == MAPLOG_OFFSET_OUT_OF_RANGE) {
            offset = partition_start(churn->partition);
            continue;
        }
        assert_ok(result);
        if (slice.size == 0)
            continue;
        assert_int_equal(slice.base_offset, offset);
        offset = walk(&slice);
        segment_drop(slice.segment);
    }
    return NULL;
}

static void whole_batches_also_while_it_rolls_and_is_trimmed(void **state)
{
    (void)state;
    struct churn shared = {.partition = make(0)};
    pthread_t writer, readers[2];
    segment_cache_close(cache);
    assert_ok(segment_cache_open(2, &cache));
    for (int i = 0; i < 2; i++)
        assert_ok(thread_start(&readers[i], "follow", follow, &shared));
    assert_ok(thread_start(&writer, "churn", churn, &shared));
    thread_join(writer);
    for (int i = 0; i < 2; i++)
        thread_join(readers[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_partition_gives_an_empty_slice),
        TEST(every_offset_and_every_limit_gives_whole_batches),
        TEST(nothing_is_given_when_not_even_one_fits),
        TEST(an_offset_within_a_batch_gives_the_batch),
        TEST(what_comes_later_is_seen_later),
        TEST(a_growing_segment_is_mapped_again),
        TEST(available_bytes_are_counted_across_segments),
        TEST(a_slice_outlives_retention_and_deletion),
        TEST(gaps_are_passed),
        TEST(a_missing_or_damaged_index_costs_time_only),
        TEST(a_damaged_batch_is_named_and_what_is_before_it_given),
        TEST(a_log_in_memory_is_sliced_too),
        TEST(a_cold_slice_is_told_and_warmed),
        TEST(whole_batches_also_while_it_rolls_and_is_trimmed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
