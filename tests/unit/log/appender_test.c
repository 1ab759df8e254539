/* appender_test.c - what one append leaves: bytes, offsets, notes; and what a dead writer leaves.
 */
#include "log_fixture.h"

#include "log/codec.h"
#include "log/index.h"
#include "log/record.h"
#include "os/map.h"

#define NOW 1700000000000ll

static struct partition *make(void)
{
    static int made;
    char name[32];
    snprintf(name, sizeof name, "t%d", made++);
    return log_topic(name, NULL, NULL, NULL);
}

/* The batch at an offset, and its first record. */
static struct batch read_batch(struct partition *partition, int64_t offset, struct reader *reader,
                               struct record *record)
{
    struct batch batch;
    reader_init(reader, partition, offset);
    assert_code(1, reader_next(reader, &batch));
    assert_ok(batch_check_crc(&batch));
    struct record_cursor cursor;
    record_begin(&cursor, &batch, batch.bytes + BATCH_HEADER_BYTES,
                 batch.size - BATCH_HEADER_BYTES);
    assert_code(1, record_next(&cursor, record));
    return batch;
}

static void append(struct writer *writer, const struct maplog_record *record, int64_t expected)
{
    int64_t offset = -1;
    assert_ok(appender_append_record(&writer->appender, record, NOW, &offset));
    assert_int_equal(offset, expected);
}

/* A batch of `count` records without keys; free builder's memory with builder_free. */
static void build(struct builder *builder, int count, uint8_t **batch, size_t *size)
{
    builder_init(builder, MAPLOG_COMPRESSION_NONE);
    for (int i = 0; i < count; i++)
        assert_ok(builder_add_value(builder, "value", 5, NOW + i));
    assert_ok(builder_finish(builder, batch, size));
}

static void a_record_is_a_batch_of_its_own(void **state)
{
    (void)state;
    struct partition *partition = make();
    struct writer writer;
    writer_open(partition, &writer);
    static const size_t sizes[] = {0, 1, 2, 62, 63, 64, 100, 100, 8191, 70000, 5};
    char *value = malloc(70000);
    memset(value, 'v', 70000);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct maplog_record put = {.value = value, .value_size = sizes[i]};
        append(&writer, &put, (int64_t)i);
        struct reader reader;
        struct record got;
        struct batch batch = read_batch(partition, (int64_t)i, &reader, &got);
        assert_int_equal(batch.records, 1);
        assert_int_equal(batch.base_offset, i);
        assert_int_equal(batch.attributes, 0);
        assert_int_equal(batch.producer_id, -1);
        assert_int_equal(got.timestamp, NOW);
        assert_null(got.key);
        assert_int_equal(got.header_count, 0);
        assert_int_equal(got.value_size, sizes[i]);
        assert_memory_equal(got.value, value, sizes[i]);
        struct batch deep;
        assert_ok(batch_check_deep(batch.bytes, batch.size, &deep));
        reader_close(&reader);
    }
    free(value);
    writer_close(&writer);
}

static void keys_headers_nulls_and_times_are_kept(void **state)
{
    (void)state;
    struct partition *partition = make();
    struct writer writer;
    writer_open(partition, &writer);
    struct maplog_header headers[] = {{"a", "1", 1}, {"b", NULL, 0}};
    struct maplog_record records[] = {
        {.key = "k", .key_size = 1, .value = "v", .value_size = 1},
        {.key = "", .key_size = 0, .value = "", .value_size = 0},
        {.key = "gone", .key_size = 4, .value = NULL},
        {.value = "h", .value_size = 1, .headers = headers, .header_count = 2, .timestamp = 77},
        {.value = "t", .value_size = 1, .timestamp = 78},
    };
    for (int i = 0; i < 5; i++)
        append(&writer, &records[i], i);
    for (int i = 0; i < 5; i++) {
        struct reader reader;
        struct record got;
        read_batch(partition, i, &reader, &got);
        assert_int_equal(got.key == NULL, records[i].key == NULL);
        assert_int_equal(got.value == NULL, records[i].value == NULL);
        assert_int_equal(got.key_size, records[i].key_size);
        assert_memory_equal(got.key, records[i].key, got.key_size);
        assert_int_equal(got.value_size, records[i].value_size);
        assert_memory_equal(got.value, records[i].value, got.value_size);
        assert_int_equal(got.header_count, records[i].header_count);
        assert_int_equal(got.timestamp, records[i].timestamp ? records[i].timestamp : NOW);
        reader_close(&reader);
    }
    writer_close(&writer);
}

