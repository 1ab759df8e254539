/* poll.c - the engine that asks for every parked operation anew: a few sockets, any kernel. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"
#include "io/ready.h"

#define FIRST_ROOM 64 /* entries; it doubles */

struct poll {
    struct ready ready;
    struct pollfd *asked;
    size_t room; /* in asked */
};

/* The next entry to be filled, NULL without memory. */
static struct pollfd *entry(struct poll *poll, size_t index)
{
    if (index == poll->room) {
        size_t room = index ? 2 * index : FIRST_ROOM;
        struct pollfd *grown = realloc(poll->asked, room * sizeof *grown);
        if (!grown)
            return NULL;
        poll->asked = grown;
        poll->room = room;
    }
    return &poll->asked[index];
}

/* Asks for the parked operations, one entry each, behind one for the wake; how many in *count. */
static int ask(struct poll *poll, size_t *count)
{
    poll->asked[0] = (struct pollfd){poll->ready.wake.fd, POLLIN, 0};
    size_t asked = 1;
    for (const struct io_operation *operation = poll->ready.parked.first; operation;
         operation = operation->next) {
        struct pollfd *next = entry(poll, asked++);
        if (!next)
            return error_set(MAPLOG_NO_MEMORY, "no memory to poll %zu sockets", asked);
        *next = (struct pollfd){operation->fd, operation->kind == IO_SEND ? POLLOUT : POLLIN, 0};
    }
    *count = asked;
    return 0;
}

static int look(struct ready *ready, int64_t timeout_ns)
{
    struct poll *poll = (struct poll *)ready;
    struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    size_t count = 0;
    int error = ask(poll, &count);
    if (error)
        return error;
    if (ppoll(poll->asked, count, timeout_ns < 0 ? NULL : &timeout, NULL) < 0)
        return errno == EINTR ? 0 : error_errno(errno, "cannot wait for sockets");
    if (poll->asked[0].revents)
        ready_woken(ready);
    for (size_t i = 1; i < count; i++) {
        int seen = poll->asked[i].revents;
        if (seen)
            ready_event(ready, poll->asked[i].fd,
                        (seen & POLLIN ? READY_IN : 0) | (seen & POLLOUT ? READY_OUT : 0) |
                            (seen & ~(POLLIN | POLLOUT) ? READY_ODD : 0));
    }
    return 0;
}

static const struct ready_hooks hooks = {look, NULL};

static int poll_add(struct io_engine *engine, int fd)
{
    return ready_add((struct ready *)engine, fd);
}

static void poll_remove(struct io_engine *engine, int fd)
{
    ready_remove((struct ready *)engine, fd);
}

static void poll_close(struct io_engine *engine)
{
    struct poll *poll = (struct poll *)engine;
    ready_close(&poll->ready);
    free(poll->asked);
    free(poll);
}

static int poll_open(const struct io_limits *limits, struct io_engine **engine)
{
    struct poll *poll = calloc(1, sizeof *poll);
    if (!poll)
        return error_set(MAPLOG_NO_MEMORY, "no memory for an engine");
    int error = ready_open(&poll->ready, &io_poll, &hooks, limits);
    if (error) {
        free(poll);
        return error;
    }
    if (!entry(poll, 0)) {
        poll_close(&poll->ready.engine);
        return error_set(MAPLOG_NO_MEMORY, "no memory for an engine");
    }
    *engine = &poll->ready.engine;
    return 0;
}

const struct io_methods io_poll = {"poll",       poll_open,    poll_close, poll_add,  poll_remove,
                                   ready_submit, ready_cancel, ready_wait, ready_wake};
