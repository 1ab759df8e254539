/* store_private_test.c - whatever is done to the copies, the files stay as they are. */
#include "log_fixture.h"
#include "segment_files.h"

#include "log/store_private.h"

static struct directory *files;
static struct private_partition *opened;
static struct partition *partition;
static struct segment_bytes bytes;

static int begin(void **state)
{
    (void)state;
    snprintf(log_path, sizeof log_path, "/tmp/maplog-test-XXXXXX");
    assert_non_null(mkdtemp(log_path));
    bytes_batches(&bytes, 0, 20);
    files_segment(log_path, "t-0", 0, &bytes);
    files_segment(log_path, "t-0", 50, &bytes);
    char path[LIMIT_PATH];
    files_path(path, log_path, "t-0", 0, ".index");
    files_write(path, "12345678", 8);
    files = directory_new(log_path);
    assert_ok(file_open(AT_FDCWD, log_path, O_RDONLY | O_DIRECTORY, 0, &files->fd));
    opened = aligned_alloc(CACHE_LINE, sizeof *opened);
    memset(opened, 0, sizeof *opened);
    partition = &opened->partition;
    return private_open(opened, files, "t-0");
}

static int end(void **state)
{
    (void)state;
    private_close(opened);
    free(opened);
    directory_drop(files);
    bytes_release(&bytes);
    return file_remove_tree(AT_FDCWD, log_path);
}

static struct segment *open_copy(int64_t base)
{
    struct segment *segment;
    assert_ok(partition->store->open(partition, base, 0, true, &segment));
    return segment;
}

static void assert_files_untouched(void)
{
    char path[LIMIT_PATH];
    files_path(path, log_path, "t-0", 0, ".log");
    struct segment_bytes now = files_read(path);
    assert_int_equal(now.size, bytes.size);
    assert_memory_equal(now.bytes, bytes.bytes, now.size);
    bytes_release(&now);
    files_path(path, log_path, "t-0", 0, ".index");
    now = files_read(path);
    assert_int_equal(now.size, 8);
    assert_memory_equal(now.bytes, "12345678", 8);
    bytes_release(&now);
    files_path(path, log_path, "t-0", 50, ".log");
    assert_int_equal(files_size(path), bytes.size);
    files_path(path, log_path, "t-0", 50, ".index");
    assert_int_equal(files_size(path), -1);
}

static void copies_begin_like_the_files(void **state)
{
    (void)state;
    struct segment_list list;
    assert_ok(partition->store->list(partition, &list));
    assert_int_equal(list.count, 2);
    assert_int_equal(list.bases[1], 50);
    segment_list_free(&list);
    struct segment_sizes sizes;
    assert_ok(partition->store->sizes(partition, 0, &sizes));
    assert_int_equal(sizes.log, bytes.size);
    assert_int_equal(sizes.index, 8);
    struct segment *segment = open_copy(0);
    assert_memory_equal(segment->log, bytes.bytes, bytes.size);
    assert_memory_equal(segment->index, "12345678", 8);
    segment_drop(segment);
    assert_code(MAPLOG_NOT_FOUND, partition->store->open(partition, 7, 0, false, &segment));
    assert_code(MAPLOG_NOT_FOUND, partition->store->sizes(partition, 7, &sizes));
    assert_code(MAPLOG_DENIED, partition->store->create(partition, 60, 0, &segment));
}

static void changes_stay_in_memory_and_are_seen_again(void **state)
{
    (void)state;
    struct segment *segment = open_copy(0);
    segment->log[5] = 99;
    segment->index[1] = 99;
    segment_drop(segment);
    struct segment_sizes sizes = {bytes.size / 2, 4, 0};
    assert_ok(partition->store->seal(partition, 0, &sizes));
    segment = open_copy(0);
    assert_int_equal(segment->log[5], 99);
    assert_int_equal(segment->index[1], 99);
    assert_int_equal(segment->index[6], 0); /* cut off and empty again */
    assert_false(opened->segments[0].reindexed);
    struct segment_sizes room = segment_allocation(sizes.log);
    assert_ok(partition->store->allocate(segment, &room));
    assert_true(opened->segments[0].reindexed);
    assert_true(segment->index_bytes >= room.index && segment->timeindex_bytes >= room.timeindex);
    memset(segment->index, 1, room.index);
    memset(segment->timeindex, 1, room.timeindex);
    assert_ok(partition->store->sync(segment, true));
    segment_drop(segment);
    assert_ok(partition->store->sizes(partition, 0, &sizes));
    assert_int_equal(sizes.log, bytes.size / 2);
    assert_files_untouched();
}

static void removed_segments_are_gone_from_memory_alone(void **state)
{
    (void)state;
    struct segment *segment = open_copy(50);
    assert_ok(partition->store->remove(partition, 50));
    assert_memory_equal(segment->log, bytes.bytes, bytes.size);
    segment_drop(segment);
    struct segment_list list;
    assert_ok(partition->store->list(partition, &list));
    assert_int_equal(list.count, 1);
    segment_list_free(&list);
    assert_code(MAPLOG_NOT_FOUND, partition->store->open(partition, 50, 0, false, &segment));
    assert_files_untouched();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(copies_begin_like_the_files),
        TEST(changes_stay_in_memory_and_are_seen_again),
        TEST(removed_segments_are_gone_from_memory_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
