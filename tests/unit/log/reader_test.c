/* reader_test.c - walking batches below the published end, while the log moves under the reader. */
#include "log_fixture.h"

#include "log/retain.h"

#define NOW 1700000000000ll

/* The next batch must be of one record at this offset. */
static void take(struct reader *reader, int64_t offset)
{
    struct batch batch;
    assert_code(1, reader_next(reader, &batch));
    assert_int_equal(batch.base_offset, offset);
    assert_ok(batch_check_crc(&batch));
}

static void assert_end(struct reader *reader)
{
    struct batch batch;
    assert_code(0, reader_next(reader, &batch));
}

static struct partition *make(int records)
{
    struct partition *partition =
        log_topic("t", "segment.bytes=4096", "index.interval.bytes=500", NULL);
    if (records)
        log_fill(partition, records, 300, NOW); /* 11 a segment */
    return partition;
}

static void a_reader_may_begin_anywhere(void **state)
{
    (void)state;
    struct partition *partition = make(100);
    assert_true(log_segments(partition, NULL) > 5);
    struct reader reader;
    for (int64_t begin = 0; begin <= 100; begin++) {
        reader_init(&reader, partition, begin);
        for (int64_t offset = begin; offset < 100; offset++)
            take(&reader, offset);
        assert_end(&reader);
        reader_close(&reader);
    }
    reader_init(&reader, partition, 7);
    take(&reader, 7);
    for (int64_t offset = 99; offset >= 0; offset -= 9) {
        reader_seek(&reader, offset);
        take(&reader, offset);
    }
    reader_close(&reader);
}

static void an_offset_within_a_batch_gives_the_batch(void **state)
{
    (void)state;
    struct partition *partition = make(0);
    struct writer writer;
    struct builder builder;
    writer_open(partition, &writer);
    builder_init(&builder, MAPLOG_COMPRESSION_NONE);
    for (int i = 0; i < 10; i++) {
        uint8_t *bytes;
        size_t size;
        struct appended appended;
        builder_clear(&builder);
        for (int r = 0; r < 10; r++)
            assert_ok(builder_add_value(&builder, "0123456789", 10, NOW));
        assert_ok(builder_finish(&builder, &bytes, &size));
        assert_ok(appender_append(&writer.appender, bytes, size, &appended));
    }
    builder_free(&builder);
    writer_close(&writer);
    struct reader reader;
    reader_init(&reader, partition, 0);
    for (int64_t offset = 0; offset < 100; offset++) {
        reader_seek(&reader, offset);
        take(&reader, offset / 10 * 10);
        if (offset < 90)
            take(&reader, offset / 10 * 10 + 10);
    }
    reader_close(&reader);
}

static void what_comes_later_is_seen_later(void **state)
{
    (void)state;
    struct partition *partition = make(0);
    struct reader reader;
    reader_init(&reader, partition, 0);
    assert_end(&reader);
    for (int64_t offset = 0; offset < 60; offset++) { /* over five rolls */
        log_fill(partition, 1, 300, NOW);
        take(&reader, offset);
        assert_end(&reader);
    }
    /* It stops at the end of a segment, and several are begun meanwhile. */
    for (int64_t offset = 60; offset < 500; offset += 44) {
        log_fill(partition, 44, 300, NOW);
        for (int64_t i = offset; i < offset + 44; i++)
            take(&reader, i);
        assert_end(&reader);
    }
    reader_close(&reader);
}

static void a_watch_tells_what_was_seen(void **state)
{
    (void)state;
    struct partition *partition = make(1);
    struct reader reader;
    struct bell_watch watch;
    reader_init(&reader, partition, 0);
    take(&reader, 0);
    assert_end(&reader);
    reader_watch(&reader, &watch);
    assert_int_equal(watch.partition_index, partition->slot);
    assert_false(bell_moved(&log_directory->view, &watch));
    log_fill(partition, 1, 300, NOW);
    assert_true(bell_moved(&log_directory->view, &watch));
    take(&reader, 1);
    assert_end(&reader);
    reader_watch(&reader, &watch);
    struct writer writer;
    writer_open(partition, &writer);
    assert_ok(appender_roll(&writer.appender)); /* nothing to read, but a look is due */
    writer_close(&writer);
    assert_true(bell_moved(&log_directory->view, &watch));
    assert_end(&reader);
    reader_watch(&reader, &watch);
    assert_false(bell_moved(&log_directory->view, &watch));
    reader_close(&reader);
}

