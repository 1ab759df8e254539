/* socket.c - listening sockets, and what a socket says of itself. */
#include "os/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/error.h"
#include "os/socket_address.h"

#define KEEPALIVE_IDLE_SECONDS 120 /* of silence before a peer is asked whether it lives */
#define KEEPALIVE_INTERVAL_SECONDS 30
#define KEEPALIVE_PROBES 4
#define PORT_TRIES 16 /* for a port that is free on every address of a name */

/* ---- listening ------------------------------------------------------------------------------- */

static void set_option(int fd, int level, int option, int value)
{
    /* Fails only where a sandbox knows less than Linux; the socket then works without it. */
    setsockopt(fd, level, option, &value, sizeof value);
}

/* Accepted sockets inherit these. */
static void set_options(int fd, const struct socket_address *address)
{
    if (address->any.sa_family == AF_UNIX)
        return;
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
    if (address->any.sa_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !socket_is_any(address));
}

static int listen_error(int errnum, const struct socket_address *address)
{
    char text[SOCKET_TEXT];
    socket_text(address, text);
    char *colon = strrchr(text, ':');
    switch (errnum) {
    case EADDRINUSE:
        return error_set(
            MAPLOG_BUSY,
            "port %s on %.*s is in use; stop the program that has it (`ss -ltnp` names "
            "it), or listen on another port",
            colon + 1, (int)(colon - text), text);
    case EADDRNOTAVAIL:
        return error_set(MAPLOG_NOT_FOUND,
                         "%.*s is no address of this machine; listen on 0.0.0.0:%s for all it has, "
                         "and advertise the address that clients use",
                         (int)(colon - text), text, colon + 1);
    case EACCES:
        if (address->any.sa_family != AF_UNIX)
            return error_set(MAPLOG_DENIED, "port %s needs privileges; listen on one from 1024 up",
                             colon + 1);
        /* fall through */
    default:
        return error_errno(errnum, "cannot listen on %s", text);
    }
}

/* A descriptor that listens, or -1 and errno. */
static int listen_once(const struct socket_address *address, int backlog)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    set_options(fd, address);
    if (bind(fd, &address->any, address->size) == 0 && listen(fd, backlog) == 0)
        return fd;
    int errnum = errno;
    close(fd);
    errno = errnum;
    return -1;
}

