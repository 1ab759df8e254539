/* Changes of the catalog: create, delete, alter and grow topics while others are attached. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/attach.h"
#include "log/directory.h"
#include "log/names.h"
#include "os/lock.h"
#include "os/process.h"
#include "shm/bell.h"
#include "shm/lease.h"

#define CATALOG_TIMEOUT_MS 10000
#define DELETE_TIMEOUT_NS 100000000 /* longest wait for a writer before it is passed over */

/* Ends a change; after a success the changed catalog is stored and everybody told. On failure the
 * copy in memory is thrown away. */
static int end_change(struct directory *directory, int result)
{
    _Atomic uint64_t *generation = &directory->view.control->header.settings_generation;
    if (!result)
        result = catalog_store(&directory->catalog, directory->fd, true);
    if (!result) {
        directory->catalog_generation = add_full(generation, 1) + 1;
    } else {
        int again = catalog_load(&directory->catalog, directory->fd);
        directory->catalog_generation = again ? 0 : load_acquire(generation);
    }
    pthread_mutex_unlock(&directory->lock);
    lock_release(directory->view.lock_fd, LOCK_CATALOG);
    pthread_mutex_unlock(&directory->changing);
    return result;
}

/* Begins a change: this thread alone, over all processes, with the catalog as it is now. */
static int begin_change(struct directory *directory)
{
    if (directory->read_only)
        return error_set(MAPLOG_DENIED, "%s is attached read-only", directory->path);
    if (directory->fd < 0)
        return error_set(MAPLOG_UNSUPPORTED, "the topic of an anonymous log cannot be changed");
    pthread_mutex_lock(&directory->changing);
    int result =
        lock_wait(directory->view.lock_fd, LOCK_FILE, LOCK_CATALOG, true, CATALOG_TIMEOUT_MS);
    if (result) {
        pthread_mutex_unlock(&directory->changing);
        return error_prefix(result, "%s: another process is changing topics", directory->path);
    }
    pthread_mutex_lock(&directory->lock);
    result = directory_refresh(directory);
    return result ? end_change(directory, result) : 0;
}

static void mark_used(const struct catalog_topic *topic, int32_t count, uint8_t *used)
{
    for (int32_t p = 0; p < count; p++)
        used[topic->slots[p]] = 1;
}

/* Gives partitions first.. of the topic control slots that nobody uses, deleted topics' slots not
 * either: somebody may still look at those. They become free when the directory is attached anew.
 */
static int assign_slots(struct directory *directory, struct catalog_topic *topic, int32_t first)
{
    struct control *control = directory->view.control;
    uint64_t limit = load_acquire(&control->header.partition_limit);
    uint8_t *used = calloc(LIMIT_PARTITIONS, 1);
    if (!used)
        return error_set(MAPLOG_NO_MEMORY, "cannot create topic %s", topic->name);
    for (size_t t = 0; t < directory->catalog.count; t++) {
        const struct catalog_topic *other = directory->catalog.topics[t];
        mark_used(other, other == topic ? first : other->partitions, used);
    }
    uint32_t slot = 0;
    for (int32_t p = first; p < topic->partitions; p++, slot++) {
        while (slot < LIMIT_PARTITIONS &&
               (used[slot] ||
                (slot < limit && load_acquire(&control->partitions[slot].state) != PARTITION_FREE)))
            slot++;
        if (slot == LIMIT_PARTITIONS) {
            free(used);
            return error_set(MAPLOG_LIMIT,
                             "no control slot for partition %d of %s: a directory has %d, those of "
                             "deleted topics are free again after every process has detached",
                             p, topic->name, LIMIT_PARTITIONS);
        }
        topic->slots[p] = slot;
    }
    free(used);
    int result = attach_allocate_slots(directory, topic->slots + first, topic->partitions - first);
    for (int32_t p = first; !result && p < topic->partitions; p++)
        result = control_format_partition(control, topic->slots[p], topic->id.bytes, (uint32_t)p);
    return result;
}

/* A partition's directory that is there before its topic was left by a process that died while it
 * deleted or imported one, or put there by hand. Kafka's way: it is kept under another name. */
static int set_aside(struct directory *directory, const struct catalog_topic *topic, int32_t first)
{
    int result = 0;
    for (int32_t p = first; !result && p < topic->partitions; p++) {
        char from[NAMES_PARTITION_SIZE], to[NAMES_ASIDE_SIZE];
        snprintf(from, sizeof from, "%s-%d", topic->name, p);
        names_aside(to, topic->name, p, &topic->id, NAMES_STRAY);
        if (file_exists(directory->fd, from))
            result = file_rename(directory->fd, from, to);
    }
    return result;
}

/* Ends a change that added partitions first.. of the topic: assigns their slots, and frees these
 * again when the catalog could not be stored. placing: NULL, or who brings their records. */
