/* The segments of a directory: three files each, in Kafka's naming. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/directory.h"
#include "log/format.h"
#include "log/segment.h"
#include "os/fault.h"
#include "os/file.h"
#include "os/map.h"

#define PATH_BYTES (sizeof((struct partition *)0)->name + SEGMENT_NAME_BYTES + 16)

static int open_part(const struct partition *partition, int64_t base, const char *suffix, int flags,
                     int *fd)
{
    char path[PATH_BYTES];
    segment_path(partition, base, suffix, path, sizeof path);
    return file_open(partition->directory->fd, path, flags, 0660, fd);
}

static void unmap(struct segment *segment)
{
    map_remove(segment->log, segment->log_bytes);
    map_remove(segment->index, segment->index_bytes);
    map_remove(segment->timeindex, segment->timeindex_bytes);
    file_close(segment->log_fd);
}

struct mapped_part {
    void *at;
    uint64_t bytes; /* wanted, then mapped */
};

/* Maps an index; a reader whose index file is missing goes on without one. */
static int map_index(const struct segment *segment, const char *suffix, int flags,
                     struct mapped_part *part)
{
    int fd;
    int result = open_part(segment->partition, segment->base, suffix, flags, &fd);
    if (result == MAPLOG_NOT_FOUND && !segment->writable) {
        *part = (struct mapped_part){0};
        return 0;
    }
    if (result)
        return result;
    struct file_identity file;
    result = file_identify(fd, suffix, &file);
    uint64_t length = segment->writable ? map_page_up(part->bytes) : file.size;
    void *mapped = NULL;
    if (!result && length > 0)
        result = map_file(fd, suffix, 0, length, segment->writable ? MAP_MODE_WRITE : MAP_MODE_READ,
                          &mapped);
    file_close(fd);
    if (!result)
        *part = (struct mapped_part){mapped, mapped ? length : 0};
    return result;
}

static int map_log(struct segment *segment, size_t reserve, int flags)
{
    char path[PATH_BYTES];
    segment_path(segment->partition, segment->base, SEGMENT_LOG_SUFFIX, path, sizeof path);
    int result = file_open(segment->directory->fd, path, flags, 0660, &segment->log_fd);
    struct file_identity file = {0};
    if (!result)
        result = file_identify(segment->log_fd, path, &file);
    if (result)
        return result;
    uint64_t wanted = file.size > reserve ? file.size : reserve;
    uint64_t length = map_page_up(wanted ? wanted : 1);
    void *mapped;
    result = map_file(segment->log_fd, path, 0, length,
                      segment->writable ? MAP_MODE_WRITE : MAP_MODE_READ, &mapped);
    if (!result) {
        segment->log = mapped;
        segment->log_bytes = length;
    }
    return result;
}

/* Maps the parts of a segment whose base and partition are set. flags: of open(2). */
static int map_segment(struct segment *segment, size_t reserve, int flags)
{
    int result = map_log(segment, reserve, flags);
    uint64_t room = segment_index_room(segment->log_bytes);
    struct mapped_part index = {.bytes = room}, timeindex = {.bytes = room / 8 * 12};
    if (segment->writable)
        flags |= O_CREAT;
    if (!result)
        result = map_index(segment, SEGMENT_INDEX_SUFFIX, flags, &index);
    if (!result) {
        segment->index = index.at;
        segment->index_bytes = index.bytes;
        result = map_index(segment, SEGMENT_TIMEINDEX_SUFFIX, flags, &timeindex);
    }
    if (!result) {
        segment->timeindex = timeindex.at;
        segment->timeindex_bytes = timeindex.bytes;
    }
    return result;
}

static int new_segment(struct partition *partition, int64_t base, size_t reserve, int flags,
                       struct segment **segment)
{
    struct segment *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "cannot map a segment of %s", partition->name);
    *made = (struct segment){.references = 1,
                             .base = base,
                             .writable = flags & O_RDWR,
                             .directory = partition->directory,
                             .partition = partition,
                             .log_fd = -1};
    int result = map_segment(made, reserve, flags);
    if (result) {
        unmap(made);
        free(made);
        return result;
    }
    *segment = made;
    return 0;
}

static int files_open(struct partition *partition, int64_t base, size_t reserve, bool writable,
                      struct segment **segment)
{
    return new_segment(partition, base, reserve, writable ? O_RDWR : O_RDONLY, segment);
}

static int files_create(struct partition *partition, int64_t base, size_t reserve,
                        struct segment **segment)
{
    int result = file_make_directory(partition->directory->fd, partition->name, 0770);
    if (result)
        return result;
    return new_segment(partition, base, reserve, O_RDWR | O_CREAT | O_TRUNC, segment);
}

static int grow_part(const struct segment *segment, const char *suffix, uint64_t size)
{
    int fd;
    int result = open_part(segment->partition, segment->base, suffix, O_RDWR, &fd);
    if (result)
        return result;
    char path[PATH_BYTES];
    segment_path(segment->partition, segment->base, suffix, path, sizeof path);
    struct file_identity file;
    result = file_identify(fd, path, &file);
    if (!result && file.size < size)
        result = file_allocate(fd, path, file.size, size - file.size);
    file_close(fd);
    return result;
}

static int files_allocate(struct segment *segment, const struct segment_sizes *sizes)
{
    int result = grow_part(segment, SEGMENT_LOG_SUFFIX, sizes->log);
    if (!result)
        result = grow_part(segment, SEGMENT_INDEX_SUFFIX, sizes->index);
    if (!result)
        result = grow_part(segment, SEGMENT_TIMEINDEX_SUFFIX, sizes->timeindex);
    return result;
}

