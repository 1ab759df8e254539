/*
 * uring.c - the Proactor: an operation is handed to the kernel, which does it whole and says so.
 * All that was submitted in a turn is handed over by the call that waits for what is done.
 */
#include "io/uring.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "os/file.h"

/* ---- the queue ------------------------------------------------------------------------------- */

void uring_enqueue(struct uring *uring, struct io_operation *operation, enum uring_state state)
{
    operation->state = (uint8_t)state;
    operation->next = NULL;
    *(uring->first ? &uring->last->next : &uring->first) = operation;
    uring->last = operation;
}

/* The operation is the caller's again, from here on also its memory. */
void uring_finish(struct uring *uring, struct io_operation *operation, int result)
{
    sockets_end(&uring->sockets, operation);
    if (operation->kind == IO_SEND)
        uring_send_end(uring, operation);
    operation->state = URING_IDLE;
    uring->told = true;
    operation->done(operation, result);
}

static int closed(void)
{
    return error_set(MAPLOG_CLOSED, "the operation was cancelled");
}

/* operation->error says what is wrong, if anything is. */
static int result_of(const struct io_operation *operation, int result)
{
    if (operation->error == ECANCELED)
        return closed();
    return operation->error ? transfer_error(operation) : result;
}

static void follow(struct uring *uring, struct io_operation *operation, enum transfer transfer)
{
    bool stopping = operation->state == URING_STOPPING;
    switch (transfer) {
    case TRANSFER_BLOCKED:
        break;
    case TRANSFER_DONE:
        uring_finish(uring, operation, 0);
        break;
    case TRANSFER_MORE:
        uring_enqueue(uring, operation, stopping ? URING_CANCELLED : URING_QUEUED);
        break;
    case TRANSFER_SETTLING:
        if (stopping)
            uring_finish(uring, operation, closed());
        else
            operation->state = URING_SETTLING;
        break;
    case TRANSFER_FAILED:
        uring_finish(uring, operation, result_of(operation, 0));
        break;
    }
}

/* ---- handing over ---------------------------------------------------------------------------- */

static void prepare_receive(struct uring *uring, const struct io_operation *operation,
                            struct io_uring_sqe *sqe)
{
    size_t size = operation->size < LIMIT_TURN_BYTES ? operation->size : LIMIT_TURN_BYTES;
    io_uring_prep_recv(sqe, operation->fd, operation->buffer, size, 0);
    if (!sockets_find(&uring->sockets, operation->fd)->readable)
        sqe->ioprio |= IORING_RECVSEND_POLL_FIRST; /* an attempt would only say that it is empty */
}

static void start(struct uring *uring, struct io_operation *operation)
{
    if (operation->kind == IO_SEND) {
        follow(uring, operation, uring_send_go(uring, operation));
        return;
    }
    if (uring_stream_start(uring, operation))
        return;
    struct io_uring_sqe *sqe = uring_ring_next(uring);
    if (!sqe) {
        uring_enqueue(uring, operation, URING_QUEUED);
        return;
    }
    prepare_receive(uring, operation, sqe);
    uring_ring_tag(sqe, (uintptr_t)operation, URING_OPERATION);
    operation->state = URING_RUNNING;
}

/* Hands over what is queued, and calls done() where that gives a result. What is queued meanwhile
 * is left for the next turn. */
static void run(struct uring *uring)
{
    struct io_operation *operation = uring->first, *next;
    uring->first = NULL;
    for (; operation; operation = next) {
        next = operation->next; /* stays: operations in a turn are only marked by others */
        if (operation->state == URING_CANCELLED)
            uring_finish(uring, operation, closed());
        else if (operation->state == URING_FINISHED)
            uring_finish(uring, operation, transfer_error(operation));
        else
            start(uring, operation);
    }
}

static void watch_wake(struct uring *uring)
{
    struct io_uring_sqe *sqe = uring_ring_next(uring);
    uring->watched = sqe != NULL;
    if (!sqe)
        return;
    io_uring_prep_poll_multishot(sqe, uring->wake.fd, POLLIN);
    uring_ring_tag(sqe, 0, URING_WAKE);
}

/* ---- completions ----------------------------------------------------------------------------- */

bool uring_is_passing(const struct io_operation *operation, int errnum)
{
    if (operation->kind == IO_ACCEPT)
        return errnum == EAGAIN || transfer_was_gone(errnum);
    return errnum == EAGAIN || errnum == EINTR;
}

/* A receive into the operation's own buffer. */
static void complete_receive(struct uring *uring, struct io_operation *operation,
                             const struct io_uring_cqe *cqe)
{
    bool stopping = operation->state == URING_STOPPING;
    operation->error = cqe->res < 0 ? -cqe->res : 0;
    if (operation->error && uring_is_passing(operation, operation->error)) {
        uring_enqueue(uring, operation, stopping ? URING_CANCELLED : URING_QUEUED);
        return;
    }
    sockets_find(&uring->sockets, operation->fd)->readable =
        (cqe->flags & IORING_CQE_F_SOCK_NONEMPTY) != 0;
    operation->received = operation->buffer;
    uring_finish(uring, operation, result_of(operation, cqe->res));
}

static void complete_poll(struct uring *uring, struct io_operation *operation, int result)
{
    operation->error = result < 0 ? -result : 0;
    if (result < 0 || operation->state == URING_STOPPING || operation->kind == IO_SEND)
        follow(uring, operation, result < 0 ? TRANSFER_FAILED : TRANSFER_MORE);
    else
        uring_stream_polled(uring, operation);
}

