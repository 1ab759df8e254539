/* partition_test.c - the commit point as others see it, sizes, look-up by time, deletion of
 * records. */
#include "log_fixture.h"

#define NOW 1700000000000ll

static void an_empty_partition_ends_where_it_starts(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    struct partition_end end;
    partition_end(partition, &end);
    assert_int_equal(end.rolls, 0);
    assert_int_equal(end.offset, 0);
    struct maplog_partition found;
    assert_ok(partition_describe(partition, &found));
    assert_int_equal(found.start_offset, 0);
    assert_int_equal(found.end_offset, 0);
    assert_int_equal(found.bytes, 0);
    assert_int_equal(found.segments, 0);
    int64_t offset = 7, timestamp = 7;
    assert_ok(partition_find_time(partition, 0, &offset, &timestamp));
    assert_int_equal(offset, -1);
    assert_ok(partition_delete_records(partition, -1));
    assert_ok(partition_delete_records(partition, 0));
    assert_code(MAPLOG_OFFSET_OUT_OF_RANGE, partition_delete_records(partition, 1));
    assert_code(0, access(log_path, F_OK));
    char path[100];
    snprintf(path, sizeof path, "%s/t-0", log_path);
    assert_int_equal(access(path, F_OK), -1); /* it costs nothing */
}

static void the_end_moves_with_each_append(void **state)
{
    (void)state;
    struct partition *here = log_topic("t", "segment.bytes=4096", NULL, NULL);
    struct directory *other = log_attach();
    struct partition *there = log_partition(other, "t");
    struct partition_end end;
    uint64_t rolls = 0;
    for (int i = 0; i < 40; i++) {
        log_fill(here, 1, 500, NOW);
        partition_end(there, &end);
        assert_int_equal(end.offset, i + 1);
        assert_true(end.rolls >= rolls);
        assert_true(end.position > 0 && end.position <= 4096);
        assert_int_equal(end.word, PUBLISHED_WORD(end.position, end.offset - end.base));
        rolls = end.rolls;
    }
    assert_true(rolls > 3);
    directory_drop(other);
}

static void a_description_adds_up(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "segment.bytes=4096", NULL, NULL);
    store_relaxed(&partition->control->leader_epoch, 3);
    log_fill(partition, 40, 500, NOW);
    struct maplog_partition found;
    assert_ok(partition_describe(partition, &found));
    assert_int_equal(found.start_offset, 0);
    assert_int_equal(found.end_offset, 40);
    assert_int_equal(found.durable_offset, 0);
    assert_int_equal(found.leader_epoch, 3);
    assert_int_equal(found.segments, log_segments(partition, NULL));
    struct reader reader;
    struct batch batch;
    int64_t bytes = 0;
    reader_init(&reader, partition, 0);
    while (reader_next(&reader, &batch) == 1)
        bytes += batch.size;
    reader_close(&reader);
    assert_int_equal(found.bytes, bytes);
    assert_ok(partition_delete_records(partition, 20));
    assert_ok(partition_describe(partition, &found));
    assert_int_equal(found.start_offset, 20);
    assert_int_equal(found.segments, log_segments(partition, NULL));
    assert_true(found.bytes < bytes);
}

/* Against a plain search through all records. */
static void a_time_is_found_to_the_record(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("t", "segment.bytes=4096", "index.interval.bytes=500", NULL);
    struct writer writer;
    int64_t times[200];
    writer_open(partition, &writer);
    for (int i = 0; i < 200; i++) { /* mostly ascending */
        times[i] = NOW + i * 10 - (i % 9 == 0 ? 55 : 0);
        assert_int_equal(writer_put(&writer, 100 + (size_t)i % 7 * 20, times[i]), i);
    }
    writer_close(&writer);
    assert_true(log_segments(partition, NULL) > 5);
    for (int start = 0; start <= 60; start += 30) {
        assert_ok(partition_delete_records(partition, start));
        for (int64_t time = NOW - 60; time < NOW + 2010; time += 7) {
            int first = start;
            while (first < 200 && times[first] < time)
                first++;
            int64_t offset, timestamp;
            assert_ok(partition_find_time(partition, time, &offset, &timestamp));
            assert_int_equal(offset, first == 200 ? -1 : first);
            assert_int_equal(timestamp, first == 200 ? -1 : times[first]);
        }
    }
}