static int cut_part(struct partition *partition, int64_t base, const char *suffix, uint64_t size)
{
    int fd;
    int result = open_part(partition, base, suffix, O_RDWR | O_CREAT, &fd);
    if (result)
        return result;
    char path[PATH_BYTES];
    segment_path(partition, base, suffix, path, sizeof path);
    result = file_truncate(fd, path, size);
    file_close(fd);
    return result;
}

static int files_seal(struct partition *partition, int64_t base, const struct segment_sizes *sizes)
{
    int result = cut_part(partition, base, SEGMENT_LOG_SUFFIX, sizes->log);
    if (!result)
        result = cut_part(partition, base, SEGMENT_INDEX_SUFFIX, sizes->index);
    if (!result)
        result = cut_part(partition, base, SEGMENT_TIMEINDEX_SUFFIX, sizes->timeindex);
    return result;
}

static int part_size(struct partition *partition, int64_t base, const char *suffix, uint64_t *size)
{
    char path[PATH_BYTES];
    segment_path(partition, base, suffix, path, sizeof path);
    struct file_identity file;
    int result = file_identify_at(partition->directory->fd, path, &file);
    if (!result)
        *size = file.size;
    return result;
}

static int files_sizes(struct partition *partition, int64_t base, struct segment_sizes *sizes)
{
    struct segment_sizes found = {0};
    int result = part_size(partition, base, SEGMENT_LOG_SUFFIX, &found.log);
    if (result)
        return result;
    /* A missing index is an empty one: it is rebuilt or done without. */
    int index = part_size(partition, base, SEGMENT_INDEX_SUFFIX, &found.index);
    int timeindex = part_size(partition, base, SEGMENT_TIMEINDEX_SUFFIX, &found.timeindex);
    if ((index && index != MAPLOG_NOT_FOUND) || (timeindex && timeindex != MAPLOG_NOT_FOUND))
        return index ? index : timeindex;
    *sizes = found;
    return 0;
}

/* The log goes last: as long as it is there the segment is listed, and whoever removes next finds
 * what a dead process left. */
static int files_remove(struct partition *partition, int64_t base)
{
    static const char *const suffixes[] = {".snapshot", SEGMENT_TIMEINDEX_SUFFIX,
                                           SEGMENT_INDEX_SUFFIX, SEGMENT_LOG_SUFFIX};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char path[PATH_BYTES];
        segment_path(partition, base, suffixes[i], path, sizeof path);
        int result = file_remove(partition->directory->fd, path);
        if (result)
            return result;
        fault_point("remove-part");
    }
    return 0;
}

static int files_sync(struct segment *segment, bool fresh)
{
    struct partition *partition = segment->partition;
    char path[PATH_BYTES];
    segment_path(partition, segment->base, SEGMENT_LOG_SUFFIX, path, sizeof path);
    if (!fresh)
        return file_sync_data(segment->log_fd, path);
    int result = file_sync(segment->log_fd, path);
    int fd = -1;
    if (!result)
        result =
            file_open(partition->directory->fd, partition->name, O_RDONLY | O_DIRECTORY, 0, &fd);
    if (!result)
        result = file_sync(fd, partition->name);
    file_close(fd);
    return result ? result : file_sync(partition->directory->fd, partition->directory->path);
}

/* The base offset in "00000000000000000042.log"; -1 for any other name. */
static int64_t base_of(const char *name)
{
    if (strlen(name) != SEGMENT_NAME_BYTES + sizeof SEGMENT_LOG_SUFFIX - 1 ||
        strcmp(name + SEGMENT_NAME_BYTES, SEGMENT_LOG_SUFFIX) != 0 ||
        strspn(name, "0123456789") != SEGMENT_NAME_BYTES)
        return -1;
    errno = 0;
    long long base = strtoll(name, NULL, 10);
    return errno ? -1 : base;
}

struct growing_list {
    struct segment_list list;
    size_t capacity;
};

static int collect_base(void *context, const char *name, bool is_directory)
{
    struct growing_list *growing = context;
    int64_t base = is_directory ? -1 : base_of(name);
    if (base < 0)
        return 0;
    if (growing->list.count == growing->capacity) {
        size_t capacity = growing->capacity ? growing->capacity * 2 : 16;
        int64_t *bases = realloc(growing->list.bases, capacity * sizeof *bases);
        if (!bases)
            return error_set(MAPLOG_NO_MEMORY, "cannot list segments");
        growing->list.bases = bases;
        growing->capacity = capacity;
    }
    growing->list.bases[growing->list.count++] = base;
    return 0;
}

static int compare_bases(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static int files_list(struct partition *partition, struct segment_list *list)
{
    struct growing_list growing = {0};
    int result = file_list(partition->directory->fd, partition->name, collect_base, &growing);
    if (result == MAPLOG_NOT_FOUND)
        result = 0; /* nothing was appended yet */
    if (result) {
        segment_list_free(&growing.list);
        return result;
    }
    if (growing.list.count > 1)
        qsort(growing.list.bases, growing.list.count, sizeof *growing.list.bases, compare_bases);
    *list = growing.list;
    return 0;
}

const struct store store_files = {
    .list = files_list,
    .open = files_open,
    .create = files_create,
    .allocate = files_allocate,
    .seal = files_seal,
    .sizes = files_sizes,
    .remove = files_remove,
    .unmap = unmap,
    .sync = files_sync,
};
