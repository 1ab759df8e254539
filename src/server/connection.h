/*
 * connection.h - one client: frames in, answers out, in order, one request at a time. A connection
 * belongs to its worker's thread, but for connection_make().
 *
 * An idle one has no buffer: it receives into the engine's. What came is moved into a buffer of its
 * own, where the frame stays in place until its request is answered; the buffer goes when it is
 * empty, or, for large frames, when the connection falls silent.
 */
#pragma once

#include "server/exchange.h"

/* Any thread; the address that the client used is looked up here. NULL without memory. */
struct connection *connection_make(struct worker *worker, int fd,
                                   const struct listener_socket *listener);
void connection_discard(struct connection *connection); /* one that never began */
struct connection *connection_next_arrived(const struct connection *connection);
void connection_set_next_arrived(struct connection *connection, struct connection *next);

void connection_begin(struct connection *connection);
/* Its request was woken, is due, or has been warmed up. */
void connection_resume(struct connection *connection);
/* Ends it as soon as the engine and the helpers have let go of it; what it still has to send is
 * lost. */
void connection_close(struct connection *connection);
void connection_bury(struct worker *worker); /* frees those that have ended */
/* True while an answer is being made or sent that will come soon (a parked one does not count). */
bool connection_owed(const struct connection *connection);
struct connection *connection_newer(const struct connection *connection);

/* Closes the idle, takes buffers from the silent. */
void connection_sweep(struct worker *worker, int64_t now_ms);
/* There may be memory again for those who wait for it. */
void connection_quench(struct worker *worker);
