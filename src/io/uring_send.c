/*
 * uring_send.c - sends by the kernel's hand: memory in pieces of a turn, mapped files by zerocopy
 * when that is the method. What is read from files goes by the engine's sender, in calls of its
 * own, and io_uring says when there is room for more: it has no sendfile, and its splice runs in
 * threads of the kernel's. Short sends go on by another call: MSG_WAITALL would spare it, and lose
 * the error of a peer that vanished meanwhile.
 */
#include <errno.h>
#include <poll.h>

#include "base/limits.h"
#include "io/sender_methods.h"
#include "io/uring.h"

/* Bits that the kernel's headers have from 6.2 on. */
#define ZEROCOPY_TELLS (1u << 3)
#define ZEROCOPY_COPIED (1u << 31)

void uring_send_open(struct uring *uring)
{
    uring->tells_copies = true;
    for (uint32_t i = 0; i < URING_NOTICES; i++)
        uring->notices[i].next = i + 1;
}

/* ---- notices --------------------------------------------------------------------------------- */

static void free_notice(struct uring *uring, uint32_t number)
{
    uring->notices[number] = (struct uring_notice){.next = uring->free_notice};
    uring->free_notice = number;
}

struct io_operation *uring_send_noticed(struct uring *uring, const struct io_uring_cqe *cqe,
                                        enum transfer *transfer)
{
    uint32_t number = (uint32_t)(cqe->user_data / URING_TAGS);
    struct uring_notice *notice = &uring->notices[number];
    struct io_operation *operation = notice->operation;
    bool running = notice->running;
    notice->running = false;
    if (!(cqe->flags & IORING_CQE_F_MORE)) {
        free_notice(uring, number);
        if (operation)
            operation->unsettled--;
    }
    if (!operation)
        return NULL;
    if (cqe->flags & IORING_CQE_F_NOTIF)
        operation->copied |= ((uint32_t)cqe->res & ZEROCOPY_COPIED) != 0;
    if (running) {
        *transfer = uring_send_moved(uring, operation, cqe->res);
        return operation;
    }
    *transfer = TRANSFER_DONE;
    return operation->state == URING_SETTLING && operation->unsettled == 0 ? operation : NULL;
}

void uring_send_tag_cancel(const struct uring *uring, const struct io_operation *operation,
                           struct io_uring_sqe *sqe)
{
    uint64_t what =
        (uintptr_t)operation | (operation->state == URING_POLLING ? URING_POLL : URING_OPERATION);
    for (uint32_t i = 0; operation->unsettled > 0 && i < URING_NOTICES; i++)
        if (uring->notices[i].operation == operation && uring->notices[i].running)
            what = i * URING_TAGS | URING_NOTICE;
    io_uring_prep_cancel64(sqe, what, 0);
}

void uring_send_end(struct uring *uring, struct io_operation *operation)
{
    for (uint32_t i = 0; operation->unsettled > 0 && i < URING_NOTICES; i++)
        if (uring->notices[i].operation == operation) {
            uring->notices[i].operation = NULL;
            operation->unsettled--;
        }
    sender_end(uring->sender, operation);
}

/* ---- handing over ---------------------------------------------------------------------------- */

/* The present slice, which lies in a mapped file. */
static void prepare_mapped(struct uring *uring, struct io_operation *operation,
                           struct io_uring_sqe *sqe)
{
    const struct io_slice *slice = &operation->slices[operation->sent];
    const struct socket_entry *socket = sockets_find(&uring->sockets, operation->fd);
    size_t size = slice->size < LIMIT_TURN_BYTES ? slice->size : LIMIT_TURN_BYTES;
    int flags = MSG_NOSIGNAL | (sender_more(operation, size) ? MSG_MORE : 0);
    uint32_t number = uring->free_notice;
    if (number == URING_NOTICES || operation->by_copy || socket->copied) {
        io_uring_prep_send(sqe, operation->fd, slice->at, size, flags);
        uring_ring_tag(sqe, (uintptr_t)operation, URING_OPERATION);
        return;
    }
    struct uring_notice *notice = &uring->notices[number];
    uring->free_notice = notice->next;
    *notice = (struct uring_notice){.operation = operation, .running = true};
    operation->unsettled++;
    io_uring_prep_send_zc(sqe, operation->fd, slice->at, size, flags,
                          uring->tells_copies ? ZEROCOPY_TELLS : 0);
    uring_ring_tag(sqe, number * URING_TAGS, URING_NOTICE);
}

