/*
 * blocking.c - a thread for each connection and each listener, which waits in recv, send or accept.
 * It is started at a descriptor's first operation and ends when the descriptor goes. A second one
 * is started only when both directions are wanted at a time.
 *
 * Cancelling: a signal alone would be lost when it comes between a look at a flag and the call that
 * then blocks. So the descriptor is made non-blocking first: a call that has not begun returns at
 * once, one that waits is ended by the signal. Neither takes a byte from the stream, and what was
 * moved before is reported. The other direction's thread may hear of it; it then waits by ppoll,
 * which no signal can slip past, and tries again.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "io/threads.h"
#include "os/socket.h"

#define FIRST_ROOM 64 /* descriptors; it doubles */

struct hand {
    pthread_t thread;
    struct threads *threads;
    struct io_operation *operation; /* its work; NULL: none. Set before the flag is raised */
    struct thread_flag flag;        /* there is work, or it shall end */
    bool leaving;                   /* set before the flag is raised */
    bool cancelled;                 /* its work; changed under the engine's lock */
};

/* Those of a descriptor; NULL: not started. */
struct pair {
    struct hand *hands[DIRECTIONS];
};

struct blocking {
    struct threads threads;
    struct pair *pairs; /* by descriptor */
    size_t room;        /* in pairs */
};

/* ---- in the threads -------------------------------------------------------------------------- */

static bool is_cancelled(struct hand *hand)
{
    pthread_mutex_lock(&hand->threads->lock);
    bool cancelled = hand->cancelled;
    pthread_mutex_unlock(&hand->threads->lock);
    return cancelled;
}

static void wait_ready(struct hand *hand, short events)
{
    struct pollfd asked = {hand->operation->fd, events, 0};
    sigset_t open;
    thread_hold_interrupts(&open);
    if (!is_cancelled(hand))
        ppoll(&asked, 1, NULL, &open);
    thread_let_interrupts(&open);
}

/* What is received into the engine's buffers is waited for first, so that no idle connection has a
 * buffer. */
static enum transfer attempt(struct hand *hand, int *result)
{
    struct io_operation *operation = hand->operation;
    char first;
    if (operation->kind != IO_RECEIVE || operation->buffer ||
        recv(operation->fd, &first, 1, MSG_PEEK) >= 0)
        return threads_attempt(hand->threads, operation, result);
    if (errno == EINTR || errno == EAGAIN)
        return TRANSFER_BLOCKED;
    operation->error = errno; /* which the kernel tells once only */
    *result = MAPLOG_IO;
    return TRANSFER_FAILED;
}

/* The operation's result, however long it takes. */
static int perform(struct hand *hand)
{
    for (;;) {
        int result = 0;
        enum transfer transfer = attempt(hand, &result);
        if (transfer == TRANSFER_DONE || transfer == TRANSFER_FAILED)
            return result;
        if (transfer == TRANSFER_SETTLING)
            wait_ready(hand, 0);
        else if (transfer == TRANSFER_BLOCKED)
            wait_ready(hand, hand->operation->kind == IO_SEND ? POLLOUT : POLLIN);
        if (is_cancelled(hand))
            return MAPLOG_CLOSED;
    }
}

static void *run(void *argument)
{
    struct hand *hand = argument;
    for (;;) {
        while (!thread_flag_sleep(&hand->flag, -1))
            ; /* interrupted: what it was for is over */
        if (hand->leaving)
            return NULL;
        threads_complete(hand->threads, hand->operation, perform(hand));
    }
}

/* ---- hands ----------------------------------------------------------------------------------- */

static int hire(struct threads *threads, struct hand **hired)
{
    struct hand *hand = calloc(1, sizeof *hand);
    if (!hand)
        return MAPLOG_LIMIT;
    hand->threads = threads;
    if (thread_start_waiter(&hand->thread, "maplog-socket", run, hand) < 0) {
        free(hand);
        return MAPLOG_LIMIT;
    }
    *hired = hand;
    return 0;
}

static void dismiss(struct hand *hand)
{
    if (!hand)
        return;
    hand->leaving = true;
    thread_flag_raise(&hand->flag);
    thread_join(hand->thread);
    free(hand);
}

