#include "log/attach.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/batch.h"
#include "log/checkpoint.h"
#include "log/index.h"
#include "log/recover.h"
#include "log/unfinished.h"
#include "os/lock.h"
#include "os/map.h"
#include "os/process.h"

#define BELL_BYTES (LIMIT_PARTITIONS * sizeof(struct bell_word))

/* ---- the files ------------------------------------------------------------------------------- */

/* Opens a shared file of `size` bytes, made sparse; its first `touched` bytes are allocated. */
static int open_shared(struct directory *directory, const char *name, uint64_t size,
                       uint64_t touched, bool fresh, int *fd)
{
    int result = file_open(directory->fd, name, O_RDWR | O_CREAT, 0660, fd);
    if (result)
        return result;
    struct file_identity file;
    result = file_identify(*fd, name, &file);
    if (!result && file.size != size && !fresh)
        result = error_set(MAPLOG_VERSION,
                           "%s/%s has %llu bytes, not %llu: another version of maplog is attached; "
                           "stop it first",
                           directory->path, name, (unsigned long long)file.size,
                           (unsigned long long)size);
    if (!result && file.size != size) {
        result = file_truncate(*fd, name, 0);
        if (!result)
            result = file_truncate(*fd, name, size);
    }
    if (!result && fresh)
        result = file_allocate(*fd, name, 0, touched);
    if (result) {
        file_close(*fd);
        *fd = -1;
    }
    return result;
}

static int map_shared(struct directory *directory, bool alone)
{
    int fd;
    int result = open_shared(directory, CONTROL_FILE, sizeof(struct control),
                             CONTROL_PARTITION_AT(0), alone, &fd);
    if (result)
        return result;
    void *mapped;
    result = map_file(fd, CONTROL_FILE, 0, sizeof(struct control), MAP_MODE_WRITE, &mapped);
    file_close(fd);
    if (result)
        return result;
    directory->view.control = mapped;
    result = open_shared(directory, BELL_FILE, BELL_BYTES, BELL_BYTES, alone, &fd);
    if (result)
        return result;
    result = map_file(fd, BELL_FILE, 0, BELL_BYTES, MAP_MODE_WRITE, &mapped);
    file_close(fd);
    if (!result)
        directory->view.bell = mapped;
    return result;
}

int attach_allocate_slots(struct directory *directory, const uint32_t *slots, int32_t count)
{
    _Atomic uint64_t *limit = &directory->view.control->header.partition_limit;
    uint64_t allocated = load_relaxed(limit);
    uint64_t wanted = 0;
    for (int32_t i = 0; i < count; i++)
        wanted = slots[i] + 1 > wanted ? slots[i] + 1 : wanted;
    if (directory->fd < 0 || wanted <= allocated)
        return 0;
    int fd;
    int result = file_open(directory->fd, CONTROL_FILE, O_RDWR, 0, &fd);
    if (result)
        return result;
    result = file_allocate(fd, CONTROL_FILE, CONTROL_PARTITION_AT(allocated),
                           (wanted - allocated) * sizeof(struct control_partition));
    file_close(fd);
    if (!result)
        raise_to(limit, wanted);
    return result;
}

/* ---- trust ----------------------------------------------------------------------------------- */

static int identity_now(struct directory *directory, struct control_header *now)
{
    struct file_identity file;
    int result = file_identify_at(directory->fd, CONTROL_FILE, &file);
    if (!result)
        result = process_boot_id(now->boot_id);
    now->device = file.device;
    now->inode = file.inode;
    now->mount = file.mount;
    return result;
}

static bool is_trusted(const struct control_header *header, const struct control_header *now)
{
    return header->magic == CONTROL_MAGIC && header->version == CONTROL_VERSION &&
           header->mutex_abi == thread_mutex_abi() &&
           memcmp(header->boot_id, now->boot_id, sizeof now->boot_id) == 0 &&
           header->device == now->device && header->inode == now->inode &&
           header->mount == now->mount && (load_acquire(&header->session) & 1) == 0;
}

/* A control file that vouches for itself may still have been copied over, together with or without
 * segments: the batches from the last index entry on must end just where it says. */
static bool tail_is_intact(struct partition *partition)
{
    struct partition_end end;
    partition_end(partition, &end);
    if (end.rolls == 0)
        return true;
    struct segment_sizes sizes;
    if (partition->store->sizes(partition, end.base, &sizes) || sizes.log < end.position)
        return false;
    struct segment *segment;
    if (partition->store->open(partition, end.base, 0, false, &segment))
        return false;
    uint32_t relative, position = 0;
    size_t bytes = load_relaxed(&partition->control->index_bytes[end.rolls & 1]);
    if (bytes > segment->index_bytes)
        bytes = segment->index_bytes;
    if (bytes)
        index_last(segment->index, bytes, &relative, &position);
    int64_t next = -1;
    bool intact = true;
    while (intact && position < end.position) {
        struct batch batch;
        intact = batch_read(segment->log + position, end.position - position, &batch) == 0 &&
                 batch_check_crc(&batch) == 0 && (next < 0 || batch.base_offset >= next);
        next = intact ? batch.last_offset + 1 : next;
        position += intact ? batch.size : 0;
    }
    segment_drop(segment);
    return intact && (next < 0 || next == end.offset);
}

