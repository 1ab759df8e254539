/* ring_device.c - the kernel module's device. */
#include "cmd/ring_device.h"

#include <fcntl.h>

#include "base/error.h"
#include "os/file.h"

static int open_device(const char *path, enum ring_role role, int *fd)
{
    /* Should it be a pipe, its other end is not waited for. */
    int flags = (role == RING_READER ? O_RDWR : O_RDONLY) | O_NONBLOCK;
    int result = file_open(AT_FDCWD, path, flags, 0, fd);
    if (result == MAPLOG_NOT_FOUND)
        return error_set(result, "there is no device %s; is the module loaded? modprobe maplog",
                         path);
    if (result == MAPLOG_BUSY)
        return error_set(result, "%s is busy: it has one reader at a time, another maplog drain?",
                         path);
    if (result == MAPLOG_DENIED)
        return error_set(result,
                         "%s cannot be opened: permission denied; it is root's alone, unless a "
                         "udev rule lets a group in",
                         path);
    return result;
}

int ring_device_open(const char *path, enum ring_role role, struct ring_device *device)
{
    struct file_identity identity;
    struct ring_device made = {.fd = -1};
    int result = open_device(path, role, &made.fd);
    if (!result)
        result = file_identify(made.fd, path, &identity);
    if (!result && !identity.is_character)
        result = error_set(MAPLOG_INVALID,
                           "%s is no character device; the module makes " RING_DEVICE, path);
    if (!result)
        result = ring_reader_open(made.fd, path, role, &made.reader);
    if (result)
        file_close(made.fd);
    else
        *device = made;
    return result;
}

void ring_device_close(struct ring_device *device)
{
    ring_reader_close(device->reader);
    file_close(device->fd);
}

const char *ring_device_source(enum ring_source source)
{
    static const char *const names[] = {[RING_SOURCE_EMIT] = "emit",
                                        [RING_SOURCE_KERNEL_LOG] = "kernel-log",
                                        [RING_SOURCE_WRITE] = "write"};
    return names[source];
}
