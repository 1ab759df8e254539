/*
 * mapped_file.h - what stands behind a maplog_file handle; see <maplog_file.h>.
 *
 * The whole reserve is one mapping of the file, most of it past the file's end, so that growing is
 * a matter of the file alone. Two bytes far behind any file carry locks: each handle holds the one
 * shared, and who makes the file shorter wants it for himself; who makes it longer takes the other.
 */
#pragma once

#include <maplog_file.h>

#include <pthread.h>
#include <stdbool.h>

#include "client/handle.h"
#include "shm/order.h"

struct maplog_file {
    struct handle handle;
    char *path; /* for messages; the handle's */
    int fd;
    bool writable;   /* the file: neither read-only nor private */
    bool private;    /* stores stay here */
    bool persistent; /* a disk lies behind it */
    void *address;
    uint64_t reserve_bytes;        /* as asked for; whole pages are mapped */
    _Atomic uint64_t size;         /* that the handle knows of */
    pthread_mutex_t lock;          /* one thread changes the file's size; locks of bytes are the
                                      handle's, so they do not keep its threads apart */
    const volatile uint32_t *fork; /* differs from `process` in a forked child */
    uint32_t process;
};
