/* log_fixture.h - a log directory for tests of log/, and short words for using it from below the
 * public interface. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "log/appender.h"
#include "log/directory.h"
#include "log/reader.h"
#include "os/clock.h"
#include "os/fault.h"
#include "os/file.h"

#define LONG_NS (20 * 1000000000ll) /* a wait that ends long before, or the test fails */

static char log_path[64];
static struct directory *log_directory;

/* Ends a test with the library's text when a call did not give what it must. */
#define assert_code(expected, call)                                                                \
    do {                                                                                           \
        int code_ = (call);                                                                        \
        if (code_ != (expected))                                                                   \
            fail_msg("%s: %s (%s)", #call, error_name(code_), error_text());                       \
    } while (0)
#define assert_ok(call) assert_code(0, call)
/* Waits for something that other threads or processes bring about. */
#define assert_soon(condition)                                                                     \
    do {                                                                                           \
        int64_t until_ = clock_monotonic_ns() + LONG_NS;                                           \
        while (!(condition)) {                                                                     \
            if (clock_monotonic_ns() > until_)                                                     \
                fail_msg("%s did not happen", #condition);                                         \
            clock_sleep_ns(200000);                                                                \
        }                                                                                          \
    } while (0)

static inline int log_make_in(const char *parent)
{
    snprintf(log_path, sizeof log_path, "%s/maplog-test-XXXXXX", parent);
    struct maplog_open_options options = {.flags = MAPLOG_CREATE};
    return mkdtemp(log_path) ? directory_open(log_path, &options, &log_directory) : -1;
}

static inline int log_make(void **state)
{
    (void)state;
    return log_make_in("/tmp");
}

static inline int log_remove(void **state)
{
    (void)state;
    fault_clear();
    directory_drop(log_directory);
    log_directory = NULL;
    return file_remove_tree(AT_FDCWD, log_path);
}

/* Attaches the fixture's directory once more, as another process would. */
static inline struct directory *log_attach(void)
{
    struct directory *directory;
    assert_ok(directory_open(log_path, NULL, &directory));
    return directory;
}

static inline struct partition *log_partition(struct directory *directory, const char *topic)
{
    struct partition *partition;
    assert_ok(directory_partition(directory, topic, 0, &partition));
    return partition;
}

/* A topic of one partition, with up to three settings ("name=value"). */
static inline struct partition *log_topic(const char *topic, const char *first, const char *second,
                                          const char *third)
{
    const char *configs[] = {first, first ? second : NULL, first && second ? third : NULL, NULL};
    assert_ok(directory_create_topic(log_directory, topic, 1, configs));
    return log_partition(log_directory, topic);
}

static inline void log_alter(const char *topic, const char *config)
{
    const char *configs[] = {config, NULL};
    assert_ok(directory_alter_topic(log_directory, topic, configs));
}

/* A writer with a seat of its own. */
struct writer {
    struct appender appender;
    uint32_t seat;
};

static inline void writer_open(struct partition *partition, struct writer *writer)
{
    assert_ok(control_take_seat(&partition->directory->view, &writer->seat));
    assert_ok(appender_open(partition, writer->seat, LONG_NS, &writer->appender));
}

static inline void writer_close(struct writer *writer)
{
    struct directory *directory = writer->appender.directory;
    appender_close(&writer->appender);
    control_leave_seat(&directory->view, writer->seat);
}

/* Appends a record of `size` bytes, each of them (char)offset; its offset or an error. */
static inline int64_t writer_put(struct writer *writer, size_t size, int64_t timestamp)
{
    struct partition_end end;
    partition_end(writer->appender.partition, &end);
    char *value = malloc(size ? size : 1);
    memset(value, (char)end.offset, size);
    struct maplog_record record = {.value = value, .value_size = size, .timestamp = timestamp};
    int64_t offset = -1;
    int result = appender_append_record(&writer->appender, &record, clock_wall_ms(), &offset);
    free(value);
    return result ? result : offset;
}

/* Appends count records of `size` bytes with a writer that is opened and closed for them. */
static inline void log_fill(struct partition *partition, int count, size_t size, int64_t timestamp)
{
    struct writer writer;
    writer_open(partition, &writer);
    for (int i = 0; i < count; i++) {
        int64_t offset = writer_put(&writer, size, timestamp);
        if (offset < 0)
            fail_msg("record %d: %s (%s)", i, error_name((int)offset), error_text());
    }
    writer_close(&writer);
}

static inline int64_t log_end(const struct partition *partition)
{
    struct partition_end end;
    partition_end(partition, &end);
    return end.offset;
}

/* How many segments there are; *bases (may be NULL) must have room for them. */
static inline size_t log_segments(struct partition *partition, int64_t *bases)
{
    struct segment_list list;
    assert_ok(partition->store->list(partition, &list));
    size_t count = list.count;
    for (size_t i = 0; bases && i < count; i++)
        bases[i] = list.bases[i];
    segment_list_free(&list);
    return count;
}

/* Reads from the log start to the end: every batch whole, offsets without a gap. Records read. */
static inline int64_t log_walk(struct partition *partition)
{
    struct reader reader;
    struct batch batch;
    int64_t start = partition_start(partition), next = -1, first = -1;
    reader_init(&reader, partition, start);
    int result;
    while ((result = reader_next(&reader, &batch)) == 1) {
        assert_ok(batch_check_crc(&batch));
        if (next >= 0)
            assert_int_equal(batch.base_offset, next);
        else
            first = batch.base_offset;
        next = batch.last_offset + 1;
    }
    assert_ok(result);
    reader_close(&reader);
    if (next < 0)
        return 0;
    assert_true(first <= start);
    assert_int_equal(next, log_end(partition));
    return next - first;
}
