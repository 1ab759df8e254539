#include "log/export.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/checkpoint.h"
#include "log/names.h"
#include "log/producer_snapshot.h"
#include "log/producer_walk.h"
#include "log/progress.h"

/* Leader epochs of the copies: the broker's own are never below. */
#define EXPORTED_EPOCH 0

struct export
{
    struct directory *directory;
    const struct transfer_listener *listener;
    struct transfer_counts *counts;
    const char *to;
    int to_fd;
    bool durable;
    /* Of what was exported, for Kafka's checkpoints. */
    struct checkpoint_offset *ends, *starts;
    size_t count;
};

/* ---- what is there --------------------------------------------------------------------------- */

struct listing {
    const char *path; /* of the partition's directory */
    int fd;
};

static bool is_log_file(const char *name)
{
    static const char *const suffixes[] = {SEGMENT_LOG_SUFFIX, SEGMENT_INDEX_SUFFIX,
                                           SEGMENT_TIMEINDEX_SUFFIX, ".snapshot", ".txnindex"};
    int64_t base;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (names_segment(name, suffixes[i], &base))
            return true;
    return false;
}

static int find_records(void *context, const char *name, bool is_directory)
{
    struct listing *listing = context;
    int64_t base;
    struct file_identity file;
    if (is_directory || !names_segment(name, SEGMENT_LOG_SUFFIX, &base))
        return 0;
    int result = file_identify_at(listing->fd, name, &file);
    if (result || file.size == 0)
        return result;
    return error_set(MAPLOG_EXISTS,
                     "%s/%s has records already: delete the topic in Kafka and make it anew",
                     listing->path, name);
}

/* The partition's directory there has no records. */
static int check_empty(struct export *export, const char *name)
{
    struct listing listing = {.path = name};
    int result = file_open(export->to_fd, name, O_RDONLY | O_DIRECTORY, 0, &listing.fd);
    if (result)
        return result == MAPLOG_NOT_FOUND ? 0 : result;
    result = file_list(listing.fd, ".", find_records, &listing);
    file_close(listing.fd);
    return result;
}

static int remove_log_file(void *context, const char *name, bool is_directory)
{
    const struct listing *listing = context;
    return !is_directory && is_log_file(name) ? file_remove(listing->fd, name) : 0;
}

/* Empty segments, and what belongs to them, make place. */
static int make_place(struct export *export, const char *name)
{
    struct listing listing = {.path = name};
    int result = file_make_directory(export->to_fd, name, 0770);
    if (!result)
        result = file_open(export->to_fd, name, O_RDONLY | O_DIRECTORY, 0, &listing.fd);
    if (result)
        return result;
    result = file_list(listing.fd, ".", remove_log_file, &listing);
    file_close(listing.fd);
    return result;
}

/* ---- a partition ----------------------------------------------------------------------------- */

static int keep_metadata(struct export *export, const struct partition *partition)
{
    char path[LIMIT_PATH], text[64], id[UUID_TEXT_SIZE];
    snprintf(path, sizeof path, "%s/%s", partition->name, PARTITION_METADATA);
    if (file_exists(export->to_fd, path))
        return 0;
    uuid_format(&partition->topic_id, id);
    transfer_note(export->listener,
                  "%s/%s is new, with id %s: a broker serves it only if it knows a topic with that "
                  "id; else make the topic in Kafka first",
                  export->to, partition->name, id);
    int length = snprintf(text, sizeof text, "version: 0\ntopic_id: %s", id);
    return file_replace(export->to_fd, path, text, (size_t)length, export->durable);
}

