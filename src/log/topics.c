/* Changes of the catalog: create, delete, alter and grow topics while others are attached. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/attach.h"
#include "log/checkpoint.h"
#include "log/directory.h"
#include "log/names.h"
#include "log/unfinished.h"
#include "os/fault.h"
#include "os/lock.h"
#include "os/process.h"
#include "shm/bell.h"
#include "shm/lease.h"

#define CATALOG_TIMEOUT_MS 10000
#define CATALOG_UNKNOWN UINT64_MAX  /* a generation that never is */
#define DELETE_TIMEOUT_NS 100000000 /* longest wait for a writer before it is passed over */

/* A change under way: one over all processes. Nobody sees it before it is stored, and the
 * directory's lock is not held meanwhile: the disk and other processes may take their time. */
struct change {
    struct directory *directory;
    struct catalog catalog; /* as the file has it, then as it shall be */
};

/* The catalog as the file has it; the caller holds lock. */
static void reload(struct directory *directory)
{
    directory->catalog_generation = CATALOG_UNKNOWN;
    directory_refresh(directory);
}

/* Stores the changed catalog and tells everybody. On failure the copy in memory is as the file is:
 * as before, or, when only its durability is in doubt, with the change. */
static int store_change(struct change *change)
{
    struct directory *directory = change->directory;
    _Atomic uint64_t *generation = &directory->view.control->header.settings_generation;
    int result = catalog_store(&change->catalog, directory->fd, true);
    fault_point("topics-stored");
    pthread_mutex_lock(&directory->lock);
    directory->catalog_generation = add_full(generation, 1) + 1;
    if (result) {
        reload(directory);
    } else {
        catalog_free(&directory->catalog);
        directory->catalog = change->catalog;
        change->catalog = (struct catalog){0};
    }
    pthread_mutex_unlock(&directory->lock);
    return result;
}

static int leave(struct change *change, int result)
{
    catalog_free(&change->catalog);
    lock_release(change->directory->view.lock_fd, LOCK_CATALOG);
    pthread_mutex_unlock(&change->directory->changing);
    return result;
}

/* Leaves without a change. Others may have made one and died before they told anybody. */
static int give_up(struct change *change, int result)
{
    pthread_mutex_lock(&change->directory->lock);
    reload(change->directory);
    pthread_mutex_unlock(&change->directory->lock);
    return leave(change, result);
}

/* Ends a change: stores it, unless it failed. */
static int end_change(struct change *change, int result)
{
    return result ? give_up(change, result) : leave(change, store_change(change));
}

/* Begins a change: this thread alone, over all processes, with the catalog as it is now. */
static int begin_change(struct directory *directory, struct change *change)
{
    *change = (struct change){.directory = directory};
    if (directory->read_only)
        return error_set(MAPLOG_DENIED, "%s is attached read-only", directory->path);
    if (directory->fd < 0)
        return error_set(MAPLOG_UNSUPPORTED, "the topic of an anonymous log cannot be changed");
    pthread_mutex_lock(&directory->changing);
    /* Many changes may be due: of those behind one that waited in vain, none waits again. */
    int timeout_ms = directory->catalog_held ? 0 : CATALOG_TIMEOUT_MS;
    int result = lock_wait(directory->view.lock_fd, LOCK_FILE, LOCK_CATALOG, true, timeout_ms);
    directory->catalog_held = result == MAPLOG_TIMED_OUT;
    if (result) {
        pthread_mutex_unlock(&directory->changing);
        return error_prefix(result, "%s: another process is changing topics", directory->path);
    }
    result = catalog_load(&change->catalog, directory->fd);
    if (!result)
        result = unfinished_end(directory, &change->catalog);
    return result ? leave(change, result) : 0;
}

static void mark_used(const struct catalog_topic *topic, int32_t count, uint8_t *used)
{
    for (int32_t p = 0; p < count; p++)
        used[topic->slots[p]] = 1;
}

/* Gives partitions first.. of the topic control slots that nobody uses, deleted topics' slots not
 * either: somebody may still look at those. They become free when the directory is attached anew.
 */
