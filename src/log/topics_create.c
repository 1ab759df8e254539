/* topics_create.c - topics that come and partitions that are added while others are attached. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/attach.h"
#include "log/change.h"
#include "log/checkpoint.h"
#include "log/directory.h"
#include "log/names.h"
#include "log/unfinished.h"
#include "os/fault.h"
#include "os/process.h"

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
    int32_t formatted = first;
    for (; !result && formatted < topic->partitions; formatted++)
        result = control_format_partition(control, topic->slots[formatted], topic->id.bytes,
                                          (uint32_t)formatted);
    while (result && formatted > first)
        store_release(&control->partitions[topic->slots[--formatted]].state, PARTITION_FREE);
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

/* ---- adding partitions ----------------------------------------------------------------------- */

/* A topic that a change adds, or one that it grows: its partitions first.. are new. */
struct addition {
    struct catalog_topic *topic;
    int32_t first;
};

/* The new partitions get slots, and their places are made empty. */
static int prepare(struct change *change, const struct addition *added)
{
    int result = set_aside(change->directory, added->topic, added->first);
    return result ? result : assign_slots(change, added->topic, added->first);
}

static void free_slots(struct change *change, const struct addition *added)
{
    struct control_partition *partitions = change->directory->view.control->partitions;
    for (int32_t p = added->first; p < added->topic->partitions; p++)
        store_release(&partitions[added->topic->slots[p]].state, PARTITION_FREE);
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

/* Ends a change that added these, which are prepared: all of them are stored, or none, whose slots
 * are free again. placing: NULL, or who brings the records of the only one. */
static int end_adding(struct change *change, const struct addition *added, size_t count,
                      const struct topic_placing *placing)
{
    struct directory *directory = change->directory;
    fault_point("topics-slots");
    int result = placing ? place(directory, added->topic, placing) : 0;
    bool tried = !result;
    if (tried)
        result = change_store(change);
    /* The topics are the directory's own now, or still the change's. */
    bool there = !result || (tried && change_is_there(directory, added->topic->name,
                                                      added->topic->partitions));
    if (placing && !there)
        placing->unplace(placing->context);
    if (placing)
        unfinished_done(directory);
    for (size_t i = 0; !there && i < count; i++)
        free_slots(change, &added[i]);
    return tried ? change_leave(change, result) : change_give_up(change, result);
}

/* ---- new topics ------------------------------------------------------------------------------ */

static int compare_names(const void *one, const void *other)
{
    const struct addition *left = one, *right = other;
    return strcmp(left->topic->name, right->topic->name);
}

static bool is_added(const char *topic, const struct addition *sorted, size_t count)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int side = strcmp(topic, sorted[middle].topic->name);
        if (side == 0)
            return true;
        if (side < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

/* Takes what a checkpoint says of former topics of these names out of it: a log start or recovery
 * point of theirs would cut the new ones at their first recovery. */
static int forget_topics(struct directory *directory, const char *path,
                         const struct addition *sorted, size_t count)
{
    struct checkpoint_offset *entries = NULL;
    size_t found = 0, kept = 0;
    int result = checkpoint_load_offsets(directory->fd, path, &entries, &found);
    for (size_t i = 0; !result && i < found; i++)
        if (!is_added(entries[i].topic, sorted, count))
            entries[kept++] = entries[i];
    if (!result && kept < found)
        result = checkpoint_store_offsets(directory->fd, path, entries, kept, true);
    free(entries);
    return result;
}

static void refuse(struct topic_creation *creation, int result)
{
    creation->result = result;
    creation->error = strdup(error_text());
}

/* Puts the topic into the changed catalog; nothing of it stays there when it is refused. */
static int add_topic(struct change *change, const struct topic_creation *creation,
                     struct addition *added)
{
    int32_t partitions = creation->partitions ? creation->partitions : 1;
    int result = catalog_check_new(&change->catalog, creation->topic);
    if (!result)
        result = catalog_add(&change->catalog, creation->topic, partitions, creation->configs,
                             &creation->id);
    if (result)
        return result;
    *added = (struct addition){.topic = catalog_find(&change->catalog, creation->topic)};
    result = prepare(change, added);
    if (result)
        catalog_remove(&change->catalog, added->topic);
    return result;
}

/* Adds what can be added of those whose result is 0 as yet; the others are refused one by one. */
static int add_topics(struct change *change, struct topic_creation *wanted, size_t count,
                      const struct topic_placing *placing)
{
    struct directory *directory = change->directory;
    struct addition *added = calloc(count, sizeof *added);
    if (!added)
        return change_give_up(change,
                              error_set(MAPLOG_NO_MEMORY, "cannot create %zu topics", count));
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        int refused = wanted[i].result ? 0 : add_topic(change, &wanted[i], &added[used]);
        if (refused)
            refuse(&wanted[i], refused);
        used += !wanted[i].result;
    }
    qsort(added, used, sizeof *added, compare_names);
    int result = used ? forget_topics(directory, CHECKPOINT_RECOVERY_POINT, added, used) : 0;
    if (!result && used)
        result = forget_topics(directory, CHECKPOINT_LOG_START, added, used);
    for (size_t i = 0; result && i < used; i++)
        free_slots(change, &added[i]);
    if (result || used == 0)
        result = change_give_up(change, result);
    else
        result = end_adding(change, added, used, placing);
    free(added);
    return result;
}

/* Checks what needs no lock, then makes one change for all whose result is 0. */
static void create_topics(struct directory *directory, struct topic_creation *wanted, size_t count,
                          const struct topic_placing *placing)
{
    size_t valid = 0;
    for (size_t i = 0; i < count; i++) {
        int refused = wanted[i].result ? 0 : catalog_check_name(wanted[i].topic);
        if (refused)
            refuse(&wanted[i], refused);
        valid += !wanted[i].result;
    }
    if (valid == 0)
        return;
    struct change change;
    int result = change_begin(directory, &change);
    if (!result)
        result = add_topics(&change, wanted, count, placing);
    for (size_t i = 0; result && i < count; i++)
        if (!wanted[i].result)
            refuse(&wanted[i], result);
}

void directory_create_topics(struct directory *directory, struct topic_creation *wanted,
                             size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t random[16] = {0};
        wanted[i].error = NULL;
        wanted[i].result = process_random(random, sizeof random);
        wanted[i].id = uuid_from_random(random);
        if (wanted[i].result)
            refuse(&wanted[i], wanted[i].result);
    }
    create_topics(directory, wanted, count, NULL);
}

/* Of a single topic, with the reason as this thread's text. */
static int outcome(struct topic_creation *wanted)
{
    if (wanted->error)
        error_set(wanted->result, "%s", wanted->error);
    free(wanted->error);
    return wanted->result;
}

int directory_create_topic(struct directory *directory, const char *topic, int32_t partitions,
                           const char *const *configs)
{
    struct topic_creation wanted = {.topic = topic, .partitions = partitions, .configs = configs};
    directory_create_topics(directory, &wanted, 1);
    return outcome(&wanted);
}

int directory_place_topic(struct directory *directory, const struct topic_placing *placing)
{
    struct topic_creation wanted = {.topic = placing->topic,
                                    .partitions = placing->partitions,
                                    .configs = placing->configs,
                                    .id = placing->id};
    create_topics(directory, &wanted, 1, placing);
    return outcome(&wanted);
}

int directory_grow_topic(struct directory *directory, const char *topic, int32_t partitions)
{
    struct change change;
    int result = change_begin(directory, &change);
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
    if (result)
        return change_give_up(&change, result);
    const struct addition added = {.topic = known, .first = before};
    result = prepare(&change, &added);
    return result ? change_give_up(&change, result) : end_adding(&change, &added, 1, NULL);
}
