/* threads.c - operations on their way between the engine's caller and its threads. */
#include "io/threads.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/limits.h"
#include "io/sender.h"
#include "os/socket.h"

enum state {
    STATE_IDLE,      /* the caller's */
    STATE_SUBMITTED, /* to be started */
    STATE_MISUSED,   /* the same, but only to fail: error says why */
    STATE_CANCELLED, /* the same, but nobody wants it any more */
    STATE_STARTED,   /* a thread's, or completed */
    STATE_STOPPED,   /* the same, and the thread was told to give it up */
};

/* ---- lists ----------------------------------------------------------------------------------- */

static void append(struct threads_list *list, struct io_operation *operation)
{
    operation->next = NULL;
    *(list->last ? &list->last->next : &list->first) = operation;
    list->last = operation;
}

static struct io_operation *take_all(struct threads_list *list)
{
    struct io_operation *first = list->first;
    *list = (struct threads_list){NULL, NULL};
    return first;
}

/* ---- buffers --------------------------------------------------------------------------------- */

static uint8_t *take_buffer(struct threads *threads)
{
    pthread_mutex_lock(&threads->lock);
    uint8_t *buffer = threads->spare_count ? threads->spares[--threads->spare_count] : NULL;
    pthread_mutex_unlock(&threads->lock);
    return buffer ? buffer : malloc(threads->limits.buffer_bytes);
}

static void give_buffer(struct threads *threads, uint8_t *buffer)
{
    pthread_mutex_lock(&threads->lock);
    if (threads->spare_count < THREADS_SPARES) {
        threads->spares[threads->spare_count++] = buffer;
        buffer = NULL;
    }
    pthread_mutex_unlock(&threads->lock);
    free(buffer);
}

/* ---- in the threads -------------------------------------------------------------------------- */

static enum transfer receive(struct threads *threads, struct io_operation *operation, int *result)
{
    uint8_t *to = operation->buffer ? operation->buffer : take_buffer(threads);
    size_t size = operation->buffer ? operation->size : threads->limits.buffer_bytes, got = 0;
    if (!to) {
        operation->error = ENOMEM;
        return TRANSFER_FAILED;
    }
    enum transfer transfer =
        transfer_receive(operation, to, size < LIMIT_TURN_BYTES ? size : LIMIT_TURN_BYTES, &got);
    operation->received = to;
    *result = (int)got;
    if (transfer != TRANSFER_DONE && !operation->buffer)
        give_buffer(threads, to);
    return transfer;
}

enum transfer threads_attempt(struct threads *threads, struct io_operation *operation, int *result)
{
    enum transfer transfer;
    *result = 0;
    switch (operation->kind) {
    case IO_ACCEPT:
        transfer = transfer_accept(operation, result);
        break;
    case IO_RECEIVE:
        transfer = receive(threads, operation, result);
        break;
    default:
        transfer = sender_send(threads->sender, operation);
        break;
    }
    if (transfer == TRANSFER_FAILED)
        *result = MAPLOG_IO;
    return transfer;
}

void threads_complete(struct threads *threads, struct io_operation *operation, int result)
{
    operation->result = result;
    pthread_mutex_lock(&threads->lock);
    append(&threads->completed, operation);
    pthread_mutex_unlock(&threads->lock);
    thread_flag_raise(&threads->flag);
}

/* ---- in the engine's thread ------------------------------------------------------------------ */

enum direction threads_direction(const struct io_operation *operation)
{
    return operation->kind == IO_SEND ? DIRECTION_OUT : DIRECTION_IN;
}

int threads_add(struct threads *threads, int fd)
{
    int error = sockets_add(&threads->sockets, fd);
    if (error)
        return error;
    error = socket_set_blocking(fd, true);
    if (error)
        sockets_remove(&threads->sockets, fd);
    return error;
}

void threads_remove(struct threads *threads, int fd)
{
    if (!sockets_find(&threads->sockets, fd))
        return;
    socket_set_blocking(fd, false);
    sockets_remove(&threads->sockets, fd);
}

void threads_submit(struct io_engine *engine, struct io_operation *operation)
{
    struct threads *threads = (struct threads *)engine;
    if (operation->kind == IO_SEND)
        sender_begin(threads->sender, operation);
    operation->error = sockets_begin(&threads->sockets, operation);
    operation->state = operation->error ? STATE_MISUSED : STATE_SUBMITTED;
    append(&threads->submitted, operation);
}

