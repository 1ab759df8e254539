/* recover_fixture.h - a partition of files alone, which nobody is attached to. */
#pragma once

#include "log_fixture.h"
#include "segment_files.h"

#include "log/recover.h"

static struct directory *files;
static struct control_partition *control;
static struct partition partition;
static struct segment_bytes bytes; /* of the segment that a test makes */
static struct recovered found;

static inline int begin(void **state)
{
    (void)state;
    snprintf(log_path, sizeof log_path, "/tmp/maplog-test-XXXXXX");
    assert_non_null(mkdtemp(log_path));
    files = directory_new(log_path);
    control = aligned_alloc(CACHE_LINE, sizeof *control);
    memset(control, 0, sizeof *control);
    files->kind = FILE_SYSTEM_DISK;
    partition = (struct partition){.directory = files, .control = control, .store = &store_files};
    snprintf(partition.topic, sizeof partition.topic, "t");
    snprintf(partition.name, sizeof partition.name, "t-0");
    settings_default(&partition.settings);
    partition.settings.index_interval_bytes = 400;
    return file_open(AT_FDCWD, log_path, O_RDONLY | O_DIRECTORY, 0, &files->fd);
}

static inline int end(void **state)
{
    (void)state;
    fault_clear();
    bytes_release(&bytes);
    directory_drop(files);
    free(control);
    return file_remove_tree(AT_FDCWD, log_path);
}

/* Offsets first.. of `count` batches in a segment; its bytes are left in `bytes`. */
static inline void make_segment(int64_t base, int64_t first, int count)
{
    bytes_release(&bytes);
    bytes_batches(&bytes, first, count);
    files_segment(log_path, "t-0", base, &bytes);
}

static inline const char *path_of(int64_t base, const char *suffix)
{
    static char path[LIMIT_PATH];
    files_path(path, log_path, "t-0", base, suffix);
    return path;
}

static inline void scan(int64_t recovery_point)
{
    assert_ok(recover_scan(&partition, recovery_point, 0, false, &found));
}

/* Batches of make_segment are of one size while offsets have no influence on it. */
static inline size_t batch_bytes(void)
{
    return BATCH_PREFIX_BYTES + bytes_load32(bytes.bytes + BATCH_LENGTH);
}
