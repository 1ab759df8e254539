/* maplog.c - opening and closing a log; see <maplog.h>. */
#include <maplog.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/client.h"
#include "log/durable.h"

const char *maplog_error_text(void)
{
    return error_text();
}

const char *maplog_error_name(int code)
{
    return error_name(code);
}

const char *maplog_version(void)
{
    return MAPLOG_VERSION_TEXT;
}

/* Makes the handle; takes the reference over, also on failure. */
static int handle_make(struct directory *directory, struct maplog **log)
{
    struct maplog *made = calloc(1, sizeof *made);
    if (!made) {
        directory_drop(directory);
        return error_set(MAPLOG_NO_MEMORY, "no memory for a log handle");
    }
    handle_init(&made->handle, HANDLE_LOG);
    made->references = 1;
    made->directory = directory;
    pthread_mutex_init(&made->lock, NULL);
    *log = made;
    return 0;
}

int maplog_open(const char *directory, const struct maplog_open_options *options,
                struct maplog **log)
{
    if (!directory || !log)
        return error_set(MAPLOG_INVALID, "maplog_open: the directory or the result is NULL");
    struct maplog_open_options all = {0};
    if (options)
        all = *options;
    int result = client_check_reserved(all.reserved, 4);
    if (result)
        return result;
    if (all.flags & ~(unsigned)(MAPLOG_CREATE | MAPLOG_READ_ONLY))
        return error_set(MAPLOG_INVALID, "unknown open flags %#x", all.flags);
    if ((all.flags & MAPLOG_CREATE) && (all.flags & MAPLOG_READ_ONLY))
        return error_set(MAPLOG_INVALID, "MAPLOG_CREATE and MAPLOG_READ_ONLY exclude each other");
    int64_t timeout_ns;
    result = client_timeout_ns(all.timeout_ms, &timeout_ns);
    if (result)
        return result;
    all.timeout_ms = (int)(timeout_ns / 1000000);
    struct directory *opened;
    result = directory_open(directory, &all, &opened);
    return result ? result : handle_make(opened, log);
}

int maplog_open_anonymous(const struct maplog_anonymous_options *options, struct maplog **log)
{
    if (!log)
        return error_set(MAPLOG_INVALID, "maplog_open_anonymous: the result is NULL");
    struct maplog_anonymous_options all = {0};
    if (options)
        all = *options;
    int result = client_check_reserved(all.reserved, 4);
    if (result)
        return result;
    struct directory *opened;
    result = anonymous_open(&all, &opened);
    return result ? result : handle_make(opened, log);
}

int maplog_descriptor(const struct maplog *log)
{
    int result = client_check(log);
    if (result)
        return result;
    if (log->directory->memory_fd < 0)
        return error_set(MAPLOG_UNSUPPORTED, "%s is a directory; open it by its path",
                         log->directory->path);
    return log->directory->memory_fd;
}

int maplog_attach(int fd, struct maplog **log)
{
    if (fd < 0 || !log)
        return error_set(MAPLOG_INVALID,
                         "maplog_attach: the descriptor or the result is not valid");
    struct directory *opened;
    int result = anonymous_attach(fd, &opened);
    return result ? result : handle_make(opened, log);
}

void maplog_close(struct maplog *log)
{
    if (!log)
        return;
    handle_check(&log->handle, HANDLE_LOG);
    handle_closed(&log->handle);
    client_drop(log);
}

struct live_partition {
    char topic[LIMIT_TOPIC_NAME + 1];
    int32_t number;
};

/* Every partition that has records, copied so that no lock is held while they are flushed. */
static int live_partitions(struct directory *directory, struct live_partition **list, size_t *count)
{
    pthread_mutex_lock(&directory->lock);
    int result = directory_refresh(directory);
    const struct catalog *catalog = &directory->catalog;
    size_t total = 0;
    for (size_t i = 0; !result && i < catalog->count; i++)
        total += (size_t)catalog->topics[i]->partitions;
    struct live_partition *found = result ? NULL : malloc((total + 1) * sizeof *found);
    if (!result && !found)
        result = error_set(MAPLOG_NO_MEMORY, "no memory for %zu partitions", total);
    size_t at = 0;
    for (size_t i = 0; !result && i < catalog->count; i++) {
        const struct catalog_topic *topic = catalog->topics[i];
        for (int32_t number = 0; number < topic->partitions; number++) {
            uint32_t slot = topic->slots[number];
            if (load_acquire(&directory->view.control->partitions[slot].rolls) == 0)
                continue;
            memcpy(found[at].topic, topic->name, sizeof found[at].topic);
            found[at++].number = number;
        }
    }
    pthread_mutex_unlock(&directory->lock);
    if (result)
        return result;
    *list = found;
    *count = at;
    return 0;
}

int maplog_sync(struct maplog *log)
{
    int result = client_check(log);
    if (result)
        return result;
    struct directory *directory = log->directory;
    if (directory->kind == FILE_SYSTEM_MEMORY)
        return error_set(MAPLOG_NOT_PERSISTENT, "%s is in memory; nothing there is durable",
                         directory->path);
    if (directory->read_only)
        return error_set(MAPLOG_DENIED, "%s was opened read-only", directory->path);
    struct live_partition *list;
    size_t count;
    result = live_partitions(directory, &list, &count);
    if (result)
        return result;
    for (size_t i = 0; !result && i < count; i++) {
        struct partition *partition;
        struct partition_end end;
        result = directory_partition(directory, list[i].topic, list[i].number, &partition);
        if (!result) {
            partition_end(partition, &end);
            result = durable_wait(partition, end.offset, (int64_t)CLIENT_TIMEOUT_MS * 1000000);
        }
        if (result == MAPLOG_NOT_FOUND || result == MAPLOG_TOPIC_DELETED)
            result = 0; /* deleted meanwhile */
    }
    free(list);
    return result;
}
