#include "log/attach.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/checkpoint.h"
#include "log/recover.h"
#include "log/trust.h"
#include "log/unfinished.h"
#include "os/lock.h"
#include "os/map.h"
#include "os/process.h"

#define BELL_BYTES (LIMIT_PARTITIONS * sizeof(struct bell_word))

/* ---- the files ------------------------------------------------------------------------------- */

/* A file that processes share by mapping: sparse, but for its first bytes. */
struct shared_file {
    const char *name;
    uint64_t size;
    uint64_t allocated; /* bytes from its beginning */
};

/* Opens it. fresh: nobody else is attached, so it may be made anew. */
static int open_shared(struct directory *directory, const struct shared_file *shared, bool fresh,
                       int *fd)
{
    const char *name = shared->name;
    uint64_t size = shared->size;
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
        result = file_allocate(*fd, name, 0, shared->allocated);
    if (result) {
        file_close(*fd);
        *fd = -1;
    }
    return result;
}

static int map_one(struct directory *directory, const struct shared_file *shared, bool fresh,
                   void **mapped)
{
    int fd;
    int result = open_shared(directory, shared, fresh, &fd);
    if (result)
        return result;
    result = map_file(fd, shared->name, 0, shared->size, MAP_MODE_WRITE, mapped);
    file_close(fd);
    return result;
}

static int map_shared(struct directory *directory, bool alone)
{
    static const struct shared_file control = {CONTROL_FILE, sizeof(struct control),
                                               CONTROL_PARTITION_AT(0)};
    static const struct shared_file bell = {BELL_FILE, BELL_BYTES, BELL_BYTES};
    void *mapped;
    int result = map_one(directory, &control, alone, &mapped);
    if (result)
        return result;
    directory->view.control = mapped;
    result = map_one(directory, &bell, alone, &mapped);
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

/* ---- the first to attach --------------------------------------------------------------------- */

/* Nobody else is attached: whatever processes left in a slot that is kept is void. */
static int renew_slot(struct control_partition *control)
{
    uint32_t parity = load_relaxed(&control->rolls) & 1;
    /* The files are asked again before anybody stores behind the end. */
    store_relaxed(&control->allocated[parity],
                  (uint32_t)(load_relaxed(&control->published[parity]) >> 32));
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
        trust_partition(partition))
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

static int prepare(struct directory *directory)
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
    memset(control->seats, 0, sizeof control->seats);
    uint64_t partitions = load_relaxed(&control->header.partition_limit);
    uint64_t generation = load_relaxed(&control->header.settings_generation);
    uint64_t attachments = load_relaxed(&control->header.attachments);
    control_format(control, writers_here(directory));
    swap_full(&control->header.session, 1); /* from here on only a whole recovery makes it good */
    trust_store(&now, &control->header);
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
    return result ? result : make_trusted(directory);
}

/* ---- joining --------------------------------------------------------------------------------- */

static int open_lock(struct directory *directory, int flags)
{
    struct control_view *view = &directory->view;
    process_fork_hold();
    int result = file_open(directory->fd, LOCK_FILE, flags, 0660, &view->lock_fd);
    if (!result)
        result = process_close_in_child(view->lock_fd);
    process_fork_release();
    return result;
}

/* Under LOCK_SETUP. */
static int join(struct directory *directory)
{
    struct control_view *view = &directory->view;
    bool alone = lock_try(view->lock_fd, LOCK_FILE, LOCK_ATTACHED, true) == 0;
    int result = map_shared(directory, alone);
    /* Before the catalog is read: it may change at any time unless we are alone. */
    uint64_t generation = result ? 0 : load_acquire(&view->control->header.settings_generation);
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
        directory->catalog_generation =
            alone ? load_acquire(&view->control->header.settings_generation) : generation;
    return result;
}

static int attach_writable(struct directory *directory, int timeout_ms)
{
    struct control_view *view = &directory->view;
    const char *kind = getenv("MAPLOG_WRITER");
    view->barrier = process_barrier_register() == 0 && !(kind && strcmp(kind, "mutex") == 0);
    int result = open_lock(directory, O_RDWR | O_CREAT);
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

/* Maps the control file if it may be believed. */
static bool map_trusted(struct directory *directory)
{
    struct control_view *view = &directory->view;
    struct file_identity file;
    struct trust now;
    void *mapped;
    int fd;
    if (file_open(directory->fd, CONTROL_FILE, O_RDONLY, 0, &fd))
        return false;
    bool fits = file_identify(fd, CONTROL_FILE, &file) == 0 &&
                file.size == sizeof(struct control) &&
                map_file(fd, CONTROL_FILE, 0, sizeof(struct control), MAP_MODE_READ, &mapped) == 0;
    file_close(fd);
    if (!fits)
        return false;
    view->control = mapped;
    return control_check(mapped, directory->path) == 0 &&
           ((trust_look(directory->fd, CONTROL_FILE, &now) == 0 &&
             trust_header(&view->control->header, &now)) ||
            anybody_attached(view));
}

static void map_bell(struct directory *directory)
{
    void *mapped;
    int fd;
    if (file_open(directory->fd, BELL_FILE, O_RDWR, 0, &fd))
        return;
    if (map_file(fd, BELL_FILE, 0, BELL_BYTES, MAP_MODE_WRITE, &mapped) == 0)
        directory->view.bell = mapped;
    file_close(fd);
}

/* Takes part in the directory if its control file may be believed. */
static int join_read_only(struct directory *directory, int timeout_ms, bool *joined)
{
    struct control_view *view = &directory->view;
    *joined = false;
    if (open_lock(directory, O_RDONLY))
        return 0;
    /* A shared lock on ATTACHED tells those who come that the control file is good: nobody may see
     * ours before we know. */
    int result = lock_wait(view->lock_fd, LOCK_FILE, LOCK_SETUP, false, timeout_ms);
    if (result)
        return error_prefix(result, "%s: another process is attaching or detaching",
                            directory->path);
    if (lock_try(view->lock_fd, LOCK_FILE, LOCK_ATTACHED, false) == 0) {
        *joined = map_trusted(directory);
        if (!*joined)
            lock_release(view->lock_fd, LOCK_ATTACHED);
    }
    lock_release(view->lock_fd, LOCK_SETUP);
    return 0;
}

static int attach_read_only(struct directory *directory, int timeout_ms)
{
    struct control_view *view = &directory->view;
    bool joined;
    int result = join_read_only(directory, timeout_ms, &joined);
    if (!result && joined) {
        view->barrier = view->control->header.writers == WRITER_LEASE;
        map_bell(directory);
        directory->catalog_generation = load_acquire(&view->control->header.settings_generation);
    }
    if (!result)
        result = catalog_load(&directory->catalog, directory->fd);
    return result || joined ? result : recover_privately(directory);
}

int attach_begin(struct directory *directory, int timeout_ms)
{
    directory->view.lock_fd = -1;
    directory->view.process = UINT32_MAX;
    directory->view.path = directory->path;
    directory->view.read_only = directory->read_only;
    return directory->read_only ? attach_read_only(directory, timeout_ms)
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
