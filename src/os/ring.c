#include "os/ring.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"

int ring_enable(int fd)
{
    if (syscall(SYS_io_uring_register, fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0)
        return error_errno(errno, "cannot start io_uring");
    return 0;
}
