/* topics.c - topics that are altered or deleted while others are attached. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/change.h"
#include "log/directory.h"
#include "log/names.h"
#include "log/unfinished.h"
#include "os/fault.h"
#include "shm/bell.h"
#include "shm/lease.h"

#define DELETE_TIMEOUT_NS 100000000 /* longest wait for a writer before it is passed over */

int directory_alter_topic(struct directory *directory, const char *topic,
                          const char *const *configs)
{
    struct change change;
    int result = change_begin(directory, &change);
    if (result)
        return result;
    struct catalog_topic *known = catalog_find(&change.catalog, topic);
    result = known ? catalog_alter(known, configs)
                   : error_set(MAPLOG_NOT_FOUND, "no topic %s in %s", topic, directory->path);
    return change_end(&change, result);
}

int directory_set_defaults(struct directory *directory, const char *const *defaults,
                           const char *const *broker)
{
    struct change change;
    int result = change_begin(directory, &change);
    if (result)
        return result;
    result = catalog_set_defaults(&change.catalog, defaults, broker);
    if (result == 0)
        return change_leave(&change, 0);
    return change_end(&change, result < 0 ? result : 0);
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
    result = change_store(change);
    if (!change_is_there(directory, topic->name, topic->partitions)) {
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
    int result = change_begin(directory, &change);
    if (result)
        return result;
    struct catalog_topic *known = catalog_find(&change.catalog, topic);
    struct catalog_topic *copy = known ? copy_topic(known) : NULL;
    if (!known)
        result = error_set(MAPLOG_NOT_FOUND, "no topic %s in %s", topic, directory->path);
    else if (!copy)
        result = error_set(MAPLOG_NO_MEMORY, "cannot delete %s", topic);
    if (result)
        return change_give_up(&change, result);
    result = change_leave(&change, delete_topic(&change, copy));
    if (!result)
        result = remove_renamed(directory, copy);
    free(copy->slots);
    free(copy);
    return result;
}