/* ---- the first to attach --------------------------------------------------------------------- */

/* Nobody else is attached: whatever processes left in a slot that is kept is void. */
static int renew_slot(struct control_partition *control)
{
    store_relaxed(&control->lease, LEASE_REVOKED);
    store_relaxed(&control->want, 0);
    store_relaxed(&control->taker_seat, 0);
    store_relaxed(&control->flush_waiters, 0);
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
        tail_is_intact(partition))
        return renew_slot(control);
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

static int prepare(struct directory *directory)
{
    struct control *control = directory->view.control;
    struct control_header now = {0};
    int result = identity_now(directory, &now);
    if (result)
        return result;
    bool trusted = is_trusted(&control->header, &now);
    if (!trusted)
        memset(&control->header, 0, sizeof control->header);
    memset(control->processes, 0, sizeof control->processes);
    memset(control->seats, 0, sizeof control->seats);
    uint64_t partitions = load_relaxed(&control->header.partition_limit);
    uint64_t generation = load_relaxed(&control->header.settings_generation);
    uint64_t attachments = load_relaxed(&control->header.attachments);
    control_format(control, writers_here(directory));
    store_relaxed(&control->header.session, 1);
    memcpy(control->header.boot_id, now.boot_id, sizeof now.boot_id);
    control->header.device = now.device;
    control->header.inode = now.inode;
    control->header.mount = now.mount;
    store_relaxed(&control->header.partition_limit, partitions);
    store_relaxed(&control->header.attachments, attachments);
    store_relaxed(&control->header.settings_generation, generation + 1);
    memset(directory->view.bell, 0, BELL_BYTES);
    for (uint32_t i = 0; i < partitions && i < LIMIT_PARTITIONS; i++) {
        int32_t number;
        if (!catalog_slot(&directory->catalog, i, &number))
            store_relaxed(&control->partitions[i].state, PARTITION_FREE);
    }
    struct checkpoints checkpoints = {0};
    result = unfinished_end(directory);
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
    if (!result)
        store_release(&control->header.session, 2);
    return result;
}

/* ---- joining --------------------------------------------------------------------------------- */

/* Under LOCK_SETUP. */
static int join(struct directory *directory)
{
    struct control_view *view = &directory->view;
    bool alone = lock_try(view->lock_fd, LOCK_FILE, LOCK_ATTACHED, true) == 0;
    int result = map_shared(directory, alone);
    if (!result)
        result = catalog_load(&directory->catalog, directory->fd);
    if (!result)
        result = alone ? prepare(directory) : control_check(view->control, directory->path);
    if (!result && !alone)
        view->barrier = view->control->header.writers == WRITER_LEASE;
    if (!result)
        result = lock_try(view->lock_fd, LOCK_FILE, LOCK_ATTACHED, false);
    if (!result)
        result = control_take_process(view, "attached");
    if (!result)
        directory->catalog_generation = load_acquire(&view->control->header.settings_generation);
    return result;
}

static int attach_writable(struct directory *directory, int timeout_ms)
{
    struct control_view *view = &directory->view;
    const char *kind = getenv("MAPLOG_WRITER");
    view->barrier = process_barrier_register() == 0 && !(kind && strcmp(kind, "mutex") == 0);
    process_fork_hold();
    int result = file_open(directory->fd, LOCK_FILE, O_RDWR | O_CREAT, 0660, &view->lock_fd);
    if (!result)
        result = process_close_in_child(view->lock_fd);
    process_fork_release();
    if (result)
        return result;
    result = lock_wait(view->lock_fd, LOCK_FILE, LOCK_SETUP, true, timeout_ms);
    if (result)
        return error_prefix(result, "%s: another process is attaching or detaching",
                            directory->path);
    result = join(directory);
    lock_release(view->lock_fd, LOCK_SETUP);
    return result;
}

/* ---- read-only ------------------------------------------------------------------------------- */

/* Somebody with a process slot is alive. */
static bool anybody_attached(const struct control_view *view)
{
    uint64_t limit = load_acquire(&view->control->header.process_limit);
    for (uint32_t i = 0; i < limit && i < LIMIT_PROCESSES; i++)
        if (!control_process_dead(view, i))
            return true;
    return false;
}

