/* segments.h - fuzz bytes as the segments of a partition, in memory.
 *
 * Input: a byte of options, the number of segments - 1 (2 bits), then for each segment how far its
 * base is behind the one before (byte), and how many bytes its log (2), index and time index (1
 * each) get; then these bytes. With OPTION_MEND every batch whose length fits gets its right CRC,
 * so that the fuzzer comes past it. */
#pragma once

#include <fcntl.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "log/batch.h"
#include "log/directory.h"
#include "log/partition.h"

#if defined(__SANITIZE_ADDRESS__) || (defined(__has_feature) && __has_feature(address_sanitizer))
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

#define OPTION_MEND 1
#define SEGMENTS_MAX 4
#define PAGE 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

/* Bytes of which only the first `size` may be touched. */
struct fuzz_part {
    uint8_t *bytes;
    uint64_t size;
    size_t room;
};

struct fuzz_segment {
    int64_t base;
    bool removed;
    struct fuzz_part log, index, timeindex;
};

static struct fuzz_partition {
    struct partition partition;
    struct directory directory;
    struct control_partition control;
    struct fuzz_segment segments[SEGMENTS_MAX];
    size_t count;
    uint8_t options;
} fuzzed;

static inline void part_resize(struct fuzz_part *part, uint64_t size)
{
    if (size == 0 && !part->bytes)
        return;
    ASAN_UNPOISON_MEMORY_REGION(part->bytes, part->room);
    if (size > part->room) {
        size_t room = (size + PAGE - 1) / PAGE * PAGE;
        uint8_t *bytes = aligned_alloc(PAGE, room);
        check(bytes);
        if (part->bytes)
            memcpy(bytes, part->bytes, part->size);
        free(part->bytes);
        part->bytes = bytes;
        part->room = room;
    }
    if (size > part->size)
        memset(part->bytes + part->size, 0, size - part->size);
    part->size = size;
    ASAN_POISON_MEMORY_REGION(part->bytes + size, part->room - size);
}

/* Room for so many bytes without another address. */
static inline void part_reserve(struct fuzz_part *part, uint64_t room)
{
    uint64_t size = part->size;
    part_resize(part, room > size ? room : size);
    part_resize(part, size);
}

static inline void part_free(struct fuzz_part *part)
{
    ASAN_UNPOISON_MEMORY_REGION(part->bytes, part->room);
    free(part->bytes);
    *part = (struct fuzz_part){0};
}

static inline struct fuzz_segment *find_segment(int64_t base)
{
    for (size_t i = 0; i < fuzzed.count; i++)
        if (fuzzed.segments[i].base == base && !fuzzed.segments[i].removed)
            return &fuzzed.segments[i];
    return NULL;
}

static inline int fuzz_list(struct partition *partition, struct segment_list *list)
{
    (void)partition;
    *list = (struct segment_list){calloc(SEGMENTS_MAX, sizeof(int64_t)), 0};
    check(list->bases);
    for (size_t i = 0; i < fuzzed.count; i++)
        if (!fuzzed.segments[i].removed)
            list->bases[list->count++] = fuzzed.segments[i].base;
    return 0;
}

static inline int fuzz_open(struct partition *partition, int64_t base, size_t reserve,
                            bool writable, struct segment **segment)
{
    (void)reserve;
    struct fuzz_segment *found = find_segment(base);
    check(found);
    if (writable) {
        struct segment_sizes room = segment_allocation(found->log.size);
        part_reserve(&found->index, room.index);
        part_reserve(&found->timeindex, room.timeindex);
    }
    struct segment *made = calloc(1, sizeof *made);
    check(made);
    *made = (struct segment){.references = 1,
                             .base = base,
                             .log = found->log.bytes,
                             .log_bytes = found->log.size,
                             .index = found->index.bytes,
                             .index_bytes = found->index.size,
                             .timeindex = found->timeindex.bytes,
                             .timeindex_bytes = found->timeindex.size,
                             .log_fd = -1,
                             .writable = writable,
                             .directory = &fuzzed.directory,
                             .partition = partition};
    *segment = made;
    return 0;
}

static inline int fuzz_allocate(struct segment *segment, const struct segment_sizes *sizes)
{
    struct fuzz_segment *found = find_segment(segment->base);
    check(found);
    part_resize(&found->index, sizes->index);
    part_resize(&found->timeindex, sizes->timeindex);
    check(segment->index == found->index.bytes && segment->timeindex == found->timeindex.bytes);
    return 0;
}

