/* segment_test.c - counting of mappings, look-up in a list of bases, names and sizes. */
#include "log_fixture.h"

#include "log/format.h"

static void a_base_is_found_by_offset(void **state)
{
    (void)state;
    int64_t bases[] = {0, 10, 11, 500};
    struct segment_list list = {bases, 4};
    static const struct {
        int64_t offset;
        long at;
    } cases[] = {{-1, -1}, {0, 0}, {9, 0}, {10, 1}, {11, 2}, {499, 2}, {500, 3}, {INT64_MAX, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(segment_list_find(&list, cases[i].offset), cases[i].at);
    struct segment_list empty = {0};
    assert_int_equal(segment_list_find(&empty, 5), -1);
    segment_list_free(&empty);
}

static void a_path_has_twenty_digits(void **state)
{
    (void)state;
    struct partition partition = {.name = "orders-12"};
    char path[300];
    segment_path(&partition, 42, SEGMENT_LOG_SUFFIX, path, sizeof path);
    assert_string_equal(path, "orders-12/00000000000000000042.log");
    segment_path(&partition, INT64_MAX, SEGMENT_TIMEINDEX_SUFFIX, path, sizeof path);
    assert_string_equal(path, "orders-12/09223372036854775807.timeindex");
}

static void index_room_follows_the_log(void **state)
{
    (void)state;
    assert_int_equal(segment_index_room(0), 8);
    assert_int_equal(segment_index_room(512), 16);
    assert_int_equal(segment_index_room(UINT32_MAX), LIMIT_INDEX_BYTES);
    struct segment_sizes sizes = segment_allocation(65536);
    assert_int_equal(sizes.log, 65536);
    assert_int_equal(sizes.index, 129 * INDEX_ENTRY_BYTES);
    assert_int_equal(sizes.timeindex, 129 * TIMEINDEX_ENTRY_BYTES);
}

static void a_mapping_goes_with_its_last_reference(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    log_fill(partition, 3, 10, 1);
    struct segment *segment;
    assert_ok(partition->store->open(partition, 0, 0, false, &segment));
    assert_int_equal(segment->references, 1);
    assert_ptr_equal(segment_keep(segment), segment);
    segment_drop(segment);
    uint8_t magic = segment->log[BATCH_MAGIC]; /* still there */
    assert_int_equal(magic, BATCH_MAGIC_V2);
    int fd = segment->log_fd;
    segment_drop(segment);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    segment_drop(NULL);
}

static void a_sealed_segment_knows_its_size_after_its_files_are_gone(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "segment.bytes=4096", NULL, NULL);
    log_fill(partition, 12, 1000, 1);
    struct segment_sizes sizes, mapped;
    assert_ok(partition->store->sizes(partition, 0, &sizes));
    struct segment *segment;
    assert_ok(partition->store->open(partition, 0, 0, false, &segment));
    assert_ok(partition->store->remove(partition, 0));
    assert_code(MAPLOG_NOT_FOUND, partition->store->sizes(partition, 0, &sizes));
    assert_ok(segment_sealed(segment, &mapped));
    assert_int_equal(mapped.log, sizes.log);
    segment_drop(segment);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_base_is_found_by_offset),
        cmocka_unit_test(a_path_has_twenty_digits),
        cmocka_unit_test(index_room_follows_the_log),
        TEST(a_mapping_goes_with_its_last_reference),
        TEST(a_sealed_segment_knows_its_size_after_its_files_are_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
