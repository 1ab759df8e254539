/* A directory, one of its partitions or one of its files: what is looked at, and up to where. */
#include "log/inspect.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/attach.h"
#include "log/checkpoint.h"
#include "log/directory.h"
#include "log/meta.h"
#include "log/names.h"
#include "os/lock.h"

#define METADATA_BYTES_MAX 4096

struct inspection {
    const struct inspect_visitor *visitor;
    struct inspect_counts *counts;
    struct directory *files;    /* gives the descriptor to store_files; not attached */
    struct directory *attached; /* read-only; NULL: nobody vouches for the ends */
    struct catalog catalog;
    bool ours;                                 /* it is a maplog directory, with a catalog */
    bool live;                                 /* processes are attached */
    char only_partition[NAMES_PARTITION_SIZE]; /* "": all */
    int64_t only_segment;                      /* -1: all */
    struct checkpoint_offset *starts;
    size_t start_count;
};

/* What the control slot says of a partition. */
struct bounds {
    bool known;
    int64_t start;
    struct partition_end end;
    uint64_t index_bytes, timeindex_bytes;
};

/* ---- telling --------------------------------------------------------------------------------- */

__attribute__((format(printf, 6, 7))) static int tell(struct inspection *inspection,
                                                      struct inspect_counts *counts, bool note,
                                                      const char *file, const char *advice,
                                                      const char *what, ...)
{
    char text[ERROR_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, what);
    vsnprintf(text, sizeof text, what, arguments);
    va_end(arguments);
    const struct inspect_finding finding = {file, -1, text, advice, note};
    return inspect_tell(inspection->visitor, counts, &finding);
}

/* ---- small files of a partition ----------------------------------------------------------------
 */

static int check_epochs(struct inspection *inspection, const char *partition, int64_t end,
                        struct inspect_counts *counts)
{
    char path[LIMIT_PATH];
    snprintf(path, sizeof path, "%s/%s", partition, CHECKPOINT_LEADER_EPOCH);
    struct checkpoint_epoch *entries = NULL;
    size_t count = 0;
    const char *advice = "delete it while no process is attached";
    int result = checkpoint_load_epochs(inspection->files->fd, path, &entries, &count);
    if (result == MAPLOG_CORRUPT)
        return tell(inspection, counts, false, path, advice, "%s", error_text());
    for (size_t i = 0; !result && i < count; i++) {
        if (i && (entries[i].epoch <= entries[i - 1].epoch ||
                  entries[i].start_offset < entries[i - 1].start_offset))
            result = tell(inspection, counts, false, path, advice,
                          "epoch %" PRId32 " from offset %" PRId64 " on does not ascend",
                          entries[i].epoch, entries[i].start_offset);
        else if (entries[i].start_offset > end)
            result = tell(inspection, counts, false, path, advice,
                          "epoch %" PRId32 " begins at offset %" PRId64
                          ", behind the end of the log, %" PRId64,
                          entries[i].epoch, entries[i].start_offset, end);
    }
    free(entries);
    return result;
}

static int check_metadata(struct inspection *inspection, const char *partition,
                          const struct catalog_topic *topic, struct inspect_counts *counts)
{
    char path[LIMIT_PATH], id[UUID_TEXT_SIZE];
    snprintf(path, sizeof path, "%s/%s", partition, PARTITION_METADATA);
    char *text;
    size_t length;
    int result = file_read_all(inspection->files->fd, path, METADATA_BYTES_MAX, &text, &length);
    if (result)
        return result == MAPLOG_NOT_FOUND ? 0 : result;
    uuid_format(&topic->id, id);
    const char *found = strstr(text, "topic_id: ");
    if (!found || strncmp(found + strlen("topic_id: "), id, UUID_TEXT_SIZE - 1) != 0)
        result = tell(inspection, counts, false, path,
                      "it belongs to another topic: move the "
                      "directory out of the way, or correct the id in " CATALOG_FILE,
                      "does not name the topic's id, %s", id);
    free(text);
    return result;
}

/* ---- segments -------------------------------------------------------------------------------- */