/* Against a plain search through all records. */
static void the_largest_time_is_found_to_the_record(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("t", "segment.bytes=4096", "index.interval.bytes=500", NULL);
    int64_t times[300], offset = 7, timestamp = 7;
    assert_ok(partition_find_max_timestamp(partition, &offset, &timestamp));
    assert_int_equal(offset, -1);
    assert_int_equal(timestamp, -1);
    for (int i = 0; i < 300; i++) {
        times[i] = NOW + (i * 7919) % 1009 - (i > 150 ? 200 : 0); /* up and down, some twice */
        log_fill(partition, 1, 100 + (size_t)i % 7 * 20, times[i]);
        if (i % 40 == 39)
            assert_ok(partition_delete_records(partition, i - 25));
        int best = (int)partition_start(partition);
        for (int other = best; other <= i; other++)
            best = times[other] > times[best] ? other : best;
        assert_ok(partition_find_max_timestamp(partition, &offset, &timestamp));
        assert_int_equal(timestamp, times[best]);
        assert_int_equal(offset, best);
    }
    assert_true(log_segments(partition, NULL) > 1);
    /* The writer died before its notes; and without any index. */
    store_relaxed(&partition->control->noted_published, 1);
    int64_t bases[30], again;
    size_t count = log_segments(partition, bases);
    assert_ok(partition_find_max_timestamp(partition, &again, &timestamp));
    assert_int_equal(again, offset);
    for (size_t i = 0; i + 1 < count; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/t-0/%020lld.timeindex", log_path, (long long)bases[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_ok(partition_find_max_timestamp(partition, &again, &timestamp));
    assert_int_equal(again, offset);
    assert_ok(partition_delete_records(partition, -1));
    assert_ok(partition_find_max_timestamp(partition, &offset, &timestamp));
    assert_int_equal(offset, -1);
}

/* Also when the log begins within the batch, behind its newest record. */
static void the_largest_time_is_found_within_a_batch(void **state)
{
    (void)state;
    static const int64_t times[] = {NOW + 3, NOW + 9, NOW + 5, NOW + 9, NOW + 1, NOW + 4};
    static const int64_t newest[] = {1, 1, 3, 3, 5, 5};
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    struct builder builder;
    struct writer writer;
    uint8_t *bytes;
    size_t size;
    struct appended appended;
    writer_open(partition, &writer);
    builder_init(&builder, MAPLOG_COMPRESSION_LZ4);
    for (int i = 0; i < 6; i++)
        assert_ok(builder_add_value(&builder, "0123456789", 10, times[i]));
    assert_ok(builder_finish(&builder, &bytes, &size));
    assert_ok(appender_append(&writer.appender, bytes, size, &appended));
    builder_free(&builder);
    writer_close(&writer);
    for (int64_t start = 0; start < 6; start++) {
        int64_t offset, timestamp;
        assert_ok(partition_delete_records(partition, start));
        assert_ok(partition_find_max_timestamp(partition, &offset, &timestamp));
        assert_int_equal(offset, newest[start]);
        assert_int_equal(timestamp, times[newest[start]]);
    }
}

static void a_time_is_found_within_a_batch(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    for (int codec = 0; codec <= MAPLOG_COMPRESSION_ZSTD; codec++) {
        struct builder builder;
        struct writer writer;
        uint8_t *bytes;
        size_t size;
        struct appended appended;
        builder_init(&builder, (enum maplog_compression)codec);
        for (int i = 0; i < 10; i++)
            assert_ok(builder_add_value(&builder, "v", 1, NOW + codec * 100 + i * 10));
        assert_ok(builder_finish(&builder, &bytes, &size));
        writer_open(partition, &writer);
        assert_ok(appender_append(&writer.appender, bytes, size, &appended));
        writer_close(&writer);
        builder_free(&builder);
    }
    for (int i = 0; i < 50; i++) {
        int64_t offset, timestamp;
        assert_ok(partition_find_time(partition, NOW + i * 10 - 3, &offset, &timestamp));
        assert_int_equal(offset, i);
        assert_int_equal(timestamp, NOW + i * 10);
    }
}

static void deleted_records_are_gone_and_the_log_goes_on(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "segment.bytes=4096", NULL, NULL);
    log_fill(partition, 40, 500, NOW);
    int64_t bases[32];
    size_t count = log_segments(partition, bases);
    assert_ok(partition_delete_records(partition, bases[2] + 1));
    assert_int_equal(partition_start(partition), bases[2] + 1);
    assert_int_equal(log_segments(partition, NULL), count - 2);
    assert_ok(partition_delete_records(partition, 3)); /* never back */
    assert_int_equal(partition_start(partition), bases[2] + 1);
    assert_code(MAPLOG_OFFSET_OUT_OF_RANGE, partition_delete_records(partition, 41));
    assert_ok(partition_delete_records(partition, -1));
    assert_int_equal(partition_start(partition), 40);
    assert_int_equal(log_segments(partition, NULL), 1); /* the active one stays */
    assert_int_equal(log_end(partition), 40);
    log_fill(partition, 10, 500, NOW);
    struct reader reader;
    struct batch batch;
    reader_init(&reader, partition, 40);
    for (int64_t offset = 40; offset < 50; offset++) {
        assert_code(1, reader_next(&reader, &batch));
        assert_int_equal(batch.base_offset, offset);
    }
    reader_close(&reader);
    assert_ok(directory_delete_topic(log_directory, "t"));
    assert_code(MAPLOG_TOPIC_DELETED, partition_delete_records(partition, -1));
    assert_code(MAPLOG_TOPIC_DELETED, partition_check_live(partition));
}

