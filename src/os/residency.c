/* residency.c - cachestat(2), mincore(2), /proc/PID/smaps, /proc/PID/pagemap and /proc/kpageflags.
 */
#include "os/residency.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* Linux 6.5 */
#endif

/* ---- pages of a file ------------------------------------------------------------------------- */

/* The kernel's structs of cachestat(2), which older headers lack. */
struct cache_range {
    uint64_t position, length;
};
struct cache_pages {
    uint64_t cached, dirty, writeback, evicted, evicted_lately;
};

/* A mapping that nobody touches: looking at it brings nothing into memory. */
static int ask_mincore(int fd, const char *path, uint64_t position, struct residency *residency)
{
    size_t length = residency->pages * RESIDENCY_PAGE;
    unsigned char in_memory[1024];
    uint8_t *map = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, (off_t)position);
    if (map == MAP_FAILED)
        return error_errno(errno, "cannot map %s to look at its pages", path);
    int errnum = 0;
    for (uint64_t page = 0; page < residency->pages && !errnum; page += sizeof in_memory) {
        uint64_t count = residency->pages - page;
        count = count < sizeof in_memory ? count : sizeof in_memory;
        if (mincore(map + page * RESIDENCY_PAGE, count * RESIDENCY_PAGE, in_memory) != 0)
            errnum = errno;
        for (uint64_t i = 0; i < count && !errnum; i++)
            residency->cached += in_memory[i] & 1;
    }
    munmap(map, length);
    return errnum ? error_errno(errnum, "cannot see which pages of %s are in memory", path) : 0;
}

/* The kernel shows the pages of a file to those who own it or may write to it. To all others
 * mincore pretends that everything is in memory. */
static bool may_look(int fd)
{
    struct stat status;
    char self[32];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    return (fstat(fd, &status) == 0 && status.st_uid == geteuid()) ||
           faccessat(AT_FDCWD, self, W_OK, AT_EACCESS) == 0;
}

int residency_read(int fd, const char *path, uint64_t position, uint64_t length,
                   struct residency *residency)
{
    uint64_t pages = (length + RESIDENCY_PAGE - 1) / RESIDENCY_PAGE;
    struct cache_range range = {position, pages * RESIDENCY_PAGE};
    struct cache_pages found = {0};
    struct residency answer = {.source = RESIDENCY_CACHESTAT, .pages = pages};
    if (pages > 0 && syscall(SYS_cachestat, fd, &range, &found, 0) != 0) {
        if (!may_look(fd))
            return error_set(MAPLOG_DENIED,
                             "which pages of %s are in memory is told only to its owner and to "
                             "those who may write to it",
                             path);
        answer.source = RESIDENCY_MINCORE;
        int result = ask_mincore(fd, path, position, &answer);
        if (result)
            return result;
    } else {
        answer.cached = found.cached;
        answer.dirty = found.dirty;
        answer.writeback = found.writeback;
        answer.evicted = found.evicted;
        answer.evicted_lately = found.evicted_lately;
    }
    *residency = answer;
    return 0;
}

/* ---- who maps it ----------------------------------------------------------------------------- */

struct walk {
    const char *directory;
    int (*visit)(void *context, const struct residency_mapping *mapping);
    void *context;
};

/* A line that begins a mapping: "7f..-7f.. rw-s 00000000 fe:00 42   /path". True when its file lies
 * below the directory; *path then points into the line. */
static bool parse_mapping(const struct walk *walk, const char *line,
                          struct residency_mapping *mapping)
{
    uint64_t end;
    char mode[5];
    int at = 0;
    size_t length = strlen(walk->directory);
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %n", &mapping->address, &end,
               mode, &mapping->position, &at) != 4 ||
        at == 0 || strncmp(line + at, walk->directory, length) != 0 || line[at + length] != '/')
        return false;
    mapping->path = line + at;
    mapping->length = end - mapping->address;
    mapping->writable = mode[1] == 'w';
    mapping->rss = mapping->pss = 0;
    return true;
}

static FILE *open_process(int pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    return fopen(path, "re");
}

/* 1: it maps a file of the directory; 0: none; -1: that cannot be seen. The short list first: the
 * long one makes the kernel walk through all page tables of the process. */
static int maps_any(const struct walk *walk, int pid)
{
    char *line = NULL;
    size_t size = 0;
    struct residency_mapping mapping;
    FILE *file = open_process(pid, "maps");
    if (!file)
        return errno == EACCES || errno == EPERM ? -1 : 0;
    int found = 0;
    while (!found && getline(&line, &size, file) > 0)
        found = parse_mapping(walk, line, &mapping);
    /* Without the permission some kernels open it and give nothing. */
    if (!found && ferror(file) && (errno == EACCES || errno == EPERM))
        found = -1;
    free(line);
    fclose(file);
    return found;
}

static void describe_process(struct residency_mapping *mapping)
{
    char text[512] = "";
    FILE *file = open_process(mapping->pid, "stat");
    if (!file)
        return;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char *open = strchr(text, '('), *close = strrchr(text, ')');
    if (!open || !close)
        return;
    snprintf(mapping->name, sizeof mapping->name, "%.*s", (int)(close - open - 1), open + 1);
    sscanf(close + 1, " %*c %*d %*d %*d %*d %*d %*u %" SCNu64 " %*u %" SCNu64, &mapping->minor,
           &mapping->major);
}