/* A control area in private memory, filled by scanning: for a directory that nobody vouches for
 * and that we may not write to. It shows the log as it is now. */
static int recover_privately(struct directory *directory)
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

static int attach_read_only(struct directory *directory)
{
    struct control_view *view = &directory->view;
    int result = catalog_load(&directory->catalog, directory->fd);
    if (result)
        return result;
    bool trusted = false;
    int fd = -1;
    if (file_open(directory->fd, LOCK_FILE, O_RDONLY, 0, &view->lock_fd) == 0 &&
        process_close_in_child(view->lock_fd) == 0 &&
        lock_try(view->lock_fd, LOCK_FILE, LOCK_ATTACHED, false) == 0 &&
        file_open(directory->fd, CONTROL_FILE, O_RDONLY, 0, &fd) == 0) {
        struct file_identity file;
        struct control_header now = {0};
        void *mapped;
        if (file_identify(fd, CONTROL_FILE, &file) == 0 && file.size == sizeof(struct control) &&
            map_file(fd, CONTROL_FILE, 0, sizeof(struct control), MAP_MODE_READ, &mapped) == 0) {
            view->control = mapped;
            trusted =
                control_check(mapped, directory->path) == 0 &&
                ((identity_now(directory, &now) == 0 && is_trusted(&view->control->header, &now)) ||
                 anybody_attached(view));
        }
    }
    file_close(fd);
    if (trusted) {
        view->barrier = view->control->header.writers == WRITER_LEASE;
        if (file_open(directory->fd, BELL_FILE, O_RDWR, 0, &fd) == 0) {
            void *mapped;
            if (map_file(fd, BELL_FILE, 0, BELL_BYTES, MAP_MODE_WRITE, &mapped) == 0)
                view->bell = mapped;
            file_close(fd);
        }
        directory->catalog_generation = load_acquire(&view->control->header.settings_generation);
        return 0;
    }
    /* Not a word of it is used, so nobody must think that we vouch for it. */
    if (view->lock_fd >= 0)
        lock_release(view->lock_fd, LOCK_ATTACHED);
    return recover_privately(directory);
}

int attach_begin(struct directory *directory, int timeout_ms)
{
    directory->view.lock_fd = -1;
    directory->view.process = UINT32_MAX;
    directory->view.path = directory->path;
    directory->view.read_only = directory->read_only;
    return directory->read_only ? attach_read_only(directory)
                                : attach_writable(directory, timeout_ms);
}

/* ---- leaving --------------------------------------------------------------------------------- */

/* Nobody else is attached: the active segment's files get exactly their published size. */
static void trim_partition(struct partition *partition)
{
    struct partition_end end;
    partition_end(partition, &end);
    struct control_partition *control = partition->control;
    uint32_t parity = end.rolls & 1;
    if (end.rolls == 0 || load_relaxed(&control->allocated[parity]) == end.position)
        return;
    store_relaxed(&control->allocated[parity], end.position);
    struct segment_sizes exact = {end.position, load_relaxed(&control->index_bytes[parity]),
                                  load_relaxed(&control->timeindex_bytes[parity])};
    partition->store->seal(partition, end.base, &exact);
}

static void trim_all(struct directory *directory)
{
    if (directory_refresh(directory))
        return;
    for (size_t t = 0; t < directory->catalog.count; t++) {
        const struct catalog_topic *topic = directory->catalog.topics[t];
        for (int32_t p = 0; p < topic->partitions; p++) {
            const struct control_partition *control =
                &directory->view.control->partitions[topic->slots[p]];
            uint64_t rolls = load_relaxed(&control->rolls);
            struct partition *partition;
            if (rolls &&
                load_relaxed(&control->allocated[rolls & 1]) !=
                    load_relaxed(&control->published[rolls & 1]) >> 32 &&
                directory_open_slot(directory, topic, p, &partition) == 0)
                trim_partition(partition);
        }
    }
}

void attach_end(struct directory *directory)
{
    struct control_view *view = &directory->view;
    bool forked = directory_forked(directory);
    if (!forked && view->process != UINT32_MAX &&
        lock_wait(view->lock_fd, LOCK_FILE, LOCK_SETUP, true, 1000) == 0) {
        control_leave_process(view);
        if (lock_try(view->lock_fd, LOCK_FILE, LOCK_ATTACHED, true) == 0)
            trim_all(directory);
    }
    map_remove(view->control, sizeof(struct control));
    map_remove(view->bell, BELL_BYTES);
    if (view->lock_fd >= 0 && !forked) {
        process_fork_hold();
        process_keep_in_child(view->lock_fd);
        file_close(view->lock_fd); /* and with it every lock */
        process_fork_release();
    }
}
