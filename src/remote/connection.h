/*
 * connection.h - one connection of a client to a Kafka server: requests out, answers in, blocking,
 * with deadlines. One thread at a time.
 *
 * The connection stays at the server that it was opened to, whatever addresses that one advertises:
 * maplog serves alone, and so does a Unix socket or a port that was forwarded. Of a cluster of
 * several brokers it reaches what this one leads.
 *
 * Messages that were received, with all strings and records in them, are valid until the next call.
 */
#pragma once

#include <maplog.h>
#include <stdbool.h>

#include "base/arena.h"
#include "os/socket.h"
#include "wire/messages.h"

/* The APIs that are spoken, by Kafka's numbers. */
enum remote_api {
    REMOTE_PRODUCE = 0,
    REMOTE_FETCH = 1,
    REMOTE_LIST_OFFSETS = 2,
    REMOTE_METADATA = 3,
    REMOTE_OFFSET_COMMIT = 8,
    REMOTE_OFFSET_FETCH = 9,
    REMOTE_FIND_COORDINATOR = 10,
    REMOTE_JOIN_GROUP = 11,
    REMOTE_HEARTBEAT = 12,
    REMOTE_LEAVE_GROUP = 13,
    REMOTE_SYNC_GROUP = 14,
    REMOTE_DESCRIBE_GROUPS = 15,
    REMOTE_LIST_GROUPS = 16,
    REMOTE_API_VERSIONS = 18,
    REMOTE_CREATE_TOPICS = 19,
    REMOTE_DELETE_TOPICS = 20,
    REMOTE_DELETE_RECORDS = 21,
    REMOTE_INIT_PRODUCER_ID = 22,
    REMOTE_DESCRIBE_CONFIGS = 32,
    REMOTE_DESCRIBE_LOG_DIRS = 35,
    REMOTE_CREATE_PARTITIONS = 37,
    REMOTE_DELETE_GROUPS = 42,
    REMOTE_INCREMENTAL_ALTER_CONFIGS = 44,
    REMOTE_APIS,
};

struct remote {
    int fd;                        /* -1: lost */
    int timeout_ms;                /* for connecting, and for each answer */
    const char *address;           /* that was reached; within bootstrap */
    char *bootstrap;               /* all of them, each NUL-terminated, an empty one at the end */
    int32_t correlation_id;        /* of the last request */
    struct arena request;          /* what the request under work needs */
    struct arena answer;           /* what the last answer needs, beside frame */
    uint8_t *frame;                /* the last answer */
    size_t capacity;               /* of frame */
    int16_t versions[REMOTE_APIS]; /* spoken with this server; -1: it has no such API */
    int (*interrupted)(void);      /* non-zero: waiting is no use any more; NULL: never */
    bool interruptible; /* the answer may take long: interrupted() ends the wait for it */
};

/* Connects to the first of "HOST:PORT[,...]" or "unix:///PATH" that answers, and learns what it
 * speaks. MAPLOG_INVALID, MAPLOG_NOT_FOUND (the host), MAPLOG_TIMED_OUT, MAPLOG_IO (refused),
 * MAPLOG_UNSUPPORTED, MAPLOG_CORRUPT (something else listens there). */
int remote_open(const char *bootstrap, int timeout_ms, struct remote **remote);
/* The same again, after the connection was lost. */
int remote_reconnect(struct remote *remote);
void remote_close(struct remote *remote); /* NULL is fine */

/* The request's arena, empty. */
struct arena *remote_begin(struct remote *remote);

/* Sends a request, in the version that remote->versions says; *correlation_id is for its answer.
 * After a failure, also of receiving, the connection is lost, unless the code is MAPLOG_UNSUPPORTED
 * (the server has no such API) or MAPLOG_LIMIT (too large to be sent). */
int remote_send(struct remote *remote, enum remote_api api, const void *request,
                int32_t *correlation_id);
/* The next answer, which must be the one to correlation_id; answers come in the order of requests.
 * more_ms: what the server was allowed to wait, beyond timeout_ms. MAPLOG_TIMED_OUT, MAPLOG_IO (the
 * peer is gone), MAPLOG_CORRUPT, MAPLOG_CLOSED (interrupted). */
int remote_receive(struct remote *remote, enum remote_api api, int32_t correlation_id, int more_ms,
                   void *response);
/* Both. */
int remote_call(struct remote *remote, enum remote_api api, const void *request, void *response);

/* A failure that passes by itself when one connects again, maybe to a server that was restarted. */
static inline bool remote_lost(const struct remote *remote)
{
    return remote->fd < 0;
}
