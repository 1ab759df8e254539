/* roll_test.c - growing and ending segments: sizes, times, full disks, and a death at every step.
 */
#include "log_fixture.h"

#include "log/index.h"
#include "log/roll.h"

#define NOW 1700000000000ll
#define BATCH_OF(value_size) ((int64_t)(value_size) + 70) /* about: of a record with 64 to 4000 */

/* Every sealed segment has exactly its published size, and indexes as a rebuild would make them;
 * where writers died (`mended`) they may have their entries at other batches. */
static void assert_sealed(struct partition *partition, uint32_t interval, bool mended)
{
    int64_t bases[512];
    size_t count = log_segments(partition, bases);
    assert_true(count <= 512);
    struct partition_end end;
    partition_end(partition, &end);
    for (size_t i = 0; i < count && bases[i] < end.base; i++) {
        struct segment_sizes sizes;
        assert_ok(partition->store->sizes(partition, bases[i], &sizes));
        struct segment *segment;
        assert_ok(partition->store->open(partition, bases[i], 0, false, &segment));
        static uint8_t index[1 << 16], timeindex[1 << 16];
        struct indexer_parts parts = {.index = index,
                                      .index_room = sizeof index,
                                      .timeindex = timeindex,
                                      .timeindex_room = sizeof timeindex};
        struct indexer indexer;
        indexer_init(&indexer, interval);
        assert_int_equal(indexer_build(&indexer, segment->log, sizes.log, bases[i], &parts),
                         sizes.log);
        indexer_end(&indexer, &parts);
        if (mended) {
            parts = (struct indexer_parts){segment->index,     sizes.index,     UINT32_MAX,
                                           segment->timeindex, sizes.timeindex, UINT32_MAX};
            assert_true(indexer_sound(interval, segment->log, sizes.log, bases[i], &parts));
            segment_drop(segment);
            continue;
        }
        assert_int_equal(sizes.index, parts.index_bytes);
        assert_int_equal(sizes.timeindex, parts.timeindex_bytes);
        assert_memory_equal(segment->index, index, parts.index_bytes);
        assert_memory_equal(segment->timeindex, timeindex, parts.timeindex_bytes);
        segment_drop(segment);
    }
}

static void segments_end_before_they_are_too_large(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("t", "segment.bytes=5000", "index.interval.bytes=700", NULL);
    struct writer writer;
    writer_open(partition, &writer);
    for (int i = 0; i < 300; i++)
        assert_int_equal(writer_put(&writer, 64 + (size_t)i * 37 % 900, NOW + i), i);
    writer_close(&writer);
    int64_t bases[128];
    size_t count = log_segments(partition, bases);
    assert_true(count > 20);
    for (size_t i = 0; i + 1 < count; i++) {
        struct segment_sizes sizes;
        assert_ok(partition->store->sizes(partition, bases[i], &sizes));
        assert_in_range(sizes.log, 5000 - BATCH_OF(964), 5000);
    }
    assert_sealed(partition, 700, false);
    assert_int_equal(log_walk(partition), 300);
}

static void a_batch_may_fill_a_segment_exactly(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "segment.bytes=8192", NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    size_t overhead = 0;
    assert_int_equal(writer_put(&writer, 8000, NOW), 0);
    struct partition_end end;
    partition_end(partition, &end);
    overhead = end.position - 8000;
    for (int64_t i = 1; i < 4; i++)
        assert_int_equal(writer_put(&writer, 8192 - overhead, NOW), i);
    partition_end(partition, &end);
    assert_int_equal(end.position, 8192);
    assert_int_equal(writer_put(&writer, 8193 - overhead, NOW), MAPLOG_TOO_LARGE);
    assert_int_equal(log_segments(partition, NULL), 4);
    assert_int_equal(log_walk(partition), 4);
    writer_close(&writer);
}

static int64_t put_at(struct writer *writer, int64_t now_ms)
{
    struct maplog_record record = {.value = "v", .value_size = 1};
    int64_t offset;
    int result = appender_append_record(&writer->appender, &record, now_ms, &offset);
    return result ? result : offset;
}

static void segments_end_when_their_time_is_over(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "segment.ms=1000", NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    static const int64_t times[] = {0, 500, 999, 1000, 1999, 2000, 9000, 9999, 10000};
    for (int i = 0; i < 9; i++)
        assert_int_equal(put_at(&writer, NOW + times[i]), i);
    int64_t bases[16];
    assert_int_equal(log_segments(partition, bases), 5);
    static const int64_t expected[] = {0, 3, 5, 6, 8};
    assert_memory_equal(bases, expected, sizeof expected);
    /* An empty segment's time begins with its first record. */
    assert_ok(appender_roll(&writer.appender));
    assert_int_equal(put_at(&writer, clock_wall_ms() + 50000), 9);
    assert_int_equal(put_at(&writer, clock_wall_ms() + 50100), 10);
    assert_int_equal(log_segments(partition, NULL), 6);
    /* Longer from now on, for the segment that is active too. */
    log_alter("t", "segment.ms=100000");
    assert_int_equal(put_at(&writer, clock_wall_ms() + 53000), 11);
    assert_int_equal(log_segments(partition, NULL), 6);
    writer_close(&writer);
}