static void complete(struct uring *uring, const struct io_uring_cqe *cqe)
{
    void *what = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)(URING_TAGS - 1));
    struct io_operation *operation = what;
    enum transfer transfer = TRANSFER_DONE;
    switch ((enum uring_tag)(cqe->user_data % URING_TAGS)) {
    case URING_OPERATION:
        if (operation->kind == IO_SEND)
            follow(uring, operation, uring_send_moved(uring, operation, cqe->res));
        else
            complete_receive(uring, operation, cqe);
        break;
    case URING_POLL:
        complete_poll(uring, operation, cqe->res);
        break;
    case URING_NOTICE:
        operation = uring_send_noticed(uring, cqe, &transfer);
        if (operation)
            follow(uring, operation, transfer);
        break;
    case URING_STREAM:
    case URING_LISTEN:
        uring_stream_completed(uring, cqe, cqe->user_data % URING_TAGS == URING_LISTEN);
        break;
    case URING_DISARM:
        if (cqe->res < 0)
            uring_stream_refused(uring, cqe);
        break;
    case URING_WAKE:
        event_lower(&uring->wake);
        uring->watched = (cqe->flags & IORING_CQE_F_MORE) != 0;
        break;
    default:
        break;
    }
}

/* Those that are there: what comes meanwhile is left for the next turn. */
static void reap(struct uring *uring)
{
    struct io_uring_cqe *cqe;
    for (unsigned left = io_uring_cq_ready(&uring->ring); left > 0; left--) {
        if (io_uring_peek_cqe(&uring->ring, &cqe) < 0)
            break;
        struct io_uring_cqe taken = {
            .user_data = cqe->user_data, .res = cqe->res, .flags = cqe->flags};
        io_uring_cqe_seen(&uring->ring, cqe);
        complete(uring, &taken);
    }
}

/* ---- the engine's calls ---------------------------------------------------------------------- */

static int uring_add(struct io_engine *engine, int fd)
{
    return sockets_add(&((struct uring *)engine)->sockets, fd);
}

static void uring_remove(struct io_engine *engine, int fd)
{
    struct uring *uring = (struct uring *)engine;
    uring_stream_remove(uring, fd);
    sockets_remove(&uring->sockets, fd);
}

static void uring_submit(struct io_engine *engine, struct io_operation *operation)
{
    struct uring *uring = (struct uring *)engine;
    if (operation->kind == IO_SEND)
        sender_begin(uring->sender, operation);
    operation->error = sockets_begin(&uring->sockets, operation);
    if (operation->error || operation->kind == IO_SEND || !uring_stream_goes_on(uring, operation))
        uring_enqueue(uring, operation, operation->error ? URING_FINISHED : URING_QUEUED);
}

static void uring_cancel(struct io_engine *engine, struct io_operation *operation)
{
    struct uring *uring = (struct uring *)engine;
    struct io_uring_sqe *sqe;
    switch ((enum uring_state)operation->state) {
    case URING_QUEUED:
        operation->state = URING_CANCELLED;
        break;
    case URING_SETTLING:
    case URING_WAITING:
        uring_enqueue(uring, operation, URING_CANCELLED);
        break;
    case URING_RUNNING:
    case URING_POLLING:
        sqe = uring_ring_next(uring);
        if (!sqe)
            break;
        uring_send_tag_cancel(uring, operation, sqe);
        uring_ring_tag(sqe, 0, URING_CANCEL);
        operation->state = URING_STOPPING;
        break;
    default:
        break;
    }
}

static int uring_wait(struct io_engine *engine, int64_t timeout_ns)
{
    struct uring *uring = (struct uring *)engine;
    int error = uring->begun ? 0 : uring_ring_begin(uring);
    if (error)
        return error;
    if (!uring->watched)
        watch_wake(uring);
    uring->told = false;
    run(uring);
    error =
        uring_ring_enter(uring, uring->told || uring->first || !uring->watched ? 0 : timeout_ns);
    if (!error)
        reap(uring);
    if (error || !uring->first)
        return error;
    /* What its completions submitted: mostly answers. */
    run(uring);
    error = uring_ring_enter(uring, 0);
    if (!error)
        reap(uring);
    return error;
}

static void uring_wake(struct io_engine *engine)
{
    event_raise(&((struct uring *)engine)->wake);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void uring_close(struct io_engine *engine)
{
    struct uring *uring = (struct uring *)engine;
    /* What is to be disarmed yet: else a listener's port outlives the process for a moment. */
    if (uring->begun)
        uring_ring_enter(uring, 0);
    uring_stream_close(uring);
    uring_ring_close(uring);
    sockets_free(&uring->sockets);
    sender_close(uring->sender);
    file_close(uring->wake.fd);
    free(uring);
}

static int uring_open(const struct io_limits *limits, struct io_engine **engine)
{
    struct uring *uring = calloc(1, sizeof *uring);
    if (!uring)
        return error_set(MAPLOG_NO_MEMORY, "no memory for an engine");
    uring->engine.methods = &io_uring_engine;
    uring->limits = *limits;
    uring->sockets.limit = limits->descriptors;
    uring->wake.fd = -1;
    uring->zerocopy = limits->send && strcmp(limits->send, "zerocopy") == 0;
    uring_send_open(uring);
    int error = uring_ring_open(uring);
    if (error) {
        free(uring);
        return error;
    }
    error = sender_open(limits, &uring->sender);
    if (!error)
        error = event_open(&uring->wake.fd);
    if (error)
        uring_close(&uring->engine);
    else
        *engine = &uring->engine;
    return error;
}

const struct io_methods io_uring_engine = {"uring",      uring_open,   uring_close,
                                           uring_add,    uring_remove, uring_submit,
                                           uring_cancel, uring_wait,   uring_wake};
