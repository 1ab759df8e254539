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
    bool ours; /* it is a maplog directory, with a catalog */
    bool live; /* processes are attached */
    struct inspect_target target;
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

/* about: file, advice and note of a finding about the file as a whole. */
__attribute__((format(printf, 4, 5))) static int tell(struct inspection *inspection,
                                                      struct inspect_counts *counts,
                                                      struct inspect_finding about,
                                                      const char *what, ...)
{
    char text[ERROR_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, what);
    vsnprintf(text, sizeof text, what, arguments);
    va_end(arguments);
    about.what = text;
    return inspect_tell(inspection->visitor, counts, &about);
}

static struct inspect_finding damage(const char *file, const char *advice)
{
    return (struct inspect_finding){.file = file, .position = -1, .advice = advice};
}

static struct inspect_finding note(const char *file, const char *advice)
{
    return (struct inspect_finding){.file = file, .position = -1, .advice = advice, .note = true};
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
        return tell(inspection, counts, damage(path, advice), "%s", error_text());
    for (size_t i = 0; !result && i < count; i++) {
        if (i && (entries[i].epoch <= entries[i - 1].epoch ||
                  entries[i].start_offset < entries[i - 1].start_offset))
            result = tell(inspection, counts, damage(path, advice),
                          "epoch %" PRId32 " from offset %" PRId64 " on does not ascend",
                          entries[i].epoch, entries[i].start_offset);
        else if (entries[i].start_offset > end)
            result = tell(inspection, counts, damage(path, advice),
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
        result = tell(inspection, counts,
                      damage(path, "it belongs to another topic: move the "
                                   "directory out of the way, or correct the id in " CATALOG_FILE),
                      "does not name the topic's id, %s", id);
    free(text);
    return result;
}

/* ---- segments -------------------------------------------------------------------------------- */

/* A partition that is being looked at. */
struct look {
    struct inspection *inspection;
    struct partition files; /* unattached */
    struct bounds bounds;
    struct inspect_partition found;
    int64_t next; /* offset behind the segments so far */
};

static struct inspect_view view_of(const struct look *look, const struct segment *segment,
                                   const struct segment_sizes *sizes)
{
    char index[LIMIT_PATH], timeindex[LIMIT_PATH];
    const struct partition *files = &look->files;
    segment_path(files, segment->base, SEGMENT_INDEX_SUFFIX, index, sizeof index);
    segment_path(files, segment->base, SEGMENT_TIMEINDEX_SUFFIX, timeindex, sizeof timeindex);
    return (struct inspect_view){
        .partition = files->name,
        .base = segment->base,
        .next_base = INT64_MAX,
        .log = segment->log,
        .index = segment->index,
        .timeindex = segment->timeindex,
        .log_bytes = sizes->log < segment->log_bytes ? sizes->log : segment->log_bytes,
        .index_bytes = segment->index_bytes,
        .timeindex_bytes = segment->timeindex_bytes,
        .has_index = segment->index || file_exists(files->directory->fd, index),
        .has_timeindex = segment->timeindex || file_exists(files->directory->fd, timeindex),
    };
}

/* The active segment of a partition whose published end is known: looks no further than that. */
static int bound_view(struct look *look, struct inspect_view *view)
{
    const struct bounds *bounds = &look->bounds;
    uint64_t published = bounds->end.position;
    char log[LIMIT_PATH];
    segment_path(&look->files, view->base, SEGMENT_LOG_SUFFIX, log, sizeof log);
    int result = 0;
    if (view->log_bytes < published)
        result = tell(look->inspection, &look->found.counts,
                      damage(log, "restore it from a backup, or delete maplog.control while no "
                                  "process is attached: then the log is recovered"),
                      "the file has %" PRIu64 " bytes, %" PRIu64 " are published", view->log_bytes,
                      published);
    else if (view->log_bytes > published && !look->inspection->live)
        result = tell(look->inspection, &look->found.counts,
                      note(log, "the next process that detaches cuts it off"),
                      "%" PRIu64 " allocated bytes behind the published end",
                      view->log_bytes - published);
    view->log_bytes = view->log_bytes < published ? view->log_bytes : published;
    if (view->index_bytes > bounds->index_bytes)
        view->index_bytes = bounds->index_bytes;
    if (view->timeindex_bytes > bounds->timeindex_bytes)
        view->timeindex_bytes = bounds->timeindex_bytes;
    return result;
}

/* One segment; gone or still being made: nothing is said. */
static int look_at_segment(struct look *look, int64_t base, int64_t next_base)
{
    struct inspection *inspection = look->inspection;
    struct segment *segment;
    struct segment_sizes sizes;
    int result = store_files.open(&look->files, base, 0, false, &segment);
    if (result)
        return result == MAPLOG_NOT_FOUND && inspection->live ? 0 : result;
    result = segment_sealed(segment, &sizes);
    struct inspect_view view = view_of(look, segment, &sizes);
    view.next_base = next_base;
    if (look->bounds.known) {
        view.active = base == look->bounds.end.base;
    } else {
        view.active = next_base == INT64_MAX;
        view.unclean = view.active;
    }
    if (!result && view.active && look->bounds.known)
        result = bound_view(look, &view);
    struct inspect_segment counted = {0};
    if (!result)
        result = inspect_view(&view, inspection->visitor, &look->next, &counted);
    inspect_add(&look->found.counts, &counted.counts);
    segment_drop(segment);
    return result;
}

static int look_at_segments(struct look *look)
{
    struct inspection *inspection = look->inspection;
    const struct partition_end *end = &look->bounds.end;
    struct inspect_partition *found = &look->found;
    struct segment_list list;
    int result = store_files.list(&look->files, &list);
    if (result)
        return result;
    size_t count = list.count;
    while (look->bounds.known && count && (!end->rolls || list.bases[count - 1] > end->base))
        count--; /* about to begin, or left by one who died then */
    look->next = count ? list.bases[0] : found->start;
    if (count && found->start < list.bases[0])
        found->start = list.bases[0];
    for (size_t i = 0; !result && i < count; i++) {
        int64_t next_base = i + 1 < count ? list.bases[i + 1] : INT64_MAX;
        if (inspection->target.segment < 0 || list.bases[i] == inspection->target.segment)
            result = look_at_segment(look, list.bases[i], next_base);
        else if (i + 1 < count)
            look->next = next_base;
    }
    segment_list_free(&list);
    found->end = look->next;
    if (!result && look->bounds.known && inspection->target.segment < 0 &&
        look->next != end->offset && found->counts.damaged == 0)
        result = tell(inspection, &found->counts,
                      damage(look->files.name, "delete maplog.control while no process is "
                                               "attached: then the log is recovered"),
                      "its batches end with offset %" PRId64 ", published is up to %" PRId64,
                      look->next, end->offset);
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

static int64_t start_of(const struct inspection *inspection, const char *topic, int32_t number)
{
    for (size_t i = 0; i < inspection->start_count; i++)
        if (inspection->starts[i].partition == number &&
            strcmp(inspection->starts[i].topic, topic) == 0)
            return inspection->starts[i].offset;
    return 0;
}

static int look_at_partition(struct inspection *inspection, const char *name)
{
    char topic[LIMIT_TOPIC_NAME + 1] = "";
    int32_t number = -1;
    struct look look = {.inspection = inspection,
                        .files = {.directory = inspection->files, .store = &store_files}};
    snprintf(look.files.name, sizeof look.files.name, "%s", name);
    look.found.name = look.files.name;
    names_split(name, topic, &number);
    const struct catalog_topic *known = catalog_find(&inspection->catalog, topic);
    int result = 0;
    if (inspection->ours && (!known || number >= known->partitions))
        result = tell(inspection, &look.found.counts,
                      damage(name, "move it out of the directory, or take it over with "
                                   "`maplog import`"),
                      "no topic in " CATALOG_FILE " has this partition");
    else if (inspection->ours)
        result = take_bounds(inspection, topic, number, &look.bounds);
    look.found.start = look.bounds.known ? look.bounds.start : start_of(inspection, topic, number);
    if (!result)
        result = look_at_segments(&look);
    bool whole = inspection->target.segment < 0;
    if (!result && whole)
        result = check_epochs(inspection, name, look.found.end, &look.found.counts);
    if (!result && whole && known)
        result = check_metadata(inspection, name, known, &look.found.counts);
    inspect_add(inspection->counts, &look.found.counts);
    if (!result && inspection->visitor->partition)
        result = inspection->visitor->partition(inspection->visitor->context, &look.found);
    return result;
}

/* ---- a directory ----------------------------------------------------------------------------- */

static int check_checkpoint(struct inspection *inspection, const char *file)
{
    struct checkpoint_offset *entries = NULL;
    size_t count = 0;
    int result = checkpoint_load_offsets(inspection->files->fd, file, &entries, &count);
    if (result == MAPLOG_CORRUPT)
        result =
            tell(inspection, inspection->counts,
                 damage(file,
                        "delete it while no process is attached: then recovery reads all segments"),
                 "%s", error_text());
    for (size_t i = 0; !result && i < count; i++) {
        const struct catalog_topic *topic = catalog_find(&inspection->catalog, entries[i].topic);
        if (inspection->ours && (!topic || entries[i].partition >= topic->partitions))
            result = tell(inspection, inspection->counts,
                          note(file, "it goes with the next time that the file is written"),
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
        result = tell(
            inspection, inspection->counts,
            damage(CATALOG_FILE,
                   "restore it from a backup, or mend the line with an editor while no process "
                   "is attached"),
            "%s", error_text());
    if (result)
        return result;
    const struct maplog_open_options options = {.flags = MAPLOG_READ_ONLY};
    result = inspect_attached(fd, &inspection->live);
    if (!result && directory_open(path, &options, &inspection->attached) != 0)
        result = tell(inspection, inspection->counts, damage("", "see the findings that follow"),
                      "the directory cannot be opened: %s", error_text());
    if (inspection->attached && inspection->attached->recovered_privately) {
        directory_drop(inspection->attached); /* what a scan finds, this inspection finds too */
        inspection->attached = NULL;
    }
    return result;
}

static int see_aside(void *context, const char *name, bool is_directory)
{
    static const char suffix[] = "-" NAMES_STRAY;
    struct inspection *inspection = context;
    size_t length = strlen(name);
    if (!is_directory || length < sizeof suffix ||
        strcmp(name + length - (sizeof suffix - 1), suffix) != 0)
        return 0;
    return tell(inspection, inspection->counts,
                note(name, "delete it when nobody needs its records"),
                "was there before the topic of its name, and was put aside");
}

static int look_at_directory(struct inspection *inspection)
{
    int fd = inspection->files->fd;
    int result = meta_check(fd, inspection->files->path, false);
    inspection->ours = result == 0 || file_exists(fd, CATALOG_FILE);
    if (result && inspection->ours)
        result = tell(inspection, inspection->counts, damage(META_FILE, "restore it from a backup"),
                      "%s", error_text());
    else
        result = 0;
    if (!result && inspection->ours)
        result = look_at_top(inspection);
    if (!result)
        result = check_checkpoint(inspection, CHECKPOINT_LOG_START);
    if (!result && !inspection->target.partition[0])
        result = check_checkpoint(inspection, CHECKPOINT_RECOVERY_POINT);
    if (!result && inspection->target.partition[0])
        return look_at_partition(inspection, inspection->target.partition);
    struct names names = {0};
    if (!result)
        result = file_list(fd, ".", see_aside, inspection);
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

/* ---- the whole ------------------------------------------------------------------------------- */

int inspect_path(const char *path, const struct inspect_visitor *visitor,
                 struct inspect_counts *counts)
{
    struct inspect_counts counted = {0};
    struct inspection inspection = {.visitor = visitor, .counts = &counted};
    int result = inspect_resolve(path, &inspection.target);
    if (result)
        return result;
    const char *directory = inspection.target.directory;
    inspection.files = directory_new(directory);
    if (!inspection.files)
        return error_set(MAPLOG_NO_MEMORY, "cannot inspect %s", path);
    result = file_open(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY, 0, &inspection.files->fd);
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