static void offsets_outside_the_log_are_refused(void **state)
{
    (void)state;
    struct partition *partition = make(100);
    assert_ok(partition_delete_records(partition, 40));
    struct reader reader;
    struct batch batch;
    static const int64_t outside[] = {-1, -2, 0, 39, 101, INT64_MAX};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        reader_init(&reader, partition, outside[i]);
        assert_code(MAPLOG_OFFSET_OUT_OF_RANGE, reader_next(&reader, &batch));
        assert_non_null(strstr(error_text(), "40 to 100"));
        reader_close(&reader);
    }
    reader_init(&reader, partition, 40);
    take(&reader, 40);
    reader_close(&reader);
}

static void retention_does_not_take_what_is_being_read(void **state)
{
    (void)state;
    struct partition *partition = make(100);
    int64_t bases[32];
    log_segments(partition, bases);
    struct reader reader;
    struct batch batch;
    reader_init(&reader, partition, 0);
    take(&reader, 0);
    assert_ok(partition_delete_records(partition, 90));
    for (int64_t offset = 1; offset < bases[1]; offset++) /* the segment that it has mapped */
        take(&reader, offset);
    assert_code(MAPLOG_OFFSET_OUT_OF_RANGE, reader_next(&reader, &batch));
    reader_seek(&reader, 90);
    take(&reader, 90);
    reader_close(&reader);
}

/* Also when the start falls on the beginning of a segment, where it could just go on. */
static void what_was_removed_is_not_skipped_silently(void **state)
{
    (void)state;
    struct partition *partition = make(100);
    int64_t bases[32];
    assert_true(log_segments(partition, bases) > 5);
    struct reader reader;
    struct batch batch;
    reader_init(&reader, partition, 0);
    take(&reader, 0);
    assert_ok(partition_delete_records(partition, bases[3]));
    for (int64_t offset = 1; offset < bases[1]; offset++)
        take(&reader, offset);
    assert_code(MAPLOG_OFFSET_OUT_OF_RANGE, reader_next(&reader, &batch));
    assert_int_equal(reader.offset, bases[1]);
    reader_close(&reader);
}

static void damage_is_named(void **state)
{
    (void)state;
    struct partition *partition = make(100);
    struct partition_end end;
    partition_end(partition, &end);
    struct batch batch;
    struct reader reader;
    reader_init(&reader, partition, 0);
    for (int64_t i = 0; i < 5; i++)
        take(&reader, i);
    uint32_t position = reader.position;
    struct segment *segment;
    assert_ok(partition->store->open(partition, 0, 0, true, &segment));
    static const struct {
        uint32_t field;
        uint8_t byte;
    } damages[] = {{BATCH_MAGIC, 1},
                   {BATCH_LENGTH, 0x7f},
                   {BATCH_ATTRIBUTES + 1, 7},
                   {BATCH_RECORD_COUNT, 0xff}};
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        uint8_t *at = segment->log + position + damages[i].field;
        uint8_t whole = *at;
        *at = damages[i].byte;
        assert_code(MAPLOG_CORRUPT, reader_next(&reader, &batch));
        char where[64];
        snprintf(where, sizeof where, "t-0/00000000000000000000.log position %u", position);
        assert_non_null(strstr(error_text(), where));
        *at = whole;
    }
    take(&reader, 5);
    segment_drop(segment);
    reader_close(&reader);
}

static void indexes_are_hints(void **state)
{
    (void)state;
    struct partition *partition = make(100);
    struct reader reader;
    for (int round = 0; round < 3; round++) {
        char path[128];
        snprintf(path, sizeof path, "%s/t-0/00000000000000000000.index", log_path);
        if (round == 1) {
            assert_int_equal(truncate(path, 3), 0);
        } else if (round == 2) {
            assert_int_equal(unlink(path), 0);
        } else {
            int fd = open(path, O_RDWR);
            char junk[64];
            memset(junk, 0x41, sizeof junk);
            assert_true(write(fd, junk, 64) == 64);
            close(fd);
        }
        for (int64_t offset = 0; offset < 15; offset++) {
            reader_init(&reader, partition, offset);
            take(&reader, offset);
            take(&reader, offset + 1);
            reader_close(&reader);
        }
    }
}

