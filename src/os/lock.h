/*
 * lock.h - byte-range locks of open file descriptions (F_OFD_SETLK).
 *
 * The kernel drops them when the last descriptor of the open file description is closed, so a free
 * lock proves its holder's death, across pid namespaces too. Forked children and passed descriptors
 * share the description: close it there (os/process.h). Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Tries to lock one byte; MAPLOG_BUSY when another description holds a conflicting lock. An
 * existing lock of ours is converted. */
int lock_try(int fd, const char *path, uint64_t byte, bool exclusive);
/* The same, waiting up to timeout_ms for it; MAPLOG_TIMED_OUT. */
int lock_wait(int fd, const char *path, uint64_t byte, bool exclusive, int timeout_ms);
void lock_release(int fd, uint64_t byte);
/* Is the byte held exclusively by another description? */
int lock_is_held(int fd, const char *path, uint64_t byte, bool *held);
