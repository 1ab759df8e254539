/* thread.h - helper threads, and mutexes that processes share. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Starts a thread with all signals blocked and the given name (15 bytes at most). */
int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *argument);
void thread_join(pthread_t thread);
int thread_pin(unsigned cpu); /* the calling thread */
void thread_yield(void);      /* lets others have the CPU first */

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
