/*
 * client.h - what stands behind a maplog handle: the attachment and, once asked for, the table of
 * group progress. Counted, so that producers and consumers outlive maplog_close(). Any thread.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "client/handle.h"
#include "log/directory.h"
#include "log/progress.h"

#define CLIENT_TIMEOUT_MS 10000 /* timeout_ms 0 of every options struct */

struct maplog {
    struct handle handle;
    _Atomic uint32_t references;
    struct directory *directory; /* a reference */
    pthread_mutex_t lock;        /* guards progress */
    struct progress *progress;   /* NULL until somebody needs it */
};

struct maplog *client_keep(struct maplog *log);
/* Frees with the last reference; in a forked child memory only. */
void client_drop(struct maplog *log);
/* The handle's progress table, made on first use; lives as long as the handle. */
int client_progress(struct maplog *log, struct progress **progress);
/* What every call answers without a handle, and on one that was opened before fork(). */
int client_missing(const char *what) __attribute__((cold));
int client_inherited(const char *what) __attribute__((cold));
/* 0 when the handle may be used; MAPLOG_INVALID for NULL, MAPLOG_FORKED. */
#define client_check(log) client_check_at(CONTRACT_HERE, log)
int client_check_at(const struct contract *at, const struct maplog *log);
/* MAPLOG_INVALID unless all reserved words of an options struct are 0. */
int client_check_reserved(const uint64_t *reserved, size_t count);
/* Default and range of a timeout_ms option, in nanoseconds; MAPLOG_INVALID when negative. */
int client_timeout_ns(int timeout_ms, int64_t *timeout_ns);
