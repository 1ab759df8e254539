/* What the first process to attach does: it makes the control slots good, from what they say or, if
 * that cannot be believed, from the log itself. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/attach.h"
#include "log/checkpoint.h"
#include "log/recover.h"
#include "log/trust.h"
#include "log/unfinished.h"
#include "os/fault.h"
#include "os/map.h"

/* Nobody else is attached: whatever processes left in a slot that is kept is void. */
static int renew_slot(struct partition *partition)
{
    struct control_partition *control = partition->control;
    /* What a killed writer had allocated ahead goes. The files are asked again before anybody
     * stores behind the end. */
    attach_trim(partition);
    store_relaxed(&control->lease, LEASE_REVOKED);
    store_relaxed(&control->want, 0);
    store_relaxed(&control->taker_seat, 0);
    store_relaxed(&control->flush_waiters, 0);
    store_relaxed(&control->flusher_process, 0);
    store_relaxed(&control->durable_policy, 0); /* whoever asks for it announces it again */
    int result = thread_mutex_init(&control->takers);
    return result ? result : thread_mutex_init(&control->flusher);
}

/* Kafka's checkpoints of a directory; what is not in them is 0. */
struct checkpoints {
    struct checkpoint_offset *points, *starts;
    size_t point_count, start_count;
};

static int load_checkpoints(struct directory *directory, struct checkpoints *checkpoints)
{
    int result = checkpoint_load_offsets(directory->fd, CHECKPOINT_RECOVERY_POINT,
                                         &checkpoints->points, &checkpoints->point_count);
    if (!result)
        result = checkpoint_load_offsets(directory->fd, CHECKPOINT_LOG_START, &checkpoints->starts,
                                         &checkpoints->start_count);
    return result;
}

static void free_checkpoints(struct checkpoints *checkpoints)
{
    free(checkpoints->points);
    free(checkpoints->starts);
}

static int64_t checkpoint_of(const struct checkpoint_offset *entries, size_t count,
                             const struct partition *partition)
{
    for (size_t i = 0; i < count; i++)
        if (entries[i].partition == partition->number &&
            strcmp(entries[i].topic, partition->topic) == 0)
            return entries[i].offset;
    return 0;
}

static int scan(struct partition *partition, const struct checkpoints *checkpoints,
                struct recovered *found)
{
    int64_t point = checkpoint_of(checkpoints->points, checkpoints->point_count, partition);
    int64_t start = checkpoint_of(checkpoints->starts, checkpoints->start_count, partition);
    return recover_scan(partition, point, start, false, found);
}

/* Trusts a partition's slot, or makes it anew by recovery. */
static int prepare_partition(struct directory *directory, const struct catalog_topic *topic,
                             int32_t number, bool trusted, const struct checkpoints *checkpoints)
{
    struct partition *partition;
    int result = directory_open_slot(directory, topic, number, &partition);
    if (result)
        return result;
    struct control_partition *control = partition->control;
    if (trusted && load_relaxed(&control->state) == PARTITION_LIVE &&
        memcmp(control->topic_id, topic->id.bytes, sizeof control->topic_id) == 0 &&
        control->partition == (uint32_t)number && !load_relaxed(&control->flush_failed) &&
        trust_partition(partition))
        return renew_slot(partition);
    memset(control, 0, sizeof *control);
    result = control_format_partition(directory->view.control, partition->slot, topic->id.bytes,
                                      (uint32_t)number);
    struct recovered found;
    if (!result)
        result = scan(partition, checkpoints, &found);
    if (!result)
        result = recover_apply(partition, &found);
    return result;
}

static int remove_deleted(void *context, const char *name, bool is_directory)
{
    const struct directory *directory = context;
    size_t length = strlen(name);
    if (is_directory && length > 7 && strcmp(name + length - 7, "-delete") == 0)
        return file_remove_tree(directory->fd, name);
    return 0;
}

static enum writer_kind writers_here(const struct directory *directory)
{
    return directory->view.barrier ? WRITER_LEASE : WRITER_MUTEX;
}

