#include "os/event.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"

int event_open(int *fd)
{
    int opened = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (opened < 0)
        return error_errno(errno, "cannot make a descriptor to poll");
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