static int end_adding(struct directory *directory, struct catalog_topic *topic, int32_t first,
                      const struct topic_placing *placing)
{
    int32_t count = topic->partitions - first;
    uint32_t *slots = calloc((size_t)count, sizeof *slots);
    int result = slots ? set_aside(directory, topic, first)
                       : error_set(MAPLOG_NO_MEMORY, "cannot create topic %s", topic->name);
    if (!result)
        result = assign_slots(directory, topic, first);
    if (result) {
        free(slots);
        return end_change(directory, result);
    }
    memcpy(slots, topic->slots + first, (size_t)count * sizeof *slots);
    if (placing)
        result = placing->place(placing->context, topic);
    result = end_change(directory, result);
    if (result && placing)
        placing->unplace(placing->context);
    for (int32_t p = 0; result && p < count; p++)
        store_release(&directory->view.control->partitions[slots[p]].state, PARTITION_FREE);
    free(slots);
    return result;
}

static int add_topic(struct directory *directory, const struct topic_placing *wanted)
{
    int result = catalog_check_name(wanted->topic);
    if (!result)
        result = begin_change(directory);
    if (result)
        return result;
    result = catalog_check_new(&directory->catalog, wanted->topic);
    if (!result)
        result = catalog_add(&directory->catalog, wanted->topic, wanted->partitions,
                             wanted->configs, &wanted->id);
    if (result)
        return end_change(directory, result);
    return end_adding(directory, catalog_find(&directory->catalog, wanted->topic), 0,
                      wanted->place ? wanted : NULL);
}

int directory_create_topic(struct directory *directory, const char *topic, int32_t partitions,
                           const char *const *configs)
{
    uint8_t random[16];
    int result = process_random(random, sizeof random);
    if (result)
        return result;
    const struct topic_placing wanted = {.topic = topic,
                                         .partitions = partitions ? partitions : 1,
                                         .configs = configs,
                                         .id = uuid_from_random(random)};
    return add_topic(directory, &wanted);
}

int directory_place_topic(struct directory *directory, const struct topic_placing *placing)
{
    return add_topic(directory, placing);
}

int directory_grow_topic(struct directory *directory, const char *topic, int32_t partitions)
{
    int result = begin_change(directory);
    if (result)
        return result;
    struct catalog_topic *known = catalog_find(&directory->catalog, topic);
    if (!known)
        result = error_set(MAPLOG_NOT_FOUND, "no topic %s in %s", topic, directory->path);
    int32_t before = known ? known->partitions : 0;
    if (known && partitions <= before)
        result = error_set(MAPLOG_INVALID, "topic %s has %d partitions already, it can only grow",
                           topic, before);
    if (!result)
        result = catalog_grow(&directory->catalog, known, partitions);
    return result ? end_change(directory, result) : end_adding(directory, known, before, NULL);
}

int directory_alter_topic(struct directory *directory, const char *topic,
                          const char *const *configs)
{
    int result = begin_change(directory);
    if (result)
        return result;
    struct catalog_topic *known = catalog_find(&directory->catalog, topic);
    result = known ? catalog_alter(known, configs)
                   : error_set(MAPLOG_NOT_FOUND, "no topic %s in %s", topic, directory->path);
    return end_change(directory, result);
}

/* Nobody appends from here on; who waits for records wakes and is told. */
static void delete_partition(struct directory *directory, uint32_t slot)
{
    struct control_partition *control = &directory->view.control->partitions[slot];
    uint32_t seat;
    if (control_take_seat(&directory->view, &seat) == 0) {
        struct lease lease;
        lease_init(&lease, &directory->view, slot, seat);
        lease_delete_partition(&lease, DELETE_TIMEOUT_NS);
        control_leave_seat(&directory->view, seat);
    }
    /* A writer that is stopped within an append is not waited for: what it still writes goes to
     * files that are gone. */
    store_release(&control->state, PARTITION_DELETED);
    bell_wake(&directory->view, slot);
}

/* Kafka's way: rename first, so that a topic of this name can be made again at once. */
static int remove_files(struct directory *directory, const char *topic, int32_t partitions,
                        const struct uuid *id)
{
    int result = 0;
    for (int32_t p = 0; p < partitions; p++) {
        char from[NAMES_PARTITION_SIZE], to[NAMES_ASIDE_SIZE];
        snprintf(from, sizeof from, "%s-%d", topic, p);
        names_aside(to, topic, p, id, NAMES_DELETE);
        if (!file_exists(directory->fd, from))
            continue;
        int now = file_rename(directory->fd, from, to);
        if (!now)
            now = file_remove_tree(directory->fd, to);
        result = result ? result : now;
    }
    return result;
}

int directory_delete_topic(struct directory *directory, const char *topic)
{
    int result = begin_change(directory);
    if (result)
        return result;
    struct catalog_topic *known = catalog_find(&directory->catalog, topic);
    if (!known) {
        result = error_set(MAPLOG_NOT_FOUND, "no topic %s in %s", topic, directory->path);
        return end_change(directory, result);
    }
    int32_t partitions = known->partitions;
    struct uuid id = known->id;
    uint32_t *slots = calloc((size_t)partitions, sizeof *slots);
    if (!slots)
        return end_change(directory, error_set(MAPLOG_NO_MEMORY, "cannot delete %s", topic));
    memcpy(slots, known->slots, (size_t)partitions * sizeof *slots);
    catalog_remove(&directory->catalog, known);
    result = end_change(directory, 0);
    for (int32_t p = 0; !result && p < partitions; p++)
        delete_partition(directory, slots[p]);
    if (!result)
        result = remove_files(directory, topic, partitions, &id);
    free(slots);
    return result;
}