/* One segment; gone or still being made: nothing is said. */
static int look_at_segment(struct inspection *inspection, struct partition *files,
                           const struct bounds *bounds, int64_t base, int64_t next_base,
                           int64_t *next, struct inspect_counts *counts)
{
    struct segment *segment;
    struct segment_sizes sizes;
    int result = files->store->open(files, base, 0, false, &segment);
    if (result)
        return result == MAPLOG_NOT_FOUND && inspection->live ? 0 : result;
    char index[LIMIT_PATH], timeindex[LIMIT_PATH], log[LIMIT_PATH];
    segment_path(files, base, SEGMENT_LOG_SUFFIX, log, sizeof log);
    segment_path(files, base, SEGMENT_INDEX_SUFFIX, index, sizeof index);
    segment_path(files, base, SEGMENT_TIMEINDEX_SUFFIX, timeindex, sizeof timeindex);
    result = files->store->sizes(files, base, &sizes);
    bool last = next_base == INT64_MAX;
    struct inspect_view view = {
        .partition = files->name,
        .base = base,
        .next_base = next_base,
        .log = segment->log,
        .index = segment->index,
        .timeindex = segment->timeindex,
        .log_bytes = sizes.log < segment->log_bytes ? sizes.log : segment->log_bytes,
        .index_bytes = segment->index_bytes,
        .timeindex_bytes = segment->timeindex_bytes,
        .has_index = segment->index || file_exists(files->directory->fd, index),
        .has_timeindex = segment->timeindex || file_exists(files->directory->fd, timeindex),
        .active = last,
        .unclean = last && !bounds->known,
    };
    if (!result && bounds->known && last) {
        if (sizes.log < bounds->end.position)
            result = tell(inspection, counts, false, log,
                          "restore it from a backup, or delete maplog.control while no process is "
                          "attached: then the log is recovered",
                          "the file has %" PRIu64 " bytes, %" PRIu32 " are published", sizes.log,
                          bounds->end.position);
        else if (sizes.log > bounds->end.position && !inspection->live)
            result =
                tell(inspection, counts, true, log, "the next process that detaches cuts it off",
                     "%" PRIu64 " allocated bytes behind the published end",
                     sizes.log - bounds->end.position);
        if (view.log_bytes > bounds->end.position)
            view.log_bytes = bounds->end.position;
        if (view.index_bytes > bounds->index_bytes)
            view.index_bytes = bounds->index_bytes;
        if (view.timeindex_bytes > bounds->timeindex_bytes)
            view.timeindex_bytes = bounds->timeindex_bytes;
    }
    struct inspect_segment counted = {0};
    if (!result)
        result = inspect_view(&view, inspection->visitor, next, &counted);
    inspect_add(counts, &counted.counts);
    segment_drop(segment);
    return result;
}

static int look_at_segments(struct inspection *inspection, struct partition *files,
                            const struct bounds *bounds, struct inspect_partition *found)
{
    struct segment_list list;
    int result = files->store->list(files, &list);
    if (result)
        return result;
    size_t count = list.count;
    while (bounds->known && count &&
           (!bounds->end.rolls || list.bases[count - 1] > bounds->end.base))
        count--; /* about to begin, or left by one who died then */
    int64_t next = count ? list.bases[0] : found->start;
    if (count && found->start < list.bases[0])
        found->start = list.bases[0];
    for (size_t i = 0; !result && i < count; i++) {
        if (inspection->only_segment >= 0 && list.bases[i] != inspection->only_segment) {
            next = i + 1 < count ? list.bases[i + 1] : next;
            continue;
        }
        result =
            look_at_segment(inspection, files, bounds, list.bases[i],
                            i + 1 < count ? list.bases[i + 1] : INT64_MAX, &next, &found->counts);
    }
    segment_list_free(&list);
    found->end = next;
    if (!result && bounds->known && inspection->only_segment < 0 && next != bounds->end.offset &&
        found->counts.damaged == 0)
        result =
            tell(inspection, &found->counts, false, files->name,
                 "delete maplog.control while no process is attached: then the log is recovered",
                 "its batches end with offset %" PRId64 ", published is up to %" PRId64, next,
                 bounds->end.offset);
    return result;
}

/* The published end and what of the indexes was filled before it. */
static int take_bounds(struct inspection *inspection, const char *topic, int32_t number,
                       struct bounds *bounds)
{
    *bounds = (struct bounds){0};
    struct partition *partition;
    if (!inspection->attached)
        return 0;
    int result = directory_partition(inspection->attached, topic, number, &partition);
    if (result)
        return result == MAPLOG_NOT_FOUND ? 0 : result;
    const struct control_partition *control = partition->control;
    uint64_t rolls;
    do {
        rolls = load_acquire(&control->rolls);
        bounds->index_bytes = load_acquire(&control->index_bytes[rolls & 1]);
        bounds->timeindex_bytes = load_acquire(&control->timeindex_bytes[rolls & 1]);
        partition_end(partition, &bounds->end);
    } while (bounds->end.rolls != rolls);
    bounds->start = partition_start(partition);
    bounds->known = load_acquire(&control->state) == PARTITION_LIVE &&
                    memcmp(control->topic_id, &partition->topic_id, sizeof control->topic_id) == 0;
    return 0;
}

