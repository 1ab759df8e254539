/*
 * transfer.h - one attempt to accept or to receive: the calls that move bytes, the same for every
 * engine that makes them itself; sender.h has those that send. Internal to io/; any one thread at a
 * time.
 *
 * An attempt moves LIMIT_TURN_BYTES at most, so that others have their turn.
 */
#pragma once

#include "io/engine.h"

enum transfer {
    TRANSFER_DONE,
    TRANSFER_MORE,     /* its turn is over */
    TRANSFER_BLOCKED,  /* again when the descriptor is ready, or when it is and was not used up */
    TRANSFER_SETTLING, /* all is handed over, but the kernel still reads the caller's bytes: again
                          when the descriptor reports an error or an end (POLLERR, READY_ODD) */
    TRANSFER_FAILED,   /* operation->error says why */
};

/* *fd: the new descriptor. Connections that were gone before they were taken are passed over. */
enum transfer transfer_accept(struct io_operation *operation, int *fd);
/* Errors of a connection that died in the queue, which accept(2) reports as its own. */
bool transfer_was_gone(int errnum);
/* Into size bytes at `to`; *got, 0 at the peer's end. */
enum transfer transfer_receive(struct io_operation *operation, uint8_t *to, size_t size,
                               size_t *got);
/* Leaves the text for operation->error; returns the code for done(). */
int transfer_error(const struct io_operation *operation);
