#include "log/import.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/attach.h"
#include "log/checkpoint.h"
#include "log/duty.h"
#include "log/import_check.h"
#include "log/names.h"
#include "log/producer_ids.h"
#include "log/producer_snapshot.h"
#include "log/progress.h"
#include "log/recover.h"
#include "os/fault.h"
#include "os/lock.h"
#include "os/process.h"

#define CLEAN_FILE ".kafka_cleanshutdown"
#define METADATA_MAX 4096
#define TRANSACTION_INDEX_SUFFIX ".txnindex"

struct import {
    struct directory *directory; /* where to */
    struct directory *files;     /* where from; not attached */
    const struct transfer_listener *listener;
    struct transfer_counts *counts;
    struct names names; /* partitions that are taken over, sorted */
    struct checkpoint_offset *starts;
    size_t start_count;
    int64_t producer; /* highest id of one that was seen; -1: none */
    /* The topic at work. */
    char topic[LIMIT_TOPIC_NAME + 1];
    size_t first, last; /* its partitions: names[first, last) */
    struct uuid id;
    char failure[ERROR_TEXT_SIZE]; /* why it could not be placed; "": it could */
};

static void open_source(const struct import *import, const char *name, struct partition *source)
{
    *source = (struct partition){.directory = import->files, .store = &store_files};
    snprintf(source->name, sizeof source->name, "%s", name);
}

static int32_t number_of(const char *name)
{
    char topic[LIMIT_TOPIC_NAME + 1];
    int32_t number = -1;
    names_split(name, topic, &number);
    return number;
}

/* ---- which topics ---------------------------------------------------------------------------- */

static bool is_named(const struct import_options *options, const char *topic)
{
    for (size_t i = 0; options->topics[i]; i++)
        if (strcmp(options->topics[i], topic) == 0)
            return true;
    return false;
}

static bool is_internal(const char *topic)
{
    static const char *const internal[] = {"__cluster_metadata", "__transaction_state",
                                           "__share_group_state", "__remote_log_metadata"};
    for (size_t i = 0; i < sizeof internal / sizeof *internal; i++)
        if (strcmp(topic, internal[i]) == 0)
            return true;
    return false;
}

/* Whether the topic is taken over; says why not, once a topic. */
static bool is_wanted(struct import *import, const struct import_options *options,
                      const char *topic, bool news, uint32_t *refusals)
{
    struct maplog_topic there;
    if (options->topics && !is_named(options, topic))
        return false;
    if (is_internal(topic)) {
        if (news && strcmp(topic, "__cluster_metadata") != 0)
            transfer_note(import->listener, "%s is left out: it is internal to Kafka", topic);
        return false;
    }
    bool exists = directory_topic(import->directory, topic, &there) == 0;
    if (strcmp(topic, PROGRESS_TOPIC) == 0) {
        if (news && exists)
            transfer_note(import->listener, "%s is left out: %s has groups of its own already",
                          topic, import->directory->path);
        else if (news)
            transfer_note(import->listener, "%s is taken over: groups go on where they were",
                          topic);
        return !exists;
    }
    if (exists && news) {
        transfer_refuse(import->listener, "topic %s exists in %s already", topic,
                        import->directory->path);
        ++*refusals;
    }
    return true;
}

static int choose(struct import *import, const struct import_options *options, uint32_t *refusals)
{
    struct names all = {0};
    int result = names_list(&all, import->files->fd);
    names_sort(&all);
    char topic[LIMIT_TOPIC_NAME + 1], previous[LIMIT_TOPIC_NAME + 1] = "";
    bool wanted = false;
    for (size_t i = 0; !result && i < all.count; i++) {
        int32_t number;
        if (!names_split(all.items[i], topic, &number))
            continue;
        if (strcmp(topic, previous) != 0)
            wanted = is_wanted(import, options, topic, true, refusals);
        snprintf(previous, sizeof previous, "%s", topic);
        if (wanted)
            result = names_add(&import->names, all.items[i]);
    }
    for (size_t t = 0; !result && options->topics && options->topics[t]; t++) {
        size_t i = 0;
        while (i < all.count && !(names_split(all.items[i], topic, &(int32_t){0}) &&
                                  strcmp(topic, options->topics[t]) == 0))
            i++;
        if (i == all.count)
            result = error_set(MAPLOG_NOT_FOUND, "%s has no topic %s", options->from,
                               options->topics[t]);
    }
    if (!result && all.count == 0)
        result = error_set(MAPLOG_NOT_FOUND,
                           "%s is no data directory of Kafka: it has no directory named like a "
                           "partition (orders-0)",
                           options->from);
    names_free(&all);
    return result;
}