static int assign_slots(struct change *change, struct catalog_topic *topic, int32_t first)
{
    struct directory *directory = change->directory;
    struct control *control = directory->view.control;
    uint64_t limit = load_acquire(&control->header.partition_limit);
    uint8_t *used = calloc(LIMIT_PARTITIONS, 1);
    if (!used)
        return error_set(MAPLOG_NO_MEMORY, "cannot create topic %s", topic->name);
    for (size_t t = 0; t < change->catalog.count; t++) {
        const struct catalog_topic *other = change->catalog.topics[t];
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

/* Brings the records of a new topic, with a note for the case that we die in the middle. */
static int place(struct directory *directory, const struct catalog_topic *topic,
                 const struct topic_placing *placing)
{
    int result = unfinished_note(directory, topic->name, topic->partitions, &topic->id);
    if (result)
        return result;
    pthread_mutex_lock(&directory->lock);
    result = placing->place(placing->context, topic);
    pthread_mutex_unlock(&directory->lock);
    return result;
}

/* It may be there in spite of an error: stored, but not known to be durable. */
static bool is_there(struct directory *directory, const char *name, int32_t partitions)
{
    pthread_mutex_lock(&directory->lock);
    const struct catalog_topic *topic = catalog_find(&directory->catalog, name);
    bool there = topic && topic->partitions == partitions;
    pthread_mutex_unlock(&directory->lock);
    return there;
}

/* Ends a change that added partitions first.. of the topic: assigns their slots, and frees these
 * again when the catalog could not be stored. placing: NULL, or who brings their records. */
static int end_adding(struct change *change, struct catalog_topic *topic, int32_t first,
                      const struct topic_placing *placing)
{
    struct directory *directory = change->directory;
    char name[sizeof topic->name];
    memcpy(name, topic->name, sizeof name);
    int32_t count = topic->partitions - first, wanted = topic->partitions;
    uint32_t *slots = calloc((size_t)count, sizeof *slots);
    int result = slots ? set_aside(directory, topic, first)
                       : error_set(MAPLOG_NO_MEMORY, "cannot create topic %s", name);
    if (!result)
        result = assign_slots(change, topic, first);
    if (result) {
        free(slots);
        return give_up(change, result);
    }
    fault_point("topics-slots");
    memcpy(slots, topic->slots + first, (size_t)count * sizeof *slots);
    if (placing)
        result = place(directory, topic, placing);
    bool stored = !result;
    if (stored)
        result = store_change(change);
    bool added = stored && is_there(directory, name, wanted);
    if (placing && !added)
        placing->unplace(placing->context);
    if (placing)
        unfinished_done(directory);
    for (int32_t p = 0; !added && p < count; p++)
        store_release(&directory->view.control->partitions[slots[p]].state, PARTITION_FREE);
    free(slots);
    return stored ? leave(change, result) : give_up(change, result);
}

/* Takes what a checkpoint says of a former topic of this name out of it: a log start or recovery
 * point of that one would cut the new one at its first recovery. */
static int forget_topic(struct directory *directory, const char *path, const char *topic)
{
    struct checkpoint_offset *entries = NULL;
    size_t count = 0, kept = 0;
    int result = checkpoint_load_offsets(directory->fd, path, &entries, &count);
    for (size_t i = 0; !result && i < count; i++)
        if (strcmp(entries[i].topic, topic) != 0)
            entries[kept++] = entries[i];
    if (!result && kept < count)
        result = checkpoint_store_offsets(directory->fd, path, entries, kept, true);
    free(entries);
    return result;
}

static int add_topic(struct directory *directory, const struct topic_placing *wanted)
{
    struct change change;
    int result = catalog_check_name(wanted->topic);
    if (!result)
        result = begin_change(directory, &change);
    if (result)
        return result;
    result = catalog_check_new(&change.catalog, wanted->topic);
    if (!result)
        result = forget_topic(directory, CHECKPOINT_RECOVERY_POINT, wanted->topic);
    if (!result)
        result = forget_topic(directory, CHECKPOINT_LOG_START, wanted->topic);
    if (!result)
        result = catalog_add(&change.catalog, wanted->topic, wanted->partitions, wanted->configs,
                             &wanted->id);
    if (result)
        return give_up(&change, result);
    return end_adding(&change, catalog_find(&change.catalog, wanted->topic), 0,
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
    struct change change;
    int result = begin_change(directory, &change);
    if (result)
        return result;
    struct catalog_topic *known = catalog_find(&change.catalog, topic);
    if (!known)
        result = error_set(MAPLOG_NOT_FOUND, "no topic %s in %s", topic, directory->path);
    int32_t before = known ? known->partitions : 0;
    if (known && partitions <= before)
        result = error_set(MAPLOG_INVALID, "topic %s has %d partitions already, it can only grow",
                           topic, before);
    if (!result)
        result = catalog_grow(&change.catalog, known, partitions);
    return result ? give_up(&change, result) : end_adding(&change, known, before, NULL);
}

int directory_alter_topic(struct directory *directory, const char *topic,
                          const char *const *configs)
{
    struct change change;
    int result = begin_change(directory, &change);
    if (result)
        return result;
    struct catalog_topic *known = catalog_find(&change.catalog, topic);
    result = known ? catalog_alter(known, configs)
                   : error_set(MAPLOG_NOT_FOUND, "no topic %s in %s", topic, directory->path);
    return end_change(&change, result);
}

int directory_set_defaults(struct directory *directory, const char *const *defaults,
                           const char *const *broker)
{
    struct change change;
    int result = begin_change(directory, &change);
    if (result)
        return result;
    result = catalog_set_defaults(&change.catalog, defaults, broker);
    if (result == 0)
        return leave(&change, 0);
    return end_change(&change, result < 0 ? result : 0);
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
static int rename_directories(struct directory *directory, const struct catalog_topic *topic)
{
    int result = 0;
    for (int32_t p = 0; p < topic->partitions; p++) {
        char from[NAMES_PARTITION_SIZE], to[NAMES_ASIDE_SIZE];
        snprintf(from, sizeof from, "%s-%d", topic->name, (int)p);
        names_aside(to, topic->name, p, &topic->id, NAMES_DELETE);
        if (!file_exists(directory->fd, from))
            continue;
        int now = file_rename(directory->fd, from, to);
        fault_point("delete-renamed");
        result = result ? result : now;
    }
    return result;
}

static int remove_renamed(struct directory *directory, const struct catalog_topic *topic)
{
    int result = 0;
    for (int32_t p = 0; p < topic->partitions; p++) {
        char name[NAMES_ASIDE_SIZE];
        names_aside(name, topic->name, p, &topic->id, NAMES_DELETE);
        int now = file_remove_tree(directory->fd, name);
        result = result ? result : now;
    }
    return result;
}

/* The topic without its settings: it outlives the catalog's. NULL without memory. */
static struct catalog_topic *copy_topic(const struct catalog_topic *topic)
{
    struct catalog_topic *copy = malloc(sizeof *copy);
    uint32_t *slots = calloc((size_t)topic->partitions, sizeof *slots);
    if (!copy || !slots) {
        free(copy);
        free(slots);
        return NULL;
    }
    memcpy(slots, topic->slots, (size_t)topic->partitions * sizeof *slots);
    *copy = *topic;
    copy->slots = slots;
    copy->configs = NULL;
    copy->config_count = 0;
    return copy;
}

/* The catalog first: from then on the topic is gone, whoever ends the deletion. The lock is kept
 * until its name is free, so that nothing is taken from a new topic of that name. */
static int delete_topic(struct change *change, const struct catalog_topic *topic)
{
    struct directory *directory = change->directory;
    int result = unfinished_note(directory, topic->name, topic->partitions, &topic->id);
    if (result)
        return result;
    fault_point("delete-noted");
    catalog_remove(&change->catalog, catalog_find(&change->catalog, topic->name));
    result = store_change(change);
    if (!is_there(directory, topic->name, topic->partitions)) {
        for (int32_t p = 0; p < topic->partitions; p++)
            delete_partition(directory, topic->slots[p]);
        fault_point("delete-told");
        int renamed = rename_directories(directory, topic);
        result = result ? result : renamed;
    }
    if (!result)
        unfinished_done(directory);
    return result;
}

int directory_delete_topic(struct directory *directory, const char *topic)
{
    struct change change;
    int result = begin_change(directory, &change);
    if (result)
        return result;
    struct catalog_topic *known = catalog_find(&change.catalog, topic);
    struct catalog_topic *copy = known ? copy_topic(known) : NULL;
    if (!known)
        result = error_set(MAPLOG_NOT_FOUND, "no topic %s in %s", topic, directory->path);
    else if (!copy)
        result = error_set(MAPLOG_NO_MEMORY, "cannot delete %s", topic);
    if (result)
        return give_up(&change, result);
    result = leave(&change, delete_topic(&change, copy));
    if (!result)
        result = remove_renamed(directory, copy);
    free(copy->slots);
    free(copy);
    return result;
}
