/* mapped_file.c - maplog_file_*: a mapped file that grows in place; see <maplog_file.h>. */
#include "client/mapped_file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/client.h"
#include "os/file.h"
#include "os/guard.h"
#include "os/lock.h"
#include "os/map.h"

#define RESERVE_LEAST (64ull << 30) /* bytes, by default */
#define RESERVE_TIMES 16            /* the file's size, when that is more */
#define RESERVE_MOST (16ull << 40)  /* but that not above this */
#define DEFAULT_MODE 0660
#define LOCK_BYTE_OPEN (1ull << 62)         /* shared: somebody has the file open */
#define LOCK_BYTE_GROW (LOCK_BYTE_OPEN + 1) /* exclusive: somebody makes it longer */
#define LOCK_TIMEOUT_MS 10000               /* they are held for the time of a system call or two */

static int check(const struct maplog_file *file)
{
    if (!file)
        return client_missing("mapped file");
    handle_check(&file->handle, HANDLE_FILE);
    if (*file->fork != file->process)
        return client_inherited("mapped file");
    return 0;
}

static int check_writable(const struct maplog_file *file)
{
    int result = check(file);
    if (!result && !file->writable)
        result = error_set(MAPLOG_DENIED, "%s was opened %s", file->path,
                           file->private ? "privately: its size and its space are not changed here"
                                         : "for reading only");
    return result;
}

/* Length 0 means to the end. */
static int check_range(const struct maplog_file *file, uint64_t position, uint64_t *length)
{
    uint64_t size = load_acquire(&file->size); /* pairs with set_size */
    if (position > size || *length > size - position)
        return error_set(MAPLOG_INVALID,
                         "%" PRIu64 " bytes at %" PRIu64 " lie outside %s, which has %" PRIu64,
                         *length, position, file->path, size);
    if (*length == 0)
        *length = size - position;
    return 0;
}

static void set_size(struct maplog_file *file, uint64_t size)
{
    store_release(&file->size, size < file->reserve_bytes ? size : file->reserve_bytes);
}

/* Of a wait for one of the two bytes. */
static int waited(const struct maplog_file *file, int result)
{
    if (result != MAPLOG_TIMED_OUT)
        return result;
    return error_set(result,
                     "%s: another process has been changing its size for %d s; is it stopped?",
                     file->path, LOCK_TIMEOUT_MS / 1000);
}

static int file_bytes(const struct maplog_file *file, uint64_t *size)
{
    struct file_identity identity;
    int result = file_identify(file->fd, file->path, &identity);
    if (!result)
        *size = identity.size;
    return result;
}

/* ---- opening and closing --------------------------------------------------------------------- */

static int check_options(const struct maplog_file_options *options)
{
    const unsigned readers = MAPLOG_FILE_READ_ONLY | MAPLOG_FILE_PRIVATE;
    if (options->flags & ~(readers | MAPLOG_FILE_CREATE))
        return error_set(MAPLOG_INVALID, "unknown flags of a mapped file: %#x", options->flags);
    if ((options->flags & readers) == readers)
        return error_set(MAPLOG_INVALID,
                         "MAPLOG_FILE_READ_ONLY and MAPLOG_FILE_PRIVATE exclude each other");
    if ((options->flags & readers) && ((options->flags & MAPLOG_FILE_CREATE) || options->size))
        return error_set(MAPLOG_INVALID, "a file that is opened read-only or privately is neither "
                                         "made nor made longer");
    if (options->mode & ~07777u)
        return error_set(MAPLOG_INVALID, "%#o is no mode of a file", options->mode);
    return client_check_reserved(options->reserved, 4);
}

static int check_regular(const char *path, const struct file_identity *identity)
{
    if (!identity->is_regular)
        return error_set(MAPLOG_INVALID, "%s is no regular file, which a mapping needs", path);
    return 0;
}

