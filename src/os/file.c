/* file.c - files: open, read, write, size, and what they are. Directories are in file_tree.c. */
#include "os/file.h"

#include "base/error.h"
#include "os/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000u
#endif
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000u
#endif

#define COPY_BYTES (256u << 10) /* buffer of file_copy */
#define READ_BYTES 4096         /* first buffer of file_read_all */

int file_open(int directory, const char *path, int flags, mode_t mode, int *fd)
{
    int errnum = fault_check(FAULT_OPEN);
    while (!errnum) {
        int opened = openat(directory, path, flags | O_CLOEXEC, mode);
        if (opened >= 0) {
            *fd = opened;
            return 0;
        }
        if (errno != EINTR)
            errnum = errno;
    }
    return error_errno(errnum, "cannot open %s", path);
}

void file_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

int file_reopen(int fd, int flags, int *again)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return file_open(AT_FDCWD, path, flags, 0, again);
}

int file_memory(const char *name, int *fd)
{
    int errnum = fault_check(FAULT_OPEN);
    int made = -1;
    if (!errnum) {
        made = memfd_create(name, MFD_CLOEXEC);
        errnum = errno;
    }
    if (made < 0)
        return error_errno(errnum, "cannot create memory file %s", name);
    *fd = made;
    return 0;
}

int file_inherit(int fd)
{
    if (fcntl(fd, F_SETFD, 0) != 0)
        return error_errno(errno, "cannot make descriptor %d inheritable", fd);
    return 0;
}

/* Waits until a non-blocking stream is ready. */
static void wait_for_stream(int fd, short events)
{
    struct pollfd stream = {.fd = fd, .events = events, .revents = 0};
    poll(&stream, 1, -1);
}

int file_await_input(int fd, const char *path, int (*stop)(void))
{
    struct pollfd stream = {.fd = fd, .events = POLLIN, .revents = 0};
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int count = stop() ? 0 : ppoll(&stream, 1, NULL, &before); /* signals come here alone */
    int errnum = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (count < 0 && errnum != EINTR)
        return error_errno(errnum, "cannot wait for %s", path);
    if (count > 0 && stream.revents & (POLLERR | POLLNVAL))
        return error_set(MAPLOG_IO, "%s reports an error to those who wait for it", path);
    return 0;
}

int file_read_all(int directory, const char *path, size_t limit, char **text, size_t *length)
{
    int fd;
    int result = file_open(directory, path, O_RDONLY, 0, &fd);
    if (result != 0)
        return result;
    size_t room = 0;
    size_t filled = 0;
    char *read_text = NULL;
    for (bool ended = false; !ended;) {
        if (filled > limit) {
            result = error_set(MAPLOG_LIMIT, "%s is larger than %zu bytes", path, limit);
            break;
        }
        if (room - filled < 2) { /* a byte to see the end by, and the NUL */
            size_t more = room ? 2 * room : READ_BYTES;
            char *grown = realloc(read_text, more);
            if (!grown) {
                result = error_errno(ENOMEM, "cannot read %s", path);
                break;
            }
            read_text = grown;
            room = more;
        }
        size_t got = 0;
        result = file_read_stream(fd, path, read_text + filled, room - filled - 1, &got);
        if (result != 0 && result != MAPLOG_BUSY)
            break;
        ended = result == 0 && got == 0;
        filled += got;
    }
    close(fd);
    if (result != 0) {
        free(read_text);
        return result;
    }
    read_text[filled] = '\0';
    *text = read_text;
    *length = filled;
    return 0;
}

int file_read_at(int fd, const char *path, void *to, size_t length, uint64_t position)
{
    int errnum = fault_check(FAULT_READ);
    size_t filled = 0;
    while (!errnum && filled < length) {
        ssize_t got = pread(fd, (char *)to + filled, length - filled, (off_t)(position + filled));
        if (got == 0)
            return error_set(MAPLOG_IO, "%s ends at %llu, wanted %zu bytes at %llu", path,
                             (unsigned long long)(position + filled), length,
                             (unsigned long long)position);
        if (got > 0)
            filled += (size_t)got;
        else if (errno != EINTR)
            errnum = errno;
    }
    return errnum ? error_errno(errnum, "cannot read %zu bytes of %s at %llu", length, path,
                                (unsigned long long)position)
                  : 0;
}