static int check_all(struct import *import, uint32_t *refusals)
{
    int result = 0;
    for (size_t i = 0; !result && i < import->names.count; i++) {
        struct partition source;
        struct import_checked checked;
        open_source(import, import->names.items[i], &source);
        result = import_check(&source, import->listener, &checked);
        if (result)
            break;
        *refusals += checked.refusals;
        if (checked.producer > import->producer)
            import->producer = checked.producer;
        if (checked.aborted)
            transfer_note(import->listener,
                          "%s has %" PRIu64 " aborted transactions: readers here see their records",
                          source.name, checked.aborted);
    }
    return result;
}

/* ---- one topic ------------------------------------------------------------------------------- */

/* The id that Kafka gave the topic, unless another topic has it. */
static int choose_id(struct import *import)
{
    uint8_t random[16];
    int result = process_random(random, sizeof random);
    if (result)
        return result;
    import->id = uuid_from_random(random);
    char path[LIMIT_PATH], *text, id[UUID_TEXT_SIZE];
    size_t length;
    snprintf(path, sizeof path, "%s/%s", import->names.items[import->first], PARTITION_METADATA);
    result = file_read_all(import->files->fd, path, METADATA_MAX, &text, &length);
    if (result)
        return result == MAPLOG_NOT_FOUND ? 0 : result;
    struct uuid found;
    const char *at = strstr(text, "topic_id: ");
    snprintf(id, sizeof id, "%.22s", at ? at + strlen("topic_id: ") : "");
    free(text);
    if (!uuid_parse(id, &found))
        return 0;
    bool taken = false;
    pthread_mutex_lock(&import->directory->lock);
    for (size_t t = 0; t < import->directory->catalog.count; t++)
        taken |= memcmp(&import->directory->catalog.topics[t]->id, &found, sizeof found) == 0;
    pthread_mutex_unlock(&import->directory->lock);
    if (!taken)
        import->id = found;
    return 0;
}

static int64_t start_of(const struct import *import, int32_t number)
{
    for (size_t i = 0; i < import->start_count; i++)
        if (import->starts[i].partition == number &&
            strcmp(import->starts[i].topic, import->topic) == 0)
            return import->starts[i].offset;
    return 0;
}

static int write_metadata(struct import *import, const char *name, bool durable)
{
    char path[LIMIT_PATH], text[64], id[UUID_TEXT_SIZE];
    uuid_format(&import->id, id);
    snprintf(path, sizeof path, "%s/%s", name, PARTITION_METADATA);
    int length = snprintf(text, sizeof text, "version: 0\ntopic_id: %s", id);
    return file_replace(import->directory->fd, path, text, (size_t)length, durable);
}

