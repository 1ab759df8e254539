/*
 * pages_model.h - what a disk would hold of a directory if the power were cut now: a model for
 * tests.
 *
 * A program that includes this has fsync() and fdatasync() of its own, which note the bytes of a
 * file, or the names in a directory, that are safe from then on. Every other page may come out of a
 * cut as it was when it was noted (or zero), as it is now, or torn between two sectors, each for
 * itself. Names and sizes are all as now, or all as they were noted, as with a journal that the cut
 * came after or before. Any failure of the model ends the program: it would prove nothing.
 */
#pragma once

#include <stdbool.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096
#define SECTOR 512
#define FILES_LIMIT 4096
#define NAMES_LIMIT 512
#define DIRECTORIES_LIMIT 256

/* The safe bytes of a file. Inode numbers are used again, so its creation time is part of its name.
 */
struct model_file {
    uint64_t inode;
    uint8_t *bytes;
    size_t size;
};

struct name {
    char text[NAME_MAX + 1];
    uint64_t inode;
    bool is_directory;
};

struct names {
    struct name list[NAMES_LIMIT];
    size_t count;
};

/* The safe names of a directory; path relative to the watched one, "" for itself. */
struct model_directory {
    char path[NAME_MAX + 1];
    struct names names;
};

static pthread_mutex_t model_lock = PTHREAD_MUTEX_INITIALIZER;
static char watched[PATH_MAX];
static struct model_file files[FILES_LIMIT];
static size_t file_count;
static struct model_directory *directories[DIRECTORIES_LIMIT];
static size_t directory_count;
static void (*model_call)(void);
static unsigned model_state;
static bool journal_complete; /* names and sizes are as now; else all as they were when noted */

static void model_must(bool fine, const char *what)
{
    if (fine)
        return;
    perror(what);
    abort();
}

static unsigned model_draw(unsigned below)
{
    model_state = model_state * 1103515245 + 12345;
    return (model_state >> 8) % below;
}

/* ---- noting
 * ---------------------------------------------------------------------------------------- */

static uint64_t inode_of(int directory, const char *path)
{
    struct statx found;
    if (statx(directory, path, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME,
              &found) != 0)
        return 0;
    return found.stx_ino ^
           ((uint64_t)found.stx_btime.tv_sec * 1000000000 + found.stx_btime.tv_nsec) *
               0x9e3779b97f4a7c15ull;
}

static struct model_file *find_file(uint64_t inode)
{
    for (size_t i = 0; i < file_count; i++)
        if (files[i].inode == inode)
            return &files[i];
    return NULL;
}

static struct model_directory *find_directory(const char *path)
{
    for (size_t i = 0; i < directory_count; i++)
        if (strcmp(directories[i]->path, path) == 0)
            return directories[i];
    return NULL;
}

static uint8_t *read_file(int fd, size_t *size)
{
    struct stat found;
    model_must(fstat(fd, &found) == 0, "fstat");
    uint8_t *bytes = calloc(1, (size_t)found.st_size + PAGE);
    model_must(bytes != NULL, "memory");
    *size = 0;
    for (ssize_t part;
         (part = pread(fd, bytes + *size, (size_t)found.st_size - *size, (off_t)*size)) > 0;)
        *size += (size_t)part;
    return bytes;
}

static void read_names(const char *path, struct names *names)
{
    DIR *entries = opendir(path);
    names->count = 0;
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        model_must(names->count < NAMES_LIMIT, "NAMES_LIMIT");
        struct name *name = &names->list[names->count++];
        snprintf(name->text, sizeof name->text, "%s", entry->d_name);
        name->inode = inode_of(dirfd(entries), entry->d_name);
        name->is_directory = entry->d_type == DT_DIR;
    }
    if (entries)
        closedir(entries);
}

static void model_note(int fd)
{
    char link[64], path[PATH_MAX] = "";
    struct stat found;
    size_t length = strlen(watched);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (length == 0 || readlink(link, path, sizeof path - 1) < 0 ||
        strncmp(path, watched, length) != 0 || fstat(fd, &found) != 0)
        return;
    const char *inner = path[length] == '/' ? path + length + 1 : path + length;
    if (S_ISDIR(found.st_mode)) {
        struct model_directory *directory = find_directory(inner);
        if (!directory) {
            model_must(directory_count < DIRECTORIES_LIMIT, "DIRECTORIES_LIMIT");
            directory = directories[directory_count++] = calloc(1, sizeof *directory);
            model_must(directory != NULL, "memory");
            snprintf(directory->path, sizeof directory->path, "%s", inner);
        }
        read_names(path, &directory->names);
        return;
    }
    struct model_file *file = find_file(inode_of(fd, ""));
    if (!file) {
        model_must(file_count < FILES_LIMIT, "FILES_LIMIT");
        file = &files[file_count++];
        file->inode = inode_of(fd, "");
    }
    int readable = open(link, O_RDONLY | O_CLOEXEC); /* it may be open for writing only */
    model_must(readable >= 0, path);
    free(file->bytes);
    file->bytes = read_file(readable, &file->size);
    close(readable);
}

/* Begins to note; path is the directory. */
static void pages_watch(const char *path)
{
    snprintf(watched, sizeof watched, "%s", path);
}

/* Forgets everything and notes nothing more. */
static void pages_forget(void)
{
    pthread_mutex_lock(&model_lock);
    watched[0] = '\0';
    for (size_t i = 0; i < file_count; i++)
        free(files[i].bytes);
    for (size_t i = 0; i < directory_count; i++)
        free(directories[i]);
    memset(files, 0, sizeof files);
    file_count = directory_count = 0;
    pthread_mutex_unlock(&model_lock);
}