ssize_t file_read_some(int fd, void *to, size_t length, uint64_t position)
{
    errno = fault_check(FAULT_READ);
    return errno ? -1 : pread(fd, to, length, (off_t)position);
}

int file_write_at(int fd, const char *path, const void *from, size_t length, uint64_t position)
{
    int errnum = fault_check(FAULT_WRITE);
    size_t written = 0;
    while (!errnum && written < length) {
        ssize_t put =
            pwrite(fd, (const char *)from + written, length - written, (off_t)(position + written));
        if (put >= 0)
            written += (size_t)put;
        else if (errno != EINTR)
            errnum = errno;
    }
    return errnum ? error_errno(errnum, "cannot write %zu bytes of %s at %llu", length, path,
                                (unsigned long long)position)
                  : 0;
}

int file_write_stream(int fd, const char *path, const void *from, size_t length)
{
    int errnum = fault_check(FAULT_WRITE);
    size_t written = 0;
    while (!errnum && written < length) {
        ssize_t put = write(fd, (const char *)from + written, length - written);
        if (put >= 0)
            written += (size_t)put;
        else if (errno == EAGAIN)
            wait_for_stream(fd, POLLOUT);
        else if (errno != EINTR)
            errnum = errno;
    }
    if (errnum == EPIPE)
        return error_set(MAPLOG_CLOSED, "nobody reads %s any more", path);
    return errnum ? error_errno(errnum, "cannot write to %s", path) : 0;
}

bool file_takes_line(int fd)
{
    struct pollfd stream = {.fd = fd, .events = POLLOUT, .revents = 0};
    return poll(&stream, 1, 0) > 0; /* an error too: the write tells it */
}

int file_read_stream(int fd, const char *path, void *to, size_t length, size_t *got)
{
    int errnum = fault_check(FAULT_READ);
    while (!errnum) {
        ssize_t taken = read(fd, to, length);
        if (taken >= 0) {
            *got = (size_t)taken;
            return 0;
        }
        if (errno == EINTR)
            return error_set(MAPLOG_BUSY, "a signal interrupted reading %s", path);
        if (errno == EAGAIN)
            wait_for_stream(fd, POLLIN);
        else
            errnum = errno;
    }
    return error_errno(errnum, "cannot read %s", path);
}

/* fallocate(2); 0 or the errno. */
static int allocate(int fd, uint64_t position, uint64_t length, int mode)
{
    int errnum = fault_check(FAULT_ALLOCATE);
    while (!errnum && fallocate(fd, mode, (off_t)position, (off_t)length) != 0)
        if (errno != EINTR)
            errnum = errno;
    return errnum;
}

static int allocated(int errnum, const char *path, uint64_t position, uint64_t length)
{
    return errnum ? error_errno(errnum, "cannot allocate %llu bytes of %s at %llu",
                                (unsigned long long)length, path, (unsigned long long)position)
                  : 0;
}

int file_allocate(int fd, const char *path, uint64_t position, uint64_t length)
{
    int errnum = allocate(fd, position, length, 0);
    /* The C library then writes a byte a block, only where nobody has written yet. */
    if (errnum == EOPNOTSUPP)
        errnum = posix_fallocate(fd, (off_t)position, (off_t)length);
    return allocated(errnum, path, position, length);
}

int file_reserve(int fd, const char *path, uint64_t position, uint64_t length)
{
    int errnum = allocate(fd, position, length, FALLOC_FL_KEEP_SIZE);
    if (errnum == EOPNOTSUPP)
        return error_set(MAPLOG_UNSUPPORTED,
                         "the file system of %s cannot allocate space ahead (fallocate)", path);
    return allocated(errnum, path, position, length);
}

uint64_t file_size_limit(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
}

int file_punch(int fd, const char *path, uint64_t position, uint64_t length)
{
    int errnum = fault_check(FAULT_TRUNCATE);
    while (!errnum && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)position,
                                (off_t)length) != 0) {
        if (errno == EINTR)
            continue;
        errnum = errno;
    }
    if (errnum == EOPNOTSUPP)
        return error_set(MAPLOG_UNSUPPORTED, "the file system of %s cannot free a part of it",
                         path);
    return errnum ? error_errno(errnum, "cannot free %llu bytes of %s at %llu",
                                (unsigned long long)length, path, (unsigned long long)position)
                  : 0;
}

