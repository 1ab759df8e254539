/* socket_connect.c - a client's side: connecting and transferring with deadlines. */
#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "os/clock.h"
#include "os/socket_address.h"

#define FULL_NAP_NS 1000000 /* between tries of a Unix socket whose queue is full */

/* Milliseconds left, rounded up, as poll wants them. */
static int left_ms(int64_t deadline_ns)
{
    if (deadline_ns == SOCKET_NO_DEADLINE)
        return -1;
    int64_t left = deadline_ns - clock_monotonic_ns();
    int64_t ms = left > 0 ? (left + 999999) / 1000000 : 0;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* 0, or an errno: ETIMEDOUT at the deadline. */
static int wait_for(int fd, short events, int64_t deadline_ns)
{
    struct pollfd asked = {.fd = fd, .events = events};
    int count;
    do
        count = poll(&asked, 1, left_ms(deadline_ns));
    while (count < 0 && errno == EINTR);
    return count > 0 ? 0 : count == 0 ? ETIMEDOUT : errno;
}

/* ---- connecting ------------------------------------------------------------------------------ */

/* 0 or an errno. */
static int finish_connect(int fd, int64_t deadline_ns)
{
    int errnum = wait_for(fd, POLLOUT, deadline_ns);
    socklen_t size = sizeof errnum;
    if (errnum == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &size) != 0)
        errnum = errno;
    return errnum;
}

static int connect_to(const struct socket_address *address, int64_t deadline_ns, int *fd)
{
    int opened = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (opened < 0)
        return errno;
    int one = 1, errnum;
    if (address->any.sa_family != AF_UNIX) {
        setsockopt(opened, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        setsockopt(opened, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    }
    for (;;) {
        errnum = connect(opened, &address->any, address->size) == 0 ? 0 : errno;
        if (errnum != EAGAIN || left_ms(deadline_ns) == 0)
            break;
        clock_sleep_ns(FULL_NAP_NS);
    }
    if (errnum == EINPROGRESS || errnum == EINTR)
        errnum = finish_connect(opened, deadline_ns);
    else if (errnum == EAGAIN)
        errnum = ETIMEDOUT;
    if (errnum)
        close(opened);
    else
        *fd = opened;
    return errnum;
}

int socket_connect(const char *address, int timeout_ms, int *fd)
{
    struct socket_address addresses[SOCKET_LISTENERS];
    int64_t deadline_ns =
        timeout_ms < 0 ? SOCKET_NO_DEADLINE : clock_monotonic_ns() + timeout_ms * 1000000LL;
    int count = socket_resolve(address, false, addresses);
    if (count < 0)
        return count;
    int errnum = 0, first = 0;
    for (int i = 0; i < count; i++) {
        errnum = connect_to(&addresses[i], deadline_ns, fd);
        if (errnum == 0)
            return 0;
        first = first ? first : errnum;
        if (errnum == ETIMEDOUT && left_ms(deadline_ns) == 0)
            return error_set(MAPLOG_TIMED_OUT, "no connection to %s within %d ms", address,
                             timeout_ms);
    }
    if (first == ECONNREFUSED || first == ENOENT)
        return error_set(MAPLOG_IO, "cannot connect to %s: %s; does a server run there?", address,
                         strerror(first));
    return error_set(MAPLOG_IO, "cannot connect to %s: %s", address, strerror(first));
}

/* ---- transfer -------------------------------------------------------------------------------- */

static int transfer_error(int errnum, const char *what, int fd)
{
    char peer[SOCKET_TEXT];
    socket_peer(fd, peer);
    if (errnum == ETIMEDOUT)
        return error_set(MAPLOG_TIMED_OUT, "the time limit passed while %s %s", what, peer);
    return error_set(MAPLOG_IO, "the connection broke while %s %s: %s", what, peer,
                     strerror(errnum));
}

int socket_send_all(int fd, const void *from, size_t length, int64_t deadline_ns)
{
    const char *at = from;
    while (length > 0) {
        ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);
        int errnum = sent >= 0 ? 0 : errno;
        if (errnum == EAGAIN)
            errnum = wait_for(fd, POLLOUT, deadline_ns);
        if (errnum && errnum != EINTR)
            return transfer_error(errnum, "sending to", fd);
        at += sent > 0 ? sent : 0;
        length -= sent > 0 ? (size_t)sent : 0;
    }
    return 0;
}

int socket_receive(int fd, void *to, size_t length, int64_t deadline_ns, size_t *got)
{
    for (;;) {
        ssize_t received = recv(fd, to, length, 0);
        int errnum = received >= 0 ? 0 : errno;
        if (errnum == EAGAIN)
            errnum = wait_for(fd, POLLIN, deadline_ns);
        if (errnum && errnum != EINTR)
            return transfer_error(errnum, "receiving from", fd);
        if (received >= 0) {
            *got = (size_t)received;
            return 0;
        }
    }
}

int socket_receive_all(int fd, void *to, size_t length, int64_t deadline_ns)
{
    size_t received = 0;
    while (received < length) {
        size_t got = 0;
        int error = socket_receive(fd, (char *)to + received, length - received, deadline_ns, &got);
        if (error)
            return error;
        if (got == 0 && received == 0)
            return error_set(MAPLOG_CLOSED, "the peer has closed the connection");
        if (got == 0)
            return error_set(MAPLOG_IO, "the peer closed the connection after %zu bytes of %zu",
                             received, length);
        received += got;
    }
    return 0;
}
