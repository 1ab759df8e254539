/* lock.c - open file description locks on single bytes. */
#include "os/lock.h"

#include "base/error.h"
#include "os/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define WAIT_FIRST_NS 1000      /* first pause between two tries */
#define WAIT_LONGEST_NS 1000000 /* pauses double up to this one */

static struct flock byte_lock(short type, uint64_t byte)
{
    return (struct flock){
        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1, .l_pid = 0};
}

/* 0, or the errno. */
static int set(int fd, short type, uint64_t byte)
{
    struct flock lock = byte_lock(type, byte);
    while (fcntl(fd, F_OFD_SETLK, &lock) != 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

int lock_try(int fd, const char *path, uint64_t byte, bool exclusive)
{
    int errnum = set(fd, exclusive ? F_WRLCK : F_RDLCK, byte);
    if (errnum == 0)
        return 0;
    if (errnum == EAGAIN || errnum == EACCES)
        return error_set(MAPLOG_BUSY, "byte %llu of %s is locked by another process",
                         (unsigned long long)byte, path);
    return error_errno(errnum, "cannot lock byte %llu of %s", (unsigned long long)byte, path);
}

int lock_wait(int fd, const char *path, uint64_t byte, bool exclusive, int timeout_ms)
{
    /* Polled, because the blocking call knows no time limit but a signal. */
    int64_t end = clock_monotonic_ns() + (int64_t)timeout_ms * 1000000;
    int64_t pause = WAIT_FIRST_NS;
    for (;;) {
        int result = lock_try(fd, path, byte, exclusive);
        if (result != MAPLOG_BUSY)
            return result;
        int64_t left = end - clock_monotonic_ns();
        if (timeout_ms >= 0 && left <= 0)
            return error_set(MAPLOG_TIMED_OUT,
                             "byte %llu of %s stayed locked by another process for %d ms",
                             (unsigned long long)byte, path, timeout_ms);
        clock_sleep_ns(timeout_ms >= 0 && left < pause ? left : pause);
        pause = pause * 2 < WAIT_LONGEST_NS ? pause * 2 : WAIT_LONGEST_NS;
    }
}

void lock_release(int fd, uint64_t byte)
{
    set(fd, F_UNLCK, byte);
}

int lock_is_held(int fd, const char *path, uint64_t byte, bool *held)
{
    struct flock lock = byte_lock(F_RDLCK, byte);
    while (fcntl(fd, F_OFD_GETLK, &lock) != 0)
        if (errno != EINTR)
            return error_errno(errno, "cannot ask for the lock of byte %llu of %s",
                               (unsigned long long)byte, path);
    *held = lock.l_type != F_UNLCK;
    return 0;
}