static void a_batch_gets_offset_and_epoch(void **state)
{
    (void)state;
    struct partition *partition = make();
    store_relaxed(&partition->control->leader_epoch, 6);
    log_fill(partition, 3, 10, NOW);
    struct writer writer;
    writer_open(partition, &writer);
    struct builder builder;
    uint8_t *bytes;
    size_t size;
    struct appended appended;
    build(&builder, 4, &bytes, &size);
    assert_ok(appender_append(&writer.appender, bytes, size, &appended));
    assert_int_equal(appended.base_offset, 3);
    assert_int_equal(appended.last_offset, 6);
    assert_int_equal(appended.log_append_time, -1);
    struct reader reader;
    struct record record;
    struct batch batch = read_batch(partition, 5, &reader, &record);
    assert_int_equal(batch.base_offset, 3);
    assert_int_equal(batch.last_offset, 6);
    assert_int_equal(batch.leader_epoch, 6);
    reader_close(&reader);
    /* Only at the offset that was asked for. */
    assert_code(MAPLOG_BUSY, appender_append_at(&writer.appender, bytes, size, 6, &appended));
    assert_code(MAPLOG_BUSY, appender_append_at(&writer.appender, bytes, size, 8, &appended));
    assert_ok(appender_append_at(&writer.appender, bytes, size, 7, &appended));
    assert_int_equal(log_end(partition), 11);
    assert_int_equal(log_walk(partition), 11);
    builder_free(&builder);
    writer_close(&writer);
}