static inline int fuzz_seal(struct partition *partition, int64_t base,
                            const struct segment_sizes *sizes)
{
    (void)partition;
    struct fuzz_segment *found = find_segment(base);
    check(found && sizes->log <= found->log.size);
    part_resize(&found->log, sizes->log);
    part_resize(&found->index, sizes->index);
    part_resize(&found->timeindex, sizes->timeindex);
    return 0;
}

static inline int fuzz_sizes(struct partition *partition, int64_t base, struct segment_sizes *sizes)
{
    (void)partition;
    struct fuzz_segment *found = find_segment(base);
    check(found);
    *sizes = (struct segment_sizes){found->log.size, found->index.size, found->timeindex.size};
    return 0;
}

static inline int fuzz_remove(struct partition *partition, int64_t base)
{
    (void)partition;
    struct fuzz_segment *found = find_segment(base);
    check(found);
    found->removed = true;
    return 0;
}

static inline void fuzz_unmap(struct segment *segment)
{
    (void)segment;
}

static inline int fuzz_sync(struct segment *segment, bool fresh)
{
    (void)segment, (void)fresh;
    return 0;
}

static const struct store store_fuzz = {
    .list = fuzz_list,
    .open = fuzz_open,
    .allocate = fuzz_allocate,
    .seal = fuzz_seal,
    .sizes = fuzz_sizes,
    .remove = fuzz_remove,
    .unmap = fuzz_unmap,
    .sync = fuzz_sync,
};

static inline void part_take(struct fuzz_part *part, struct bytes *in, size_t wanted)
{
    size_t left = in->failed ? 0 : bytes_left(in);
    size_t size = wanted < left ? wanted : left;
    part_resize(part, size);
    if (size)
        memcpy(part->bytes, bytes_take(in, size), size);
}

static inline void mend(struct fuzz_part *log)
{
    struct batch batch;
    for (uint64_t at = 0;
         at < log->size && batch_read(log->bytes + at, log->size - at, &batch) == 0;
         at += batch.size)
        bytes_store32(log->bytes + at + BATCH_CRC,
                      crc32c(0, log->bytes + at + BATCH_ATTRIBUTES, batch.size - BATCH_ATTRIBUTES));
}

static inline void fuzz_begin(const uint8_t *data, size_t size)
{
    static uint32_t alive = 1;
    memset(&fuzzed, 0, sizeof fuzzed);
    static int nowhere = -1; /* a directory without a partition's small files */
    if (nowhere < 0)
        nowhere = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fuzzed.directory.fd = nowhere;
    fuzzed.directory.memory_fd = -1;
    fuzzed.directory.alive = &alive;
    fuzzed.directory.read_only = true; /* no epoch is written */
    fuzzed.directory.kind = FILE_SYSTEM_DISK;
    fuzzed.partition = (struct partition){
        .directory = &fuzzed.directory, .control = &fuzzed.control, .store = &store_fuzz};
    memcpy(fuzzed.partition.topic, "t", 2);
    memcpy(fuzzed.partition.name, "t-0", 4);
    settings_default(&fuzzed.partition.settings);
    struct bytes in = bytes_over(data, size);
    fuzzed.options = bytes_take8(&in);
    fuzzed.count = (bytes_take8(&in) & 3) + 1;
    fuzzed.partition.settings.index_interval_bytes = fuzzed.options >> 4 << 7;
    struct {
        size_t log, index, timeindex;
    } wanted[SEGMENTS_MAX];
    int64_t base = 0;
    for (size_t i = 0; i < fuzzed.count; i++) {
        base += bytes_take8(&in) + (i > 0);
        fuzzed.segments[i].base = base;
        wanted[i].log = bytes_take16(&in);
        wanted[i].index = bytes_take8(&in);
        wanted[i].timeindex = bytes_take8(&in);
    }
    for (size_t i = 0; i < fuzzed.count; i++) {
        part_resize(&fuzzed.segments[i].log, 1); /* a log is always mapped */
        part_take(&fuzzed.segments[i].log, &in, wanted[i].log);
        part_take(&fuzzed.segments[i].index, &in, wanted[i].index);
        part_take(&fuzzed.segments[i].timeindex, &in, wanted[i].timeindex);
        if (fuzzed.options & OPTION_MEND)
            mend(&fuzzed.segments[i].log);
    }
}

static inline void fuzz_end(void)
{
    for (size_t i = 0; i < fuzzed.count; i++) {
        part_free(&fuzzed.segments[i].log);
        part_free(&fuzzed.segments[i].index);
        part_free(&fuzzed.segments[i].timeindex);
    }
}