/* Opens it and holds the byte that says so. */
static int open_file(struct maplog_file *file, const struct maplog_file_options *options,
                     struct file_identity *identity)
{
    mode_t mode = options->mode ? (mode_t)options->mode : DEFAULT_MODE;
    int flags = file->writable ? O_RDWR : O_RDONLY;
    if (options->flags & MAPLOG_FILE_CREATE)
        flags |= O_CREAT;
    /* Before it is opened: a pipe would wait for somebody at its other end. */
    int result = file_identify_at(AT_FDCWD, file->path, identity);
    if (!result)
        result = check_regular(file->path, identity);
    else if (result == MAPLOG_NOT_FOUND && (flags & O_CREAT))
        result = 0;
    if (!result)
        result = file_open(AT_FDCWD, file->path, flags | O_NONBLOCK, mode, &file->fd);
    if (!result)
        result =
            waited(file, lock_wait(file->fd, file->path, LOCK_BYTE_OPEN, false, LOCK_TIMEOUT_MS));
    if (!result)
        result = file_identify(file->fd, file->path, identity);
    if (!result)
        result = check_regular(file->path, identity);
    if (result)
        return result;
    enum file_system_kind kind = FILE_SYSTEM_NETWORK;
    result = file_system(file->fd, file->path, &kind);
    if (!result && kind == FILE_SYSTEM_NETWORK)
        result = error_set(MAPLOG_UNSUPPORTED,
                           "%s lies on a network file system, where mappings are not shared",
                           file->path);
    file->persistent = kind == FILE_SYSTEM_DISK;
    return result;
}

static uint64_t default_reserve(uint64_t size)
{
    if (size > RESERVE_MOST / RESERVE_TIMES)
        return size > RESERVE_MOST - RESERVE_LEAST ? size + RESERVE_LEAST : RESERVE_MOST;
    return size > RESERVE_LEAST / RESERVE_TIMES ? size * RESERVE_TIMES : RESERVE_LEAST;
}

static int map_reserve(struct maplog_file *file, uint64_t asked, uint64_t size)
{
    uint64_t bytes = asked ? asked : default_reserve(size);
    if (size > bytes)
        return error_set(MAPLOG_LIMIT,
                         "%s has %" PRIu64 " bytes, more than the reserve_bytes of %" PRIu64,
                         file->path, size, bytes);
    enum map_mode mode = file->writable  ? MAP_MODE_WRITE
                         : file->private ? MAP_MODE_PRIVATE
                                         : MAP_MODE_READ;
    file->reserve_bytes = bytes;
    int result = bytes > INT64_MAX
                     ? MAPLOG_NO_MEMORY
                     : map_file(file->fd, file->path, 0, map_page_up(bytes), mode, &file->address);
    if (result == MAPLOG_NO_MEMORY)
        return error_set(MAPLOG_LIMIT,
                         "no %" PRIu64 " bytes of address space for %s: choose smaller "
                         "reserve_bytes, or raise `ulimit -v`",
                         bytes, file->path);
    if (!result)
        set_size(file, size);
    return result;
}

static int open_and_map(struct maplog_file *file, const struct maplog_file_options *options)
{
    struct file_identity identity;
    int result = open_file(file, options, &identity);
    if (!result)
        result = map_reserve(file, options->reserve_bytes, identity.size);
    if (!result && options->size > identity.size)
        result = maplog_file_grow(file, options->size);
    return result;
}

int maplog_file_open(const char *path, const struct maplog_file_options *options,
                     struct maplog_file **file)
{
    if (!path || !file)
        return error_set(MAPLOG_INVALID, "maplog_file_open: the path or the result is NULL");
    struct maplog_file_options all = {0};
    if (options)
        all = *options;
    int result = check_options(&all);
    if (result)
        return result;
    struct maplog_file *made = calloc(1, sizeof *made);
    const volatile uint32_t *fork = map_wiped_on_fork();
    if (!made || !fork || !(made->path = strdup(path))) {
        free(made);
        return error_set(MAPLOG_NO_MEMORY, "no memory for a mapped file");
    }
    handle_init(&made->handle, HANDLE_FILE);
    made->fd = -1;
    made->fork = fork;
    made->process = *fork;
    made->private = all.flags & MAPLOG_FILE_PRIVATE;
    made->writable = !(all.flags & (MAPLOG_FILE_PRIVATE | MAPLOG_FILE_READ_ONLY));
    pthread_mutex_init(&made->lock, NULL);
    result = open_and_map(made, &all);
    if (result)
        maplog_file_close(made);
    else
        *file = made;
    return result;
}

void maplog_file_close(struct maplog_file *file)
{
    if (!file)
        return;
    handle_check(&file->handle, HANDLE_FILE);
    map_remove(file->address, map_page_up(file->reserve_bytes));
    file_close(file->fd);
    pthread_mutex_destroy(&file->lock);
    free(file->path);
    handle_closed(&file->handle);
    handle_free(file);
}

