/* thread.h - helper threads, and mutexes that processes share. */
#pragma once

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Starts a thread with all signals blocked and the given name (15 bytes at most). */
int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *argument);
void thread_join(pthread_t thread);
int thread_pin(unsigned cpu); /* the calling thread */
void thread_yield(void);      /* lets others have the CPU first */

/* ---- threads that wait in system calls ------------------------------------------------------- */

/* As thread_start, with a stack for some calls deep, and open to thread_interrupt. MAPLOG_LIMIT:
 * the system gives no thread more. */
int thread_start_waiter(pthread_t *thread, const char *name, void *(*run)(void *), void *argument);
/* A call in which it waits returns EINTR. Harmless at any other time, and without effect then: the
 * caller makes sure that no wait begins afterwards. */
void thread_interrupt(pthread_t thread);
/* By the thread itself: from the first to the second, interrupts wait for a call that is given
 * *open as its signal mask (ppoll), so that none is lost between a look and a wait. */
void thread_hold_interrupts(sigset_t *open);
void thread_let_interrupts(const sigset_t *open);

/* What one thread sleeps on until others raise it; begins as zeroes. What was written before it was
 * raised is seen by who finds it so. */
struct thread_flag {
    _Atomic uint32_t word;
};
void thread_flag_raise(struct thread_flag *flag); /* any thread, signal handlers; calls the system
                                                     only when somebody sleeps */
bool thread_flag_lower(struct thread_flag *flag); /* true: it was raised */
/* Until it is raised, a signal comes, or the time is over (< 0: no limit); lowers it. */
bool thread_flag_sleep(struct thread_flag *flag, int64_t timeout_ns); /* true: it was raised */

/* ---- mutexes --------------------------------------------------------------------------------- */

/* A robust, process-shared mutex in a fixed 64-byte field; thread_mutex_abi() tells C libraries
 * with another layout apart. */
struct thread_mutex {
    _Alignas(8) unsigned char opaque[64];
};
uint32_t thread_mutex_abi(void);
int thread_mutex_init(struct thread_mutex *mutex);
/* timeout_ns 0: try; < 0: for ever. MAPLOG_BUSY (try) or MAPLOG_TIMED_OUT. *died is set when the
 * holder before died holding it (the mutex is already made consistent). */
int thread_mutex_lock(struct thread_mutex *mutex, int64_t timeout_ns, bool *died);
void thread_mutex_unlock(struct thread_mutex *mutex);