static int look_at_partition(struct inspection *inspection, const char *name)
{
    char topic[LIMIT_TOPIC_NAME + 1] = "";
    int32_t number = -1;
    struct bounds bounds = {0};
    struct partition files = {.directory = inspection->files, .store = &store_files};
    struct inspect_partition found = {.name = files.name};
    snprintf(files.name, sizeof files.name, "%s", name);
    names_split(name, topic, &number);
    const struct catalog_topic *known = catalog_find(&inspection->catalog, topic);
    int result = 0;
    if (inspection->ours && (!known || number >= known->partitions))
        result = tell(inspection, &found.counts, false, name,
                      "move it out of the directory, or take it over with `maplog import`",
                      "no topic in " CATALOG_FILE " has this partition");
    else if (inspection->ours)
        result = take_bounds(inspection, topic, number, &bounds);
    for (size_t i = 0; i < inspection->start_count; i++)
        if (inspection->starts[i].partition == number &&
            strcmp(inspection->starts[i].topic, topic) == 0)
            found.start = inspection->starts[i].offset;
    if (bounds.known)
        found.start = bounds.start;
    if (!result)
        result = look_at_segments(inspection, &files, &bounds, &found);
    bool whole = inspection->only_segment < 0;
    if (!result && whole)
        result = check_epochs(inspection, name, found.end, &found.counts);
    if (!result && whole && known)
        result = check_metadata(inspection, name, known, &found.counts);
    inspect_add(inspection->counts, &found.counts);
    if (!result && inspection->visitor->partition)
        result = inspection->visitor->partition(inspection->visitor->context, &found);
    return result;
}

/* ---- a directory ----------------------------------------------------------------------------- */

static int check_checkpoint(struct inspection *inspection, const char *file)
{
    struct checkpoint_offset *entries = NULL;
    size_t count = 0;
    int result = checkpoint_load_offsets(inspection->files->fd, file, &entries, &count);
    if (result == MAPLOG_CORRUPT)
        result = tell(inspection, inspection->counts, false, file,
                      "delete it while no process is attached: then recovery reads all segments",
                      "%s", error_text());
    for (size_t i = 0; !result && i < count; i++) {
        const struct catalog_topic *topic = catalog_find(&inspection->catalog, entries[i].topic);
        if (inspection->ours && (!topic || entries[i].partition >= topic->partitions))
            result = tell(inspection, inspection->counts, true, file,
                          "it goes with the next time that the file is written",
                          "an entry of %s-%" PRId32 ", which does not exist", entries[i].topic,
                          entries[i].partition);
    }
    if (!result && strcmp(file, CHECKPOINT_LOG_START) == 0) {
        inspection->starts = entries;
        inspection->start_count = count;
        return 0;
    }
    free(entries);
    return result;
}

/* Partitions that the catalog has, or the directory. */
static int list_partitions(struct inspection *inspection, struct names *names)
{
    int result = names_list(names, inspection->files->fd);
    for (size_t t = 0; !result && t < inspection->catalog.count; t++) {
        const struct catalog_topic *topic = inspection->catalog.topics[t];
        for (int32_t p = 0; !result && p < topic->partitions; p++) {
            char name[NAMES_PARTITION_SIZE];
            snprintf(name, sizeof name, "%s-%" PRId32, topic->name, p);
            if (!file_exists(inspection->files->fd, name)) /* nothing was appended yet */
                result = names_add(names, name);
        }
    }
    names_sort(names);
    return result;
}

static int look_at_top(struct inspection *inspection)
{
    int fd = inspection->files->fd;
    const char *path = inspection->files->path;
    int result = catalog_load(&inspection->catalog, fd);
    if (result == MAPLOG_CORRUPT)
        result = tell(inspection, inspection->counts, false, CATALOG_FILE,
                      "restore it from a backup, or mend the line with an editor while no process "
                      "is attached",
                      "%s", error_text());
    if (result)
        return result;
    const struct maplog_open_options options = {.flags = MAPLOG_READ_ONLY};
    result = inspect_attached(fd, &inspection->live);
    if (!result && directory_open(path, &options, &inspection->attached) != 0)
        result = tell(inspection, inspection->counts, false, "", "see the findings that follow",
                      "the directory cannot be opened: %s", error_text());
    if (inspection->attached && inspection->attached->recovered_privately) {
        directory_drop(inspection->attached); /* what a scan finds, this inspection finds too */
        inspection->attached = NULL;
    }
    return result;
}