/* ---- size ------------------------------------------------------------------------------------ */

void *maplog_file_address(const struct maplog_file *file)
{
    if (!file)
        return NULL;
    handle_check(&file->handle, HANDLE_FILE);
    return file->address;
}

uint64_t maplog_file_size(const struct maplog_file *file)
{
    if (!file)
        return 0;
    handle_check(&file->handle, HANDLE_FILE);
    return load_acquire(&file->size); /* pairs with set_size */
}

int maplog_file_refresh(struct maplog_file *file, uint64_t *size)
{
    int result = check(file);
    if (result)
        return result;
    uint64_t now;
    pthread_mutex_lock(&file->lock);
    result = file_bytes(file, &now);
    if (!result)
        set_size(file, now);
    pthread_mutex_unlock(&file->lock);
    if (!result && size)
        *size = maplog_file_size(file);
    return result;
}

/* Space that was had for bytes behind the end is given back when there was not enough of it: file
 * systems free it when the size is set to what it is. */
static int give_back(struct maplog_file *file, uint64_t now, int result)
{
    char why[ERROR_TEXT_SIZE];
    uint64_t still;
    snprintf(why, sizeof why, "%s", error_text());
    if (file_bytes(file, &still) == 0 && still == now)
        file_truncate(file->fd, file->path, now);
    return error_set(result, "%s", why);
}

/* From `now` to `size`. Others see the new size as soon as it is there, and touch: so space comes
 * first, the size last, and is never taken back. What somebody stored behind the end, in the file's
 * last page, would turn up in the file: zeros are written there. */
static int allocate(struct maplog_file *file, uint64_t now, uint64_t size)
{
    static const uint8_t zeros[MAP_PAGE_BYTES];
    uint64_t middle = map_page_up(now) < size ? map_page_up(now) : size;
    int result = file_reserve(file->fd, file->path, now, size - now);
    if (result)
        return give_back(file, now, result);
    if (middle > now)
        result = file_write_at(file->fd, file->path, zeros, middle - now, now);
    if (!result && size > middle)
        result = file_truncate(file->fd, file->path, size);
    return result;
}

/* The mutex is held. */
static int grow_locked(struct maplog_file *file, uint64_t size)
{
    int result = lock_wait(file->fd, file->path, LOCK_BYTE_GROW, true, LOCK_TIMEOUT_MS);
    if (result)
        return waited(file, result);
    uint64_t now;
    result = file_bytes(file, &now);
    if (!result && now < size)
        result = allocate(file, now, size);
    if (!result)
        set_size(file, now < size ? size : now);
    lock_release(file->fd, LOCK_BYTE_GROW);
    return result;
}

static int check_growth(const struct maplog_file *file, uint64_t size)
{
    if (size > file->reserve_bytes)
        return error_set(MAPLOG_LIMIT,
                         "%s cannot grow to %" PRIu64 " bytes: reserve_bytes was %" PRIu64,
                         file->path, size, file->reserve_bytes);
    if (size > file_size_limit())
        return error_set(MAPLOG_LIMIT, "%s cannot grow to %" PRIu64 " bytes: see `ulimit -f`",
                         file->path, size);
    return 0;
}

int maplog_file_grow(struct maplog_file *file, uint64_t size)
{
    uint64_t now;
    int result = check_writable(file);
    if (!result)
        result = check_growth(file, size);
    if (result)
        return result;
    pthread_mutex_lock(&file->lock);
    result = file_bytes(file, &now);
    if (!result && now >= size)
        set_size(file, now);
    else if (!result)
        result = grow_locked(file, size);
    pthread_mutex_unlock(&file->lock);
    return result;
}

/* The mutex is held. */
static int shrink_locked(struct maplog_file *file, uint64_t size)
{
    int result = lock_try(file->fd, file->path, LOCK_BYTE_OPEN, true);
    if (result == MAPLOG_BUSY)
        return error_set(result, "%s is open elsewhere, too, and is not made shorter", file->path);
    if (result)
        return result;
    uint64_t now;
    result = file_bytes(file, &now);
    if (!result && now > size)
        result = file_truncate(file->fd, file->path, now = size);
    if (!result)
        set_size(file, now);
    int shared = lock_try(file->fd, file->path, LOCK_BYTE_OPEN, false); /* never busy */
    return result ? result : shared;
}

