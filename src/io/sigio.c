/*
 * sigio.c - the engine that is told by signals: one for each change of a socket, queued by the
 * kernel, taken by sigtimedwait. A signal tells an edge, and no more than that there was one.
 *
 * No edge is lost, since signals are taken by a look only, before the attempts that it leads to:
 * - What came before a socket was armed: it counts as readable from the beginning.
 * - Room that came between a send that would block and its parking: poll asks then. Later room is
 *   told; by a Unix socket only after a call that would block, and a call may be short for another
 *   reason (a page that is gone): so it is tried once more.
 * - Several changes of one look, as bytes and an end: the socket is read until it would block. The
 *   same from then on where urgent bytes came, which cut a read short.
 * - Signals that the queue did not hold: poll asks for all that is parked, all else counts as
 *   readable.
 * Signals of a socket that is closed by now may hit another one with its number: that one is tried,
 * and would block.
 */
#include <stdlib.h>

#include "base/error.h"
#include "io/poll.h"
#include "os/file.h"
#include "os/signal_queue.h"

#define BATCH 64 /* signals taken by one look */

struct sigio {
    struct ready ready;
    struct signal_queue queue; /* of the thread that first adds or waits */
    struct poll_list list;
};

static int begin(struct sigio *sigio)
{
    struct event_flag *wake = &sigio->ready.wake;
    if (sigio->queue.number)
        return 0;
    int error = signal_queue_open(&sigio->queue);
    if (!error)
        error = signal_queue_arm(&sigio->queue, wake->fd);
    if (!error && event_is_raised(wake)) { /* before anybody could be told */
        event_lower(wake);
        event_raise(wake);
    }
    return error;
}

static void tell(struct ready *ready, struct signal_queue_change change)
{
    struct socket_entry *socket = sockets_find(&ready->sockets, change.fd);
    if (change.fd == ready->wake.fd)
        ready_woken(ready);
    if (!socket)
        return;
    unsigned events =
        (change.events & POLLIN ? READY_IN : 0) | (change.events & POLLOUT ? READY_OUT : 0);
    if (change.events & POLLPRI)
        socket->wary = true;
    if (change.events & (POLLERR | POLLHUP | POLLPRI) ||
        (events & READY_IN && (socket->readable || socket->wary)))
        events |= READY_ODD;
    ready_event(ready, change.fd, events);
}

static int look(struct ready *ready, int64_t timeout_ns)
{
    struct sigio *sigio = (struct sigio *)ready;
    struct signal_queue_change change;
    for (int i = 0; i < BATCH; i++) {
        switch (signal_queue_take(&sigio->queue, i == 0 ? timeout_ns : 0, &change)) {
        case SIGNAL_QUEUE_CHANGE:
            tell(ready, change);
            break;
        case SIGNAL_QUEUE_OVERFLOW:
            sockets_doubt(&ready->sockets);
            return poll_look(&sigio->list, ready, 0);
        case SIGNAL_QUEUE_NONE:
            return 0;
        }
    }
    return 0;
}

static int park(struct ready *ready, const struct io_operation *operation)
{
    /* What settles is told of as an error, and was looked for after the last one was taken. */
    if (operation->kind != IO_SEND || operation->settling)
        return 0;
    struct pollfd asked = {operation->fd, POLLOUT, 0};
    if (operation->brief || poll(&asked, 1, 0) > 0)
        ready_event(ready, operation->fd, READY_OUT);
    return 0;
}

static const struct ready_hooks hooks = {look, park};

static int sigio_wait(struct io_engine *engine, int64_t timeout_ns)
{
    int error = begin((struct sigio *)engine);
    return error ? error : ready_wait(engine, timeout_ns);
}

static int sigio_add(struct io_engine *engine, int fd)
{
    struct sigio *sigio = (struct sigio *)engine;
    int error = begin(sigio);
    if (!error)
        error = ready_add(&sigio->ready, fd);
    if (error)
        return error;
    error = signal_queue_arm(&sigio->queue, fd);
    if (error)
        ready_remove(&sigio->ready, fd);
    else
        ready_event(&sigio->ready, fd, READY_IN | READY_ODD);
    return error;
}

static void sigio_remove(struct io_engine *engine, int fd)
{
    signal_queue_disarm(fd);
    ready_remove((struct ready *)engine, fd);
}

static void sigio_close(struct io_engine *engine)
{
    struct sigio *sigio = (struct sigio *)engine;
    ready_close(&sigio->ready); /* the wake goes, too: no more signals */
    signal_queue_close(&sigio->queue);
    poll_free(&sigio->list);
    free(sigio);
}

static int sigio_open(const struct io_limits *limits, struct io_engine **engine)
{
    struct sigio *sigio = calloc(1, sizeof *sigio);
    if (!sigio)
        return error_set(MAPLOG_NO_MEMORY, "no memory for an engine");
    int error = ready_open(&sigio->ready, &io_sigio, &hooks, limits);
    if (error) {
        free(sigio);
        return error;
    }
    file_close(sigio->ready.wake.fd); /* an eventfd has no signals */
    error = event_open_signalling(&sigio->ready.wake.fd);
    if (error)
        sigio_close(&sigio->ready.engine);
    else
        *engine = &sigio->ready.engine;
    return error;
}

const struct io_methods io_sigio = {"sigio",      sigio_open,   sigio_close,
                                    sigio_add,    sigio_remove, ready_submit,
                                    ready_cancel, sigio_wait,   ready_wake};
