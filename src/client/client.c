#include "client/client.h"

#include <stdlib.h>

#include "base/error.h"

struct maplog *client_keep(struct maplog *log)
{
    add_full(&log->references, 1);
    return log;
}

void client_drop(struct maplog *log)
{
    if (!log || add_full(&log->references, -1) != 1)
        return;
    progress_close(log->progress);
    /* In a forked child a thread that is not there may hold the mutex: leave it alone. */
    if (!directory_forked(log->directory))
        pthread_mutex_destroy(&log->lock);
    directory_drop(log->directory);
    handle_free(log);
}

int client_progress(struct maplog *log, struct progress **progress)
{
    pthread_mutex_lock(&log->lock);
    int result = 0;
    if (!log->progress)
        result = progress_open(log->directory, CLIENT_TIMEOUT_MS * 1000000ll, &log->progress);
    if (!result)
        *progress = log->progress;
    pthread_mutex_unlock(&log->lock);
    return result;
}

int client_missing(const char *what)
{
    return error_set(MAPLOG_INVALID, "the %s handle is NULL", what);
}

int client_inherited(const char *what)
{
    return error_set(MAPLOG_FORKED,
                     "this %s was opened before fork(); the child opens its own, see maplog(3)",
                     what);
}

int client_check_at(const struct contract *at, const struct maplog *log)
{
    if (!log)
        return client_missing("log");
    handle_check_at(at, &log->handle, HANDLE_LOG);
    return directory_forked(log->directory) ? client_inherited("log") : 0;
}

int client_check_reserved(const uint64_t *reserved, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (reserved[i] != 0)
            return error_set(MAPLOG_INVALID,
                             "a reserved option is not zero: begin option structs with = {0}");
    }
    return 0;
}

int client_timeout_ns(int timeout_ms, int64_t *timeout_ns)
{
    if (timeout_ms < 0)
        return error_set(MAPLOG_INVALID, "timeout_ms is %d; 0 means the default of %d", timeout_ms,
                         CLIENT_TIMEOUT_MS);
    *timeout_ns = (int64_t)(timeout_ms ? timeout_ms : CLIENT_TIMEOUT_MS) * 1000000;
    return 0;
}