static int start(struct threads *threads, struct io_operation *operation)
{
    struct hand **hands = ((struct blocking *)threads)->pairs[operation->fd].hands;
    struct hand **free_one = hands[0] && hands[0]->operation ? &hands[1] : &hands[0];
    if (!*free_one && hire(threads, free_one) < 0)
        return MAPLOG_LIMIT;
    (*free_one)->operation = operation;
    thread_flag_raise(&(*free_one)->flag);
    return 0;
}

/* At most two operations are under way on a descriptor, so that one of the hands has it. */
static struct hand **find(struct threads *threads, const struct io_operation *operation)
{
    struct hand **hands = ((struct blocking *)threads)->pairs[operation->fd].hands;
    return hands[0] && hands[0]->operation == operation ? &hands[0] : &hands[1];
}

static void set_cancelled(struct hand *hand, bool cancelled)
{
    pthread_mutex_lock(&hand->threads->lock);
    hand->cancelled = cancelled;
    pthread_mutex_unlock(&hand->threads->lock);
}

static void stop(struct threads *threads, struct io_operation *operation)
{
    struct hand *hand = *find(threads, operation);
    set_cancelled(hand, true);
    socket_set_blocking(operation->fd, false); /* in this order */
    thread_interrupt(hand->thread);
}

static void ended(struct threads *threads, struct io_operation *operation)
{
    struct hand **hands = ((struct blocking *)threads)->pairs[operation->fd].hands;
    struct hand *hand = *find(threads, operation);
    hand->operation = NULL;
    if (!hand->cancelled)
        return;
    set_cancelled(hand, false);
    const struct hand *other = hands[hand == hands[0]];
    if (!other || !other->cancelled)
        socket_set_blocking(operation->fd, true);
}

static const struct threads_hooks hooks = {start, stop, ended};

/* ---- the engine ------------------------------------------------------------------------------ */

static int make_room(struct blocking *blocking, size_t descriptors)
{
    size_t room = blocking->room ? blocking->room : FIRST_ROOM;
    while (room < descriptors)
        room *= 2;
    if (room == blocking->room)
        return 0;
    struct pair *grown = realloc(blocking->pairs, room * sizeof *grown);
    if (!grown)
        return error_set(MAPLOG_NO_MEMORY, "no memory for the threads of sockets");
    memset(grown + blocking->room, 0, (room - blocking->room) * sizeof *grown);
    blocking->pairs = grown;
    blocking->room = room;
    return 0;
}

static int blocking_add(struct io_engine *engine, int fd)
{
    struct blocking *blocking = (struct blocking *)engine;
    int error = make_room(blocking, fd < 0 ? 0 : (size_t)fd + 1);
    return error ? error : threads_add(&blocking->threads, fd);
}

static void blocking_remove(struct io_engine *engine, int fd)
{
    struct blocking *blocking = (struct blocking *)engine;
    if (!sockets_find(&blocking->threads.sockets, fd))
        return;
    struct pair *pair = &blocking->pairs[fd];
    for (int i = 0; i < DIRECTIONS; i++)
        dismiss(pair->hands[i]);
    *pair = (struct pair){{NULL, NULL}};
    threads_remove(&blocking->threads, fd);
}

static void blocking_close(struct io_engine *engine)
{
    struct blocking *blocking = (struct blocking *)engine;
    /* The descriptors themselves may be gone. */
    for (size_t fd = 0; fd < blocking->room; fd++)
        for (int i = 0; i < DIRECTIONS; i++)
            dismiss(blocking->pairs[fd].hands[i]);
    threads_close(&blocking->threads);
    free(blocking->pairs);
    free(blocking);
}

static int blocking_open(const struct io_limits *limits, struct io_engine **engine)
{
    struct blocking *blocking = calloc(1, sizeof *blocking);
    if (!blocking)
        return error_set(MAPLOG_NO_MEMORY, "no memory for an engine");
    int error = threads_open(&blocking->threads, &io_blocking, &hooks, limits);
    if (error)
        free(blocking);
    else
        *engine = &blocking->threads.engine;
    return error;
}

const struct io_methods io_blocking = {"blocking",     blocking_open,   blocking_close,
                                       blocking_add,   blocking_remove, threads_submit,
                                       threads_cancel, threads_wait,    threads_wake};
