/* ready.c - operations between the engine's caller, the sockets and the engine's wait. */
#include "io/ready.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/limits.h"
#include "io/sender.h"
#include "io/transfer.h"
#include "os/file.h"

enum state {
    STATE_IDLE,      /* the caller's */
    STATE_QUEUED,    /* to be tried */
    STATE_PARKED,    /* waits for its direction */
    STATE_FINISHED,  /* done() is still to be called; queued */
    STATE_CANCELLED, /* the same */
};

/* ---- lists ----------------------------------------------------------------------------------- */

static void list_append(struct ready_list *list, struct io_operation *operation)
{
    operation->next = NULL;
    operation->previous = list->last;
    *(list->last ? &list->last->next : &list->first) = operation;
    list->last = operation;
}

static void list_remove(struct ready_list *list, struct io_operation *operation)
{
    *(operation->previous ? &operation->previous->next : &list->first) = operation->next;
    *(operation->next ? &operation->next->previous : &list->last) = operation->previous;
}

static void enqueue(struct ready *ready, struct io_operation *operation, enum state state)
{
    operation->state = state;
    list_append(&ready->queue, operation);
}

static void unpark(struct ready *ready, struct io_operation *operation, enum state state)
{
    list_remove(&ready->parked, operation);
    enqueue(ready, operation, state);
}

static void park(struct ready *ready, struct io_operation *operation)
{
    operation->state = STATE_PARKED;
    list_append(&ready->parked, operation);
    int errnum = ready->hooks->park ? ready->hooks->park(ready, operation) : 0;
    if (errnum) {
        operation->error = errnum;
        unpark(ready, operation, STATE_FINISHED);
    }
}

/* ---- sockets --------------------------------------------------------------------------------- */

int ready_add(struct ready *ready, int fd)
{
    return sockets_add(&ready->sockets, fd);
}

void ready_remove(struct ready *ready, int fd)
{
    sockets_remove(&ready->sockets, fd);
}

void ready_event(struct ready *ready, int fd, unsigned events)
{
    struct socket_entry *socket = sockets_find(&ready->sockets, fd);
    if (!socket)
        return;
    const unsigned of[DIRECTIONS] = {READY_IN, READY_OUT};
    for (int direction = 0; direction < DIRECTIONS; direction++) {
        struct io_operation *operation = socket->operations[direction];
        if (operation && operation->state == STATE_PARKED &&
            (events & (operation->settling ? READY_ODD : of[direction] | READY_ODD)))
            unpark(ready, operation, STATE_QUEUED);
    }
    socket->readable |= (events & (READY_IN | READY_ODD)) != 0;
    socket->odd |= (events & READY_ODD) != 0;
}

const struct io_operation *ready_parked(const struct ready *ready, int fd, enum direction direction)
{
    const struct socket_entry *socket = sockets_find(&ready->sockets, fd);
    const struct io_operation *operation = socket ? socket->operations[direction] : NULL;
    return operation && operation->state == STATE_PARKED ? operation : NULL;
}

/* ---- attempts -------------------------------------------------------------------------------- */

/* The operation is the caller's again, from here on also its memory. */
static void finish(struct ready *ready, struct io_operation *operation, int result)
{
    sockets_end(&ready->sockets, operation);
    if (operation->kind == IO_SEND)
        sender_end(ready->sender, operation);
    operation->state = STATE_IDLE;
    operation->done(operation, result);
}

/* An accept or receive: true when *result is its. */
static bool attempt_in(struct ready *ready, struct io_operation *operation, int *result)
{
    struct socket_entry *socket = sockets_find(&ready->sockets, operation->fd);
    enum transfer transfer;
    if (operation->kind == IO_ACCEPT) {
        transfer = transfer_accept(operation, result);
    } else {
        uint8_t *to = operation->buffer ? operation->buffer : ready->buffer;
        size_t size = operation->buffer ? operation->size : ready->limits.buffer_bytes;
        size_t got = 0;
        if (size > LIMIT_TURN_BYTES)
            size = LIMIT_TURN_BYTES;
        transfer = transfer_receive(operation, to, size, &got);
        operation->received = to;
        *result = (int)got;
        /* Less than asked for: it is empty now, and what comes later will be reported. */
        if (transfer == TRANSFER_DONE && got < size && !socket->odd)
            socket->readable = false;
    }
    if (transfer == TRANSFER_BLOCKED)
        socket->readable = socket->odd = false;
    else if (transfer == TRANSFER_FAILED)
        *result = transfer_error(operation);
    return transfer != TRANSFER_BLOCKED;
}

/* Tries what is queued, and calls done() where that gives a result; how often. What is queued
 * meanwhile is left for the next turn. */