static int copy_segments(struct export *export, struct partition *partition,
                         const struct partition_end *end, int64_t *first)
{
    struct segment_list list;
    int result = partition->store->list(partition, &list);
    if (result)
        return result;
    /* From the newest down: retention removes from the other end. */
    for (long i = segment_list_find(&list, end->base); !result && i >= 0; i--) {
        struct segment *segment;
        struct segment_sizes sizes;
        char path[LIMIT_PATH];
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
                                    .to_fd = export->to_fd,
                                    .name = partition->name,
                                    .index_interval =
                                        (uint32_t)partition->settings.index_interval_bytes,
                                    .epoch_zero = true,
                                    .durable = export->durable};
        if (!result)
            result = transfer_segment(&transfer, export->listener, export->counts);
        segment_drop(segment);
        segment_path(partition, list.bases[i], ".txnindex", path, sizeof path);
        if (!result)
            result =
                transfer_file(export->directory->fd, export->to_fd, path, path, export->durable);
        *first = list.bases[i];
    }
    segment_list_free(&list);
    return result;
}

/* A broker that finds no snapshot of a cleanly stopped log takes it that there are no producers. */
static int write_producers(struct export *export, struct partition *partition, int64_t end)
{
    const struct producer_place place = {export->to_fd, partition->name};
    char note[PRODUCER_WALK_NOTE];
    struct producers *producers = NULL;
    uint8_t *bytes = NULL;
    size_t size;
    int result = producers_load(partition, note, &producers);
    if (!result && note[0])
        transfer_note(export->listener, "%s", note);
    if (!result)
        result = producers_encode(producers, end, &bytes, &size);
    if (!result)
        result = producer_snapshot_store(&place, end, bytes, size, export->durable);
    producers_free(producers);
    free(bytes);
    return result;
}

static int export_partition(struct export *export, const char *topic, int32_t number)
{
    struct partition *partition;
    int result = directory_partition(export->directory, topic, number, &partition);
    if (result)
        return result;
    int64_t start = partition_start(partition), first = start;
    struct partition_end end;
    partition_end(partition, &end);
    export->counts->partitions++;
    if (end.rolls == 0)
        return 0;
    char path[LIMIT_PATH];
    result = make_place(export, partition->name);
    if (!result)
        result = keep_metadata(export, partition);
    if (!result)
        result = copy_segments(export, partition, &end, &first);
    if (!result)
        result = write_producers(export, partition, end.offset);
    const struct checkpoint_epoch epoch = {EXPORTED_EPOCH, first};
    snprintf(path, sizeof path, "%s/%s", partition->name, CHECKPOINT_LEADER_EPOCH);
    if (!result)
        result = checkpoint_store_epochs(export->to_fd, path, &epoch, 1, export->durable);
    if (!result && export->durable)
        result = transfer_sync_directory(export->to_fd, partition->name);
    if (!result)
        result = partition_check_live(partition);
    if (result)
        return result;
    struct checkpoint_offset entry = {.partition = number, .offset = start > first ? start : first};
    memcpy(entry.topic, partition->topic, sizeof entry.topic);
    export->starts[export->count] = entry;
    entry.offset = end.offset;
    export->ends[export->count++] = entry;
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Replaces or adds our partitions' entries in one of Kafka's checkpoints. */
static int merge_checkpoint(struct export *export, const char *file,
                            const struct checkpoint_offset *ours)
{
    struct checkpoint_offset *theirs = NULL;
    size_t count = 0;
    int result = checkpoint_load_offsets(export->to_fd, file, &theirs, &count);
    if (result)
        return result;
    struct checkpoint_offset *merged = calloc(count + export->count + 1, sizeof *merged);
    if (!merged) {
        free(theirs);
        return error_set(MAPLOG_NO_MEMORY, "cannot write %s", file);
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool replaced = false;
        for (size_t k = 0; k < export->count && !replaced; k++)
            replaced = ours[k].partition == theirs[i].partition &&
                       strcmp(ours[k].topic, theirs[i].topic) == 0;
        if (!replaced)
            merged[kept++] = theirs[i];
    }
    memcpy(merged + kept, ours, export->count * sizeof *ours);
    result = checkpoint_store_offsets(export->to_fd, file, merged, kept + export->count,
                                      export->durable);
    free(merged);
    free(theirs);
    return result;
}

/* Was the topic named before? */
static bool is_repeated(const char *const *topics, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(topics[k], topics[i]) == 0)
            return true;
    return false;
}

