/*
 * transfer.h - one attempt to accept, to receive, to send: the calls that move bytes, the same for
 * every engine that makes them itself. Internal to io/; the thread of the operation's engine.
 *
 * An attempt moves LIMIT_TURN_BYTES at most, so that others have their turn.
 */
#pragma once

#include "io/engine.h"

enum transfer {
    TRANSFER_DONE,
    TRANSFER_MORE,    /* its turn is over */
    TRANSFER_BLOCKED, /* again when the descriptor is ready, or when it is and was not used up */
    TRANSFER_FAILED,  /* operation->error says why */
};

/* *fd: the new descriptor. Connections that were gone before they were taken are passed over. */
enum transfer transfer_accept(struct io_operation *operation, int *fd);
/* Into size bytes at `to`; *got, 0 at the peer's end. */
enum transfer transfer_receive(struct io_operation *operation, uint8_t *to, size_t size,
                               size_t *got);
/* Goes on where the last attempt ended. File slices below memory_bytes are sent from memory, the
 * others by sendfile. */
enum transfer transfer_send(struct io_operation *operation, uint32_t memory_bytes);
/* Leaves the text for operation->error; returns the code for done(). */
int transfer_error(const struct io_operation *operation);
