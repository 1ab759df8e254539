/*
 * uring_stream.c - accepts, and receives into the engine's buffers: a socket is armed, and the
 * kernel delivers what comes until it is told to stop (multishot).
 *
 * What comes while no operation is under way is held for the next one, and the socket is disarmed:
 * the peer is then held back as by any engine. A peer that floods may have filled many buffers by
 * then. Who finds none left waits by a poll and receives by a call, into a buffer that is the
 * engine's own: so nobody starves, and there is never more than the buffers hold.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "io/uring.h"
#include "os/file.h"

#define CALM 4 /* receives without a need to disarm; the next one is for many */

static uint64_t name_of(const struct socket_entry *socket, int fd)
{
    return ((uint64_t)(uint32_t)fd << 8 | socket->generation) * URING_TAGS;
}

/* ---- arming ---------------------------------------------------------------------------------- */

/* For one delivery, unless those before it all went well: arming for many and disarming costs more.
 */
static void prepare_receive(const struct uring *uring, struct socket_entry *socket, int fd,
                            struct io_uring_sqe *sqe)
{
    if (socket->calm >= CALM) {
        io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    } else {
        io_uring_prep_recv(sqe, fd, NULL, uring->buffers.bytes, 0);
        socket->calm++;
    }
    sqe->flags |= IOSQE_BUFFER_SELECT;
    if (!socket->readable)
        sqe->ioprio |= IORING_RECVSEND_POLL_FIRST; /* an attempt would only say that it is empty */
}

static bool arm(struct uring *uring, struct socket_entry *socket,
                const struct io_operation *operation)
{
    struct io_uring_sqe *sqe = uring_ring_next(uring);
    if (!sqe)
        return false;
    if (operation->kind == IO_ACCEPT)
        io_uring_prep_multishot_accept(sqe, operation->fd, NULL, NULL,
                                       SOCK_NONBLOCK | SOCK_CLOEXEC);
    else
        prepare_receive(uring, socket, operation->fd, sqe);
    uring_ring_tag(sqe, name_of(socket, operation->fd),
                   operation->kind == IO_ACCEPT ? URING_LISTEN : URING_STREAM);
    socket->armed = true;
    socket->listens = operation->kind == IO_ACCEPT;
    return true;
}

static void disarm(struct uring *uring, struct socket_entry *socket, int fd)
{
    struct io_uring_sqe *sqe = socket->disarmed ? NULL : uring_ring_next(uring);
    if (!sqe)
        return;
    io_uring_prep_cancel64(
        sqe, name_of(socket, fd) | (socket->listens ? URING_LISTEN : URING_STREAM), 0);
    uring_ring_tag(sqe, name_of(socket, fd), URING_DISARM);
    socket->disarmed = true;
    socket->calm = 0;
}

/* ---- what is held ---------------------------------------------------------------------------- */

static void hold_bytes(struct uring *uring, struct socket_entry *socket,
                       const struct io_uring_cqe *cqe)
{
    uint16_t number = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
    uring->held[number] = (struct uring_held){.size = (uint32_t)cqe->res};
    /* Numbers are kept plus one: 0 is none. */
    if (socket->held_first)
        uring->held[socket->held_last - 1].next = (uint16_t)(number + 1);
    else
        socket->held_first = (uint16_t)(number + 1);
    socket->held_last = (uint16_t)(number + 1);
}

static void drop_first(struct uring *uring, struct socket_entry *socket)
{
    uint16_t number = (uint16_t)(socket->held_first - 1);
    socket->held_first = uring->held[number].next;
    uring_ring_give(uring, number);
}

/* Into the operation's own buffer, or as they are. *number: the buffer to be given back behind
 * done(), or -1. */
static int take_bytes(struct uring *uring, struct socket_entry *socket,
                      struct io_operation *operation, int *number)
{
    uint16_t first = (uint16_t)(socket->held_first - 1);
    struct uring_held *held = &uring->held[first];
    const uint8_t *at = uring_ring_buffer(uring, first) + held->taken;
    uint32_t size = held->size;
    *number = -1;
    if (!operation->buffer) {
        operation->received = at;
        socket->held_first = held->next;
        *number = first;
        return (int)size;
    }
    size = operation->size < size ? (uint32_t)operation->size : size;
    operation->received = memcpy(operation->buffer, at, size);
    held->taken += size;
    held->size -= size;
    if (held->size == 0)
        drop_first(uring, socket);
    return (int)size;
}

