/*
 * segment.h - one segment as this process has it mapped, and the store that it lies in.
 *
 * A segment is one log (batches), one offset index and one time index. In a directory these are
 * three files; in an anonymous log they are parts of a slot of the memfd. struct store hides which.
 * Segments are counted: a reader, an appender or a hold keeps the mapping. Any thread; the store's
 * calls that change files are made by the partition's writer only (roll.c) or under LOCK_SETUP.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

struct directory;
struct partition;

struct segment {
    _Atomic uint32_t references;
    uint32_t slot; /* of an anonymous log */
    int64_t base;  /* base offset */
    uint8_t *log;  /* mapping; may be longer than the file */
    size_t log_bytes;
    uint8_t *index; /* NULL when it is not there (never built) */
    size_t index_bytes;
    uint8_t *timeindex;
    size_t timeindex_bytes;
    int log_fd; /* of its own; -1 in an anonymous log */
    bool writable;
    bool populated; /* a warmer populated part of it for writing */
    bool sealed;    /* opened by segment_cache.c when nothing was appended any more, */
    uint32_t end;   /* and then the exact size of the log */
    struct directory *directory;
    struct partition *partition; /* kept alive by the directory */
};

struct segment_list {
    int64_t *bases; /* ascending; owned */
    size_t count;
};

/* Sizes of a segment's parts, in bytes. Each part that grows is allocated ahead; the indexes by a
 * fixed rule from the log's allocation (segment_index_room), so that no one must ask the file. */
struct segment_sizes {
    uint64_t log;
    uint64_t index;
    uint64_t timeindex;
};

/* How segments are kept. Every call names the segment in its error. */
struct store {
    /* Existing segments, ascending by base offset. */
    int (*list)(struct partition *partition, struct segment_list *list);
    /* Maps a segment. MAPLOG_NOT_FOUND when it is gone. The log mapping is at least `reserve` bytes
     * long. A reader may get NULL indexes when their files are missing. */
    int (*open)(struct partition *partition, int64_t base, size_t reserve, bool writable,
                struct segment **segment);
    /* Makes an empty one (replacing left-overs of a writer that died while creating it) and maps
     * it writable. MAPLOG_DISK_FULL, MAPLOG_FULL. */
    int (*create)(struct partition *partition, int64_t base, size_t reserve,
                  struct segment **segment);
    /* Allocates so that the first sizes bytes of each part may be touched. */
    int (*allocate)(struct segment *segment, const struct segment_sizes *sizes);
    /* Cuts the parts to exactly these sizes: sealing, and never below the published end (I1). */
    int (*seal)(struct partition *partition, int64_t base, const struct segment_sizes *sizes);
    /* Present sizes of the parts. */
    int (*sizes)(struct partition *partition, int64_t base, struct segment_sizes *sizes);
    /* Removes it; readers that mapped it keep their bytes (I1). MAPLOG_BUSY: a slot is pinned. */
    int (*remove)(struct partition *partition, int64_t base);
    /* Gives back what open or create mapped; only segment_drop calls it. */
    void (*unmap)(struct segment *segment);
    /* fdatasync of the log; when `fresh` also of its directory entry (I5). */
    int (*sync)(struct segment *segment, bool fresh);
};

extern const struct store store_files;  /* store_files.c */
extern const struct store store_memory; /* store_memory.c */

/* Bytes allocated for the offset index (time index: half as many again) when `allocated` bytes of
 * the log are: an entry each 512 bytes at most, LIMIT_INDEX_BYTES at most. Entries beyond are left
 * out, which only makes look-ups scan further. */
static inline uint32_t segment_index_room(uint64_t allocated)
{
    uint64_t room = (allocated / 512 + 1) * 8;
    return room < LIMIT_INDEX_BYTES ? (uint32_t)room : LIMIT_INDEX_BYTES;
}

static inline struct segment_sizes segment_allocation(uint64_t allocated)
{
    uint64_t room = segment_index_room(allocated);
    return (struct segment_sizes){allocated, room, room / 8 * 12};
}

struct segment *segment_keep(struct segment *segment);
void segment_drop(struct segment *segment); /* unmaps with the last reference; accepts NULL */
/* Sizes of a sealed segment that is mapped, also when its files were removed meanwhile. */
int segment_sealed(const struct segment *segment, struct segment_sizes *sizes);
void segment_list_free(struct segment_list *list);
/* Index of the last base <= offset; -1 when there is none. */
long segment_list_find(const struct segment_list *list, int64_t offset);
/* "orders-0/00000000000000000042.log" */
void segment_path(const struct partition *partition, int64_t base, const char *suffix, char *path,
                  size_t size);