/* For calls that only take a descriptor: tries again after a signal; 0 or the errno. */
#define TRY(kind, call)                                                                            \
    ({                                                                                             \
        int errnum_ = fault_check(kind);                                                           \
        while (!errnum_ && (call) != 0)                                                            \
            if (errno != EINTR)                                                                    \
                errnum_ = errno;                                                                   \
        errnum_;                                                                                   \
    })

int file_truncate(int fd, const char *path, uint64_t size)
{
    int errnum = TRY(FAULT_TRUNCATE, ftruncate(fd, (off_t)size));
    return errnum ? error_errno(errnum, "cannot set the size of %s to %llu", path,
                                (unsigned long long)size)
                  : 0;
}

int file_touch(int fd, const char *path)
{
    return futimens(fd, NULL) != 0 ? error_errno(errno, "cannot set the times of %s", path) : 0;
}

int file_sync(int fd, const char *path)
{
    int errnum = TRY(FAULT_SYNC, fsync(fd));
    return errnum ? error_errno(errnum, "cannot sync %s", path) : 0;
}

int file_sync_data(int fd, const char *path)
{
    int errnum = TRY(FAULT_SYNC, fdatasync(fd));
    return errnum ? error_errno(errnum, "cannot sync the data of %s", path) : 0;
}

/* The kernel stamps both times of a change, but not always from the same reading of its clock. */
#define BACKDATED_NS 20000000

static int64_t apart_ns(const struct statx_timestamp *left, const struct statx_timestamp *right)
{
    int64_t seconds = left->tv_sec - right->tv_sec;
    int64_t ns = (int64_t)left->tv_nsec - right->tv_nsec;
    if (seconds > 1 || seconds < -1)
        return INT64_MAX;
    ns += seconds * 1000000000;
    return ns < 0 ? -ns : ns;
}

static int identify(int directory, const char *path, const char *shown, int flags,
                    struct file_identity *identity)
{
    struct statx status;
    if (statx(directory, path, flags,
              STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID | STATX_MNT_ID_UNIQUE, &status) != 0)
        return error_errno(errno, "cannot look at %s", shown);
    bool has_birth = (status.stx_mask & STATX_BTIME) != 0;
    bool has_mount = (status.stx_mask & (STATX_MNT_ID | STATX_MNT_ID_UNIQUE)) != 0;
    *identity = (struct file_identity){
        .device = makedev(status.stx_dev_major, status.stx_dev_minor),
        .inode = status.stx_ino,
        .mount = has_mount ? status.stx_mnt_id : 0,
        .size = status.stx_size,
        .modified_ms = (int64_t)status.stx_mtime.tv_sec * 1000 + status.stx_mtime.tv_nsec / 1000000,
        .born_ns = has_birth
                       ? (uint64_t)status.stx_btime.tv_sec * 1000000000 + status.stx_btime.tv_nsec
                       : 0,
        .backdated = apart_ns(&status.stx_mtime, &status.stx_ctime) > BACKDATED_NS,
        .is_directory = S_ISDIR(status.stx_mode),
        .is_regular = S_ISREG(status.stx_mode),
        .is_character = S_ISCHR(status.stx_mode),
    };
    return 0;
}

int file_identify(int fd, const char *path, struct file_identity *identity)
{
    return identify(fd, "", path, AT_EMPTY_PATH, identity);
}

int file_identify_at(int directory, const char *path, struct file_identity *identity)
{
    return identify(directory, path, path, 0, identity);
}

static int look_at_system(int fd, const char *path, struct statfs *status)
{
    while (fstatfs(fd, status) != 0)
        if (errno != EINTR)
            return error_errno(errno, "cannot look at the file system of %s", path);
    return 0;
}