/* Nothing of a control file that is not trusted may be taken for ours: mutexes least of all. */
static int forget(struct directory *directory)
{
    struct control *control = directory->view.control;
    memset(&control->header, 0, sizeof control->header);
    int fd = -1;
    int result = file_open(directory->fd, CONTROL_FILE, O_RDWR, 0, &fd);
    if (!result)
        result = file_punch(fd, CONTROL_FILE, CONTROL_PARTITION_AT(0), sizeof control->partitions);
    file_close(fd);
    return result;
}

/* The last step of a recovery. */
static int make_trusted(struct directory *directory)
{
    int fd = -1;
    int result = file_open(directory->fd, CONTROL_FILE, O_RDWR, 0, &fd);
    if (!result)
        result = file_touch(fd, CONTROL_FILE);
    file_close(fd);
    if (!result)
        store_release(&directory->view.control->header.session, 2);
    return result;
}

int attach_prepare(struct directory *directory)
{
    struct control *control = directory->view.control;
    struct trust now;
    int result = trust_look(directory->fd, CONTROL_FILE, &now);
    if (result)
        return result;
    bool trusted = trust_header(&control->header, &now);
    if (!trusted)
        result = forget(directory);
    if (result)
        return result;
    memset(control->processes, 0, sizeof control->processes);
    if (!trusted)
        memset(control->seats, 0, sizeof control->seats);
    uint64_t partitions = load_relaxed(&control->header.partition_limit);
    uint64_t generation = load_relaxed(&control->header.settings_generation);
    uint64_t attachments = load_relaxed(&control->header.attachments);
    control_format(control, writers_here(directory));
    /* What was not trusted is good only after a whole recovery. What was stays good if we die,
     * since each slot is either as it was or done. */
    if (!trusted)
        swap_full(&control->header.session, 1);
    trust_store(&now, &control->header);
    fault_point("prepare-begun");
    store_relaxed(&control->header.partition_limit, partitions);
    store_relaxed(&control->header.attachments, attachments);
    store_relaxed(&control->header.settings_generation, generation + 1);
    memset(directory->view.bell, 0, ATTACH_BELL_BYTES);
    for (uint32_t i = 0; i < partitions && i < LIMIT_PARTITIONS; i++) {
        int32_t number;
        if (!catalog_slot(&directory->catalog, i, &number))
            store_relaxed(&control->partitions[i].state, PARTITION_FREE);
    }
    struct checkpoints checkpoints = {0};
    result = unfinished_end(directory, &directory->catalog);
    if (!result)
        result = load_checkpoints(directory, &checkpoints);
    for (size_t t = 0; !result && t < directory->catalog.count; t++) {
        const struct catalog_topic *topic = directory->catalog.topics[t];
        result = attach_allocate_slots(directory, topic->slots, topic->partitions);
        for (int32_t p = 0; !result && p < topic->partitions; p++)
            result = prepare_partition(directory, topic, p, trusted, &checkpoints);
    }
    free_checkpoints(&checkpoints);
    if (!result)
        result = file_list(directory->fd, ".", remove_deleted, directory);
    memset(control->seats, 0, sizeof control->seats); /* trust_partition looked at them */
    fault_point("prepare-done");
    return result ? result : make_trusted(directory);
}

int attach_recover_privately(struct directory *directory)
{
    void *memory;
    int result = map_anonymous(sizeof(struct control), &memory);
    if (result)
        return result;
    map_remove(directory->view.control, sizeof(struct control));
    directory->view.control = memory;
    directory->recovered_privately = true;
    control_format(memory, WRITER_LEASE);
    struct checkpoints checkpoints = {0};
    result = load_checkpoints(directory, &checkpoints);
    for (size_t t = 0; !result && t < directory->catalog.count; t++) {
        const struct catalog_topic *topic = directory->catalog.topics[t];
        for (int32_t p = 0; !result && p < topic->partitions; p++) {
            struct partition *partition;
            struct recovered found;
            result = directory_open_slot(directory, topic, p, &partition);
            if (!result)
                result =
                    control_format_partition(memory, partition->slot, topic->id.bytes, (uint32_t)p);
            if (!result)
                result = scan(partition, &checkpoints, &found);
            if (!result)
                recover_publish(partition, &found);
        }
    }
    free_checkpoints(&checkpoints);
    return result;
}
