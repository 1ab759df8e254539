/*
 * worker.h - one thread with an engine and the connections that were given to it.
 */
#pragma once

#include "server/exchange.h"

/* Opens its engine: place->engine, place->send. Errors as io_open; nothing is left then. */
int worker_open(struct workplace *place, struct worker *worker);
int worker_begin(struct worker *worker); /* its thread */
/* Takes a connected socket, which is the worker's from now on. Any thread. MAPLOG_NO_MEMORY,
 * MAPLOG_LIMIT: the socket was closed. */
int worker_take(struct worker *worker, int fd, const struct listener_socket *listener);
/* No new requests; ends when those under way are answered, or at stop_ms. Any thread. */
void worker_stop(struct worker *worker, int64_t stop_ms);
void worker_join(
    struct worker *worker); /* after worker_begin and worker_stop; its requests have ended then */
/* After worker_join(), if it has begun, when no helper thread is left that could still be about to
 * wake it. */
void worker_free(struct worker *worker);