/* Called before and after each call that a cut may fall in between: sync, truncate, rename, unlink.
 * In the thread that calls; NULL: nobody. */
static void pages_on_call(void (*visit)(void))
{
    model_call = visit;
}

/* ---- calls that the program makes through here
 * ----------------------------------------------------- */

static void tell(void)
{
    if (model_call)
        model_call();
}

/* The real call is not made: the model is the disk. */
static int sync_and_note(int fd)
{
    tell();
    int kept = errno;
    pthread_mutex_lock(&model_lock);
    model_note(fd);
    pthread_mutex_unlock(&model_lock);
    errno = kept;
    tell();
    return 0;
}

int fsync(int fd)
{
    return sync_and_note(fd);
}

int fdatasync(int fd)
{
    return sync_and_note(fd);
}

int ftruncate(int fd, off_t size)
{
    tell();
    int result = (int)syscall(SYS_ftruncate, fd, size);
    tell();
    return result;
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    tell();
    int result = (int)syscall(SYS_renameat, from_fd, from, to_fd, to);
    tell();
    return result;
}

int unlinkat(int fd, const char *path, int flags)
{
    int result = (int)syscall(SYS_unlinkat, fd, path, flags);
    int kept = errno;
    tell();
    errno = kept;
    return result;
}

/* ---- cutting
 * --------------------------------------------------------------------------------------- */

/* One page: `now`, `safe`, or the first sectors of the one and the rest of the other. */
static void cut_page(uint8_t *to, const uint8_t *now, const uint8_t *safe)
{
    unsigned choice = model_draw(8), sectors = 1 + model_draw(PAGE / SECTOR - 1);
    const uint8_t *first = choice < 3 || choice == 6 ? safe : now;
    const uint8_t *rest = choice < 6 ? first : first == safe ? now : safe;
    memcpy(to, first, sectors * SECTOR);
    memcpy(to + sectors * SECTOR, rest + sectors * SECTOR, PAGE - sectors * SECTOR);
}

/* now_fd -1: the file is gone, only what is safe may come back. */
static void cut_file(int now_fd, uint64_t inode, const char *to)
{
    const struct model_file *safe = find_file(inode);
    size_t now_size = 0, safe_size = safe ? safe->size : 0;
    uint8_t *now = now_fd < 0 ? NULL : read_file(now_fd, &now_size);
    size_t size = now && journal_complete ? now_size : safe_size;
    size_t room = (now_size > safe_size ? now_size : safe_size) + PAGE;
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0660);
    model_must(fd >= 0, to);
    for (size_t at = 0; at < size; at += PAGE) {
        uint8_t page[PAGE], old[PAGE] = {0}, new[PAGE] = {0};
        if (at < safe_size)
            memcpy(old, safe->bytes + at, safe_size - at < PAGE ? safe_size - at : PAGE);
        if (at < now_size)
            memcpy(new, now + at, now_size - at < PAGE ? now_size - at : PAGE);
        if (memcmp(old, new, PAGE) == 0 && old[0] == 0 && memcmp(old, old + 1, PAGE - 1) == 0)
            continue; /* a hole stays one */
        cut_page(page, now ? new : old, old);
        size_t length = size - at < PAGE ? size - at : PAGE;
        model_must(pwrite(fd, page, length, (off_t)at) == (ssize_t)length, to);
    }
    model_must(room > size && syscall(SYS_ftruncate, fd, (off_t)size) == 0, to);
    close(fd);
    free(now);
}

static const struct name *find_name(const struct names *names, const char *text)
{
    for (size_t i = 0; names && i < names->count; i++)
        if (strcmp(names->list[i].text, text) == 0)
            return &names->list[i];
    return NULL;
}

static void cut_directory(const char *inner, const char *to);

/* A name that is there now, or was safe, or both; what it stands for may differ. */
static void cut_name(const char *inner, const struct name *now, const struct name *safe,
                     const char *to)
{
    const struct name *name = journal_complete ? now : safe;
    if (!name)
        return;
    char from[PATH_MAX * 2], target[PATH_MAX * 2], below[PATH_MAX];
    snprintf(from, sizeof from, "%s/%s/%s", watched, inner, name->text);
    snprintf(target, sizeof target, "%s/%s", to, name->text);
    snprintf(below, sizeof below, "%s%s%s", inner, *inner ? "/" : "", name->text);
    if (name->is_directory) {
        model_must(mkdir(target, 0770) == 0, target);
        cut_directory(below, target);
        return;
    }
    bool current = now && now->inode == name->inode;
    int fd = current ? open(from, O_RDONLY) : -1;
    cut_file(fd, name->inode, target);
    if (fd >= 0)
        close(fd);
}

static void cut_directory(const char *inner, const char *to)
{
    char path[PATH_MAX * 2];
    struct names *now = calloc(1, sizeof *now);
    const struct model_directory *directory = find_directory(inner);
    const struct names *safe = directory ? &directory->names : NULL;
    model_must(now != NULL, "memory");
    snprintf(path, sizeof path, "%s/%s", watched, inner);
    read_names(path, now);
    for (size_t i = 0; i < now->count; i++)
        cut_name(inner, &now->list[i], find_name(safe, now->list[i].text), to);
    for (size_t i = 0; safe && i < safe->count; i++)
        if (!find_name(now, safe->list[i].text))
            cut_name(inner, NULL, &safe->list[i], to);
    free(now);
}

/* Makes a directory `to` that holds what would be left. The seed decides about each page. */
static void pages_cut(const char *to, unsigned seed)
{
    pthread_mutex_lock(&model_lock);
    model_state = seed;
    journal_complete = model_draw(2);
    model_must(mkdir(to, 0770) == 0, to);
    cut_directory("", to);
    pthread_mutex_unlock(&model_lock);
}
