/*
 * epoll.c - the default engine. A descriptor is registered once, for what comes in, edge-triggered:
 * what nobody receives at the moment is reported once and then rests, without a further call.
 * Writability is asked for only when a send did not fit, and from then on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/error.h"
#include "io/ready.h"
#include "os/file.h"

#define EVENTS 256 /* taken by one call */
#define INTEREST (EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLET)

struct epoll {
    struct ready ready;
    int fd;
};

static int wait_for_events(const struct epoll *epoll, struct epoll_event *events,
                           int64_t timeout_ns)
{
    struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    /* Milliseconds do where they are exact, and on kernels and in sandboxes that know no other. */
    if (timeout_ns > 0) {
        int count = epoll_pwait2(epoll->fd, events, EVENTS, &timeout, NULL);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM))
            return count;
    }
    return epoll_wait(epoll->fd, events, EVENTS, ready_milliseconds(timeout_ns));
}

static int look(struct ready *ready, int64_t timeout_ns)
{
    struct epoll *epoll = (struct epoll *)ready;
    struct epoll_event events[EVENTS];
    int count = wait_for_events(epoll, events, timeout_ns);
    if (count < 0)
        return errno == EINTR ? 0 : error_errno(errno, "cannot wait for sockets");
    for (int i = 0; i < count; i++) {
        int fd = events[i].data.fd;
        uint32_t seen = events[i].events;
        if (fd == ready->wake.fd)
            ready_woken(ready);
        else
            ready_event(ready, fd,
                        (seen & EPOLLIN ? READY_IN : 0) | (seen & EPOLLOUT ? READY_OUT : 0) |
                            (seen & ~(uint32_t)(EPOLLIN | EPOLLOUT) ? READY_ODD : 0));
    }
    return 0;
}

/* Registering anew also reports a socket that has room by now. Errors, and so what settles, are
 * reported anyway. */
static int park(struct ready *ready, const struct io_operation *operation)
{
    if (operation->kind != IO_SEND || operation->settling)
        return 0;
    struct epoll_event event = {.events = INTEREST | EPOLLOUT, .data.fd = operation->fd};
    return epoll_ctl(((struct epoll *)ready)->fd, EPOLL_CTL_MOD, operation->fd, &event) ? errno : 0;
}

static const struct ready_hooks hooks = {look, park};

static int enroll(const struct epoll *epoll, int fd)
{
    struct epoll_event event = {.events = INTEREST, .data.fd = fd};
    if (epoll_ctl(epoll->fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    if (errno == ENOSPC)
        return error_set(MAPLOG_LIMIT, "no more sockets: fs.epoll.max_user_watches is reached");
    return error_set(MAPLOG_IO, "cannot wait for descriptor %d: %s", fd, strerror(errno));
}

static int epoll_add(struct io_engine *engine, int fd)
{
    struct epoll *epoll = (struct epoll *)engine;
    int error = ready_add(&epoll->ready, fd);
    if (error)
        return error;
    error = enroll(epoll, fd);
    if (error)
        ready_remove(&epoll->ready, fd);
    return error;
}

static void epoll_remove(struct io_engine *engine, int fd)
{
    struct epoll *epoll = (struct epoll *)engine;
    struct epoll_event unused = {0};
    epoll_ctl(epoll->fd, EPOLL_CTL_DEL, fd, &unused);
    ready_remove(&epoll->ready, fd);
}

static void epoll_close(struct io_engine *engine)
{
    struct epoll *epoll = (struct epoll *)engine;
    file_close(epoll->fd);
    ready_close(&epoll->ready);
    free(epoll);
}

static int epoll_open(const struct io_limits *limits, struct io_engine **engine)
{
    struct epoll *epoll = malloc(sizeof *epoll);
    if (!epoll)
        return error_set(MAPLOG_NO_MEMORY, "no memory for an engine");
    int error = ready_open(&epoll->ready, &io_epoll, &hooks, limits);
    if (error) {
        free(epoll);
        return error;
    }
    epoll->fd = epoll_create1(EPOLL_CLOEXEC);
    error = epoll->fd < 0 ? error_errno(errno, "cannot open an epoll descriptor")
                          : enroll(epoll, epoll->ready.wake.fd);
    if (error)
        epoll_close(&epoll->ready.engine);
    else
        *engine = &epoll->ready.engine;
    return error;
}

const struct io_methods io_epoll = {"epoll",      epoll_open,   epoll_close,
                                    epoll_add,    epoll_remove, ready_submit,
                                    ready_cancel, ready_wait,   ready_wake};