static int copy_partition(struct import *import, const char *from)
{
    char to[NAMES_ASIDE_SIZE], old[LIMIT_PATH], new[LIMIT_PATH];
    names_aside(to, import->topic, number_of(from), &import->id, NAMES_DELETE);
    bool durable = import->directory->kind == FILE_SYSTEM_DISK;
    int to_fd = import->directory->fd;
    struct settings settings;
    settings_default(&settings);
    struct partition source;
    open_source(import, from, &source);
    struct segment_list list = {0};
    int result = file_make_directory(to_fd, to, 0770);
    if (!result)
        result = store_files.list(&source, &list);
    for (size_t i = 0; !result && i < list.count; i++) {
        struct segment *segment;
        struct segment_sizes sizes;
        result = store_files.open(&source, list.bases[i], 0, false, &segment);
        if (result)
            break;
        result = segment_sealed(segment, &sizes);
        struct transfer transfer = {.from = segment,
                                    .bytes = sizes.log,
                                    .to_fd = to_fd,
                                    .name = to,
                                    .index_interval = (uint32_t)settings.index_interval_bytes,
                                    .durable = durable};
        if (!result)
            result = transfer_segment(&transfer, import->listener, import->counts);
        segment_drop(segment);
        segment_path(&source, list.bases[i], TRANSACTION_INDEX_SUFFIX, old, sizeof old);
        snprintf(new, sizeof new, "%s/%0*" PRId64 "%s", to, SEGMENT_NAME_BYTES, list.bases[i],
                 TRANSACTION_INDEX_SUFFIX);
        if (!result)
            result = transfer_file(import->files->fd, to_fd, old, new, durable);
    }
    segment_list_free(&list);
    const struct producer_place snapshots = {import->files->fd, from}, copies = {to_fd, to};
    if (!result)
        result = producer_snapshot_copy(&snapshots, &copies, INT64_MAX, durable);
    snprintf(old, sizeof old, "%s/%s", from, CHECKPOINT_LEADER_EPOCH);
    snprintf(new, sizeof new, "%s/%s", to, CHECKPOINT_LEADER_EPOCH);
    if (!result)
        result = transfer_file(import->files->fd, to_fd, old, new, durable);
    if (!result)
        result = write_metadata(import, to, durable);
    if (!result && durable)
        result = transfer_sync_directory(to_fd, to);
    import->counts->partitions++;
    fault_point("import-copied");
    return result;
}

/* Under the directory's lock: the copies come to their place and their ends are published. */
static int place(void *context, const struct catalog_topic *topic)
{
    struct import *import = context;
    struct directory *directory = import->directory;
    int result = 0;
    for (size_t i = import->first; !result && i < import->last; i++) {
        char copy[NAMES_ASIDE_SIZE];
        int32_t number = number_of(import->names.items[i]);
        struct partition *partition;
        struct recovered found;
        names_aside(copy, import->topic, number, &import->id, NAMES_DELETE);
        result = file_rename(directory->fd, copy, import->names.items[i]);
        fault_point("import-placed");
        if (!result)
            result = directory_open_slot(directory, topic, number, &partition);
        if (!result)
            result = recover_clean(partition, start_of(import, number), &found);
        const struct producer_place snapshots = {directory->fd, import->names.items[i]};
        if (!result)
            result = producer_snapshot_prune(&snapshots, found.end_offset);
        if (!result)
            recover_publish(partition, &found);
    }
    snprintf(import->failure, sizeof import->failure, "%s", result ? error_text() : "");
    return result;
}

static void unplace(void *context)
{
    struct import *import = context;
    for (size_t i = import->first; i < import->last; i++) {
        char copy[NAMES_ASIDE_SIZE];
        const char *name = import->names.items[i];
        names_aside(copy, import->topic, number_of(name), &import->id, NAMES_DELETE);
        if (!file_exists(import->directory->fd, copy))
            file_rename(import->directory->fd, name, copy);
    }
}