int maplog_file_shrink(struct maplog_file *file, uint64_t size)
{
    int result = check_writable(file);
    if (result)
        return result;
    pthread_mutex_lock(&file->lock);
    result = shrink_locked(file, size);
    pthread_mutex_unlock(&file->lock);
    return result;
}

/* ---- ranges ---------------------------------------------------------------------------------- */

/* The whole pages that hold a range. */
static void *pages_of(const struct maplog_file *file, uint64_t position, uint64_t length,
                      size_t *bytes)
{
    uint64_t begin = map_page_down(position);
    *bytes = map_page_up(position + length) - begin;
    return (uint8_t *)file->address + begin;
}

int maplog_file_sync(struct maplog_file *file, uint64_t position, uint64_t length)
{
    int result = check(file);
    if (!result)
        result = check_range(file, position, &length);
    if (result)
        return result;
    if (file->private)
        return error_set(MAPLOG_DENIED, "%s was opened privately: its stores never reach the disk",
                         file->path);
    if (!file->persistent)
        return error_set(MAPLOG_NOT_PERSISTENT, "%s lies in memory, not on a disk", file->path);
    size_t bytes;
    void *pages = pages_of(file, position, length, &bytes);
    return map_sync(pages, bytes, file->path);
}

int maplog_file_advise(struct maplog_file *file, uint64_t position, uint64_t length,
                       enum maplog_file_advice advice)
{
    static const enum map_advice advices[] = {
        [MAPLOG_FILE_WILL_NEED] = MAP_ADVICE_WILL_NEED,
        [MAPLOG_FILE_DONT_NEED] = MAP_ADVICE_DROP,
        [MAPLOG_FILE_COLD] = MAP_ADVICE_COLD,
        [MAPLOG_FILE_RANDOM] = MAP_ADVICE_RANDOM,
        [MAPLOG_FILE_SEQUENTIAL] = MAP_ADVICE_SEQUENTIAL,
    };
    int result = check(file);
    if (result)
        return result;
    if ((int)advice < MAPLOG_FILE_WILL_NEED || advice > MAPLOG_FILE_SEQUENTIAL)
        return error_set(MAPLOG_INVALID, "%d is no advice", (int)advice);
    result = check_range(file, position, &length);
    if (result || length == 0)
        return result;
    size_t bytes;
    void *pages = pages_of(file, position, length, &bytes);
    result = advice == MAPLOG_FILE_POPULATE ? map_populate(pages, bytes, file->writable)
                                            : map_advise(pages, bytes, advices[advice]);
    return result ? error_prefix(result, "%s", file->path) : 0;
}

int maplog_file_punch(struct maplog_file *file, uint64_t position, uint64_t length)
{
    int result = check_writable(file);
    if (!result)
        result = check_range(file, position, &length);
    if (result || length == 0)
        return result;
    return file_punch(file->fd, file->path, position, length);
}

/* The mutex is held, and the file's byte is shared, so nobody who goes by the rules makes it
 * shorter. Who does not must not see it grow again. */
static int fill_locked(struct maplog_file *file, uint64_t position, uint64_t length)
{
    uint64_t now;
    int result = file_bytes(file, &now);
    if (!result && position + length > now)
        result = error_set(MAPLOG_INVALID,
                           "%s was cut to %" PRIu64 " bytes by somebody else: refresh it",
                           file->path, now);
    return result ? result : file_reserve(file->fd, file->path, position, length);
}

int maplog_file_fill(struct maplog_file *file, uint64_t position, uint64_t length)
{
    int result = check_writable(file);
    if (result)
        return result;
    pthread_mutex_lock(&file->lock);
    result = check_range(file, position, &length);
    if (!result && length > 0)
        result = fill_locked(file, position, length);
    pthread_mutex_unlock(&file->lock);
    return result;
}

int maplog_file_guard(struct maplog_file *file, int (*access)(void *context), void *context)
{
    if (!file || !access)
        return error_set(MAPLOG_INVALID, "maplog_file_guard: the file or the access is NULL");
    handle_check(&file->handle, HANDLE_FILE);
    return guard_run(file->address, map_page_up(file->reserve_bytes), file->path, access, context);
}