static void log_append_time_stamps_every_record(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("stamped", "message.timestamp.type=LogAppendTime", NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    struct maplog_record record = {.value = "v", .value_size = 1, .timestamp = 5};
    append(&writer, &record, 0);
    struct builder builder;
    uint8_t *bytes;
    size_t size;
    struct appended appended;
    build(&builder, 2, &bytes, &size);
    assert_ok(appender_append(&writer.appender, bytes, size, &appended));
    assert_true(appended.log_append_time > NOW);
    struct reader reader;
    struct record got;
    struct batch batch = read_batch(partition, 0, &reader, &got);
    assert_int_equal(batch.attributes, ATTRIBUTE_LOG_APPEND_TIME);
    assert_int_equal(got.timestamp, NOW);
    reader_close(&reader);
    batch = read_batch(partition, 1, &reader, &got);
    assert_int_equal(batch.max_timestamp, appended.log_append_time);
    assert_int_equal(got.timestamp, appended.log_append_time);
    reader_close(&reader);
    /* Back to the producer's time while the writer is at work. */
    log_alter("stamped", "message.timestamp.type=CreateTime");
    append(&writer, &record, 3);
    batch = read_batch(partition, 3, &reader, &got);
    assert_int_equal(batch.attributes, 0);
    assert_int_equal(got.timestamp, 5);
    reader_close(&reader);
    builder_free(&builder);
    writer_close(&writer);
}

static void what_is_too_large_leaves_nothing(void **state)
{
    (void)state;
    struct partition *partition = log_topic("small", "max.message.bytes=200", NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    char value[400] = {0};
    struct maplog_record record = {.value = value, .value_size = sizeof value};
    int64_t offset = 77;
    assert_code(MAPLOG_TOO_LARGE, appender_append_record(&writer.appender, &record, NOW, &offset));
    record.key = "k";
    record.key_size = 1;
    assert_code(MAPLOG_TOO_LARGE, appender_append_record(&writer.appender, &record, NOW, &offset));
    assert_int_equal(offset, 77);
    assert_int_equal(log_end(partition), 0);
    record = (struct maplog_record){.value = value, .value_size = 100};
    append(&writer, &record, 0);
    log_alter("small", "max.message.bytes=1000");
    record.value_size = sizeof value;
    append(&writer, &record, 1);
    assert_int_equal(log_walk(partition), 2);
    writer_close(&writer);
}

static void kept_offsets_have_gaps_but_never_go_back(void **state)
{
    (void)state;
    struct partition *partition = make();
    log_fill(partition, 2, 10, NOW);
    struct writer writer;
    writer_open(partition, &writer);
    struct builder builder;
    uint8_t *bytes;
    size_t size;
    build(&builder, 3, &bytes, &size);
    static const struct {
        int64_t base;
        int result;
    } cases[] = {
        {1, MAPLOG_INVALID},
        {2, 0},
        {4, MAPLOG_INVALID},
        {100, 0},
        {102, MAPLOG_INVALID},
        {103, 0},
        {106ll + INT32_MAX, MAPLOG_LIMIT},
        {106ll + INT32_MAX - 3, 0}, /* a gap that needs a segment of its own */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes_store64(bytes + BATCH_BASE_OFFSET, (uint64_t)cases[i].base);
        assert_code(cases[i].result, appender_append_kept(&writer.appender, bytes, size));
    }
    int64_t last = 106ll + INT32_MAX - 3 + 2;
    assert_int_equal(log_end(partition), last + 1);
    struct reader reader;
    struct batch batch;
    reader_init(&reader, partition, 2);
    static const int64_t bases[] = {2, 100, 103, 106ll + INT32_MAX - 3};
    for (int i = 0; i < 4; i++) {
        assert_code(1, reader_next(&reader, &batch));
        assert_int_equal(batch.base_offset, bases[i]);
    }
    assert_code(0, reader_next(&reader, &batch));
    reader_close(&reader);
    /* Appends of our own go on behind it. */
    struct maplog_record record = {.value = "v", .value_size = 1};
    append(&writer, &record, last + 1);
    builder_free(&builder);
    writer_close(&writer);
}

static void two_writers_take_turns(void **state)
{
    (void)state;
    struct partition *here = log_topic("turns", "segment.bytes=4096", NULL, NULL);
    struct directory *other = log_attach();
    struct partition *there = log_partition(other, "turns");
    struct writer first, second;
    writer_open(here, &first);
    writer_open(there, &second);
    for (int i = 0; i < 200; i++)
        assert_int_equal(writer_put(i % 3 ? &first : &second, (size_t)i, NOW), i);
    assert_int_equal(log_walk(here), 200);
    assert_int_equal(log_walk(there), 200);
    writer_close(&second);
    writer_close(&first);
    directory_drop(other);
}

/* The active segment's indexes are what a rebuild from its batches gives. */
static void assert_indexed(struct partition *partition, uint32_t interval)
{
    struct partition_end end;
    partition_end(partition, &end);
    struct control_partition *control = partition->control;
    uint32_t parity = end.rolls & 1;
    struct segment *segment;
    assert_ok(partition->store->open(partition, end.base, 0, false, &segment));
    uint8_t index[4096], timeindex[4096];
    struct indexer_parts parts = {.index = index,
                                  .index_room = sizeof index,
                                  .timeindex = timeindex,
                                  .timeindex_room = sizeof timeindex};
    struct indexer indexer;
    indexer_init(&indexer, interval);
    assert_int_equal(indexer_build(&indexer, segment->log, end.position, end.base, &parts),
                     end.position);
    assert_int_equal(load_relaxed(&control->index_bytes[parity]), parts.index_bytes);
    assert_memory_equal(segment->index, index, parts.index_bytes);
    assert_int_equal(load_relaxed(&control->timeindex_bytes[parity]), parts.timeindex_bytes);
    assert_memory_equal(segment->timeindex, timeindex, parts.timeindex_bytes);
    assert_int_equal(load_relaxed(&control->bytes_since_index), indexer.bytes_since);
    assert_int_equal(load_relaxed(&control->max_timestamp), indexer.max_timestamp);
    assert_int_equal(load_relaxed(&control->max_timestamp_offset), indexer.max_timestamp_relative);
    segment_drop(segment);
}

static void indexes_are_what_a_rebuild_gives(void **state)
{
    (void)state;
    struct partition *partition = log_topic("indexed", "index.interval.bytes=500", NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    for (int i = 0; i < 100; i++) /* times go up and down */
        writer_put(&writer, 20 + (size_t)i % 7 * 30, NOW + i % 10 * 100 + i);
    assert_indexed(partition, 500);
    writer_close(&writer);
}

static void notes_of_a_dead_writer_are_made_anew(void **state)
{
    (void)state;
    struct partition *partition = log_topic("noted", "index.interval.bytes=500", NULL, NULL);
    struct control_partition *control = partition->control;
    for (int round = 0; round < 50; round++) {
        log_fill(partition, 1 + round % 5, 100, NOW + round % 7 * 10);
        /* It died between its publication and its notes: those are older, or half-written. */
        store_relaxed(&control->noted_published, round % 2 ? UINT64_MAX : 0);
        store_relaxed(&control->max_timestamp, 1);
        store_relaxed(&control->max_timestamp_offset, 0);
        store_relaxed(&control->bytes_since_index, 0);
        log_fill(partition, 1, 10, NOW);
        struct partition_end end;
        partition_end(partition, &end);
        struct segment *segment;
        assert_ok(partition->store->open(partition, end.base, 0, false, &segment));
        struct indexer_parts parts = {0}; /* no room: only the notes are made */
        struct indexer indexer;
        indexer_init(&indexer, 500);
        indexer_build(&indexer, segment->log, end.position, end.base, &parts);
        assert_int_equal(load_relaxed(&control->max_timestamp), indexer.max_timestamp);
        assert_int_equal(load_relaxed(&control->max_timestamp_offset),
                         indexer.max_timestamp_relative);
        /* An entry that the dead writer did not come to is left out; the next comes at once. */
        assert_true(load_relaxed(&control->bytes_since_index) <= 500 + 2 * 170);
        segment_drop(segment);
    }
    assert_true(load_relaxed(&control->index_bytes[1]) >= 15 * INDEX_ENTRY_BYTES);
    log_walk(partition);
}

static void bytes_behind_the_end_are_overwritten(void **state)
{
    (void)state;
    struct partition *partition = make();
    log_fill(partition, 5, 50, NOW);
    struct partition_end end;
    partition_end(partition, &end);
    memset(partition->active->log + end.position, 0xee, 3000); /* a dead writer's half batch */
    log_fill(partition, 1, 50, NOW);
    assert_int_equal(log_walk(partition), 6);
    struct partition_end now;
    partition_end(partition, &now);
    assert_int_equal(now.offset, 6);
}

static void who_may_not_append_is_told(void **state)
{
    (void)state;
    struct partition *partition = log_topic("told", NULL, NULL, NULL);
    log_fill(partition, 1, 10, NOW);
    struct maplog_open_options options = {.flags = MAPLOG_READ_ONLY};
    struct directory *reading;
    assert_ok(directory_open(log_path, &options, &reading));
    struct appender appender = {0};
    assert_code(MAPLOG_DENIED,
                appender_open(log_partition(reading, "told"), 0, LONG_NS, &appender));
    directory_drop(reading);

    struct writer writer;
    writer_open(partition, &writer);
    assert_int_equal(writer_put(&writer, 10, NOW), 1);
    assert_ok(directory_delete_topic(log_directory, "told"));
    assert_int_equal(writer_put(&writer, 10, NOW), MAPLOG_TOPIC_DELETED);
    assert_int_equal(writer_put(&writer, 10, NOW), MAPLOG_TOPIC_DELETED);
    assert_code(MAPLOG_TOPIC_DELETED, appender_open(partition, 0, LONG_NS, &appender));
    writer_close(&writer);
}

static void a_failed_take_over_keeps_nobody_out(void **state)
{
    (void)state;
    struct partition *here = make();
    log_fill(here, 3, 10, NOW);
    struct directory *other = log_attach();
    struct partition *there = log_partition(other, here->topic);
    struct writer writer;
    writer_open(there, &writer);
    fault_set(FAULT_MAP, 1, ENOMEM, 1);
    assert_int_equal(writer_put(&writer, 10, NOW), MAPLOG_NO_MEMORY);
    log_fill(here, 1, 10, NOW); /* nobody is inside: this one needs no mapping */
    assert_int_equal(writer_put(&writer, 10, NOW), MAPLOG_NO_MEMORY);
    fault_clear();
    assert_int_equal(writer_put(&writer, 10, NOW), 4);
    assert_int_equal(log_walk(here), 5);
    writer_close(&writer);
    directory_drop(other);
}

static void prepared_space_needs_no_allocation(void **state)
{
    (void)state;
    struct partition *partition = make();
    struct writer writer;
    writer_open(partition, &writer);
    assert_ok(appender_prepare(&writer.appender, 1 << 20));
    fault_set(FAULT_ALLOCATE, 1, ENOSPC, 1);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(writer_put(&writer, 1000 - 80, NOW), i);
    fault_clear();
    /* More than the segment holds is no error. */
    assert_ok(appender_prepare(&writer.appender, 1ull << 40));
    uint64_t tail = writer.appender.position; /* the sum of both overflows */
    assert_ok(appender_prepare(&writer.appender, UINT64_MAX - tail % MAP_PAGE_BYTES));
    writer_close(&writer);
}

/* The mapping was made for a smaller segment.bytes. */
static void a_raised_segment_size_is_mapped_before_it_is_used(void **state)
{
    (void)state;
    struct partition *partition = log_topic("raised", "segment.bytes=8192", NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    assert_ok(appender_prepare(&writer.appender, 1)); /* an empty segment */
    log_alter("raised", "segment.bytes=1048576");
    assert_int_equal(writer_put(&writer, 500000, NOW), 0);
    assert_int_equal(writer_put(&writer, 400000, NOW), 1);
    assert_int_equal(log_segments(partition, NULL), 1);
    assert_int_equal(log_walk(partition), 2);
    writer_close(&writer);
}

static void a_full_disk_is_an_error_and_passes(void **state)
{
    (void)state;
    struct partition *partition = make();
    struct writer writer;
    writer_open(partition, &writer);
    fault_set(FAULT_ALLOCATE, 1, ENOSPC, 1);
    assert_int_equal(writer_put(&writer, 10, NOW), MAPLOG_DISK_FULL);
    assert_non_null(strstr(error_text(), "00000000000000000000.log"));
    fault_clear();
    assert_int_equal(writer_put(&writer, 10, NOW), 0);
    fault_set(FAULT_ALLOCATE, 1, ENOSPC, 1);
    int64_t offset = 1;
    for (int i = 0; i < 2000 && offset >= 0; i++)
        offset = writer_put(&writer, 100, NOW);
    assert_int_equal(offset, MAPLOG_DISK_FULL);
    assert_int_equal(writer_put(&writer, 100, NOW), MAPLOG_DISK_FULL);
    fault_clear();
    int64_t end = log_end(partition);
    assert_int_equal(writer_put(&writer, 100, NOW), end);
    assert_int_equal(log_walk(partition), end + 1);
    writer_close(&writer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_record_is_a_batch_of_its_own),
        TEST(keys_headers_nulls_and_times_are_kept),
        TEST(a_batch_gets_offset_and_epoch),
        TEST(log_append_time_stamps_every_record),
        TEST(what_is_too_large_leaves_nothing),
        TEST(kept_offsets_have_gaps_but_never_go_back),
        TEST(two_writers_take_turns),
        TEST(indexes_are_what_a_rebuild_gives),
        TEST(notes_of_a_dead_writer_are_made_anew),
        TEST(bytes_behind_the_end_are_overwritten),
        TEST(who_may_not_append_is_told),
        TEST(a_failed_take_over_keeps_nobody_out),
        TEST(prepared_space_needs_no_allocation),
        TEST(a_raised_segment_size_is_mapped_before_it_is_used),
        TEST(a_full_disk_is_an_error_and_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