/* A connection that nobody accepts at the moment. */
static void hold_connection(struct uring *uring, int listener, int fd)
{
    if (uring->waiting_count == uring->waiting_room) {
        uint32_t room = uring->waiting_room ? 2 * uring->waiting_room : 16;
        struct uring_waiting *grown = realloc(uring->waiting, room * sizeof *grown);
        if (!grown) {
            file_close(fd);
            return;
        }
        uring->waiting = grown;
        uring->waiting_room = room;
    }
    uring->waiting[uring->waiting_count++] = (struct uring_waiting){listener, fd};
}

/* The one that came first, or -1. */
static int take_connection(struct uring *uring, int listener)
{
    for (uint32_t i = 0; i < uring->waiting_count; i++) {
        if (uring->waiting[i].listener != listener)
            continue;
        int fd = uring->waiting[i].fd;
        uring->waiting_count--;
        memmove(&uring->waiting[i], &uring->waiting[i + 1],
                (uring->waiting_count - i) * sizeof uring->waiting[0]);
        return fd;
    }
    return -1;
}

/* An error that belongs to the stream, and is none of how it was asked for. */
static bool is_end(const struct io_uring_cqe *cqe)
{
    const int passing[] = {ECANCELED, ENOBUFS, EAGAIN, EINTR};
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++)
        if (cqe->res == -passing[i])
            return false;
    return cqe->res < 0;
}

/* ---- operations ------------------------------------------------------------------------------ */

static bool has_held(const struct uring *uring, const struct socket_entry *socket,
                     const struct io_operation *operation)
{
    if (operation->kind == IO_RECEIVE)
        return socket->held_first != 0;
    for (uint32_t i = 0; i < uring->waiting_count; i++)
        if (uring->waiting[i].listener == operation->fd)
            return true;
    return false;
}

static void finish_held(struct uring *uring, struct socket_entry *socket,
                        struct io_operation *operation)
{
    int number = -1;
    int result = operation->kind == IO_ACCEPT ? take_connection(uring, operation->fd)
                                              : take_bytes(uring, socket, operation, &number);
    uring_finish(uring, operation, result);
    if (number >= 0)
        uring_ring_give(uring, (uint32_t)number);
}

bool uring_stream_goes_on(const struct uring *uring, struct io_operation *operation)
{
    const struct socket_entry *socket = sockets_find(&uring->sockets, operation->fd);
    if (!socket->armed || socket->disarmed || operation->buffer ||
        has_held(uring, socket, operation))
        return false;
    operation->state = URING_WAITING;
    return true;
}

bool uring_stream_start(struct uring *uring, struct io_operation *operation)
{
    struct socket_entry *socket = sockets_find(&uring->sockets, operation->fd);
    if (has_held(uring, socket, operation)) {
        finish_held(uring, socket, operation);
        return true;
    }
    if (socket->broken) {
        operation->error = socket->broken;
        socket->broken = 0;
        uring_finish(uring, operation, transfer_error(operation));
        return true;
    }
    if (operation->kind == IO_RECEIVE && operation->buffer) {
        socket->calm = 0;
        if (!socket->armed)
            return false;
        disarm(uring, socket, operation->fd); /* it is queued again when that is done */
    } else if (!socket->armed && !arm(uring, socket, operation)) {
        uring_enqueue(uring, operation, URING_QUEUED);
        return true;
    }
    operation->state = URING_WAITING;
    return true;
}

/* ---- completions ----------------------------------------------------------------------------- */

static void poll_bytes(struct uring *uring, struct io_operation *operation)
{
    struct io_uring_sqe *sqe = uring_ring_next(uring);
    if (!sqe) {
        uring_enqueue(uring, operation, URING_QUEUED);
        return;
    }
    io_uring_prep_poll_add(sqe, operation->fd, POLLIN);
    uring_ring_tag(sqe, (uintptr_t)operation, URING_POLL);
    operation->state = URING_POLLING;
}