static unsigned run(struct ready *ready)
{
    unsigned finished = 0;
    struct io_operation *operation = ready->queue.first, *next;
    ready->queue = (struct ready_list){NULL, NULL};
    for (; operation; operation = next) {
        next = operation->next; /* stays: operations in a turn are only marked by others */
        int result = 0;
        enum transfer transfer = TRANSFER_DONE;
        if (operation->state == STATE_CANCELLED)
            result = error_set(MAPLOG_CLOSED, "the operation was cancelled");
        else if (operation->state == STATE_FINISHED)
            result = operation->error ? transfer_error(operation) : 0;
        else if (operation->kind != IO_SEND)
            transfer = attempt_in(ready, operation, &result) ? TRANSFER_DONE : TRANSFER_BLOCKED;
        else if ((transfer = sender_send(ready->sender, operation)) == TRANSFER_FAILED)
            result = transfer_error(operation);
        if (transfer == TRANSFER_BLOCKED || transfer == TRANSFER_SETTLING) {
            operation->settling = transfer == TRANSFER_SETTLING;
            park(ready, operation);
        } else if (transfer == TRANSFER_MORE) {
            enqueue(ready, operation, STATE_QUEUED);
        } else {
            finish(ready, operation, result);
            finished++;
        }
    }
    return finished;
}

/* ---- the engine's calls ---------------------------------------------------------------------- */

void ready_submit(struct io_engine *engine, struct io_operation *operation)
{
    struct ready *ready = (struct ready *)engine;
    struct socket_entry *socket = sockets_find(&ready->sockets, operation->fd);
    if (operation->kind == IO_SEND)
        sender_begin(ready->sender, operation);
    operation->error = sockets_begin(&ready->sockets, operation);
    if (operation->error) {
        enqueue(ready, operation, STATE_FINISHED);
        return;
    }
    if (operation->kind == IO_SEND) {
        /* At once: mostly it fits, and the peer need not wait for the others of this turn. */
        enum transfer transfer = sender_send(ready->sender, operation);
        operation->settling = transfer == TRANSFER_SETTLING;
        if (transfer == TRANSFER_BLOCKED || transfer == TRANSFER_SETTLING)
            park(ready, operation);
        else
            enqueue(ready, operation, transfer == TRANSFER_MORE ? STATE_QUEUED : STATE_FINISHED);
    } else if (socket->readable) {
        enqueue(ready, operation, STATE_QUEUED);
    } else {
        park(ready, operation);
    }
}

void ready_cancel(struct io_engine *engine, struct io_operation *operation)
{
    if (operation->state == STATE_PARKED)
        unpark((struct ready *)engine, operation, STATE_CANCELLED);
    else if (operation->state == STATE_QUEUED)
        operation->state = STATE_CANCELLED;
}

int ready_wait(struct io_engine *engine, int64_t timeout_ns)
{
    struct ready *ready = (struct ready *)engine;
    if (run(ready) > 0 || ready->queue.first)
        timeout_ns = 0;
    int error = ready->hooks->look(ready, timeout_ns);
    if (error)
        return error;
    run(ready); /* what became ready */
    run(ready); /* what its completions submitted: mostly answers, which are told without a look */
    return 0;
}

bool ready_try(struct ready *ready)
{
    for (struct io_operation *each = ready->parked.first, *next; each; each = next) {
        next = each->next;
        unpark(ready, each, STATE_QUEUED);
    }
    return run(ready) > 0 || ready->queue.first;
}

void ready_woken(struct ready *ready)
{
    event_lower(&ready->wake);
}

void ready_wake(struct io_engine *engine)
{
    event_raise(&((struct ready *)engine)->wake);
}

int ready_milliseconds(int64_t timeout_ns)
{
    if (timeout_ns < 0)
        return -1;
    int64_t ms = timeout_ns / 1000000 + (timeout_ns % 1000000 > 0);
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* ---- life ------------------------------------------------------------------------------------ */

int ready_open(struct ready *ready, const struct io_methods *methods,
               const struct ready_hooks *hooks, const struct io_limits *limits)
{
    *ready = (struct ready){.engine.methods = methods,
                            .hooks = hooks,
                            .limits = *limits,
                            .wake.fd = -1,
                            .sockets.limit = limits->descriptors};
    ready->buffer = malloc(limits->buffer_bytes);
    if (!ready->buffer)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a receive buffer of %u bytes",
                         limits->buffer_bytes);
    int error = sender_open(limits, &ready->sender);
    if (!error)
        error = event_open(&ready->wake.fd);
    if (error)
        ready_close(ready);
    return error;
}

void ready_close(struct ready *ready)
{
    file_close(ready->wake.fd);
    sockets_free(&ready->sockets);
    free(ready->buffer);
    sender_close(ready->sender);
}
