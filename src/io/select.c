/*
 * select.c - the engine with two sets of bits: descriptors below FD_SETSIZE, on any system. A set
 * bit is all it tells: errors and ends make a descriptor readable, and with unread bytes they
 * cannot be told from these. So nothing can be sent that waits for an error (MSG_ZEROCOPY's
 * notices).
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/select.h>
#include <time.h>

#include "base/error.h"
#include "io/ready.h"
#include "io/sender.h"

static fd_set *set_of(fd_set sets[DIRECTIONS], const struct io_operation *operation)
{
    return &sets[operation->kind == IO_SEND ? DIRECTION_OUT : DIRECTION_IN];
}

static int look(struct ready *ready, int64_t timeout_ns)
{
    struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    fd_set sets[DIRECTIONS];
    int last = ready->wake.fd;
    FD_ZERO(&sets[DIRECTION_IN]);
    FD_ZERO(&sets[DIRECTION_OUT]);
    FD_SET(ready->wake.fd, &sets[DIRECTION_IN]);
    struct io_operation *operation = ready->parked.first, *next;
    for (; operation; operation = operation->next) {
        FD_SET(operation->fd, set_of(sets, operation));
        if (operation->fd > last)
            last = operation->fd;
    }
    int count = pselect(last + 1, &sets[DIRECTION_IN], &sets[DIRECTION_OUT], NULL,
                        timeout_ns < 0 ? NULL : &timeout, NULL);
    if (count < 0)
        return errno == EINTR ? 0 : error_errno(errno, "cannot wait for sockets");
    if (FD_ISSET(ready->wake.fd, &sets[DIRECTION_IN])) {
        ready_woken(ready);
        count--;
    }
    for (operation = ready->parked.first; operation && count > 0; operation = next) {
        next = operation->next; /* an event takes its own operation off the list, no other */
        if (!FD_ISSET(operation->fd, set_of(sets, operation)))
            continue;
        ready_event(ready, operation->fd, operation->kind == IO_SEND ? READY_OUT : READY_IN);
        count--;
    }
    return 0;
}

static const struct ready_hooks hooks = {look, NULL};

static int check(int fd)
{
    if (fd < FD_SETSIZE)
        return 0;
    return error_set(
        MAPLOG_LIMIT,
        "select knows descriptors below %d, this is %d; choose the engine epoll for so "
        "many",
        FD_SETSIZE, fd);
}

static int select_add(struct io_engine *engine, int fd)
{
    int error = check(fd);
    return error ? error : ready_add((struct ready *)engine, fd);
}

static void select_remove(struct io_engine *engine, int fd)
{
    ready_remove((struct ready *)engine, fd);
}

static void select_close(struct io_engine *engine)
{
    ready_close((struct ready *)engine);
    free(engine);
}

static int select_open(const struct io_limits *limits, struct io_engine **engine)
{
    struct ready *ready = malloc(sizeof *ready);
    if (!ready)
        return error_set(MAPLOG_NO_MEMORY, "no memory for an engine");
    int error = ready_open(ready, &io_select, &hooks, limits);
    if (error) {
        free(ready);
        return error;
    }
    error = check(ready->wake.fd);
    if (!error && sender_settles(ready->sender))
        error =
            error_set(MAPLOG_UNSUPPORTED,
                      "select cannot wait for the notices of zerocopy; choose another engine, as "
                      "epoll, or another way to send");
    if (error)
        select_close(&ready->engine);
    else
        *engine = &ready->engine;
    return error;
}

const struct io_methods io_select = {"select",     select_open,   select_close,
                                     select_add,   select_remove, ready_submit,
                                     ready_cancel, ready_wait,    ready_wake};
