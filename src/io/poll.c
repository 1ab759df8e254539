/* poll.c - the engine that asks for every socket anew on which something is parked: a few sockets,
 * any kernel. */
#include "io/poll.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"

#define FIRST_ROOM 64 /* entries; it doubles */

struct poll {
    struct ready ready;
    struct poll_list list;
};

/* The next entry to be filled, NULL without memory. */
static struct pollfd *entry(struct poll_list *list, size_t index)
{
    if (index == list->room) {
        size_t room = index ? 2 * index : FIRST_ROOM;
        struct pollfd *grown = realloc(list->asked, room * sizeof *grown);
        if (!grown)
            return NULL;
        list->asked = grown;
        list->room = room;
    }
    return &list->asked[index];
}

/* The events to ask for; errors and ends are told without. */
static short wanted(const struct ready *ready, int fd)
{
    const struct io_operation *out = ready_parked(ready, fd, DIRECTION_OUT);
    return (short)((ready_parked(ready, fd, DIRECTION_IN) ? POLLIN : 0) |
                   (out && !out->settling ? POLLOUT : 0));
}

/* Asks for the parked operations, behind an entry for the wake; how many in *count. An entry a
 * descriptor, not one an operation: the kernel takes no more entries than RLIMIT_NOFILE says. */
static int ask(struct poll_list *list, const struct ready *ready, size_t *count)
{
    const struct io_operation *operation = ready->parked.first;
    struct pollfd *next = entry(list, 0);
    if (next)
        *next = (struct pollfd){ready->wake.fd, POLLIN, 0};
    size_t asked = 1;
    for (; next && operation; operation = operation->next) {
        int fd = operation->fd;
        if (operation->kind == IO_SEND && ready_parked(ready, fd, DIRECTION_IN))
            continue; /* by that one's entry */
        next = entry(list, asked++);
        if (next)
            *next = (struct pollfd){fd, wanted(ready, fd), 0};
    }
    *count = asked;
    return next ? 0 : error_set(MAPLOG_NO_MEMORY, "no memory to poll %zu sockets", asked);
}

int poll_look(struct poll_list *list, struct ready *ready, int64_t timeout_ns)
{
    struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    size_t count = 0;
    int error = ask(list, ready, &count);
    if (error)
        return error;
    if (ppoll(list->asked, count, timeout_ns < 0 ? NULL : &timeout, NULL) < 0)
        return errno == EINTR ? 0 : error_errno(errno, "cannot wait for sockets");
    if (list->asked[0].revents)
        ready_woken(ready);
    for (size_t i = 1; i < count; i++) {
        int seen = list->asked[i].revents;
        if (seen)
            ready_event(ready, list->asked[i].fd,
                        (seen & POLLIN ? READY_IN : 0) | (seen & POLLOUT ? READY_OUT : 0) |
                            (seen & ~(POLLIN | POLLOUT) ? READY_ODD : 0));
    }
    return 0;
}

void poll_free(struct poll_list *list)
{
    free(list->asked);
}

static int look(struct ready *ready, int64_t timeout_ns)
{
    return poll_look(&((struct poll *)ready)->list, ready, timeout_ns);
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
    poll_free(&poll->list);
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
    *engine = &poll->ready.engine;
    return 0;
}

const struct io_methods io_poll = {"poll",       poll_open,    poll_close, poll_add,  poll_remove,
                                   ready_submit, ready_cancel, ready_wait, ready_wake};
