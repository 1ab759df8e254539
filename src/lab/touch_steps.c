/* touch_steps.c - what is done to the page, and the counts after it. */
#include "lab/touch_steps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "os/clock.h"
#include "os/map.h"

#define SCRATCH "a scratch file" /* its name in errors */
#define WHOLE ((size_t)2 * TOUCH_PAGES * SCRATCH_PAGE)
#define FAR (TOUCH_PAGES / 2) /* a page that nothing brings along with page 0 */

static uint8_t *page(const struct touch *touch, size_t number)
{
    return touch->scratch.map + number * SCRATCH_PAGE;
}

static int load(struct touch *touch, const uint8_t *from)
{
    touch->sink = *(const volatile uint8_t *)from;
    return 0;
}

static int store(uint8_t *to)
{
    *(volatile uint8_t *)to = 1;
    return 0;
}

/* ---- the steps, in their order --------------------------------------------------------------- */

static int map_scratch(const struct touch *touch, enum map_mode mode, uint8_t **map)
{
    void *at;
    int result = map_file(touch->scratch.fd, SCRATCH, 0, WHOLE, mode, &at);
    if (!result)
        *map = at;
    return result;
}

static int map_shared(struct touch *touch)
{
    return map_scratch(touch, MAP_MODE_WRITE, &touch->scratch.map);
}

static int load_first(struct touch *touch)
{
    return load(touch, page(touch, 0));
}

static int load_next(struct touch *touch)
{
    return load(touch, page(touch, 1));
}

static int store_first(struct touch *touch)
{
    return store(page(touch, 0));
}

static int store_far(struct touch *touch)
{
    return store(page(touch, FAR));
}

static int sync_mapping(struct touch *touch)
{
    return map_sync(touch->scratch.map, WHOLE, SCRATCH);
}

static int forget(struct touch *touch)
{
    return scratch_unmap(&touch->scratch);
}

static int evict(struct touch *touch)
{
    int result = scratch_evict(&touch->scratch);
    touch->evicted = result == 0;
    return result;
}

static int load_evicted(struct touch *touch)
{
    if (!touch->evicted)
        return error_set(MAPLOG_UNSUPPORTED, "the file could not be evicted from memory");
    return load_first(touch);
}

static int store_allocated(struct touch *touch)
{
    return store(page(touch, TOUCH_PAGES + FAR));
}

static int populate(struct touch *touch)
{
    return map_populate(page(touch, TOUCH_PAGES), WHOLE / 2, true);
}

static int store_populated(struct touch *touch)
{
    return store(page(touch, TOUCH_PAGES + 1));
}

static int map_private(struct touch *touch)
{
    return map_scratch(touch, MAP_MODE_PRIVATE, &touch->copies);
}

static int load_private(struct touch *touch)
{
    return load(touch, touch->copies);
}

static int store_private(struct touch *touch)
{
    return store(touch->copies);
}

const struct touch_step touch_steps[TOUCH_STEPS] = {
    [TOUCH_MMAP] = {"mmap, shared", map_shared, false, false},
    [TOUCH_LOAD] = {"load page 0", load_first, false, false},
    [TOUCH_LOAD_AGAIN] = {"load page 0 again", load_first, false, false},
    [TOUCH_LOAD_NEXT] = {"load page 1", load_next, false, false},
    [TOUCH_STORE] = {"store page 0", store_first, false, false},
    [TOUCH_STORE_AGAIN] = {"store page 0 again", store_first, false, false},
    [TOUCH_STORE_FAR] = {"store page 32, never read", store_far, false, false},
    [TOUCH_MSYNC] = {"msync(MS_SYNC)", sync_mapping, false, false},
    [TOUCH_STORE_SYNCED] = {"store page 0 after it", store_first, false, false},
    [TOUCH_FORGET] = {"MADV_DONTNEED", forget, false, false},
    [TOUCH_LOAD_FORGOTTEN] = {"load page 0 after it", load_first, false, false},
    [TOUCH_STORE_ALLOCATED] = {"store page 96, fallocated", store_allocated, false, false},
    [TOUCH_POPULATE] = {"MADV_POPULATE_WRITE 64-127", populate, false, false},
    [TOUCH_STORE_POPULATED] = {"store page 65 after it", store_populated, false, false},
    [TOUCH_EVICT] = {"evict: fdatasync, fadvise", evict, false, false},
    [TOUCH_LOAD_EVICTED] = {"load page 0 after it, disk", load_evicted, false, false},
    [TOUCH_MMAP_PRIVATE] = {"mmap, private", map_private, true, false},
    [TOUCH_LOAD_PRIVATE] = {"private: load page 0", load_private, true, false},
    [TOUCH_STORE_PRIVATE] = {"private: store page 0", store_private, true, false},
    [TOUCH_CHILD_LOAD] = {"child: load page 0", load_first, false, true},
    [TOUCH_CHILD_STORE] = {"child: private, store page 0", store_private, true, true},
};

