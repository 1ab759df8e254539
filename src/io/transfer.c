/* transfer.c - accept4 and recv, and what errors mean. */
#include "io/transfer.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "io/methods.h"
#include "io/sender.h"

static enum transfer fail(struct io_operation *operation, int errnum)
{
    operation->error = errnum;
    return TRANSFER_FAILED;
}

bool transfer_was_gone(int errnum)
{
    switch (errnum) {
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENOPROTOOPT:
    case ENONET:
        return true;
    default:
        return errnum == EINTR;
    }
}

enum transfer transfer_accept(struct io_operation *operation, int *fd)
{
    int accepted;
    do
        accepted = accept4(operation->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (accepted < 0 && transfer_was_gone(errno));
    if (accepted < 0)
        return errno == EAGAIN ? TRANSFER_BLOCKED : fail(operation, errno);
    *fd = accepted;
    return TRANSFER_DONE;
}

enum transfer transfer_receive(struct io_operation *operation, uint8_t *to, size_t size,
                               size_t *got)
{
    ssize_t received;
    do
        received = recv(operation->fd, to, size, 0);
    while (received < 0 && errno == EINTR);
    if (received < 0)
        return errno == EAGAIN ? TRANSFER_BLOCKED : fail(operation, errno);
    *got = (size_t)received;
    return TRANSFER_DONE;
}

/* ---- errors ---------------------------------------------------------------------------------- */

static int send_error(const struct io_operation *operation)
{
    const struct io_slice *slice =
        operation->sent < operation->count ? &operation->slices[operation->sent] : NULL;
    if (operation->error == SENDER_FILE_ENDED && slice)
        return error_set(MAPLOG_CORRUPT,
                         "cannot send: the file ends %zu bytes before the slice does", slice->size);
    /* The same from a mapping, where the call says so and no signal does; or its disk failed. */
    if (operation->error == EFAULT && slice)
        return error_set(MAPLOG_CORRUPT,
                         "cannot send: the file ends before the slice does, or cannot be read; "
                         "%zu bytes are left",
                         slice->size);
    if (operation->error == EIO) /* sockets have no such error */
        return error_set(MAPLOG_CORRUPT, "cannot send: the file cannot be read: %s",
                         strerror(operation->error));
    return error_set(MAPLOG_IO, "cannot send: %s", strerror(operation->error));
}

int transfer_error(const struct io_operation *operation)
{
    int errnum = operation->error;
    switch (operation->kind) {
    case IO_SEND:
        return send_error(operation);
    case IO_RECEIVE:
        return error_set(MAPLOG_IO, "cannot receive: %s", strerror(errnum));
    default:
        /* What is short comes back by itself when connections end. */
        return error_set(errnum == EMFILE || errnum == ENFILE || errnum == ENOBUFS ||
                                 errnum == ENOMEM
                             ? MAPLOG_LIMIT
                             : MAPLOG_IO,
                         "cannot accept a connection: %s", strerror(errnum));
    }
}
