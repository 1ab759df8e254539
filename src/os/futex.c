/* futex.c - futex(2) without the PRIVATE flag: words are shared between processes. */
#include "os/futex.h"

#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#define WAITER_SIZE_U32 2 /* FUTEX_32 */

/* The kernel's struct futex_waitv, which older headers lack. */
struct waiter {
    uint64_t expected;
    uint64_t address;
    uint32_t flags;
    uint32_t reserved;
};
_Static_assert(sizeof(struct waiter) == 24, "the kernel's layout");

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

static int result_of(int errnum)
{
    switch (errnum) {
    case EAGAIN:
    case EINTR:
        return 0;
    case ETIMEDOUT:
        return error_set(MAPLOG_TIMED_OUT, "nothing happened within the time limit");
    case ENOSYS:
    case EPERM: /* what seccomp filters say of calls they do not know */
        return error_set(MAPLOG_UNSUPPORTED, "this kernel has no futex_waitv (Linux 5.16)");
    default:
        return error_errno(errnum, "cannot wait on a futex");
    }
}

int futex_wait(const uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    struct timespec timeout = timespec_of(timeout_ns < 0 ? 0 : timeout_ns);
    if (syscall(SYS_futex, word, FUTEX_WAIT, expected, timeout_ns < 0 ? NULL : &timeout, NULL, 0) ==
        0)
        return 0;
    return result_of(errno);
}

int futex_wait_many(const struct futex_wait_on *words, unsigned count, int64_t timeout_ns)
{
    struct waiter waiters[FUTEX_WAIT_MANY_LIMIT];
    if (count == 0 || count > FUTEX_WAIT_MANY_LIMIT)
        return error_set(MAPLOG_LIMIT, "cannot wait on %u words at once (1 to %d)", count,
                         FUTEX_WAIT_MANY_LIMIT);
    for (unsigned i = 0; i < count; i++)
        waiters[i] = (struct waiter){.expected = words[i].expected,
                                     .address = (uintptr_t)words[i].word,
                                     .flags = WAITER_SIZE_U32};
    /* Unlike FUTEX_WAIT's, this limit is a point in time. */
    struct timespec until = {0, 0};
    if (timeout_ns >= 0) {
        clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t ns = until.tv_nsec + timeout_ns % 1000000000;
        until.tv_sec += timeout_ns / 1000000000 + ns / 1000000000;
        until.tv_nsec = ns % 1000000000;
    }
    if (syscall(SYS_futex_waitv, waiters, count, 0, timeout_ns < 0 ? NULL : &until,
                CLOCK_MONOTONIC) >= 0)
        return 0;
    return result_of(errno);
}

void futex_wake_all(const uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
