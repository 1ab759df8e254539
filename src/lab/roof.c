/* roof.c - an echo on epoll, and a loop of sendfile. */
#include "lab/roof.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"

#define PREFIX 4 /* bytes of a frame's length */
#define EVENTS 256
#define TAKEN 65536 /* bytes that one call receives at most, as the server's */

static int take_connection(int listener, int flags)
{
    int on = 1;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | flags);
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* a Unix socket has no such */
    return fd;
}

/* ---- echo ------------------------------------------------------------------------------------ */

struct echo {
    const struct roof_echo *sizes;
    uint8_t taken[TAKEN];
    uint8_t *answer;
    int epoll, listener;
};

static void accept_all(struct echo *echo)
{
    int fd;
    while ((fd = take_connection(echo->listener, SOCK_NONBLOCK)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(echo->epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

/* Requests come whole: they are small, and their sender waits for the answer. */
static void answer(struct echo *echo, int fd)
{
    ssize_t got = recv(fd, echo->taken, TAKEN, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        close(fd);
    for (; got >= (ssize_t)echo->sizes->request_bytes; got -= (ssize_t)echo->sizes->request_bytes)
        if (send(fd, echo->answer, echo->sizes->answer_bytes, MSG_NOSIGNAL) < 0)
            return; /* the next receive tells */
}

void roof_echo(int listener, void *context)
{
    static struct echo echo;
    struct epoll_event events[EVENTS];
    echo.sizes = context;
    echo.listener = listener;
    echo.epoll = epoll_create1(EPOLL_CLOEXEC);
    echo.answer = calloc(1, echo.sizes->answer_bytes);
    if (echo.epoll < 0 || !echo.answer)
        return;
    bytes_store32(echo.answer, (uint32_t)(echo.sizes->answer_bytes - PREFIX));
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(echo.epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(echo.epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == listener)
                accept_all(&echo);
            else
                answer(&echo, events[i].data.fd);
        }
    }
}

/* ---- stream ---------------------------------------------------------------------------------- */

static void send_until_closed(const struct roof_stream *stream, int fd)
{
    for (;;) {
        for (off_t position = 0; (size_t)position < stream->size;) {
            size_t left = stream->size - (size_t)position;
            if (sendfile(fd, stream->file, &position,
                         left < stream->chunk ? left : stream->chunk) <= 0)
                return;
        }
    }
}

void roof_stream(int listener, void *context)
{
    signal(SIGPIPE, SIG_IGN);
    fcntl(listener, F_SETFL, 0); /* blocking */
    for (;;) {
        int fd = take_connection(listener, 0);
        if (fd < 0)
            return;
        send_until_closed(context, fd);
        close(fd);
    }
}