/* statfs(2)'s magic numbers. */
static const struct {
    uint32_t magic;
    enum file_system_kind kind;
} file_systems[] = {
    {0x01021994, FILE_SYSTEM_MEMORY},  /* tmpfs, memfd */
    {0x858458f6, FILE_SYSTEM_MEMORY},  /* ramfs */
    {0x958458f6, FILE_SYSTEM_MEMORY},  /* hugetlbfs */
    {0x00006969, FILE_SYSTEM_NETWORK}, /* NFS */
    {0x0000517b, FILE_SYSTEM_NETWORK}, /* SMB */
    {0xff534d42, FILE_SYSTEM_NETWORK}, /* CIFS */
    {0xfe534d42, FILE_SYSTEM_NETWORK}, /* SMB2 */
    {0x01021997, FILE_SYSTEM_NETWORK}, /* 9p */
    {0x65735546, FILE_SYSTEM_NETWORK}, /* FUSE, virtiofs */
    {0x00c36400, FILE_SYSTEM_NETWORK}, /* Ceph */
    {0x5346414f, FILE_SYSTEM_NETWORK}, /* AFS */
    {0x6b414653, FILE_SYSTEM_NETWORK}, /* AFS of the kernel */
    {0x73757245, FILE_SYSTEM_NETWORK}, /* Coda */
    {0x0000564c, FILE_SYSTEM_NETWORK}, /* NCP */
    {0x0bd00bd0, FILE_SYSTEM_NETWORK}, /* Lustre */
    {0x47504653, FILE_SYSTEM_NETWORK}, /* GPFS */
    {0x01161970, FILE_SYSTEM_NETWORK}, /* GFS2 */
    {0x7461636f, FILE_SYSTEM_NETWORK}, /* OCFS2 */
    {0x19830326, FILE_SYSTEM_NETWORK}, /* BeeGFS */
    {0x20030528, FILE_SYSTEM_NETWORK}, /* OrangeFS */
    {0x786f4256, FILE_SYSTEM_NETWORK}, /* VirtualBox's shared folders */
    {0xbacbacbc, FILE_SYSTEM_NETWORK}, /* VMware's */
};

int file_system(int fd, const char *path, enum file_system_kind *kind)
{
    struct statfs status;
    int result = look_at_system(fd, path, &status);
    if (result != 0)
        return result;
    *kind = FILE_SYSTEM_DISK;
    for (size_t i = 0; i < sizeof file_systems / sizeof file_systems[0]; i++)
        if (file_systems[i].magic == (uint32_t)status.f_type)
            *kind = file_systems[i].kind;
    return 0;
}

int file_free_bytes(int fd, const char *path, uint64_t *bytes)
{
    struct statfs status;
    int result = look_at_system(fd, path, &status);
    if (result != 0)
        return result;
    *bytes = (uint64_t)status.f_bavail * (uint64_t)status.f_frsize;
    return 0;
}

int file_total_bytes(int fd, const char *path, uint64_t *bytes)
{
    struct statfs status;
    int result = look_at_system(fd, path, &status);
    if (result != 0)
        return result;
    *bytes = (uint64_t)status.f_blocks * (uint64_t)status.f_frsize;
    return 0;
}

/* Through memory, where the kernel cannot copy by itself. */
static int copy_by_hand(int from, int to, const char *path, uint64_t position, uint64_t length)
{
    size_t room = length < COPY_BYTES ? (size_t)length : COPY_BYTES;
    void *buffer = malloc(room ? room : 1);
    int result = buffer ? 0 : error_errno(ENOMEM, "cannot copy %s", path);
    while (result == 0 && length > 0) {
        size_t part = length < room ? (size_t)length : room;
        result = file_read_at(from, path, buffer, part, position);
        if (result == 0)
            result = file_write_at(to, path, buffer, part, position);
        position += part;
        length -= part;
    }
    free(buffer);
    return result;
}

int file_copy(int from, int to, const char *path, uint64_t position, uint64_t length)
{
    int errnum = fault_check(FAULT_WRITE);
    while (!errnum && length > 0) {
        off_t at = (off_t)position;
        off_t at_too = at;
        size_t part = length < (1u << 30) ? (size_t)length : 1u << 30;
        ssize_t copied = copy_file_range(from, &at, to, &at_too, part, 0);
        if (copied > 0) {
            position += (uint64_t)copied;
            length -= (uint64_t)copied;
        } else if (copied == 0 || errno == EXDEV || errno == EINVAL || errno == ENOSYS ||
                   errno == EOPNOTSUPP || errno == EPERM) {
            /* Nothing copied: some file systems say so although there are bytes. */
            return copy_by_hand(from, to, path, position, length);
        } else if (errno != EINTR) {
            errnum = errno;
        }
    }
    return errnum ? error_errno(errnum, "cannot copy %s", path) : 0;
}
