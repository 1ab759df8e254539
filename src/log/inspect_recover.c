/* Recovery tried out on private copies of a directory's segments. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/checkpoint.h"
#include "log/directory.h"
#include "log/inspect.h"
#include "log/store_private.h"

struct trial {
    struct directory *directory;
    const struct inspect_visitor *visitor;
    int (*visit)(void *context, const struct inspect_recovery *recovery);
    struct checkpoint_offset *points, *starts;
    size_t point_count, start_count;
};

static int64_t checkpoint_of(const struct checkpoint_offset *entries, size_t count,
                             const struct partition *partition)
{
    for (size_t i = 0; i < count; i++)
        if (entries[i].partition == partition->number &&
            strcmp(entries[i].topic, partition->topic) == 0)
            return entries[i].offset;
    return 0;
}

/* The recovered segments must pass every check, as if they were sealed files. */
static int inspect_outcome(const struct trial *trial, const struct private_partition *opened,
                           struct inspect_counts *after)
{
    int64_t next = 0;
    int result = 0;
    const struct private_segment *last = NULL;
    for (size_t i = 0; i < opened->count; i++)
        if (!opened->segments[i].removed)
            last = &opened->segments[i];
    for (size_t i = 0; !result && i < opened->count; i++) {
        struct private_segment *known = &opened->segments[i];
        struct segment *segment;
        if (known->removed)
            continue;
        result = store_private.open((struct partition *)&opened->partition, known->base, 0, false,
                                    &segment);
        if (result)
            break;
        const struct inspect_view view = {.partition = opened->partition.name,
                                          .base = known->base,
                                          .next_base = known == last ? INT64_MAX : known[1].base,
                                          .log = segment->log,
                                          .index = segment->index,
                                          .timeindex = segment->timeindex,
                                          .log_bytes = known->sizes.log,
                                          .index_bytes = known->sizes.index,
                                          .timeindex_bytes = known->sizes.timeindex,
                                          .has_index = true,
                                          .has_timeindex = true,
                                          .active = known == last};
        struct inspect_segment counted;
        result = inspect_view(&view, trial->visitor, &next, &counted);
        inspect_add(after, &counted.counts);
        segment_drop(segment);
    }
    return result;
}

static int try_partition(const struct trial *trial, const struct catalog_topic *topic,
                         int32_t number)
{
    struct private_partition *opened = aligned_alloc(CACHE_LINE, sizeof *opened);
    if (!opened)
        return error_set(MAPLOG_NO_MEMORY, "cannot try the recovery of %s", topic->name);
    memset(opened, 0, sizeof *opened);
    struct partition *partition = &opened->partition;
    char name[sizeof partition->name];
    snprintf(name, sizeof name, "%s-%d", topic->name, number);
    memcpy(partition->topic, topic->name, sizeof partition->topic);
    partition->number = number;
    partition->settings = topic->settings;
    struct inspect_recovery recovery = {.partition = partition->name};
    int result = private_open(opened, trial->directory, name);
    if (!result)
        result = recover_scan(
            partition, checkpoint_of(trial->points, trial->point_count, partition),
            checkpoint_of(trial->starts, trial->start_count, partition), false, &recovery.found);
    if (!result)
        result = recover_apply(partition, &recovery.found);
    if (!result)
        result = inspect_outcome(trial, opened, &recovery.after);
    for (size_t i = 0; i < opened->count; i++)
        recovery.rebuilt += opened->segments[i].reindexed;
    if (!result)
        result = trial->visit(trial->visitor->context, &recovery);
    private_close(opened);
    free(opened);
    return result;
}

static int try_all(struct trial *trial)
{
    struct directory *directory = trial->directory;
    int result = file_open(AT_FDCWD, directory->path, O_RDONLY | O_DIRECTORY, 0, &directory->fd);
    bool attached = false;
    if (!result)
        result = inspect_attached(directory->fd, &attached);
    if (!result && attached)
        result = error_set(MAPLOG_BUSY,
                           "%s: processes are attached, they vouch for it: there is nothing to "
                           "recover",
                           directory->path);
    if (!result)
        result = catalog_load(&directory->catalog, directory->fd);
    if (!result)
        result = checkpoint_load_offsets(directory->fd, CHECKPOINT_RECOVERY_POINT, &trial->points,
                                         &trial->point_count);
    if (!result)
        result = checkpoint_load_offsets(directory->fd, CHECKPOINT_LOG_START, &trial->starts,
                                         &trial->start_count);
    for (size_t t = 0; !result && t < directory->catalog.count; t++)
        for (int32_t p = 0; !result && p < directory->catalog.topics[t]->partitions; p++)
            result = try_partition(trial, directory->catalog.topics[t], p);
    free(trial->points);
    free(trial->starts);
    return result;
}

int inspect_recover(const char *path, const struct inspect_visitor *visitor,
                    int (*visit)(void *context, const struct inspect_recovery *recovery))
{
    if (strlen(path) >= LIMIT_PATH)
        return error_set(MAPLOG_LIMIT, "the path of the directory is longer than %d bytes",
                         LIMIT_PATH - 1);
    struct directory *directory = directory_new(path);
    if (!directory)
        return error_set(MAPLOG_NO_MEMORY, "cannot open %s", path);
    directory->read_only = true;
    directory->kind = FILE_SYSTEM_DISK;
    struct trial trial = {.directory = directory, .visitor = visitor, .visit = visit};
    int result = try_all(&trial);
    directory_drop(directory);
    return result;
}