static void settings_are_as_of_now(void **state)
{
    (void)state;
    struct partition *here = log_topic("t", "segment.bytes=4096", NULL, NULL);
    struct directory *other = log_attach();
    struct partition *there = log_partition(other, "t");
    struct settings settings;
    uint64_t first, generation;
    assert_ok(partition_settings(there, &settings, &first));
    assert_int_equal(settings.segment_bytes, 4096);
    log_alter("t", "segment.bytes=8192");
    assert_ok(partition_settings(there, &settings, &generation));
    assert_int_equal(settings.segment_bytes, 8192);
    assert_true(generation > first);
    assert_ok(partition_settings(here, &settings, &generation));
    assert_int_equal(settings.segment_bytes, 8192);
    assert_ok(directory_delete_topic(other, "t"));
    const char *configs[] = {"segment.bytes=5000", NULL};
    assert_ok(directory_create_topic(other, "t", 1, configs)); /* another topic of that name */
    assert_code(MAPLOG_TOPIC_DELETED, partition_settings(here, &settings, &generation));
    assert_code(MAPLOG_TOPIC_DELETED, partition_settings(there, &settings, &generation));
    assert_int_equal(settings.segment_bytes, 8192);
    directory_drop(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_partition_ends_where_it_starts),
        TEST(the_end_moves_with_each_append),
        TEST(a_description_adds_up),
        TEST(a_time_is_found_to_the_record),
        TEST(the_largest_time_is_found_to_the_record),
        TEST(the_largest_time_is_found_within_a_batch),
        TEST(a_time_is_found_within_a_batch),
        TEST(deleted_records_are_gone_and_the_log_goes_on),
        TEST(settings_are_as_of_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
