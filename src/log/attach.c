#include "log/attach.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/trust.h"
#include "os/fault.h"
#include "os/lock.h"
#include "os/map.h"
#include "os/process.h"

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
    static const struct shared_file bell = {BELL_FILE, ATTACH_BELL_BYTES, ATTACH_BELL_BYTES};
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
        result = alone ? attach_prepare(directory) : control_check(view->control, directory->path);
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
    if (map_file(fd, BELL_FILE, 0, ATTACH_BELL_BYTES, MAP_MODE_WRITE, &mapped) == 0)
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
        fault_point("read-deciding");
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
    return result || joined ? result : attach_recover_privately(directory);
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

void attach_trim(struct partition *partition)
{
    struct partition_end end;
    partition_end(partition, &end);
    struct control_partition *control = partition->control;
    uint32_t parity = end.rolls & 1;
    if (end.rolls == 0 || load_relaxed(&control->allocated[parity]) == end.position)
        return;
    fault_point("trim-begun");
    struct segment_sizes exact = {end.position, load_relaxed(&control->index_bytes[parity]),
                                  load_relaxed(&control->timeindex_bytes[parity])};
    /* Not cut is no harm: whoever appends next asks the files. */
    partition->store->seal(partition, end.base, &exact);
    store_relaxed(&control->allocated[parity], end.position);
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
                attach_trim(partition);
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
    map_remove(view->bell, ATTACH_BELL_BYTES);
    if (view->lock_fd >= 0 && !forked) {
        process_fork_hold();
        process_keep_in_child(view->lock_fd);
        file_close(view->lock_fd); /* and with it every lock */
        process_fork_release();
    }
}
