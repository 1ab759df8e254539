/* aio_stream.c - reads ahead into a socket's buffer, and writes of an operation's slices. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "io/aio.h"
#include "io/sender.h"
#include "os/doorbell.h"
#include "os/file.h"
#include "os/socket.h"

#define SLICE_MS 100               /* that a write waits for its peer */
#define PIECE_BYTES (64u << 10)    /* copied together for one write */
#define IN_PLACE_BYTES (16u << 10) /* from here on bytes are written from where they are */

/* What waits on the descriptor in this direction. */
static struct io_operation *waiting(const struct aio *aio, int fd, enum direction direction)
{
    return sockets_find(&aio->sockets, fd)->operations[direction];
}

static void fail(struct aio *aio, struct io_operation *operation, int errnum)
{
    operation->error = errnum;
    aio_finish(aio, operation,
               errnum == EAGAIN
                   ? error_set(MAPLOG_LIMIT, "aio: no thread or no memory is left for a "
                                             "request: ulimit -u, kernel.threads-max, or "
                                             "a container's limit of processes is reached")
                   : transfer_error(operation));
}

/* ---- requests -------------------------------------------------------------------------------- */

static void prepare(struct aio_peer *peer)
{
    if (peer->blocking)
        return;
    socket_set_blocking(peer->fd, true);
    socket_limit_sends(peer->fd, SLICE_MS);
    peer->blocking = true;
}

static void fill(struct aiocb *request, int fd, const void *at, size_t size)
{
    *request = (struct aiocb){.aio_fildes = fd, .aio_buf = (void *)at, .aio_nbytes = size};
    request->aio_sigevent.sigev_notify = SIGEV_SIGNAL;
    request->aio_sigevent.sigev_signo = DOORBELL_SIGNAL;
}

