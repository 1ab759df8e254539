#include "log/directory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/attach.h"
#include "log/keeper.h"
#include "log/meta.h"
#include "log/retain.h"
#include "os/clock.h"
#include "os/map.h"
#include "os/process.h"

#define ATTACH_TIMEOUT_MS 10000
#define KEEPER_LATE_MS 5000 /* a keeper makes a round each second */

/* Files are opened relative to the directory, so their errors do not name it. */
static int named(const struct directory *directory, int result)
{
    bool known = !result || strstr(error_text(), directory->path);
    return known ? result : error_prefix(result, "%s", directory->path);
}

static int open_files(struct directory *directory, const struct maplog_open_options *options)
{
    bool create = options->flags & MAPLOG_CREATE;
    int result = file_open(AT_FDCWD, directory->path, O_RDONLY | O_DIRECTORY, 0, &directory->fd);
    if (result == MAPLOG_NOT_FOUND && create) {
        result = file_make_directory(AT_FDCWD, directory->path, 0770);
        if (!result)
            result =
                file_open(AT_FDCWD, directory->path, O_RDONLY | O_DIRECTORY, 0, &directory->fd);
    }
    if (!result)
        result = file_system(directory->fd, directory->path, &directory->kind);
    if (!result && directory->kind == FILE_SYSTEM_NETWORK)
        result = error_set(MAPLOG_UNSUPPORTED,
                           "%s lies on a network file system, where mappings are not shared "
                           "memory: use a local disk or /dev/shm",
                           directory->path);
    if (!result)
        result = meta_check(directory->fd, directory->path, create && !directory->read_only);
    if (!result)
        result =
            attach_begin(directory, options->timeout_ms ? options->timeout_ms : ATTACH_TIMEOUT_MS);
    return result;
}

/* An empty directory structure; NULL without memory. */
struct directory *directory_new(const char *path)
{
    struct directory *made = calloc(1, sizeof *made);
    struct partition **partitions = calloc(LIMIT_PARTITIONS, sizeof(struct partition *));
    const volatile uint32_t *alive = map_wiped_on_fork();
    if (!made || !partitions || !alive) {
        free(made);
        free(partitions);
        return NULL;
    }
    made->references = 1;
    made->fd = made->memory_fd = -1;
    made->view.lock_fd = -1;
    made->view.process = UINT32_MAX;
    made->alive = alive;
    made->opened_by = *alive;
    made->partitions = partitions;
    pthread_mutex_init(&made->lock, NULL);
    pthread_mutex_init(&made->changing, NULL);
    snprintf(made->path, sizeof made->path, "%s", path);
    return made;
}

int directory_open(const char *path, const struct maplog_open_options *options,
                   struct directory **directory)
{
    static const struct maplog_open_options defaults;
    if (!options)
        options = &defaults;
    if (strlen(path) >= LIMIT_PATH)
        return error_set(MAPLOG_LIMIT, "the path of the directory is longer than %d bytes",
                         LIMIT_PATH - 1);
    struct directory *made = directory_new(path);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "cannot open %s", path);
    made->read_only = options->flags & MAPLOG_READ_ONLY;
    int result = named(made, open_files(made, options));
    if (result) {
        directory_drop(made);
        return result;
    }
    *directory = made;
    return 0;
}

struct directory *directory_keep(struct directory *directory)
{
    add_full(&directory->references, 1);
    return directory;
}

static void free_partitions(struct directory *directory)
{
    for (uint32_t i = 0; i < LIMIT_PARTITIONS; i++) {
        struct partition *partition = directory->partitions[i];
        while (partition) {
            struct partition *older = partition->older;
            segment_drop(partition->active);
            segment_list_free(&partition->sealed);
            pthread_mutex_destroy(&partition->lock);
            free(partition);
            partition = older;
        }
    }
    free(directory->partitions);
}

/* Processes that append a little and leave never begin a keeper: when there is none, each sees to
 * the retention of what it appended to. */
static void retain_before_leaving(struct directory *directory)
{
    const struct control_view *view = &directory->view;
    int64_t now_ms = clock_wall_ms();
    if (directory_forked(directory) || directory->fd < 0 || view->process == UINT32_MAX ||
        now_ms - (int64_t)load_relaxed(&view->control->header.keeper_seen_ms) < KEEPER_LATE_MS)
        return;
    uint64_t limit = load_acquire(&view->control->header.partition_limit);
    for (uint32_t i = 0; i < limit && i < LIMIT_PARTITIONS; i++) {
        struct partition *partition = directory->partitions[i];
        if (partition && load_relaxed(&partition->appended_ms) &&
            partition_check_live(partition) == 0)
            retain_sealed(partition, now_ms);
    }
}

void directory_drop(struct directory *directory)
{
    if (!directory || add_full(&directory->references, (uint32_t)-1) != 1)
        return;
    if (directory->keeper)
        keeper_end(directory);
    retain_before_leaving(directory);
    if (directory->fd >= 0)
        attach_end(directory);
    else
        anonymous_end(directory);
    free_partitions(directory);
    catalog_free(&directory->catalog);
    file_close(directory->fd);
    file_close(directory->memory_fd);
    pthread_mutex_destroy(&directory->lock);
    pthread_mutex_destroy(&directory->changing);
    free(directory);
}

