/* transfer.c - accept4, recv, sendmsg and sendfile, and what their errors mean. */
#include "io/transfer.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/limits.h"
#include "io/methods.h"
#include "os/map.h"

#define PIECES 64 /* memory slices that go out in one call */
/* Bytes asked of one sendfile: one packet of loopback, one burst of a network card. By itself the
 * kernel takes 64 KiB at a time, a little more than a packet, and is a third slower. */
#define FILE_PIECE (60u << 10)

/* The file ends before the slice does. sendfile itself has no error for it: it returns 0. */
#define FILE_ENDED ENODATA

static enum transfer fail(struct io_operation *operation, int errnum)
{
    operation->error = errnum;
    return TRANSFER_FAILED;
}

/* Errors of a connection that died in the queue, which accept(2) reports as its own. */
static bool was_gone(int errnum)
{
    switch (errnum) {
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
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
    while (accepted < 0 && was_gone(errno));
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

/* ---- sending --------------------------------------------------------------------------------- */

/*
 * How much of a slice goes out from memory before the rest goes by file; all of it when it is small
 * or has no file. Files go from the beginning of a page on, so that every call of sendfile takes
 * whole ones; what lies before goes with the header, in the same call.
 */
static size_t memory_part(const struct io_operation *operation, uint32_t i, uint32_t memory_bytes)
{
    const struct io_slice *slice = &operation->slices[i];
    if (i == operation->sent && operation->by_file)
        return 0;
    if (slice->fd < 0 || slice->size < memory_bytes)
        return slice->size;
    size_t head = -slice->position & (MAP_PAGE_BYTES - 1);
    return head < slice->size ? head : slice->size;
}

/* Memory from the present slice on, as far as no file comes between, `room` bytes at most. */
static ssize_t send_memory(const struct io_operation *operation, uint32_t memory_bytes, size_t room,
                           size_t *asked)
{
    struct iovec pieces[PIECES];
    struct msghdr message = {.msg_iov = pieces};
    uint32_t i = operation->sent;
    *asked = 0;
    for (; i < operation->count && message.msg_iovlen < PIECES && *asked < room; i++) {
        const struct io_slice *slice = &operation->slices[i];
        size_t part = memory_part(operation, i, memory_bytes);
        size_t size = part < room - *asked ? part : room - *asked;
        if (size > 0)
            pieces[message.msg_iovlen++] = (struct iovec){(void *)slice->at, size};
        *asked += size;
        if (size < slice->size)
            break;
    }
    while (i < operation->count && operation->slices[i].size == 0)
        i++;
    bool more = i < operation->count;
    /* A header goes into one packet with the beginning of the file that follows. */
    return sendmsg(operation->fd, &message, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
}

static ssize_t send_file(struct io_operation *operation, size_t room, size_t *asked)
{
    const struct io_slice *slice = &operation->slices[operation->sent];
    off_t position = (off_t)slice->position;
    size_t piece = FILE_PIECE - slice->position % MAP_PAGE_BYTES; /* back to the page's end */
    *asked = slice->size < room ? slice->size : room;
    *asked = *asked < piece ? *asked : piece;
    operation->by_file = true;
    ssize_t moved = sendfile(operation->fd, slice->fd, &position, *asked);
    if (moved == 0) {
        errno = FILE_ENDED;
        return -1;
    }
    return moved;
}

/* Takes what was moved off the slices. */
static void advance(struct io_operation *operation, size_t moved)
{
    while (moved > 0) {
        struct io_slice *slice = &operation->slices[operation->sent];
        size_t step = moved < slice->size ? moved : slice->size;
        slice->at += step;
        slice->position += step;
        slice->size -= step;
        moved -= step;
        if (slice->size == 0) {
            operation->sent++;
            operation->by_file = false;
        }
    }
}

enum transfer transfer_send(struct io_operation *operation, uint32_t memory_bytes)
{
    size_t room = LIMIT_TURN_BYTES;
    for (;;) {
        while (operation->sent < operation->count && operation->slices[operation->sent].size == 0)
            operation->sent++;
        if (operation->sent == operation->count)
            return TRANSFER_DONE;
        if (room == 0)
            return TRANSFER_MORE;
        size_t asked;
        ssize_t moved = memory_part(operation, operation->sent, memory_bytes) == 0
                            ? send_file(operation, room, &asked)
                            : send_memory(operation, memory_bytes, room, &asked);
        if (moved < 0 && errno == EINTR)
            continue;
        if (moved < 0)
            return errno == EAGAIN ? TRANSFER_BLOCKED : fail(operation, errno);
        advance(operation, (size_t)moved);
        room -= (size_t)moved;
        /* The socket is full: asking once more would only say so. */
        if ((size_t)moved < asked)
            return TRANSFER_BLOCKED;
    }
}

/* ---- errors ---------------------------------------------------------------------------------- */

static int send_error(const struct io_operation *operation)
{
    const struct io_slice *slice =
        operation->sent < operation->count ? &operation->slices[operation->sent] : NULL;
    if (operation->error == FILE_ENDED && slice)
        return error_set(MAPLOG_IO, "cannot send: the file ends %zu bytes before the slice does",
                         slice->size);
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