void threads_cancel(struct io_engine *engine, struct io_operation *operation)
{
    struct threads *threads = (struct threads *)engine;
    if (operation->state == STATE_SUBMITTED) {
        operation->state = STATE_CANCELLED;
    } else if (operation->state == STATE_STARTED) {
        operation->state = STATE_STOPPED;
        threads->hooks->stop(threads, operation);
    }
}

static void start(struct threads *threads)
{
    struct io_operation *operation = take_all(&threads->submitted), *next;
    for (; operation; operation = next) {
        int result = MAPLOG_IO;
        enum state state = operation->state;
        next = operation->next;
        if (state == STATE_CANCELLED) {
            result = MAPLOG_CLOSED;
        } else if (state == STATE_SUBMITTED) {
            operation->state = STATE_STARTED;
            result = threads->hooks->start(threads, operation);
            if (result == 0)
                continue;
        }
        operation->state = state;
        threads_complete(threads, operation, result);
    }
}

/* Sets the text of an error. */
static int result_of(const struct io_operation *operation)
{
    switch (operation->result) {
    case MAPLOG_IO:
        return transfer_error(operation);
    case MAPLOG_CLOSED:
        return error_set(MAPLOG_CLOSED, "the operation was cancelled");
    case MAPLOG_LIMIT:
        return error_set(MAPLOG_LIMIT,
                         "no thread is left for a socket: ulimit -u, kernel.threads-max, "
                         "kernel.pid_max, vm.max_map_count, or a container's limit of processes "
                         "is reached");
    default:
        return operation->result;
    }
}

/* The operation is the caller's again, from done() on also its memory. */
static void finish(struct threads *threads, struct io_operation *operation)
{
    if (threads->hooks->ended &&
        (operation->state == STATE_STARTED || operation->state == STATE_STOPPED))
        threads->hooks->ended(threads, operation);
    sockets_end(&threads->sockets, operation);
    if (operation->kind == IO_SEND)
        sender_end(threads->sender, operation);
    bool lent = operation->kind == IO_RECEIVE && operation->result >= 0 && !operation->buffer;
    uint8_t *buffer = lent ? (uint8_t *)operation->received : NULL;
    operation->state = STATE_IDLE;
    operation->done(operation, result_of(operation));
    if (buffer)
        give_buffer(threads, buffer);
}

static struct io_operation *take_completed(struct threads *threads)
{
    pthread_mutex_lock(&threads->lock);
    struct io_operation *first = take_all(&threads->completed);
    pthread_mutex_unlock(&threads->lock);
    return first;
}

int threads_wait(struct io_engine *engine, int64_t timeout_ns)
{
    struct threads *threads = (struct threads *)engine;
    start(threads);
    /* Before the look: what is completed behind it raises the flag again. */
    bool raised = thread_flag_lower(&threads->flag);
    struct io_operation *operation = take_completed(threads), *next;
    if (!operation && !raised) {
        thread_flag_sleep(&threads->flag, timeout_ns);
        operation = take_completed(threads);
    }
    for (; operation; operation = next) {
        next = operation->next;
        finish(threads, operation);
        start(threads);
    }
    return 0;
}

void threads_wake(struct io_engine *engine)
{
    thread_flag_raise(&((struct threads *)engine)->flag);
}

/* ---- life ------------------------------------------------------------------------------------ */

int threads_open(struct threads *threads, const struct io_methods *methods,
                 const struct threads_hooks *hooks, const struct io_limits *limits)
{
    *threads = (struct threads){.engine.methods = methods,
                                .hooks = hooks,
                                .limits = *limits,
                                .sockets.limit = limits->descriptors};
    int error = sender_open(limits, &threads->sender);
    if (!error)
        pthread_mutex_init(&threads->lock, NULL);
    return error;
}

void threads_close(struct threads *threads)
{
    while (threads->spare_count > 0)
        free(threads->spares[--threads->spare_count]);
    sockets_free(&threads->sockets);
    sender_close(threads->sender);
    pthread_mutex_destroy(&threads->lock);
}