static int import_topic(struct import *import)
{
    static const char *const configs[] = {"retention.ms=-1", "retention.bytes=-1", NULL};
    static const char *const offsets_configs[] = {"cleanup.policy=compact", "retention.ms=-1",
                                                  "retention.bytes=-1", NULL};
    int32_t partitions = number_of(import->names.items[import->last - 1]) + 1;
    if ((size_t)partitions != import->last - import->first)
        transfer_note(import->listener,
                      "topic %s: %zu of its partitions are here, up to number %" PRId32
                      "; the others will be empty",
                      import->topic, import->last - import->first, partitions - 1);
    int result = choose_id(import);
    for (size_t i = import->first; !result && i < import->last; i++)
        result = copy_partition(import, import->names.items[i]);
    struct topic_placing placing = {
        .topic = import->topic,
        .partitions = partitions,
        .configs = strcmp(import->topic, PROGRESS_TOPIC) == 0 ? offsets_configs : configs,
        .id = import->id,
        .context = import,
        .place = place,
        .unplace = unplace};
    import->failure[0] = 0;
    if (!result)
        result = directory_place_topic(import->directory, &placing);
    if (result && import->failure[0])
        error_set(result, "%s", import->failure);
    for (size_t i = import->first; result && i < import->last; i++) {
        char copy[NAMES_ASIDE_SIZE];
        names_aside(copy, import->topic, number_of(import->names.items[i]), &import->id,
                    NAMES_DELETE);
        file_remove_tree(import->directory->fd, copy); /* else the next to attach removes it */
    }
    if (!result)
        import->counts->topics++;
    return result;
}

static int import_topics(struct import *import)
{
    int result = 0;
    for (import->first = 0; !result && import->first < import->names.count;
         import->first = import->last) {
        char topic[LIMIT_TOPIC_NAME + 1];
        int32_t number;
        names_split(import->names.items[import->first], import->topic, &number);
        import->last = import->first + 1;
        while (import->last < import->names.count &&
               names_split(import->names.items[import->last], topic, &number) &&
               strcmp(topic, import->topic) == 0)
            import->last++;
        result = import_topic(import);
    }
    return result;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Log starts lie in the control slots now; without a keeper nobody else would write them down. */
static int keep_starts(struct directory *directory)
{
    if (lock_try(directory->view.lock_fd, LOCK_FILE, LOCK_KEEPER, true) != 0)
        return 0;
    int result = duty_store_checkpoints(directory);
    lock_release(directory->view.lock_fd, LOCK_KEEPER);
    return result;
}

static int import_all(struct import *import, const struct import_options *options)
{
    uint32_t refusals = 0;
    int result = choose(import, options, &refusals);
    if (!result && !file_exists(import->files->fd, CLEAN_FILE))
        transfer_note(import->listener,
                      "%s has no file " CLEAN_FILE ": that the broker was stopped cleanly is "
                      "judged by the segments alone",
                      options->from);
    if (!result)
        result = checkpoint_load_offsets(import->files->fd, CHECKPOINT_LOG_START, &import->starts,
                                         &import->start_count);
    if (!result)
        result = check_all(import, &refusals);
    if (!result && refusals)
        result =
            error_set(MAPLOG_INVALID, "nothing was imported from %s: %" PRIu32 " things forbid it",
                      options->from, refusals);
    if (!result && import->producer >= 0)
        result = producer_ids_raise(import->directory, import->producer);
    if (!result)
        result = import_topics(import);
    if (!result && import->counts->topics)
        result = keep_starts(import->directory);
    return result;
}

int import_directory(struct directory *directory, const struct import_options *options,
                     struct transfer_counts *counts)
{
    struct transfer_counts counted = {0};
    struct import import = {
        .directory = directory, .listener = &options->listener, .counts = &counted, .producer = -1};
    int lock_fd = -1;
    import.files = directory_new(options->from);
    if (!import.files)
        return error_set(MAPLOG_NO_MEMORY, "cannot import %s", options->from);
    int result = file_open(AT_FDCWD, options->from, O_RDONLY | O_DIRECTORY, 0, &import.files->fd);
    if (!result && file_exists(import.files->fd, CATALOG_FILE))
        result =
            error_set(MAPLOG_INVALID, "%s is a directory of maplog: `maplog backup` copies such",
                      options->from);
    if (!result)
        result = transfer_lock_kafka(import.files->fd, options->from, &lock_fd);
    if (!result)
        result = import_all(&import, options);
    names_free(&import.names);
    free(import.starts);
    file_close(lock_fd);
    directory_drop(import.files);
    if (!result)
        *counts = counted;
    return result;
}
