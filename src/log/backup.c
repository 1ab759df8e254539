#include "log/backup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/checkpoint.h"
#include "log/meta.h"
#include "log/names.h"
#include "log/producer_ids.h"
#include "log/producer_snapshot.h"
#include "log/progress.h"
#include "os/fault.h"

struct backup {
    struct directory *directory;
    const struct transfer_listener *listener;
    struct transfer_counts *counts;
    int to_fd;
    bool durable;
    struct checkpoint_offset *ends, *starts; /* of what was copied */
    size_t count;
};

static int see_any(void *context, const char *name, bool is_directory)
{
    (void)context;
    return is_directory && strcmp(name, "lost+found") == 0 ? 0 : 1;
}

static int open_empty(const char *to, int *to_fd)
{
    int result = file_make_directory(AT_FDCWD, to, 0770);
    if (!result)
        result = file_open(AT_FDCWD, to, O_RDONLY | O_DIRECTORY, 0, to_fd);
    if (!result)
        result = file_list(*to_fd, ".", see_any, NULL);
    return result > 0 ? error_set(MAPLOG_EXISTS, "%s is not empty", to) : result;
}

/* From the newest down, because retention removes the oldest: when one is gone, so are all below
 * it. *first: where the copy begins. */
static int copy_segments(struct backup *backup, struct partition *partition,
                         const struct partition_end *end, int64_t *first)
{
    struct segment_list list;
    int result = partition->store->list(partition, &list);
    if (result)
        return result;
    for (long i = segment_list_find(&list, end->base); !result && i >= 0; i--) {
        struct segment *segment;
        struct segment_sizes sizes;
        result = partition->store->open(partition, list.bases[i], 0, false, &segment);
        if (result == MAPLOG_NOT_FOUND && list.bases[i] != end->base) {
            result = 0;
            break;
        }
        if (result)
            break;
        result = segment_sealed(segment, &sizes);
        struct transfer transfer = {.from = segment,
                                    .bytes = list.bases[i] == end->base ? end->position : sizes.log,
                                    .to_fd = backup->to_fd,
                                    .name = partition->name,
                                    .index_interval =
                                        (uint32_t)partition->settings.index_interval_bytes,
                                    .durable = backup->durable};
        if (!result)
            result = transfer_segment(&transfer, backup->listener, backup->counts);
        segment_drop(segment);
        *first = list.bases[i];
    }
    segment_list_free(&list);
    return result;
}

static void note_ends(struct backup *backup, const struct partition *partition, int64_t start,
                      int64_t end)
{
    struct checkpoint_offset entry = {.partition = partition->number, .offset = start};
    memcpy(entry.topic, partition->topic, sizeof entry.topic);
    backup->starts[backup->count] = entry;
    entry.offset = end;
    backup->ends[backup->count++] = entry;
}

static int copy_partition(struct backup *backup, const char *topic, int32_t number)
{
    struct partition *partition;
    int result = directory_partition(backup->directory, topic, number, &partition);
    if (result)
        return result;
    int64_t start = partition_start(partition);
    struct partition_end end;
    partition_end(partition, &end);
    backup->counts->partitions++;
    if (end.rolls == 0)
        return 0;
    static const char *const files[] = {CHECKPOINT_LEADER_EPOCH, PARTITION_METADATA};
    result = file_make_directory(backup->to_fd, partition->name, 0770);
    for (size_t i = 0; !result && i < sizeof files / sizeof *files; i++) {
        char path[LIMIT_PATH];
        snprintf(path, sizeof path, "%s/%s", partition->name, files[i]);
        result = transfer_file(backup->directory->fd, backup->to_fd, path, path, backup->durable);
    }
    int64_t first = start;
    if (!result)
        result = copy_segments(backup, partition, &end, &first);
    const struct producer_place from = {backup->directory->fd, partition->name};
    const struct producer_place to = {backup->to_fd, partition->name};
    if (!result)
        result = producer_snapshot_copy(&from, &to, end.offset, backup->durable);
    if (!result && backup->durable)
        result = transfer_sync_directory(backup->to_fd, partition->name);
    if (!result)
        result = partition_check_live(partition);
    if (!result)
        note_ends(backup, partition, start > first ? start : first, end.offset);
    return result;
}