/* Calls work for every partition of the topics that are asked for. */
static int each_partition(struct export *export, struct catalog *catalog, const char *const *topics,
                          int (*work)(struct export *export, const char *topic, int32_t number),
                          bool count)
{
    int result = 0;
    for (size_t t = 0; !result && (topics ? topics[t] != NULL : t < catalog->count); t++) {
        const struct catalog_topic *topic =
            topics ? catalog_find(catalog, topics[t]) : catalog->topics[t];
        if (!topic)
            return error_set(MAPLOG_NOT_FOUND, "no topic %s in %s", topics[t],
                             export->directory->path);
        if (topics ? is_repeated(topics, t) : strcmp(topic->name, PROGRESS_TOPIC) == 0)
            continue;
        for (int32_t p = 0; !result && p < topic->partitions; p++)
            result = work(export, topic->name, p);
        export->counts->topics += !result && count;
    }
    return result;
}

static int check_partition(struct export *export, const char *topic, int32_t number)
{
    char name[NAMES_PARTITION_SIZE];
    snprintf(name, sizeof name, "%s-%" PRId32, topic, number);
    return check_empty(export, name);
}

static int export_all(struct export *export, const char *const *topics)
{
    struct catalog catalog = {0};
    int result = catalog_load(&catalog, export->directory->fd);
    size_t partitions = 1;
    for (size_t t = 0; !result && t < catalog.count; t++)
        partitions += (size_t)catalog.topics[t]->partitions;
    export->ends = calloc(partitions, sizeof *export->ends);
    export->starts = calloc(partitions, sizeof *export->starts);
    if (!result && (!export->ends || !export->starts))
        result = error_set(MAPLOG_NO_MEMORY, "cannot export %s", export->directory->path);
    if (!result)
        result = each_partition(export, &catalog, topics, check_partition, false);
    if (!result)
        result = each_partition(export, &catalog, topics, export_partition, true);
    if (!result && export->count)
        result = merge_checkpoint(export, CHECKPOINT_RECOVERY_POINT, export->ends);
    if (!result && export->count)
        result = merge_checkpoint(export, CHECKPOINT_LOG_START, export->starts);
    if (!result && export->durable)
        result = transfer_sync_directory(export->to_fd, ".");
    catalog_free(&catalog);
    free(export->ends);
    free(export->starts);
    return result;
}

int export_directory(struct directory *directory, const struct export_options *options,
                     struct transfer_counts *counts)
{
    struct transfer_counts counted = {0};
    struct export export = {.directory = directory,
                            .listener = &options->listener,
                            .counts = &counted,
                            .to = options->to,
                            .to_fd = -1};
    enum file_system_kind kind;
    int lock_fd = -1;
    int result = file_make_directory(AT_FDCWD, options->to, 0770);
    if (!result)
        result = file_open(AT_FDCWD, options->to, O_RDONLY | O_DIRECTORY, 0, &export.to_fd);
    if (!result && file_exists(export.to_fd, CATALOG_FILE))
        result =
            error_set(MAPLOG_INVALID,
                      "%s is a directory of maplog: `maplog import` and `maplog backup` are for "
                      "such",
                      options->to);
    if (!result)
        result = transfer_lock_kafka(export.to_fd, options->to, &lock_fd);
    if (!result)
        result = file_system(export.to_fd, options->to, &kind);
    if (!result) {
        export.durable = kind != FILE_SYSTEM_MEMORY;
        result = export_all(&export, options->topics);
    }
    file_close(lock_fd);
    file_close(export.to_fd);
    if (!result)
        *counts = counted;
    return result;
}
