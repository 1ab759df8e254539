/* file_tree.c - the half of file.h that changes directories: replace, rename, remove, list. */
#include "base/error.h"
#include "base/limits.h"
#include "os/fault.h"
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPLACED_MODE 0660 /* less the umask: writers of a directory are one group */

/* fsyncs the directory that path lies in. */
static int sync_parent(int directory, const char *path)
{
    char parent[LIMIT_PATH];
    const char *slash = strrchr(path, '/');
    int length = slash ? (int)(slash - path) : 0;
    /* "" lies in ".", "/x" in "/" */
    snprintf(parent, sizeof parent, "%.*s", length, path);
    int fd;
    int result =
        file_open(directory, length ? parent : (slash ? "/" : "."), O_RDONLY | O_DIRECTORY, 0, &fd);
    if (result != 0)
        return result;
    result = file_sync(fd, length ? parent : ".");
    file_close(fd);
    return result;
}

/* Makes the file `fresh` with this text. */
static int write_fresh(int directory, const char *fresh, const void *text, size_t length,
                       bool durable)
{
    int fd;
    /* One may be left from a killed process, with another owner or mode. */
    int result = file_remove(directory, fresh);
    if (result != 0)
        return result;
    result = file_open(directory, fresh, O_WRONLY | O_CREAT | O_EXCL, REPLACED_MODE, &fd);
    if (result != 0)
        return result;
    result = file_write_at(fd, fresh, text, length, 0);
    if (result == 0 && durable)
        result = file_sync(fd, fresh);
    file_close(fd);
    return result;
}

int file_replace(int directory, const char *path, const void *text, size_t length, bool durable)
{
    char fresh[LIMIT_PATH];
    if ((size_t)snprintf(fresh, sizeof fresh, "%s.tmp", path) >= sizeof fresh)
        return error_set(MAPLOG_LIMIT, "path longer than %d bytes: %s", LIMIT_PATH, path);
    int result = write_fresh(directory, fresh, text, length, durable);
    if (result == 0)
        result = file_rename(directory, fresh, path);
    if (result != 0) {
        unlinkat(directory, fresh, 0); /* keeps the text of what failed first */
        return result;
    }
    return durable ? sync_parent(directory, path) : 0;
}

int file_make_once(int directory, const char *path, const char *fresh, const void *text,
                   size_t length)
{
    int result = write_fresh(directory, fresh, text, length, true);
    int errnum = result == 0 ? fault_check(FAULT_RENAME) : 0;
    if (result == 0 && !errnum && linkat(directory, fresh, directory, path, 0) != 0)
        errnum = errno;
    if (errnum)
        result = error_errno(errnum, "cannot make %s", path);
    unlinkat(directory, fresh, 0);
    return result ? result : sync_parent(directory, path);
}

int file_make_directory(int directory, const char *path, mode_t mode)
{
    int errnum = fault_check(FAULT_OPEN);
    if (!errnum && mkdirat(directory, path, mode) != 0)
        errnum = errno;
    if (errnum == EEXIST) {
        struct stat status;
        if (fstatat(directory, path, &status, 0) == 0 && S_ISDIR(status.st_mode))
            return 0;
    }
    return errnum ? error_errno(errnum, "cannot make directory %s", path) : 0;
}

int file_rename(int directory, const char *from, const char *to)
{
    int errnum = fault_check(FAULT_RENAME);
    if (!errnum && renameat(directory, from, directory, to) != 0)
        errnum = errno;
    return errnum ? error_errno(errnum, "cannot rename %s to %s", from, to) : 0;
}

int file_remove(int directory, const char *path)
{
    if (unlinkat(directory, path, 0) != 0 && errno != ENOENT)
        return error_errno(errno, "cannot remove %s", path);
    return 0;
}

bool file_exists(int directory, const char *path)
{
    return faccessat(directory, path, F_OK, 0) == 0;
}

/* Opens a directory for reading its entries. */
static int open_entries(int directory, const char *path, int flags, DIR **entries)
{
    int fd;
    int result = file_open(directory, path, O_RDONLY | O_DIRECTORY | flags, 0, &fd);
    if (result != 0)
        return result;
    *entries = fdopendir(fd);
    if (*entries)
        return 0;
    result = error_errno(errno, "cannot list %s", path);
    close(fd);
    return result;
}

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int file_list(int directory, const char *path,
              int (*visit)(void *context, const char *name, bool is_directory), void *context)
{
    DIR *entries;
    int result = open_entries(directory, path, 0, &entries);
    if (result != 0)
        return result;
    struct dirent *entry;
    for (errno = 0; result == 0 && (entry = readdir(entries)); errno = 0) {
        bool is_directory = entry->d_type == DT_DIR;
        struct stat status;
        if (is_dot(entry->d_name))
            continue;
        if ((entry->d_type == DT_UNKNOWN || entry->d_type == DT_LNK) &&
            fstatat(dirfd(entries), entry->d_name, &status, 0) == 0)
            is_directory = S_ISDIR(status.st_mode);
        result = visit(context, entry->d_name, is_directory);
    }
    if (result == 0 && errno)
        result = error_errno(errno, "cannot list %s", path);
    closedir(entries);
    return result;
}

int file_remove_tree(int directory, const char *path)
{
    if (unlinkat(directory, path, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return error_errno(errno, "cannot remove %s", path);
    DIR *entries;
    int result = open_entries(directory, path, O_NOFOLLOW, &entries);
    if (result != 0)
        return result == MAPLOG_NOT_FOUND ? 0 : result;
    struct dirent *entry;
    for (errno = 0; result == 0 && (entry = readdir(entries)); errno = 0)
        if (!is_dot(entry->d_name))
            result = file_remove_tree(dirfd(entries), entry->d_name);
    if (result == 0 && errno)
        result = error_errno(errno, "cannot list %s", path);
    closedir(entries);
    if (result == 0 && unlinkat(directory, path, AT_REMOVEDIR) != 0 && errno != ENOENT)
        result = error_errno(errno, "cannot remove %s", path);
    return result;
}