static void rolling_by_hand_ends_only_what_holds_something(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    assert_ok(appender_roll(&writer.appender));
    assert_int_equal(log_segments(partition, NULL), 0);
    writer_put(&writer, 10, NOW);
    for (int i = 0; i < 3; i++)
        assert_ok(appender_roll(&writer.appender));
    int64_t bases[4];
    assert_int_equal(log_segments(partition, bases), 2);
    assert_int_equal(bases[1], 1);
    assert_int_equal(writer_put(&writer, 10, NOW), 1);
    writer_close(&writer);
}

static void settings_change_the_segment_at_work(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "segment.bytes=100000", NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    for (int i = 0; i < 10; i++)
        writer_put(&writer, 930, NOW);
    assert_int_equal(log_segments(partition, NULL), 1);
    log_alter("t", "segment.bytes=5000"); /* it holds more than that already */
    writer_put(&writer, 930, NOW);
    assert_int_equal(log_segments(partition, NULL), 2);
    for (int i = 0; i < 4; i++)
        writer_put(&writer, 930, NOW);
    assert_int_equal(log_segments(partition, NULL), 2);
    writer_put(&writer, 930, NOW);
    assert_int_equal(log_segments(partition, NULL), 3);
    log_alter("t", "index.interval.bytes=1000");
    for (int i = 0; i < 4; i++)
        writer_put(&writer, 930, NOW);
    assert_int_equal(log_walk(partition), 20);
    writer_close(&writer);
}

static uint64_t log_file_bytes(struct partition *partition, int64_t base)
{
    struct segment_sizes sizes;
    assert_ok(partition->store->sizes(partition, base, &sizes));
    return sizes.log;
}

static void a_file_grows_by_doubling(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "segment.bytes=1000000", NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    uint64_t seen[32];
    size_t count = 0;
    while (log_segments(partition, NULL) < 2) {
        assert_true(writer_put(&writer, 1000, NOW) >= 0);
        uint64_t now = log_file_bytes(partition, 0);
        if (count == 0 || seen[count - 1] != now)
            seen[count++] = now;
        assert_true(count < 32);
    }
    static const uint64_t expected[] = {65536, 131072, 262144, 524288, 1000080};
    assert_true(count == 6);
    assert_memory_equal(seen, expected, sizeof expected);
    assert_true(seen[5] <= 1000000 && seen[5] > 1000000 - 1100);
    writer_close(&writer);
}

static void a_nearly_full_disk_gives_what_is_needed(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    while (log_end(partition) < 100)
        assert_true(writer_put(&writer, 1000, NOW) >= 0);
    fault_set(FAULT_ALLOCATE, 1, ENOSPC, 0); /* the large step; the small one is given */
    assert_int_equal(log_file_bytes(partition, 0), 131072);
    while (log_file_bytes(partition, 0) == 131072)
        assert_true(writer_put(&writer, 1000, NOW) >= 0);
    assert_in_range(log_file_bytes(partition, 0), 131073, 131072 + 2000);
    fault_clear();
    for (int i = 0; i < 200; i++)
        assert_true(writer_put(&writer, 1000, NOW) >= 0);
    log_walk(partition);
    writer_close(&writer);
}

/* Whatever call of a roll fails: an error, no record lost or doubled, and it goes on afterwards. */
static void every_step_of_a_roll_may_fail(void **state)
{
    (void)state;
    static const struct {
        enum fault_kind kind;
        int errnum;
    } kinds[] = {{FAULT_OPEN, EMFILE}, {FAULT_ALLOCATE, ENOSPC}, {FAULT_TRUNCATE, EIO},
                 {FAULT_MAP, ENOMEM},  {FAULT_READ, EIO},        {FAULT_RENAME, EIO}};
    struct partition *partition =
        log_topic("t", "segment.bytes=4096", "index.interval.bytes=500", NULL);
    struct writer writer;
    writer_open(partition, &writer);
    int64_t next = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        unsigned failures = 0;
        for (unsigned nth = 1; nth < 30; nth++) {
            fault_set(kinds[k].kind, nth, kinds[k].errnum, nth % 2);
            for (int i = 0; i < 6; i++) { /* more than a segment */
                int64_t offset = writer_put(&writer, 800, NOW);
                if (offset < 0)
                    failures++;
                else
                    assert_int_equal(offset, next++);
            }
            fault_clear();
            for (int i = 0; i < 2; i++)
                assert_int_equal(writer_put(&writer, 800, NOW), next++);
        }
        if (kinds[k].kind != FAULT_READ && kinds[k].kind != FAULT_RENAME)
            assert_true(failures > 0);
    }
    assert_int_equal(log_walk(partition), next);
    assert_sealed(partition, 500, false);
    writer_close(&writer);
}

