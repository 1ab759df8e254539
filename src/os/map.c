/* map.c - mmap(2) and friends. */
#include "os/map.h"

#include "base/error.h"
#include "os/fault.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef SYS_cachestat /* Linux 6.5 */
#define SYS_cachestat 451
#endif
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif
#ifndef MADV_COLD
#define MADV_COLD 20
#endif

int map_file(int fd, const char *path, uint64_t position, size_t length, enum map_mode mode,
             void **address)
{
    int protection = mode == MAP_MODE_READ ? PROT_READ : PROT_READ | PROT_WRITE;
    int flags = mode == MAP_MODE_PRIVATE ? MAP_PRIVATE | MAP_NORESERVE : MAP_SHARED;
    int errnum = fault_check(FAULT_MAP);
    void *at = MAP_FAILED;
    if (!errnum) {
        at = mmap(NULL, length, protection, flags, fd, (off_t)position);
        errnum = errno;
    }
    if (at == MAP_FAILED)
        return error_errno(errnum, "cannot map %zu bytes of %s at %llu", length, path,
                           (unsigned long long)position);
    *address = at;
    return 0;
}

int map_file_twice(int fd, const char *path, uint64_t position, size_t length, void **address)
{
    int errnum = fault_check(FAULT_MAP);
    char *at = MAP_FAILED;
    if (!errnum) {
        at = mmap(NULL, 2 * length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        errnum = errno;
    }
    for (int i = 0; at != MAP_FAILED && i < 2; i++) {
        if (mmap(at + i * length, length, PROT_READ, MAP_SHARED | MAP_FIXED, fd, (off_t)position) ==
            MAP_FAILED) {
            errnum = errno;
            munmap(at, 2 * length);
            at = MAP_FAILED;
        }
    }
    if (at == MAP_FAILED)
        return error_errno(errnum, "cannot map %zu bytes of %s at %llu twice", length, path,
                           (unsigned long long)position);
    *address = at;
    return 0;
}

int map_anonymous(size_t length, void **address)
{
    int errnum = fault_check(FAULT_MAP);
    void *at = MAP_FAILED;
    if (!errnum) {
        at = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        errnum = errno;
    }
    if (at == MAP_FAILED)
        return error_errno(errnum, "cannot map %zu bytes of memory", length);
    *address = at;
    return 0;
}

void map_remove(void *address, size_t length)
{
    if (address)
        munmap(address, length);
}

int map_populate(void *address, size_t length, bool write)
{
    while (madvise(address, length, write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) != 0) {
        if (errno == EINVAL)
            return error_set(MAPLOG_UNSUPPORTED, "this kernel cannot populate a mapping (5.14)");
        if (errno != EINTR && errno != EAGAIN)
            return error_errno(errno, "cannot populate %zu bytes of a mapping", length);
    }
    return 0;
}

int map_advise(void *address, size_t length, enum map_advice advice)
{
    static const int advices[] = {
        [MAP_ADVICE_WILL_NEED] = MADV_WILLNEED,
        [MAP_ADVICE_DROP] = MADV_DONTNEED,
        [MAP_ADVICE_COLD] = MADV_COLD,
        [MAP_ADVICE_RANDOM] = MADV_RANDOM,
        [MAP_ADVICE_SEQUENTIAL] = MADV_SEQUENTIAL,
    };
    while (madvise(address, length, advices[advice]) != 0) {
        if (errno == EINVAL)
            return error_set(MAPLOG_UNSUPPORTED, "this kernel does not take the advice, or these "
                                                 "pages are locked in memory");
        if (errno != EAGAIN)
            return error_errno(errno, "cannot advise on %zu bytes of a mapping", length);
    }
    return 0;
}

/* The kernel's structs of cachestat(2), which older headers lack. */
struct cache_range {
    uint64_t position;
    uint64_t length;
};
struct cache_pages {
    uint64_t cached;
    uint64_t dirty, writeback, evicted, evicted_lately;
};

/* The pages one by one: fifty times as long. */
static bool all_in_core(uintptr_t at, uintptr_t end)
{
    unsigned char pages[256];
    while (at < end) {
        size_t count = (end - at) / MAP_PAGE_BYTES;
        count = count < sizeof pages ? count : sizeof pages;
        if (mincore((void *)at, count * MAP_PAGE_BYTES, pages) != 0)
            return true;
        for (size_t i = 0; i < count; i++)
            if (!(pages[i] & 1))
                return false;
        at += count * MAP_PAGE_BYTES;
    }
    return true;
}

bool map_cached(const void *address, size_t length, int fd, uint64_t position)
{
    uint64_t begin = map_page_down(position);
    uint64_t end = map_page_up(position + length);
    struct cache_range range = {begin, end - begin};
    struct cache_pages pages = {0};
    if (length == 0)
        return true;
    if (syscall(SYS_cachestat, fd, &range, &pages, 0) == 0)
        return pages.cached >= (end - begin) / MAP_PAGE_BYTES;
    uintptr_t first = (uintptr_t)address - (position - begin);
    return all_in_core(first, first + (end - begin));
}

int map_sync(void *address, size_t length, const char *path)
{
    int errnum = fault_check(FAULT_SYNC);
    if (!errnum && msync(address, length, MS_SYNC) != 0)
        errnum = errno;
    return errnum ? error_errno(errnum, "cannot sync %zu mapped bytes of %s", length, path) : 0;
}

static atomic_uint *wiped;     /* the page; NULL: could not be made */
static atomic_uint generation; /* the last number that this process or an ancestor had */
static pthread_once_t wiped_once = PTHREAD_ONCE_INIT;

static void wipe_in_child(void)
{
    *wiped = 0;
}

static void make_wiped(void)
{
    void *page;
    if (map_anonymous(MAP_PAGE_BYTES, &page) != 0)
        return;
    wiped = page;
    /* Where the kernel cannot, fork() at least can; a bare clone() then goes unnoticed. */
    if (madvise(page, MAP_PAGE_BYTES, MADV_WIPEONFORK) != 0 &&
        pthread_atfork(NULL, NULL, wipe_in_child) != 0)
        wiped = NULL;
}

const volatile uint32_t *map_wiped_on_fork(void)
{
    pthread_once(&wiped_once, make_wiped);
    if (!wiped)
        return NULL;
    unsigned none = 0;
    if (*wiped == 0)
        atomic_compare_exchange_strong(wiped, &none, ++generation);
    return (const volatile uint32_t *)(const volatile void *)wiped;
}