static int look_at_directory(struct inspection *inspection)
{
    int fd = inspection->files->fd;
    int result = meta_check(fd, inspection->files->path, false);
    inspection->ours = result == 0 || file_exists(fd, CATALOG_FILE);
    if (result && inspection->ours)
        result = tell(inspection, inspection->counts, false, META_FILE, "restore it from a backup",
                      "%s", error_text());
    else
        result = 0;
    if (!result && inspection->ours)
        result = look_at_top(inspection);
    if (!result)
        result = check_checkpoint(inspection, CHECKPOINT_LOG_START);
    if (!result && !inspection->only_partition[0])
        result = check_checkpoint(inspection, CHECKPOINT_RECOVERY_POINT);
    if (!result && inspection->only_partition[0])
        return look_at_partition(inspection, inspection->only_partition);
    struct names names = {0};
    if (!result)
        result = list_partitions(inspection, &names);
    for (size_t i = 0; !result && i < names.count; i++)
        result = look_at_partition(inspection, names.items[i]);
    names_free(&names);
    return result;
}

int inspect_attached(int directory_fd, bool *attached)
{
    int fd;
    *attached = false;
    int result = file_open(directory_fd, LOCK_FILE, O_RDONLY, 0, &fd);
    if (result)
        return result == MAPLOG_NOT_FOUND ? 0 : result;
    for (uint32_t i = 0; !result && !*attached && i < LIMIT_PROCESSES; i++)
        result = lock_is_held(fd, LOCK_FILE, LOCK_PROCESS + i, attached);
    file_close(fd);
    return result;
}

/* ---- what a path names -------------------------------------------------------------------------
 */

static bool exists_in(const char *directory, const char *file)
{
    char path[LIMIT_PATH];
    int length = snprintf(path, sizeof path, "%s/%s", directory, file);
    return length < (int)sizeof path && file_exists(AT_FDCWD, path);
}

/* Cuts the last component off: "a/b" -> "a" and "b", "b" -> "." and "b". */
static void split_path(char *path, char *name, size_t size)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        path[--length] = 0;
    char *slash = strrchr(path, '/');
    snprintf(name, size, "%s", slash ? slash + 1 : path);
    if (!slash)
        strcpy(path, ".");
    else
        slash[slash == path] = 0;
}

static int has_segment(void *context, const char *name, bool is_directory)
{
    int64_t base;
    (void)context;
    return !is_directory && names_segment(name, SEGMENT_LOG_SUFFIX, &base);
}

/* Directory, partition and segment that path names; path becomes the directory's. */
static int resolve(struct inspection *inspection, char path[static LIMIT_PATH])
{
    struct file_identity file;
    char whole[LIMIT_PATH], name[LIMIT_PATH], topic[LIMIT_TOPIC_NAME + 1];
    int32_t number;
    int result = file_identify_at(AT_FDCWD, path, &file);
    if (result)
        return result;
    if (!file.is_directory) {
        snprintf(whole, sizeof whole, "%s", path);
        split_path(path, name, sizeof name);
        if (!names_segment(name, SEGMENT_LOG_SUFFIX, &inspection->only_segment))
            return error_set(MAPLOG_INVALID,
                             "%s is neither a directory nor a segment (20 digits and .log)", whole);
    } else if (exists_in(path, META_FILE) || exists_in(path, CATALOG_FILE)) {
        return 0;
    }
    int segments = file_list(AT_FDCWD, path, has_segment, NULL);
    if (segments <= 0)
        return segments;
    snprintf(whole, sizeof whole, "%s", path);
    split_path(path, name, sizeof name);
    if (!names_split(name, topic, &number)) { /* "." and the like */
        snprintf(path, LIMIT_PATH, "%s", whole);
        strcpy(name, ".");
    }
    snprintf(inspection->only_partition, sizeof inspection->only_partition, "%.*s",
             (int)sizeof inspection->only_partition - 1, name);
    return 0;
}

int inspect_path(const char *path, const struct inspect_visitor *visitor,
                 struct inspect_counts *counts)
{
    struct inspect_counts counted = {0};
    struct inspection inspection = {.visitor = visitor, .counts = &counted, .only_segment = -1};
    char top[LIMIT_PATH];
    if (snprintf(top, sizeof top, "%s", path) >= LIMIT_PATH)
        return error_set(MAPLOG_LIMIT, "the path is longer than %d bytes", LIMIT_PATH - 1);
    int result = resolve(&inspection, top);
    if (result)
        return result;
    inspection.files = directory_new(top);
    if (!inspection.files)
        return error_set(MAPLOG_NO_MEMORY, "cannot inspect %s", path);
    result = file_open(AT_FDCWD, top, O_RDONLY | O_DIRECTORY, 0, &inspection.files->fd);
    if (!result)
        result = look_at_directory(&inspection);
    free(inspection.starts);
    catalog_free(&inspection.catalog);
    directory_drop(inspection.attached);
    directory_drop(inspection.files);
    if (!result)
        *counts = counted;
    return result;
}