static void gaps_are_passed(void **state)
{
    (void)state;
    struct partition *partition = make(0);
    struct writer writer;
    struct builder builder;
    uint8_t *bytes;
    size_t size;
    writer_open(partition, &writer);
    builder_init(&builder, MAPLOG_COMPRESSION_NONE);
    static char value[300];
    assert_ok(builder_add_value(&builder, value, sizeof value, NOW));
    assert_ok(builder_finish(&builder, &bytes, &size));
    for (int64_t offset = 5; offset < 1000; offset += 10) {
        bytes_store64(bytes + BATCH_BASE_OFFSET, (uint64_t)offset);
        assert_ok(appender_append_kept(&writer.appender, bytes, size));
    }
    builder_free(&builder);
    struct reader reader;
    for (int64_t begin = 0; begin < 990; begin += 3) {
        reader_init(&reader, partition, begin);
        take(&reader, (begin + 4) / 10 * 10 + 5);
        reader_close(&reader);
    }
    writer_close(&writer);
}

static void a_deleted_topic_ends_after_what_is_mapped(void **state)
{
    (void)state;
    struct partition *partition = make(30);
    struct directory *other = log_attach();
    struct reader reader, late;
    struct batch batch;
    reader_init(&reader, partition, 20);
    take(&reader, 20);
    reader_init(&late, log_partition(other, "t"), 0);
    assert_ok(directory_delete_topic(log_directory, "t"));
    for (int64_t offset = 21; offset < 22; offset++)
        take(&reader, offset);
    int result;
    while ((result = reader_next(&reader, &batch)) == 1)
        ;
    assert_code(MAPLOG_TOPIC_DELETED, result);
    assert_code(MAPLOG_TOPIC_DELETED, reader_next(&late, &batch));
    reader_close(&late);
    reader_close(&reader);
    directory_drop(other);
}

/* A reader whose mapping was made for smaller segments. */
static void a_segment_that_outgrows_the_mapping_is_mapped_again(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "segment.bytes=8192", NULL, NULL);
    log_fill(partition, 1, 10, NOW);
    struct reader reader;
    reader_init(&reader, partition, 0);
    take(&reader, 0);
    log_alter("t", "segment.bytes=1000000");
    for (int64_t offset = 1; offset < 400; offset++) {
        log_fill(partition, 1, 2000, NOW);
        take(&reader, offset);
    }
    assert_int_equal(log_segments(partition, NULL), 1);
    reader_close(&reader);
}

/* The segment grew after it was mapped, and was sealed, and the next one too. */
static void a_reader_that_lags_maps_what_it_missed(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "segment.bytes=1000000", NULL, NULL);
    struct reader reader;
    reader_init(&reader, partition, 0);
    for (int64_t begin = 0; begin < 900; begin += 300) {
        log_fill(partition, 1, 10000, NOW);
        take(&reader, begin);
        assert_end(&reader);
        log_fill(partition, 299, 10000, NOW);
        for (int64_t offset = begin + 1; offset < begin + 300; offset++)
            take(&reader, offset);
    }
    assert_true(log_segments(partition, NULL) > 8);
    reader_close(&reader);
}

/* Someone cut the file of a log that is in use, or wrote nonsense into the commit word. */
static void an_end_behind_the_file_is_damage(void **state)
{
    (void)state;
    struct partition *partition = make(5);
    struct partition_end end;
    partition_end(partition, &end);
    struct reader reader;
    struct batch batch;
    for (int open = 0; open < 2; open++) {
        reader_init(&reader, partition, 0);
        if (open)
            take(&reader, 0);
        store_relaxed(&partition->control->published[1], PUBLISHED_WORD(1000000, 50));
        int result;
        while ((result = reader_next(&reader, &batch)) == 1)
            ;
        assert_code(MAPLOG_CORRUPT, result);
        store_relaxed(&partition->control->published[1], end.word);
        reader_close(&reader);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reader_may_begin_anywhere),
        TEST(an_offset_within_a_batch_gives_the_batch),
        TEST(what_comes_later_is_seen_later),
        TEST(a_watch_tells_what_was_seen),
        TEST(offsets_outside_the_log_are_refused),
        TEST(retention_does_not_take_what_is_being_read),
        TEST(what_was_removed_is_not_skipped_silently),
        TEST(damage_is_named),
        TEST(indexes_are_hints),
        TEST(gaps_are_passed),
        TEST(a_deleted_topic_ends_after_what_is_mapped),
        TEST(a_segment_that_outgrows_the_mapping_is_mapped_again),
        TEST(a_reader_that_lags_maps_what_it_missed),
        TEST(an_end_behind_the_file_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