/* True when it has ended: *moved bytes, or below 0 with *errnum. */
static bool has_ended(struct aiocb *request, ssize_t *moved, int *errnum)
{
    *errnum = aio_error(request);
    if (*errnum == EINPROGRESS)
        return false;
    *moved = aio_return(request);
    return true;
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* 0 or an errno. */
static int begin_read(struct aio *aio, struct aio_peer *peer)
{
    if (!peer->buffer && !(peer->buffer = malloc(aio->limits.buffer_bytes)))
        return ENOMEM;
    prepare(peer);
    fill(&peer->read, peer->fd, peer->buffer, aio->limits.buffer_bytes);
    if (aio_read(&peer->read) != 0)
        return errno;
    peer->reading = true;
    return 0;
}

static void give(struct aio *aio, struct aio_peer *peer, struct io_operation *operation)
{
    size_t size = peer->have;
    operation->received = peer->buffer + peer->from;
    if (operation->buffer) {
        size = operation->size < size ? operation->size : size;
        memcpy(operation->buffer, operation->received, size);
        operation->received = operation->buffer;
    }
    peer->from += size;
    peer->have -= size;
    aio_finish(aio, operation, (int)size);
}

void aio_receive(struct aio *aio, struct aio_peer *peer, struct io_operation *operation)
{
    int errnum = peer->error;
    peer->error = 0;
    if (peer->have > 0)
        give(aio, peer, operation);
    else if (peer->ended)
        aio_finish(aio, operation, 0);
    else if (errnum || (!peer->reading && (errnum = begin_read(aio, peer)) != 0))
        fail(aio, operation, errnum);
}

static void reap_read(struct aio *aio, int fd)
{
    struct aio_peer *peer = aio_find(aio, fd);
    ssize_t got;
    int errnum;
    if (!peer || !peer->reading || !has_ended(&peer->read, &got, &errnum))
        return;
    peer->reading = false;
    peer->from = 0;
    peer->have = got > 0 ? (size_t)got : 0;
    peer->ended = got == 0;
    peer->error = got < 0 ? errnum : 0;
    struct io_operation *operation = waiting(aio, fd, DIRECTION_IN);
    if (operation && operation->state == AIO_STARTED)
        aio_receive(aio, peer, operation);
}

/* ---- sending --------------------------------------------------------------------------------- */

static bool is_in_place(const struct aio *aio, const struct io_slice *slice)
{
    if (slice->fd >= 0 && (aio->copies || aio->maps))
        return aio->maps;
    return slice->size >= IN_PLACE_BYTES;
}

/* Small slices together; those of files are read, since a mapping whose file was cut off is no
 * error to the processor but a signal. How many bytes; 0: *errnum. */
static size_t gather(struct aio *aio, struct aio_peer *peer, const struct io_operation *operation,
                     int *errnum)
{
    size_t size = 0;
    *errnum = ENOMEM;
    if (!peer->piece && !(peer->piece = malloc(PIECE_BYTES)))
        return 0;
    for (uint32_t i = operation->sent; i < operation->count && size < PIECE_BYTES; i++) {
        const struct io_slice *slice = &operation->slices[i];
        size_t step = slice->size < PIECE_BYTES - size ? slice->size : PIECE_BYTES - size;
        if (step == 0)
            continue;
        if (size > 0 && is_in_place(aio, slice))
            break;
        if (slice->fd < 0) {
            memcpy(peer->piece + size, slice->at, step);
        } else {
            ssize_t got = file_read_some(slice->fd, peer->piece + size, step, slice->position);
            *errnum = got < 0 ? errno : SENDER_FILE_ENDED;
            step = got > 0 ? (size_t)got : 0;
        }
        size += step;
        if (step < slice->size)
            break;
    }
    return size;
}

/* 0 or an errno. */
static int begin_write(struct aio *aio, struct aio_peer *peer, const struct io_operation *operation)
{
    const struct io_slice *slice = &operation->slices[operation->sent];
    const uint8_t *at = slice->at;
    size_t size = slice->size < LIMIT_TURN_BYTES ? slice->size : LIMIT_TURN_BYTES;
    int errnum;
    if (!is_in_place(aio, slice)) {
        size = gather(aio, peer, operation, &errnum);
        at = peer->piece;
        if (size == 0)
            return errnum;
    }
    prepare(peer);
    fill(&peer->write, peer->out, at, size);
    if (aio_write(&peer->write) != 0)
        return errno;
    peer->writing = true;
    return 0;
}

void aio_send_on(struct aio *aio, struct aio_peer *peer, struct io_operation *operation)
{
    int errnum = 0;
    bool over = sender_advance(operation, 0), cancelled = operation->state == AIO_TAKEN_BACK;
    if (!over && !cancelled && (errnum = begin_write(aio, peer, operation)) == 0)
        return;
    free(peer->piece);
    peer->piece = NULL;
    if (over)
        aio_finish(aio, operation, 0);
    else if (cancelled)
        aio_finish_cancelled(aio, operation);
    else
        fail(aio, operation, errnum);
}

static void reap_write(struct aio *aio, int fd)
{
    struct aio_peer *peer = aio_find(aio, fd);
    ssize_t moved;
    int errnum;
    if (!peer || !peer->writing || !has_ended(&peer->write, &moved, &errnum))
        return;
    struct io_operation *operation = waiting(aio, fd, DIRECTION_OUT);
    peer->writing = false;
    if (moved < 0 && errnum != EAGAIN && errnum != EINTR) {
        fail(aio, operation, errnum);
        return;
    }
    sender_advance(operation, moved > 0 ? (size_t)moved : 0);
    aio_send_on(aio, peer, operation);
}

/* ---- both ------------------------------------------------------------------------------------ */

void aio_reap(struct aio *aio, int fd)
{
    reap_read(aio, fd);
    reap_write(aio, fd);
}

static void end_request(struct aiocb *request)
{
    const struct aiocb *list[] = {request};
    aio_cancel(request->aio_fildes, request); /* if no thread has it yet */
    while (aio_error(request) == EINPROGRESS)
        aio_suspend(list, 1, NULL);
    aio_return(request);
}

void aio_end_requests(struct aio_peer *peer)
{
    if (peer->reading) {
        socket_end_receiving(peer->out);
        end_request(&peer->read);
    }
    if (peer->blocking) {
        socket_limit_sends(peer->out, 0);
        socket_set_blocking(peer->out, false);
    }
}
