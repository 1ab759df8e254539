/* scratch.c - a file without a name, and the state of its pages. */
#include "lab/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "os/file.h"
#include "os/map.h"
#include "os/residency.h"

const char *scratch_pages_name(enum scratch_pages pages)
{
    static const char *const names[] = {"fresh", "allocated", "populated", "recycled"};
    return names[pages];
}

static int open_file(const char *directory)
{
    char path[4096];
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    /* Not every file system has files without a name. */
    if (snprintf(path, sizeof path, "%s/scratch-XXXXXX", directory) >= (int)sizeof path)
        return -1;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

/* A store into a hole of a full disk would kill the process: there must be room for twice as much.
 */
static int map_file_of(int fd, const char *directory, size_t size, uint8_t **map)
{
    uint64_t room = 0;
    int result = file_free_bytes(fd, directory, &room);
    if (!result && room < 2 * (uint64_t)size)
        result = error_set(MAPLOG_DISK_FULL, "%s has less than the %zu MiB that are needed",
                           directory, 2 * size >> 20);
    if (result)
        return result;
    void *at = MAP_FAILED;
    if (ftruncate(fd, (off_t)size) == 0)
        at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return error_errno(errno, "cannot map a scratch file of %zu bytes", size);
    *map = at;
    return 0;
}

int scratch_open(struct scratch *scratch, const char *directory, size_t size)
{
    *scratch = (struct scratch){.fd = open_file(directory), .size = size};
    if (scratch->fd < 0)
        return error_errno(errno, "cannot make a scratch file in %s", directory);
    int result = map_file_of(scratch->fd, directory, size, &scratch->map);
    if (result) {
        close(scratch->fd);
        *scratch = (struct scratch){.fd = -1};
    }
    return result;
}

void scratch_close(struct scratch *scratch)
{
    if (!scratch->map)
        return;
    munmap(scratch->map, scratch->size);
    close(scratch->fd);
    *scratch = (struct scratch){.fd = -1};
}

/* One store for each page: in memory, dirty, and mapped for writing. */
static void touch(struct scratch *scratch)
{
    for (size_t at = 0; at < scratch->size; at += SCRATCH_PAGE)
        *(volatile uint8_t *)(scratch->map + at) = 1;
}

static int start_anew(struct scratch *scratch)
{
    if (ftruncate(scratch->fd, 0) != 0 || ftruncate(scratch->fd, (off_t)scratch->size) != 0)
        return error_errno(errno, "cannot empty a scratch file");
    return 0;
}

int scratch_prepare(struct scratch *scratch, enum scratch_pages pages)
{
    if (lseek(scratch->fd, 0, SEEK_SET) != 0)
        return error_errno(errno, "cannot go to the beginning of a scratch file");
    if (pages != SCRATCH_RECYCLED) {
        int result = start_anew(scratch);
        if (result || pages == SCRATCH_FRESH)
            return result;
    }
    int errnum = posix_fallocate(scratch->fd, 0, (off_t)scratch->size);
    if (errnum)
        return error_errno(errnum, "cannot allocate %zu bytes for a scratch file", scratch->size);
    if (pages == SCRATCH_POPULATED)
        return map_populate(scratch->map, scratch->size, true);
    if (pages == SCRATCH_RECYCLED)
        touch(scratch);
    return 0;
}

int scratch_fill(struct scratch *scratch)
{
    uint32_t state = 1;
    for (size_t at = 0; at + sizeof state <= scratch->size; at += sizeof state) {
        state = state * 1664525 + 1013904223;
        memcpy(scratch->map + at, &state, sizeof state);
    }
    if (fdatasync(scratch->fd) != 0)
        return error_errno(errno, "cannot write a scratch file to the disk");
    return scratch_unmap(scratch);
}

int scratch_unmap(struct scratch *scratch)
{
    if (madvise(scratch->map, scratch->size, MADV_DONTNEED) != 0)
        return error_errno(errno, "cannot forget a mapping");
    return 0;
}

int scratch_evict(struct scratch *scratch)
{
    double share = 0;
    int result = scratch_unmap(scratch);
    if (result)
        return result;
    /* Folios that a CPU still has on a list of its own stay at the first try. */
    for (int attempt = 0; attempt < 3; attempt++) {
        int errnum = fdatasync(scratch->fd) != 0 ? errno : 0;
        if (!errnum)
            errnum = posix_fadvise(scratch->fd, 0, 0, POSIX_FADV_DONTNEED);
        if (errnum)
            return error_errno(errnum, "cannot evict a scratch file");
        result = scratch_cached(scratch, &share);
        if (result || share <= 0)
            return result;
    }
    return error_set(MAPLOG_UNSUPPORTED, "%.1f %% of the file stay in memory", 100 * share);
}

int scratch_cached(const struct scratch *scratch, double *share)
{
    struct residency residency;
    int result = residency_read(scratch->fd, "scratch file", 0, scratch->size, &residency);
    if (!result)
        *share = (double)residency.cached / (double)residency.pages;
    return result;
}
