#include "os/event.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "os/file.h"

int event_open(int *fd)
{
    int opened = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (opened < 0)
        return error_errno(errno, "cannot make a descriptor to poll");
    *fd = opened;
    return 0;
}

int event_open_signalling(int *fd)
{
    struct sockaddr_un self = {.sun_family = AF_UNIX};
    socklen_t length = sizeof self.sun_family; /* the kernel gives it a name of its own */
    int opened = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (opened < 0 || bind(opened, (struct sockaddr *)&self, length) != 0 ||
        (length = sizeof self, getsockname(opened, (struct sockaddr *)&self, &length)) != 0 ||
        connect(opened, (struct sockaddr *)&self, length) != 0) {
        int errnum = errno;
        file_close(opened);
        return error_errno(errnum, "cannot make a descriptor that signals");
    }
    *fd = opened;
    return 0;
}

void event_set(int fd)
{
    uint64_t one = 1;
    /* Fails only when the counter is full, and then it is set. */
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void event_clear(int fd)
{
    uint64_t count;
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
}

void event_raise(struct event_flag *flag)
{
    if (!atomic_exchange(&flag->raised, true))
        event_set(flag->fd);
}

bool event_is_raised(const struct event_flag *flag)
{
    return atomic_load(&flag->raised);
}

void event_lower(struct event_flag *flag)
{
    /* In this order: who finds it still raised need not set the descriptor, since what it raised it
     * for is seen by whoever asked for this call. The other way round its set would be cleared. */
    event_clear(flag->fd);
    atomic_exchange(&flag->raised, false);
}