/* A topic that is deleted meanwhile is left out. */
static int copy_topic(struct backup *backup, struct catalog *catalog, struct catalog_topic *topic)
{
    int result = 0;
    size_t before = backup->count;
    for (int32_t p = 0; !result && p < topic->partitions; p++)
        result = copy_partition(backup, topic->name, p);
    bool gone = result == MAPLOG_TOPIC_DELETED || result == MAPLOG_NOT_FOUND;
    struct maplog_topic found;
    if (gone && directory_topic(backup->directory, topic->name, &found) != 0) {
        transfer_note(backup->listener, "topic %s was deleted meanwhile and is left out",
                      topic->name);
        backup->count = before;
        result = 0;
        for (int32_t p = 0; !result && p < topic->partitions; p++) {
            char name[NAMES_PARTITION_SIZE];
            snprintf(name, sizeof name, "%s-%" PRId32, topic->name, p);
            result = file_remove_tree(backup->to_fd, name);
        }
        catalog_remove(catalog, topic);
    } else if (!result) {
        backup->counts->topics++;
    }
    return result;
}

static int copy_topics(struct backup *backup, struct catalog *catalog)
{
    struct catalog_topic *offsets = catalog_find(catalog, PROGRESS_TOPIC);
    int result = offsets ? copy_topic(backup, catalog, offsets) : 0;
    for (size_t t = 0; !result && t < catalog->count;) {
        struct catalog_topic *topic = catalog->topics[t];
        if (strcmp(topic->name, PROGRESS_TOPIC) != 0)
            result = copy_topic(backup, catalog, topic);
        t += t < catalog->count && catalog->topics[t] == topic;
    }
    return result;
}

static int copy_all(struct backup *backup)
{
    struct catalog catalog = {0};
    int result = catalog_load(&catalog, backup->directory->fd);
    size_t partitions = 1;
    for (size_t t = 0; !result && t < catalog.count; t++)
        partitions += (size_t)catalog.topics[t]->partitions;
    backup->ends = calloc(partitions, sizeof *backup->ends);
    backup->starts = calloc(partitions, sizeof *backup->starts);
    if (!result && (!backup->ends || !backup->starts))
        result = error_set(MAPLOG_NO_MEMORY, "cannot back up %s", backup->directory->path);
    if (!result)
        result = copy_topics(backup, &catalog);
    if (!result)
        result = checkpoint_store_offsets(backup->to_fd, CHECKPOINT_RECOVERY_POINT, backup->ends,
                                          backup->count, backup->durable);
    if (!result)
        result = checkpoint_store_offsets(backup->to_fd, CHECKPOINT_LOG_START, backup->starts,
                                          backup->count, backup->durable);
    if (!result)
        result = catalog_store(&catalog, backup->to_fd, backup->durable);
    if (!result) /* behind the batches: above every id in them */
        result = transfer_file(backup->directory->fd, backup->to_fd, PRODUCER_IDS_FILE,
                               PRODUCER_IDS_FILE, backup->durable);
    fault_point("backup-copied");
    if (!result) /* the last one: only what is whole opens */
        result = transfer_file(backup->directory->fd, backup->to_fd, META_FILE, META_FILE,
                               backup->durable);
    catalog_free(&catalog);
    free(backup->ends);
    free(backup->starts);
    return result;
}

int backup_directory(struct directory *directory, const char *to,
                     const struct transfer_listener *listener, struct transfer_counts *counts)
{
    struct transfer_counts counted = {0};
    struct backup backup = {
        .directory = directory, .listener = listener, .counts = &counted, .to_fd = -1};
    enum file_system_kind kind;
    int result = open_empty(to, &backup.to_fd);
    if (!result)
        result = file_system(backup.to_fd, to, &kind);
    if (!result) {
        backup.durable = kind != FILE_SYSTEM_MEMORY;
        result = copy_all(&backup);
    }
    file_close(backup.to_fd);
    if (!result)
        *counts = counted;
    return result;
}
