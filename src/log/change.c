/* change.c - see change.h. */
#include "log/change.h"

#include "base/error.h"
#include "log/attach.h"
#include "log/names.h"
#include "log/unfinished.h"
#include "os/fault.h"
#include "os/lock.h"

#define CATALOG_TIMEOUT_MS 10000
#define CATALOG_UNKNOWN UINT64_MAX /* a generation that never is */

/* The catalog as the file has it; the caller holds lock. */
static void reload(struct directory *directory)
{
    directory->catalog_generation = CATALOG_UNKNOWN;
    directory_refresh(directory);
}

int change_store(struct change *change)
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

int change_leave(struct change *change, int result)
{
    catalog_free(&change->catalog);
    lock_release(change->directory->view.lock_fd, LOCK_CATALOG);
    pthread_mutex_unlock(&change->directory->changing);
    return result;
}

/* Others may have made a change and died before they told anybody. */
int change_give_up(struct change *change, int result)
{
    pthread_mutex_lock(&change->directory->lock);
    reload(change->directory);
    pthread_mutex_unlock(&change->directory->lock);
    return change_leave(change, result);
}

int change_end(struct change *change, int result)
{
    return result ? change_give_up(change, result) : change_leave(change, change_store(change));
}

int change_begin(struct directory *directory, struct change *change)
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
    return result ? change_leave(change, result) : 0;
}

bool change_is_there(struct directory *directory, const char *name, int32_t partitions)
{
    pthread_mutex_lock(&directory->lock);
    const struct catalog_topic *topic = catalog_find(&directory->catalog, name);
    bool there = topic && topic->partitions == partitions;
    pthread_mutex_unlock(&directory->lock);
    return there;
}
