/* thread.c - helper threads, and robust mutexes between processes. */
#include "os/thread.h"

#include "base/error.h"
#include "os/clock.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#ifdef __GLIBC__
#define C_LIBRARY "glibc"
#else
#define C_LIBRARY "other"
#endif

#define NAME_SIZE 16          /* the kernel's, with the NUL */
#define LOOK_AGAIN_NS 2000000 /* longest sleep of a waiter for a shared mutex */

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(struct thread_mutex), "the mutex fits its field");
_Static_assert(_Alignof(pthread_mutex_t) <= _Alignof(struct thread_mutex), "and its alignment");

int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *argument)
{
    /* Signals belong to the program's own threads. */
    sigset_t all, before;
    pthread_t started;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int errnum = pthread_create(&started, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (errnum)
        return error_errno(errnum, "cannot start thread %s", name);
    char cut[NAME_SIZE];
    snprintf(cut, sizeof cut, "%s", name);
    pthread_setname_np(started, cut);
    *thread = started;
    return 0;
}

void thread_join(pthread_t thread)
{
    pthread_join(thread, NULL);
}

int thread_pin(unsigned cpu)
{
    cpu_set_t cpus;
    if (cpu >= CPU_SETSIZE)
        return error_set(MAPLOG_LIMIT, "cannot pin a thread to CPU %u (below %d)", cpu,
                         CPU_SETSIZE);
    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    if (sched_setaffinity(0, sizeof cpus, &cpus) != 0)
        return error_errno(errno, "cannot pin a thread to CPU %u", cpu);
    return 0;
}

void thread_yield(void)
{
    sched_yield();
}

static pthread_mutex_t *mutex_of(struct thread_mutex *mutex)
{
    return (pthread_mutex_t *)(void *)mutex->opaque;
}

uint32_t thread_mutex_abi(void)
{
    char text[64];
    uint32_t hash = 0x811c9dc5; /* FNV-1a */
    snprintf(text, sizeof text, "%s %zu %zu", C_LIBRARY, sizeof(pthread_mutex_t), sizeof(void *));
    for (const char *at = text; *at; at++)
        hash = (hash ^ (uint8_t)*at) * 0x01000193;
    return hash;
}

int thread_mutex_init(struct thread_mutex *mutex)
{
    pthread_mutexattr_t attributes;
    int errnum = pthread_mutexattr_init(&attributes);
    if (errnum)
        return error_errno(errnum, "cannot make a shared mutex");
    errnum = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (!errnum)
        errnum = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (!errnum) {
        memset(mutex, 0, sizeof *mutex);
        errnum = pthread_mutex_init(mutex_of(mutex), &attributes);
    }
    pthread_mutexattr_destroy(&attributes);
    return errnum ? error_errno(errnum, "cannot make a shared mutex") : 0;
}

#ifdef __SANITIZE_THREAD__
/* The thread sanitizer of GCC 12 knows no other call that both ends in time and may find the holder
 * dead. */
static int lock_once(pthread_mutex_t *mutex, int64_t timeout_ns)
{
    int64_t end = clock_monotonic_ns() + timeout_ns;
    int errnum;
    while ((errnum = pthread_mutex_trylock(mutex)) == EBUSY && clock_monotonic_ns() < end)
        clock_sleep_ns(20000);
    return errnum == EBUSY ? ETIMEDOUT : errnum;
}
#else
static int lock_once(pthread_mutex_t *mutex, int64_t timeout_ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + timeout_ns % 1000000000;
    until.tv_sec += timeout_ns / 1000000000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &until);
}
#endif

/* A waiter that is killed after it was woken takes the wake-up with it when a third party locks in
 * between: the kernel then sees a holder who is alive, and the holder sees no waiters. So nobody
 * sleeps for long without looking. timeout_ns < 0: no limit. */
static int lock_within(pthread_mutex_t *mutex, int64_t timeout_ns)
{
    int64_t end = timeout_ns < 0 ? INT64_MAX : clock_monotonic_ns() + timeout_ns;
    for (;;) {
        int64_t left = end - clock_monotonic_ns();
        int errnum = lock_once(mutex, left < LOOK_AGAIN_NS ? left : LOOK_AGAIN_NS);
        if (errnum != ETIMEDOUT || left <= LOOK_AGAIN_NS)
            return errnum;
    }
}

int thread_mutex_lock(struct thread_mutex *mutex, int64_t timeout_ns, bool *died)
{
    pthread_mutex_t *inner = mutex_of(mutex);
    int errnum = pthread_mutex_trylock(inner);
    if (errnum == EBUSY && timeout_ns != 0)
        errnum = lock_within(inner, timeout_ns);
    switch (errnum) {
    case 0:
        *died = false;
        return 0;
    case EOWNERDEAD:
        pthread_mutex_consistent(inner);
        *died = true;
        return 0;
    case EBUSY:
        return error_set(MAPLOG_BUSY, "a shared mutex is held by another thread or process");
    case ETIMEDOUT:
        return error_set(MAPLOG_TIMED_OUT, "a shared mutex stayed locked for %lld ms",
                         (long long)(timeout_ns / 1000000));
    case ENOTRECOVERABLE:
    case EINVAL:
        return error_set(MAPLOG_CORRUPT, "a shared mutex is damaged: %s", strerror(errnum));
    default:
        return error_errno(errnum, "cannot lock a shared mutex");
    }
}

void thread_mutex_unlock(struct thread_mutex *mutex)
{
    pthread_mutex_unlock(mutex_of(mutex));
}