/* A bound path outlives its server. 0: the file was a dead one's and is gone. */
static int remove_stale(const struct socket_address *address)
{
    const char *path = address->local.sun_path;
    struct stat status;
    if (lstat(path, &status) != 0)
        return errno == ENOENT ? 0 : error_errno(errno, "cannot look at %s", path);
    if (!S_ISSOCK(status.st_mode))
        return error_set(MAPLOG_EXISTS, "%s exists and is no socket; choose another path", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_errno(errno, "cannot make a socket");
    int errnum = connect(fd, &address->any, address->size) == 0 ? 0 : errno;
    close(fd);
    if (errnum == 0 || errnum == EAGAIN) /* EAGAIN: its queue is full, so it lives */
        return error_set(MAPLOG_BUSY,
                         "another program listens on %s; stop it, or choose another path", path);
    if (errnum != ECONNREFUSED && errnum != ENOENT)
        return error_errno(errnum, "cannot tell whether a program listens on %s", path);
    if (unlink(path) != 0 && errno != ENOENT)
        return error_errno(errno, "cannot remove %s, which a dead program left", path);
    return 0;
}

static int listen_on_path(const struct socket_address *address, int backlog, int *fd)
{
    int listening = listen_once(address, backlog);
    if (listening < 0 && errno == EADDRINUSE) {
        int error = remove_stale(address);
        if (error)
            return error;
        listening = listen_once(address, backlog);
    }
    if (listening < 0)
        return error_errno(errno, "cannot listen on %s", address->local.sun_path);
    *fd = listening;
    return 1;
}

static void close_all(const int *fds, int count)
{
    while (count > 0)
        socket_close_listener(fds[--count]);
}

/* All of them with one port; -1 and errno when that is not possible, *failed is the address. */
static int listen_on_all(struct socket_address *addresses, int count, int backlog, int *fds,
                         int *failed)
{
    int listening = 0, errnum = 0;
    for (int i = 0; i < count; i++) {
        if (listening > 0 && socket_get_port(&addresses[i]) == 0)
            socket_set_port(&addresses[i], socket_port(fds[0]));
        int fd = listen_once(&addresses[i], backlog);
        if (fd >= 0) {
            fds[listening++] = fd;
            if (socket_is_any(&addresses[i]))
                break; /* takes IPv4 too */
        } else if (errnum == 0 || (errno != EADDRNOTAVAIL && errno != EAFNOSUPPORT)) {
            errnum = errno;
            *failed = i;
        }
    }
    /* A machine without IPv6 has a localhost, too. */
    if (listening > 0 && (errnum == 0 || errnum == EADDRNOTAVAIL || errnum == EAFNOSUPPORT))
        return listening;
    close_all(fds, listening);
    errno = errnum;
    return -1;
}

int socket_listen(const char *address, int backlog, int fds[static SOCKET_LISTENERS])
{
    struct socket_address addresses[SOCKET_LISTENERS];
    int count = socket_resolve(address, true, addresses);
    if (count <= 0)
        return count;
    if (socket_is_unix(address))
        return listen_on_path(addresses, backlog, fds);
    bool picks = socket_get_port(&addresses[0]) == 0;
    for (int tries = 0;; tries++) {
        struct socket_address tried[SOCKET_LISTENERS];
        int failed = 0, made[SOCKET_LISTENERS];
        memcpy(tried, addresses, sizeof tried);
        int listening = listen_on_all(tried, count, backlog, made, &failed);
        if (listening > 0) {
            memcpy(fds, made, (size_t)listening * sizeof *made);
            return listening;
        }
        if (!picks || errno != EADDRINUSE || tries == PORT_TRIES)
            return listen_error(errno, &tried[failed]);
    }
}

/* ---- ending ---------------------------------------------------------------------------------- */

void socket_close_listener(int fd)
{
    struct socket_address address = {.size = sizeof address.local};
    if (fd < 0)
        return;
    /* The path first: once the socket is closed, another server may take it. */
    if (getsockname(fd, &address.any, &address.size) == 0 && address.any.sa_family == AF_UNIX &&
        address.local.sun_path[0])
        unlink(address.local.sun_path);
    close(fd);
}

void socket_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

void socket_abort(int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

void socket_end_sending(int fd)
{
    shutdown(fd, SHUT_WR);
}

void socket_end_receiving(int fd)
{
    shutdown(fd, SHUT_RD);
}

int socket_duplicate(int fd, int *again)
{
    *again = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (*again >= 0)
        return 0;
    return error_set(errno == EMFILE ? MAPLOG_LIMIT : MAPLOG_IO,
                     "cannot make a second descriptor of a socket: %s", strerror(errno));
}

int socket_set_blocking(int fd, bool blocking)
{
    int non_blocking = !blocking;
    return ioctl(fd, FIONBIO, &non_blocking) == 0
               ? 0
               : error_set(MAPLOG_IO, "cannot make descriptor %d %s: %s", fd,
                           blocking ? "blocking" : "non-blocking", strerror(errno));
}

void socket_limit_waits(int fd, int ms)
{
    struct timeval limit = {ms / 1000, ms % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    socket_limit_sends(fd, ms);
}

void socket_limit_sends(int fd, int ms)
{
    struct timeval limit = {ms / 1000, ms % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

bool socket_allow_zerocopy(int fd)
{
    int one = 1;
    return setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof one) == 0;
}

int socket_try_zerocopy(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && socket_allow_zerocopy(fd);
    socket_close(fd);
    return has ? 0
               : error_set(MAPLOG_UNSUPPORTED, "this kernel sends nothing without a copy: "
                                               "SO_ZEROCOPY needs Linux 4.14 and TCP");
}

/* ---- names ----------------------------------------------------------------------------------- */

void socket_local(int fd, char text[static SOCKET_TEXT])
{
    struct socket_address address = {.size = sizeof address.local};
    if (getsockname(fd, &address.any, &address.size) != 0)
        address.any.sa_family = AF_UNSPEC;
    socket_text(&address, text);
}

void socket_peer(int fd, char text[static SOCKET_TEXT])
{
    struct socket_address address = {.size = sizeof address.local};
    struct ucred who;
    socklen_t size = sizeof who;
    if (getpeername(fd, &address.any, &address.size) != 0)
        address.any.sa_family = AF_UNSPEC;
    if (address.any.sa_family == AF_UNIX &&
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0)
        snprintf(text, SOCKET_TEXT, "unix:pid=%d", (int)who.pid);
    else
        socket_text(&address, text);
}

uint16_t socket_port(int fd)
{
    struct socket_address address = {.size = sizeof address.local};
    return getsockname(fd, &address.any, &address.size) == 0 ? socket_get_port(&address) : 0;
}