static void prepare_memory(struct uring *uring, struct io_operation *operation,
                           struct io_uring_sqe *sqe)
{
    struct msghdr *message = &uring->messages[uring->messages_used];
    *message = (struct msghdr){.msg_iov = &uring->vectors[uring->vectors_used]};
    if (sender_gather(uring->sender, operation, LIMIT_TURN_BYTES, message) == 0) {
        prepare_mapped(uring, operation, sqe);
        return;
    }
    const struct iovec *first = message->msg_iov;
    if (message->msg_iovlen == 1) {
        io_uring_prep_send(sqe, operation->fd, first->iov_base, first->iov_len, message->msg_flags);
    } else {
        io_uring_prep_sendmsg(sqe, operation->fd, message, (unsigned)message->msg_flags);
        uring->messages_used++;
        uring->vectors_used += (uint32_t)message->msg_iovlen;
    }
    uring_ring_tag(sqe, (uintptr_t)operation, URING_OPERATION);
}

static enum transfer poll_room(struct uring *uring, struct io_operation *operation,
                               enum transfer transfer)
{
    struct io_uring_sqe *sqe = uring_ring_next(uring);
    if (!sqe)
        return TRANSFER_MORE;
    io_uring_prep_poll_add(sqe, operation->fd, transfer == TRANSFER_SETTLING ? POLLERR : POLLOUT);
    uring_ring_tag(sqe, (uintptr_t)operation, URING_POLL);
    operation->state = URING_POLLING;
    return TRANSFER_BLOCKED;
}

enum transfer uring_send_go(struct uring *uring, struct io_operation *operation)
{
    if (!uring->zerocopy && !sender_all_memory(uring->sender, operation)) {
        enum transfer transfer = sender_send(uring->sender, operation);
        bool waits = transfer == TRANSFER_BLOCKED || transfer == TRANSFER_SETTLING;
        return waits ? poll_room(uring, operation, transfer) : transfer;
    }
    if (sender_advance(operation, 0))
        return operation->unsettled > 0 ? TRANSFER_SETTLING : TRANSFER_DONE;
    struct io_uring_sqe *sqe = NULL;
    if (uring->vectors_used + SENDER_PIECES <= URING_VECTORS &&
        uring->messages_used < URING_SUBMISSIONS)
        sqe = uring_ring_next(uring);
    if (!sqe)
        return TRANSFER_MORE;
    prepare_memory(uring, operation, sqe);
    operation->state = URING_RUNNING;
    return TRANSFER_BLOCKED;
}

enum transfer uring_send_moved(struct uring *uring, struct io_operation *operation, int result)
{
    struct socket_entry *socket = sockets_find(&uring->sockets, operation->fd);
    if (result >= 0 && sender_advance(operation, (size_t)result))
        return operation->unsettled > 0 ? TRANSFER_SETTLING : TRANSFER_DONE;
    switch (result < 0 ? -result : 0) {
    case 0:
    case EAGAIN:
    case EINTR:
        return TRANSFER_MORE;
    case EINVAL: /* the flag is newer than SEND_ZC is */
        if (!uring->zerocopy || !uring->tells_copies)
            break;
        uring->tells_copies = false;
        return TRANSFER_MORE;
    case EOPNOTSUPP: /* as Unix sockets */
        if (!uring->zerocopy || socket->copied)
            break;
        socket->copied = true;
        return TRANSFER_MORE;
    case ENOMEM:
    case ENOBUFS: /* too many pages are held already (RLIMIT_MEMLOCK) */
        if (!uring->zerocopy || operation->by_copy)
            break;
        operation->by_copy = true;
        return TRANSFER_MORE;
    }
    operation->error = -result;
    return TRANSFER_FAILED;
}
