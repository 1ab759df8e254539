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

static uint64_t page_up(uint64_t bytes)
{
    return (bytes + MAP_PAGE_BYTES - 1) & ~(uint64_t)(MAP_PAGE_BYTES - 1);
}

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

/* Maps an index; a reader whose index file is missing goes on without one. */
static int map_index(struct segment *segment, const char *suffix, int flags, uint64_t reserve,
                     uint8_t **address, size_t *bytes)
{
    int fd;
    int result = open_part(segment->partition, segment->base, suffix, flags, &fd);
    if (result == MAPLOG_NOT_FOUND && !segment->writable)
        return 0;
    if (result)
        return result;
    struct file_identity file;
    result = file_identify(fd, suffix, &file);
    uint64_t length = segment->writable ? page_up(reserve) : file.size;
    void *mapped = NULL;
    if (!result && length > 0)
        result = map_file(fd, suffix, 0, length, segment->writable ? MAP_MODE_WRITE : MAP_MODE_READ,
                          &mapped);
    if (!result && mapped) {
        *address = mapped;
        *bytes = length;
    }
    file_close(fd);
    return result;
}

/* extra: O_CREAT | O_TRUNC when the segment is made. */
static int map_segment(struct partition *partition, int64_t base, size_t reserve, bool writable,
                       int extra, struct segment **segment)
{
    struct segment *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "cannot map a segment of %s", partition->name);
    made->references = 1;
    made->base = base;
    made->writable = writable;
    made->directory = partition->directory;
    made->partition = partition;
    made->log_fd = -1;
    int flags = (writable ? O_RDWR : O_RDONLY) | extra;
    char path[PATH_BYTES];
    segment_path(partition, base, SEGMENT_LOG_SUFFIX, path, sizeof path);
    int result = file_open(partition->directory->fd, path, flags, 0660, &made->log_fd);
    struct file_identity file = {0};
    if (!result)
        result = file_identify(made->log_fd, path, &file);
    if (!result) {
        uint64_t wanted = file.size > reserve ? file.size : reserve;
        uint64_t length = page_up(wanted ? wanted : 1);
        void *mapped;
        result = map_file(made->log_fd, path, 0, length, writable ? MAP_MODE_WRITE : MAP_MODE_READ,
                          &mapped);
        if (!result) {
            made->log = mapped;
            made->log_bytes = length;
        }
    }
    uint64_t room = segment_index_room(made->log_bytes);
    if (!result)
        result = map_index(made, SEGMENT_INDEX_SUFFIX, flags | (writable ? O_CREAT : 0), room,
                           &made->index, &made->index_bytes);
    if (!result)
        result = map_index(made, SEGMENT_TIMEINDEX_SUFFIX, flags | (writable ? O_CREAT : 0),
                           room / 8 * 12, &made->timeindex, &made->timeindex_bytes);
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
    return map_segment(partition, base, reserve, writable, 0, segment);
}

static int files_create(struct partition *partition, int64_t base, size_t reserve,
                        struct segment **segment)
{
    int result = file_make_directory(partition->directory->fd, partition->name, 0770);
    if (result)
        return result;
    return map_segment(partition, base, reserve, true, O_CREAT | O_TRUNC, segment);
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