/* ---- doing and counting ---------------------------------------------------------------------- */

static void time_step(struct touch *touch, const struct touch_step *step,
                      const struct touch_hooks *hooks, struct touch_result *result)
{
    struct rusage before, after;
    if (hooks)
        hooks->begin(hooks->context);
    getrusage(RUSAGE_THREAD, &before);
    int64_t begun = clock_monotonic_ns();
    result->result = step->run(touch);
    result->ns = clock_monotonic_ns() - begun;
    getrusage(RUSAGE_THREAD, &after);
    if (hooks)
        hooks->end(hooks->context);
    result->minor = (uint64_t)(after.ru_minflt - before.ru_minflt);
    result->major = (uint64_t)(after.ru_majflt - before.ru_majflt);
    if (result->result)
        snprintf(result->why, sizeof result->why, "%s", error_text());
}

static void look(const struct touch *touch, const struct touch_step *step,
                 struct touch_result *result)
{
    const uint8_t *map = step->in_copies ? touch->copies : touch->scratch.map;
    if (!result->result)
        result->result = residency_read(touch->scratch.fd, SCRATCH, 0, WHOLE, &result->cache);
    if (!result->result && map)
        result->result = smaps_read(map, &result->mapping);
    if (result->result && !result->why[0])
        snprintf(result->why, sizeof result->why, "%s", error_text());
}

static int do_nothing(struct touch *touch)
{
    return load(touch, (const uint8_t *)touch);
}

/* The child looks at its own mapping, and the parent's numbers are those of the child. The hooks
 * stay in the parent: they stand around the child's whole life. */
static void do_in_child(struct touch *touch, const struct touch_step *step,
                        const struct touch_hooks *hooks, struct touch_result *result)
{
    memset(touch->for_child, 0, sizeof *touch->for_child);
    if (hooks)
        hooks->begin(hooks->context);
    pid_t child = fork();
    if (child == 0) {
        /* What the child needs of its own memory is there before it counts. */
        static const struct touch_step nothing = {"nothing", do_nothing, false, true};
        struct touch_result own = {0};
        time_step(touch, &nothing, NULL, &own);
        time_step(touch, step, NULL, &own);
        look(touch, step, &own);
        *touch->for_child = own;
        _exit(0);
    }
    int status = -1;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (hooks)
        hooks->end(hooks->context);
    *result = *touch->for_child;
    if (child < 0 || status != 0) {
        result->result = child < 0 ? error_errno(errno, "cannot fork")
                                   : error_set(MAPLOG_IO, "the child did not come to its end");
        snprintf(result->why, sizeof result->why, "%s", error_text());
    }
}

void touch_do(struct touch *touch, const struct touch_step *step, const struct touch_hooks *hooks,
              struct touch_result *result)
{
    *result = (struct touch_result){0};
    if (step->in_child) {
        do_in_child(touch, step, hooks, result);
    } else {
        time_step(touch, step, hooks, result);
        look(touch, step, result);
    }
}

/* ---- the file -------------------------------------------------------------------------------- */

static int fill(struct touch *touch)
{
    static const char bytes[SCRATCH_PAGE] = "page";
    int fd = touch->scratch.fd;
    for (int i = 0; i < TOUCH_PAGES; i++)
        if (pwrite(fd, bytes, sizeof bytes, (off_t)(i * sizeof bytes)) != (ssize_t)sizeof bytes)
            return error_errno(errno, "cannot write a scratch file");
    int errnum = posix_fallocate(fd, WHOLE / 2, WHOLE / 2);
    struct stat status;
    if (errnum)
        return error_errno(errnum, "cannot allocate a scratch file");
    if (fdatasync(fd) != 0 || fstat(fd, &status) != 0)
        return error_errno(errno, "cannot write a scratch file to the disk");
    touch->inode = status.st_ino;
    return 0;
}

int touch_open(struct touch *touch, const char *directory)
{
    *touch = (struct touch){0};
    int result = scratch_open(&touch->scratch, directory, WHOLE);
    if (result)
        return result;
    /* To map it is the first step. */
    munmap(touch->scratch.map, WHOLE);
    touch->scratch.map = NULL;
    void *shared = mmap(NULL, sizeof *touch->for_child, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (shared == MAP_FAILED)
        result = error_errno(errno, "no memory to share with a child");
    else
        touch->for_child = shared;
    if (!result)
        result = fill(touch);
    if (result)
        touch_close(touch);
    return result;
}

void touch_close(struct touch *touch)
{
    if (touch->copies)
        munmap(touch->copies, WHOLE);
    if (touch->for_child)
        munmap(touch->for_child, sizeof *touch->for_child);
    if (touch->scratch.map)
        munmap(touch->scratch.map, WHOLE);
    if (touch->scratch.size)
        close(touch->scratch.fd);
    *touch = (struct touch){0};
}