int directory_refresh(struct directory *directory)
{
    if (directory->fd < 0)
        return 0; /* an anonymous log's only topic never changes */
    uint64_t now = load_acquire(&directory->view.control->header.settings_generation);
    if (now == directory->catalog_generation)
        return 0;
    struct catalog fresh = {0};
    int result = catalog_load(&fresh, directory->fd);
    if (result)
        return result;
    catalog_free(&directory->catalog);
    directory->catalog = fresh;
    directory->catalog_generation = now;
    return 0;
}

static int find_topic(struct directory *directory, const char *name, struct catalog_topic **topic)
{
    int result = directory_refresh(directory);
    if (result)
        return result;
    *topic = catalog_find(&directory->catalog, name);
    if (!*topic)
        return error_set(MAPLOG_NOT_FOUND, "no topic %s in %s", name, directory->path);
    return 0;
}

int directory_topic(struct directory *directory, const char *topic, struct maplog_topic *found)
{
    struct catalog_topic *known;
    pthread_mutex_lock(&directory->lock);
    int result = find_topic(directory, topic, &known);
    if (!result) {
        found->name = topic;
        found->partitions = known->partitions;
        uuid_format(&known->id, found->id);
    }
    pthread_mutex_unlock(&directory->lock);
    return result;
}

/* A deleted topic's partition stays for those who still hold it; a new topic may have its slot. */
static bool is_current(const struct partition *partition, const struct catalog_topic *topic,
                       int32_t number)
{
    return partition->number == number && strcmp(partition->topic, topic->name) == 0 &&
           memcmp(&partition->topic_id, &topic->id, sizeof topic->id) == 0;
}

int directory_open_slot(struct directory *directory, const struct catalog_topic *topic,
                        int32_t number, struct partition **partition)
{
    uint32_t slot = topic->slots[number];
    struct partition *known = directory->partitions[slot];
    if (known && is_current(known, topic, number)) {
        *partition = known;
        return 0;
    }
    struct partition *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "cannot open partition %d of %s", number, topic->name);
    made->directory = directory;
    made->control = &directory->view.control->partitions[slot];
    made->store = directory->fd < 0 ? &store_memory : &store_files;
    made->slot = slot;
    made->number = number;
    made->topic_id = topic->id;
    made->settings = topic->settings;
    made->settings_generation = directory->catalog_generation;
    made->older = known;
    pthread_mutex_init(&made->lock, NULL);
    snprintf(made->topic, sizeof made->topic, "%s", topic->name);
    snprintf(made->name, sizeof made->name, "%s-%d", topic->name, number);
    directory->partitions[slot] = made;
    *partition = made;
    return 0;
}

static int open_number(struct directory *directory, const struct catalog_topic *topic,
                       int32_t number, struct partition **partition)
{
    if (number < 0 || number >= topic->partitions)
        return error_set(MAPLOG_NOT_FOUND, "topic %s has partitions 0 to %d, not %d", topic->name,
                         topic->partitions - 1, number);
    return directory_open_slot(directory, topic, number, partition);
}

int directory_partition(struct directory *directory, const char *topic, int32_t number,
                        struct partition **partition)
{
    struct catalog_topic *known;
    pthread_mutex_lock(&directory->lock);
    int result = find_topic(directory, topic, &known);
    if (!result)
        result = open_number(directory, known, number, partition);
    pthread_mutex_unlock(&directory->lock);
    return result;
}

int directory_partition_by_id(struct directory *directory, const struct uuid *id, int32_t number,
                              struct partition **partition)
{
    pthread_mutex_lock(&directory->lock);
    int result = directory_refresh(directory);
    if (!result) {
        const struct catalog_topic *known = catalog_find_id(&directory->catalog, id);
        result = known
                     ? open_number(directory, known, number, partition)
                     : error_set(MAPLOG_NOT_FOUND, "no topic with that id in %s", directory->path);
    }
    pthread_mutex_unlock(&directory->lock);
    return result;
}

uint64_t directory_generation(const struct directory *directory)
{
    return load_acquire(&directory->view.control->header.settings_generation);
}

int32_t directory_leader_epoch(const struct directory *directory, uint32_t slot)
{
    return (int32_t)load_acquire(&directory->view.control->partitions[slot].leader_epoch);
}

int directory_take_seat(struct directory *directory, uint32_t *seat)
{
    return control_take_seat(&directory->view, seat);
}

void directory_leave_seat(struct directory *directory, uint32_t seat)
{
    if (!directory_forked(directory))
        control_leave_seat(&directory->view, seat);
}

struct partition *directory_opened(struct directory *directory, uint32_t slot)
{
    pthread_mutex_lock(&directory->lock);
    struct partition *partition = directory->partitions[slot];
    pthread_mutex_unlock(&directory->lock);
    return partition;
}