void uring_stream_polled(struct uring *uring, struct io_operation *operation)
{
    uint8_t *spare = uring->buffers.memory + (size_t)uring->buffers.count * uring->buffers.bytes;
    size_t got = 0;
    switch (transfer_receive(operation, spare, uring->buffers.bytes, &got)) {
    case TRANSFER_DONE:
        operation->received = spare;
        uring_finish(uring, operation, (int)got);
        break;
    case TRANSFER_FAILED:
        uring_finish(uring, operation, transfer_error(operation));
        break;
    default:
        uring_enqueue(uring, operation, URING_QUEUED);
    }
}

/* The stream ended, or could not go on, while the operation waits for it. */
static void follow_end(struct uring *uring, struct io_operation *operation, int result)
{
    operation->error = result < 0 ? -result : 0;
    bool starved = operation->error == ENOBUFS && operation->kind == IO_RECEIVE;
    if (starved && !operation->buffer)
        poll_bytes(uring, operation);
    else if (starved || operation->error == ECANCELED ||
             uring_is_passing(operation, operation->error))
        uring_enqueue(uring, operation, URING_QUEUED);
    else
        uring_finish(uring, operation, operation->error ? transfer_error(operation) : 0);
}

void uring_stream_completed(struct uring *uring, const struct io_uring_cqe *cqe, bool listens)
{
    uint64_t name = cqe->user_data / URING_TAGS;
    int fd = (int)(name >> 8);
    struct socket_entry *socket = sockets_find(&uring->sockets, fd);
    if (!socket || socket->generation != (uint8_t)name) { /* it was removed meanwhile */
        uring_ring_recycle(uring, cqe->flags);
        if (listens && cqe->res >= 0)
            file_close(cqe->res);
        return;
    }
    if (!(cqe->flags & IORING_CQE_F_MORE))
        socket->armed = socket->disarmed = false;
    socket->readable = (cqe->flags & IORING_CQE_F_SOCK_NONEMPTY) != 0;
    bool came = listens ? cqe->res >= 0 : cqe->res > 0;
    if (came && listens)
        hold_connection(uring, fd, cqe->res);
    else if (came)
        hold_bytes(uring, socket, cqe);
    else
        uring_ring_recycle(uring, cqe->flags);
    struct io_operation *operation = socket->operations[DIRECTION_IN];
    if (!operation || operation->state != URING_WAITING) {
        if (came && socket->armed)
            disarm(uring, socket, fd);
        if (!listens && is_end(cqe))
            socket->broken = (uint8_t)-cqe->res;
    } else if (has_held(uring, socket, operation)) {
        finish_held(uring, socket, operation);
    } else if (!socket->armed) {
        follow_end(uring, operation, cqe->res);
    }
}

void uring_stream_refused(struct uring *uring, const struct io_uring_cqe *cqe)
{
    uint64_t name = cqe->user_data / URING_TAGS;
    int fd = (int)(name >> 8);
    struct socket_entry *socket = sockets_find(&uring->sockets, fd);
    if (!socket || socket->generation != (uint8_t)name || !socket->armed)
        return;
    socket->disarmed = false;
    const struct io_operation *operation = socket->operations[DIRECTION_IN];
    bool wanted = operation && operation->state == URING_WAITING && !operation->buffer;
    if (!wanted)
        disarm(uring, socket, fd);
}

/* ---- life ------------------------------------------------------------------------------------ */

void uring_stream_remove(struct uring *uring, int fd)
{
    struct socket_entry *socket = sockets_find(&uring->sockets, fd);
    if (!socket)
        return;
    if (socket->armed)
        disarm(uring, socket, fd);
    while (socket->held_first)
        drop_first(uring, socket);
    for (int waiting; (waiting = take_connection(uring, fd)) >= 0;)
        file_close(waiting);
}

void uring_stream_close(struct uring *uring)
{
    struct io_uring_cqe *cqe; /* connections that nobody looked at any more */
    for (; io_uring_peek_cqe(&uring->ring, &cqe) == 0; io_uring_cqe_seen(&uring->ring, cqe))
        if (cqe->user_data % URING_TAGS == URING_LISTEN && cqe->res >= 0)
            file_close(cqe->res);
    for (uint32_t i = 0; i < uring->waiting_count; i++)
        file_close(uring->waiting[i].fd);
    free(uring->waiting);
}