/* Appends in a child that dies at passage `nth` of a fault point; acknowledged records come back
 * through a pipe. Returns how many were acknowledged; *died: false when the child got to its end.
 */
static int die_at(const char *point, unsigned nth, int count, bool *died)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct directory *directory;
        struct partition *partition;
        struct writer writer;
        if (directory_open(log_path, NULL, &directory) ||
            directory_partition(directory, "t", 0, &partition) ||
            control_take_seat(&directory->view, &writer.seat) ||
            appender_open(partition, writer.seat, LONG_NS, &writer.appender))
            _exit(1);
        fault_signal_at(point, nth, SIGKILL);
        struct builder builder;
        builder_init(&builder, MAPLOG_COMPRESSION_NONE);
        static char value[900];
        for (int i = 0; i < count; i++) {
            uint8_t *batch;
            size_t size;
            struct appended appended;
            builder_clear(&builder);
            if (builder_add_value(&builder, value, sizeof value, NOW) ||
                builder_finish(&builder, &batch, &size) ||
                appender_append(&writer.appender, batch, size, &appended) ||
                write(ends[1], "", 1) != 1)
                _exit(2);
        }
        _exit(0);
    }
    close(ends[1]);
    int acknowledged = 0;
    char byte;
    while (read(ends[0], &byte, 1) == 1)
        acknowledged++;
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    *died = WIFSIGNALED(status);
    if (!*died)
        assert_int_equal(status, 0);
    return acknowledged;
}

static void a_death_at_every_step_is_mended(void **state)
{
    (void)state;
    static const char *const points[] = {"append-begun",   "append-copied",  "append-published",
                                         "index-begun",    "grow-allocated", "roll-created",
                                         "roll-allocated", "roll-sealed",    "roll-published"};
    struct partition *partition =
        log_topic("t", "segment.bytes=80000", "index.interval.bytes=3000", NULL);
    struct writer writer;
    writer_open(partition, &writer);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        for (unsigned nth = 1; nth <= 2; nth++) {
            int64_t before = log_end(partition);
            bool died;
            int acknowledged = die_at(points[i], nth, 200, &died);
            if (!died)
                fail_msg("%s was passed fewer than %u times", points[i], nth);
            int64_t now = log_end(partition);
            /* One more at most: published, but not acknowledged. */
            assert_in_range(now - before, acknowledged, acknowledged + 1);
            for (int n = 0; n < 100; n++)
                assert_int_equal(writer_put(&writer, 900, NOW), now + n);
            assert_int_equal(log_walk(partition), now + 100);
        }
    }
    assert_sealed(partition, 3000, true);
    writer_close(&writer);
}

/* A writer dies while it rolls, and the next batch is small enough for the old segment. */
static void a_segment_that_was_only_made_is_removed(void **state)
{
    (void)state;
    static const char *const points[] = {"roll-created", "roll-allocated", "roll-sealed"};
    struct partition *partition = log_topic("t", "segment.bytes=8192", NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    int64_t next = 1;
    assert_int_equal(writer_put(&writer, 10, NOW), 0);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        bool died;
        next += die_at(points[i], 1, 20, &died);
        assert_true(died);
        size_t before = log_segments(partition, NULL);
        assert_int_equal(writer_put(&writer, 10, NOW), next++);
        assert_int_equal(log_segments(partition, NULL), before - 1);
        assert_int_equal(log_walk(partition), next);
        for (int n = 0; n < 20; n++)
            assert_int_equal(writer_put(&writer, 900, NOW), next++);
        for (int64_t offset = 0; offset < next; offset++) {
            struct reader reader;
            struct batch batch;
            reader_init(&reader, partition, offset);
            assert_code(1, reader_next(&reader, &batch));
            assert_int_equal(batch.base_offset, offset);
            reader_close(&reader);
        }
    }
    writer_close(&writer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(segments_end_before_they_are_too_large),
        TEST(a_batch_may_fill_a_segment_exactly),
        TEST(segments_end_when_their_time_is_over),
        TEST(rolling_by_hand_ends_only_what_holds_something),
        TEST(settings_change_the_segment_at_work),
        TEST(a_file_grows_by_doubling),
        TEST(a_nearly_full_disk_gives_what_is_needed),
        TEST(every_step_of_a_roll_may_fail),
        TEST(a_death_at_every_step_is_mended),
        TEST(a_segment_that_was_only_made_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
