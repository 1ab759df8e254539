/* segment_files.h - makes segments as files, batch by batch, for tests of what reads foreign ones:
 * recovery, inspect, import, export. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "base/limits.h"
#include "log/batch.h"
#include "log/builder.h"
#include "os/file.h"

#define FILES_NOW 1700000000000ll

#ifndef assert_ok
#define assert_code(expected, call)                                                                \
    do {                                                                                           \
        int code_ = (call);                                                                        \
        if (code_ != (expected))                                                                   \
            fail_msg("%s: %s (%s)", #call, error_name(code_), error_text());                       \
    } while (0)
#define assert_ok(call) assert_code(0, call)
#endif

/* What a batch is to be like; zeros are fine. */
struct batch_plan {
    int64_t base_offset;
    int records;       /* 0: 1 */
    size_t value;      /* bytes of each value */
    int64_t timestamp; /* of the first; each later one is 1 later */
    int32_t leader_epoch;
    enum maplog_compression codec;
    int64_t producer_id; /* 0: none */
    uint16_t attributes; /* ATTRIBUTE_TRANSACTIONAL, ... */
    const void *key;     /* of every record */
    size_t key_size;
};

/* The bytes of a segment that grows. */
struct segment_bytes {
    uint8_t *bytes;
    size_t size;
};

static inline void bytes_add(struct segment_bytes *to, const void *bytes, size_t size)
{
    to->bytes = realloc(to->bytes, to->size + size + 1);
    assert_non_null(to->bytes);
    if (bytes)
        memcpy(to->bytes + to->size, bytes, size);
    else
        memset(to->bytes + to->size, 0, size);
    to->size += size;
}

static inline void bytes_release(struct segment_bytes *bytes)
{
    free(bytes->bytes);
    *bytes = (struct segment_bytes){0};
}

/* Adds the batch; returns where it begins. */
static inline size_t bytes_batch(struct segment_bytes *to, struct batch_plan plan)
{
    struct builder builder;
    builder_init(&builder, plan.codec);
    char *value = malloc(plan.value + 1);
    memset(value, 'v', plan.value + 1);
    int records = plan.records ? plan.records : 1;
    for (int i = 0; i < records; i++) {
        struct maplog_record record = {
            .key = plan.key, .key_size = plan.key_size, .value = value, .value_size = plan.value};
        assert_ok(builder_add(&builder, &record, plan.timestamp + i));
    }
    uint8_t *batch;
    size_t size, at = to->size;
    assert_ok(builder_finish(&builder, &batch, &size));
    bytes_store64(batch + BATCH_BASE_OFFSET, (uint64_t)plan.base_offset);
    bytes_store32(batch + BATCH_LEADER_EPOCH, (uint32_t)plan.leader_epoch);
    if (plan.producer_id) {
        bytes_store64(batch + BATCH_PRODUCER_ID, (uint64_t)plan.producer_id);
        bytes_store16(batch + BATCH_PRODUCER_EPOCH, 0);
        bytes_store32(batch + BATCH_BASE_SEQUENCE, 0);
    }
    uint16_t attributes = bytes_load16(batch + BATCH_ATTRIBUTES) | plan.attributes;
    bytes_store16(batch + BATCH_ATTRIBUTES, attributes);
    bytes_store32(batch + BATCH_CRC, crc32c(0, batch + BATCH_ATTRIBUTES, size - BATCH_ATTRIBUTES));
    bytes_add(to, batch, size);
    free(value);
    builder_free(&builder);
    return at;
}

/* `count` batches of one record each, with 100-byte values, from offset `first` on. */
static inline void bytes_batches(struct segment_bytes *to, int64_t first, int count)
{
    for (int i = 0; i < count; i++)
        bytes_batch(to, (struct batch_plan){.base_offset = first + i,
                                            .value = 100,
                                            .timestamp = FILES_NOW + first + i});
}

static inline void files_path(char path[static LIMIT_PATH], const char *directory,
                              const char *partition, int64_t base, const char *suffix)
{
    snprintf(path, LIMIT_PATH, "%s/%s/%020" PRId64 "%s", directory, partition, base, suffix);
}

static inline void files_write(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0660);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

/* Writes a segment's log only; the partition's directory is made. */
static inline void files_segment(const char *directory, const char *partition, int64_t base,
                                 const struct segment_bytes *bytes)
{
    char path[LIMIT_PATH];
    snprintf(path, sizeof path, "%s/%s", directory, partition);
    mkdir(path, 0770);
    files_path(path, directory, partition, base, ".log");
    files_write(path, bytes->bytes, bytes->size);
}

static inline struct segment_bytes files_read(const char *path)
{
    struct segment_bytes bytes = {0};
    char *text;
    size_t length;
    assert_ok(file_read_all(AT_FDCWD, path, 1u << 30, &text, &length));
    bytes_add(&bytes, text, length);
    free(text);
    return bytes;
}

/* Puts bytes at position of a file that is there; size beyond the end makes it longer. */
static inline void files_patch(const char *path, const void *bytes, size_t size, int64_t position)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, position), size);
    close(fd);
}

static inline void files_flip(const char *path, int64_t position)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte;
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, position), 1);
    byte ^= 0x40;
    assert_int_equal(pwrite(fd, &byte, 1, position), 1);
    close(fd);
}

static inline int64_t files_size(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? status.st_size : -1;
}