static int visit_process(const struct walk *walk, int pid)
{
    struct residency_mapping mapping = {.pid = pid}, next = {.pid = pid};
    char *line = NULL, *path = NULL;
    size_t size = 0;
    bool inside = false;
    int result = 0;
    FILE *file = open_process(pid, "smaps");
    if (!file)
        return 0; /* it has ended */
    describe_process(&next);
    while (!result && getline(&line, &size, file) > 0) {
        uint64_t kilobytes;
        if (parse_mapping(walk, line, &next)) {
            mapping = next;
            line[strcspn(line, "\n")] = '\0';
            free(path);
            path = strdup(mapping.path);
            inside = path != NULL;
        } else if (inside && sscanf(line, "Rss: %" SCNu64, &kilobytes) == 1) {
            mapping.rss = kilobytes << 10;
        } else if (inside && sscanf(line, "Pss: %" SCNu64, &kilobytes) == 1) {
            mapping.pss = kilobytes << 10;
        } else if (inside && strncmp(line, "VmFlags:", 8) == 0) { /* the last line of each */
            mapping.path = path;
            result = walk->visit(walk->context, &mapping);
            inside = false;
        }
    }
    free(path);
    free(line);
    fclose(file);
    return result;
}

static int is_process(const struct dirent *entry)
{
    return entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
}

int residency_resolve(int fd, const char *path, char to[static RESIDENCY_PATH])
{
    char self[32];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(self, to, RESIDENCY_PATH - 1);
    if (length < 0)
        return error_errno(errno, "cannot find the path of %s", path);
    to[length] = '\0';
    return 0;
}

int residency_mappings(const char *directory,
                       int (*visit)(void *context, const struct residency_mapping *mapping),
                       void *context, unsigned *hidden)
{
    struct walk walk = {directory, visit, context};
    struct dirent **entries;
    int count = scandir("/proc", &entries, is_process, versionsort);
    if (count < 0)
        return error_errno(errno, "cannot list the processes in /proc");
    int result = 0;
    *hidden = 0;
    for (int i = 0; i < count; i++) {
        int pid = (int)strtol(entries[i]->d_name, NULL, 10);
        int maps = result ? 0 : maps_any(&walk, pid);
        *hidden += maps < 0;
        if (maps > 0)
            result = visit_process(&walk, pid);
        free(entries[i]);
    }
    free(entries);
    return result;
}

/* ---- large folios ---------------------------------------------------------------------------- */

#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_FRAME ((1ull << 55) - 1)
#define FLAGS_COMPOUND (1ull << 15 | 1ull << 16) /* KPF_COMPOUND_HEAD, KPF_COMPOUND_TAIL */
#define ENTRIES 512                              /* of a page table, read at a time */
#define FRAMES 64

/* The flags of page frames; neighbours are read together, since a large folio is of neighbours. */
struct frames {
    int fd;
    uint64_t first, count;
    uint64_t flags[FRAMES];
};

static int frame_flags(struct frames *frames, uint64_t frame, uint64_t *flags)
{
    if (frame < frames->first || frame >= frames->first + frames->count) {
        ssize_t got =
            pread(frames->fd, frames->flags, sizeof frames->flags, (off_t)(frame * sizeof *flags));
        if (got < (ssize_t)sizeof *flags)
            return error_errno(got < 0 ? errno : ENOENT, "cannot read /proc/kpageflags");
        frames->first = frame;
        frames->count = (uint64_t)got / sizeof *flags;
    }
    *flags = frames->flags[frame - frames->first];
    return 0;
}

static int add_entries(const struct residency_mapping *mapping, int pagemap, struct frames *frames,
                       struct residency_folios *folios)
{
    uint64_t entries[ENTRIES], pages = mapping->length / RESIDENCY_PAGE;
    for (uint64_t page = 0; page < pages; page += ENTRIES) {
        uint64_t count = pages - page < ENTRIES ? pages - page : ENTRIES;
        ssize_t got = pread(pagemap, entries, count * sizeof *entries,
                            (off_t)((mapping->address / RESIDENCY_PAGE + page) * sizeof *entries));
        if (got <= 0)
            return error_errno(got < 0 ? errno : ENOENT, "cannot read /proc/%d/pagemap",
                               mapping->pid);
        for (uint64_t i = 0; i < (uint64_t)got / sizeof *entries; i++) {
            uint64_t at = mapping->position / RESIDENCY_PAGE + page + i, flags = 0;
            uint64_t frame = entries[i] & PAGEMAP_FRAME;
            if (!(entries[i] & PAGEMAP_PRESENT) || at >= folios->pages ||
                folios->seen[at / 8] >> at % 8 & 1)
                continue;
            if (frame == 0) /* the kernel hides it */
                return error_set(MAPLOG_DENIED, "only root may see the folios of pages");
            int result = frame_flags(frames, frame, &flags);
            if (result)
                return result;
            folios->seen[at / 8] |= (uint8_t)(1 << at % 8);
            folios->mapped++;
            folios->large += (flags & FLAGS_COMPOUND) != 0;
        }
    }
    return 0;
}

int residency_folios(const struct residency_mapping *mapping, struct residency_folios *folios)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/pagemap", mapping->pid);
    struct frames frames = {.fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC)};
    if (frames.fd < 0)
        return error_errno(errno, "cannot open /proc/kpageflags");
    int pagemap = open(path, O_RDONLY | O_CLOEXEC);
    int result = pagemap < 0 ? error_errno(errno, "cannot open %s", path)
                             : add_entries(mapping, pagemap, &frames, folios);
    if (pagemap >= 0)
        close(pagemap);
    close(frames.fd);
    return result;
}
