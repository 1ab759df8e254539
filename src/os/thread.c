/* thread.c - helper threads, those that wait in system calls, and robust mutexes between processes.
 */
#include "os/thread.h"

#include "base/error.h"
#include "os/clock.h"
#include "os/fault.h"
#include "os/futex.h"

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

/* Of a waiter, which calls little: 3 KiB, and a signal's frame, up to 12 KiB with all registers of
 * new CPUs. What is never touched is no memory. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WAITER_STACK (512u << 10)
#else
#define WAITER_STACK (64u << 10)
#endif
/* Interrupts: unlike a real-time signal it is never refused for want of memory and does not add up,
 * and where nobody expects it, it is ignored. */
#define INTERRUPT SIGURG

/* ---- helpers --------------------------------------------------------------------------------- */

/* Answers an errno. Signals belong to the program's own threads; attributes are
 * a waiter's, which takes interrupts. */
static int start(pthread_t *thread, const char *name, const pthread_attr_t *attributes,
                 void *(*run)(void *), void *argument)
{
    sigset_t all, before;
    pthread_t started;
    sigfillset(&all);
    if (attributes)
        sigdelset(&all, INTERRUPT);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int errnum = fault_check(FAULT_THREAD);
    if (!errnum)
        errnum = pthread_create(&started, attributes, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (errnum)
        return errnum;
    char cut[NAME_SIZE];
    snprintf(cut, sizeof cut, "%s", name);
    pthread_setname_np(started, cut);
    *thread = started;
    return 0;
}

int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *argument)
{
    int errnum = start(thread, name, NULL, run, argument);
    return errnum ? error_errno(errnum, "cannot start thread %s", name) : 0;
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

/* ---- threads that wait in system calls ------------------------------------------------------- */

static void on_interrupt(int number)
{
    (void)number; /* the call that it ended is all that matters */
}

static void catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = on_interrupt}; /* no SA_RESTART */
    sigaction(INTERRUPT, &action, NULL);
}

int thread_start_waiter(pthread_t *thread, const char *name, void *(*run)(void *), void *argument)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_attr_t attributes;
    pthread_once(&once, catch_interrupts);
    int errnum = pthread_attr_init(&attributes);
    if (!errnum) {
        pthread_attr_setstacksize(&attributes, WAITER_STACK);
        errnum = start(thread, name, &attributes, run, argument);
        pthread_attr_destroy(&attributes);
    }
    return errnum ? error_set(MAPLOG_LIMIT,
                              "cannot start thread %s: %s; ulimit -u, kernel.threads-max, "
                              "kernel.pid_max, vm.max_map_count, or a container's limit of "
                              "processes is reached",
                              name, strerror(errnum))
                  : 0;
}

void thread_interrupt(pthread_t thread)
{
    pthread_kill(thread, INTERRUPT);
}

void thread_hold_interrupts(sigset_t *open)
{
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, INTERRUPT);
    pthread_sigmask(SIG_BLOCK, &interrupt, open);
}

void thread_let_interrupts(const sigset_t *open)
{
    pthread_sigmask(SIG_SETMASK, open, NULL);
}

enum { FLAG_LOWERED, FLAG_RAISED, FLAG_SLEPT_ON };

void thread_flag_raise(struct thread_flag *flag)
{
    if (atomic_exchange(&flag->word, FLAG_RAISED) == FLAG_SLEPT_ON)
        futex_wake_all((const uint32_t *)&flag->word);
}

bool thread_flag_lower(struct thread_flag *flag)
{
    return atomic_exchange(&flag->word, FLAG_LOWERED) == FLAG_RAISED;
}

bool thread_flag_sleep(struct thread_flag *flag, int64_t timeout_ns)
{
    uint32_t lowered = FLAG_LOWERED;
    if (timeout_ns != 0 && atomic_compare_exchange_strong(&flag->word, &lowered, FLAG_SLEPT_ON))
        futex_wait((const uint32_t *)&flag->word, FLAG_SLEPT_ON, timeout_ns);
    return thread_flag_lower(flag);
}

/* ---- mutexes --------------------------------------------------------------------------------- */

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
