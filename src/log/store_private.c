#include "log/store_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/directory.h"
#include "log/format.h"
#include "os/file.h"
#include "os/map.h"

static struct private_segment *find(struct partition *partition, int64_t base)
{
    struct private_partition *opened = (struct private_partition *)partition;
    for (size_t i = 0; i < opened->count; i++)
        if (opened->segments[i].base == base && !opened->segments[i].removed)
            return &opened->segments[i];
    return NULL;
}

static int missing(const struct partition *partition, int64_t base)
{
    return error_set(MAPLOG_NOT_FOUND, "%s has no segment %lld", partition->name, (long long)base);
}

static int private_list(struct partition *partition, struct segment_list *list)
{
    struct private_partition *opened = (struct private_partition *)partition;
    struct segment_list made = {malloc((opened->count + 1) * sizeof *made.bases), 0};
    if (!made.bases)
        return error_set(MAPLOG_NO_MEMORY, "cannot list segments");
    for (size_t i = 0; i < opened->count; i++)
        if (!opened->segments[i].removed)
            made.bases[made.count++] = opened->segments[i].base;
    *list = made;
    return 0;
}

/* A copy of an index in memory, with *bytes of room for a new one. */
static int copy_index(const struct segment *segment, const char *suffix, uint64_t size,
                      uint8_t **address, size_t *bytes)
{
    char path[LIMIT_PATH];
    segment_path(segment->partition, segment->base, suffix, path, sizeof path);
    uint64_t room = (*bytes > size ? *bytes : size) + 1;
    void *memory;
    int result = map_anonymous(room, &memory);
    if (result)
        return result;
    int fd = -1;
    if (size) {
        result = file_open(segment->directory->fd, path, O_RDONLY, 0, &fd);
        if (!result)
            result = file_read_at(fd, path, memory, size, 0);
        file_close(fd);
    }
    *address = memory;
    *bytes = room;
    return result;
}

static int copy_segment(struct private_segment *known, struct segment *segment)
{
    char path[LIMIT_PATH];
    segment_path(segment->partition, segment->base, SEGMENT_LOG_SUFFIX, path, sizeof path);
    int result = file_open(segment->directory->fd, path, O_RDONLY, 0, &segment->log_fd);
    segment->log_bytes = (known->sizes.log + MAP_PAGE_BYTES) & ~(uint64_t)(MAP_PAGE_BYTES - 1);
    void *mapped;
    if (!result)
        result = map_file(segment->log_fd, path, 0, segment->log_bytes, MAP_MODE_PRIVATE, &mapped);
    if (!result)
        segment->log = mapped;
    struct segment_sizes room = segment_allocation(known->sizes.log);
    size_t index = room.index, timeindex = room.timeindex;
    if (!result)
        result =
            copy_index(segment, SEGMENT_INDEX_SUFFIX, known->sizes.index, &segment->index, &index);
    segment->index_bytes = index;
    if (!result)
        result = copy_index(segment, SEGMENT_TIMEINDEX_SUFFIX, known->sizes.timeindex,
                            &segment->timeindex, &timeindex);
    segment->timeindex_bytes = timeindex;
    return result;
}

static int private_map(struct partition *partition, int64_t base, size_t reserve, bool writable,
                       struct segment **segment)
{
    (void)reserve;
    struct private_segment *known = find(partition, base);
    if (!known)
        return missing(partition, base);
    if (!known->segment) {
        struct segment *made = calloc(1, sizeof *made);
        if (!made)
            return error_set(MAPLOG_NO_MEMORY, "cannot map a segment of %s", partition->name);
        *made = (struct segment){.references = 1,
                                 .base = base,
                                 .log_fd = -1,
                                 .writable = writable,
                                 .directory = partition->directory,
                                 .partition = partition};
        int result = copy_segment(known, made);
        if (result) {
            segment_drop(made);
            return result;
        }
        known->segment = made;
    }
    *segment = segment_keep(known->segment);
    return 0;
}

static void private_unmap(struct segment *segment)
{
    map_remove(segment->log, segment->log_bytes);
    map_remove(segment->index, segment->index_bytes);
    map_remove(segment->timeindex, segment->timeindex_bytes);
    file_close(segment->log_fd);
}

static int private_create(struct partition *partition, int64_t base, size_t reserve,
                          struct segment **segment)
{
    (void)base, (void)reserve, (void)segment;
    return error_set(MAPLOG_DENIED, "%s is only a private copy", partition->name);
}

static int private_allocate(struct segment *segment, const struct segment_sizes *sizes)
{
    struct private_segment *known = find(segment->partition, segment->base);
    if (!known)
        return missing(segment->partition, segment->base);
    known->reindexed = true;
    known->sizes.index = sizes->index;
    known->sizes.timeindex = sizes->timeindex;
    return 0;
}

static int private_seal(struct partition *partition, int64_t base,
                        const struct segment_sizes *sizes)
{
    struct private_segment *known = find(partition, base);
    if (!known)
        return missing(partition, base);
    struct segment *segment = known->segment;
    if (segment) {
        memset(segment->index + sizes->index, 0, segment->index_bytes - sizes->index);
        memset(segment->timeindex + sizes->timeindex, 0,
               segment->timeindex_bytes - sizes->timeindex);
    }
    known->sizes = *sizes;
    return 0;
}

static int private_sizes(struct partition *partition, int64_t base, struct segment_sizes *sizes)
{
    const struct private_segment *known = find(partition, base);
    if (!known)
        return missing(partition, base);
    *sizes = known->sizes;
    return 0;
}

static int private_remove(struct partition *partition, int64_t base)
{
    struct private_segment *known = find(partition, base);
    if (known)
        known->removed = true;
    return 0;
}

static int private_sync(struct segment *segment, bool fresh)
{
    (void)segment, (void)fresh;
    return 0;
}

const struct store store_private = {
    .list = private_list,
    .open = private_map,
    .create = private_create,
    .allocate = private_allocate,
    .seal = private_seal,
    .sizes = private_sizes,
    .remove = private_remove,
    .unmap = private_unmap,
    .sync = private_sync,
};

int private_open(struct private_partition *opened, struct directory *directory, const char *name)
{
    struct partition *partition = &opened->partition;
    partition->directory = directory;
    partition->control = &opened->control;
    partition->store = &store_files;
    snprintf(partition->name, sizeof partition->name, "%s", name);
    struct segment_list list;
    int result = store_files.list(partition, &list);
    if (result)
        return result;
    opened->segments = calloc(list.count + 1, sizeof *opened->segments);
    if (!opened->segments)
        result = error_set(MAPLOG_NO_MEMORY, "cannot open %s", name);
    for (size_t i = 0; !result && i < list.count; i++) {
        opened->segments[i].base = list.bases[i];
        result = store_files.sizes(partition, list.bases[i], &opened->segments[i].sizes);
        opened->count = i + 1;
    }
    segment_list_free(&list);
    partition->store = &store_private;
    return result;
}

void private_close(struct private_partition *opened)
{
    for (size_t i = 0; i < opened->count; i++)
        segment_drop(opened->segments[i].segment);
    free(opened->segments);
    opened->segments = NULL;
    opened->count = 0;
}
