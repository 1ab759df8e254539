/* notify.c - datagrams for the service manager. */
#include "os/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "os/clock.h"

#define STATUS_SIZE 201 /* with the NUL */

static int notify(const char *state)
{
    const char *name = getenv("NOTIFY_SOCKET");
    if (!name)
        return 0;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    if ((*name != '/' && *name != '@') || length < 2 || length >= sizeof address.sun_path)
        return error_set(MAPLOG_INVALID, "NOTIFY_SOCKET=%s is no address of a Unix socket", name);
    memcpy(address.sun_path, name, length);
    if (*name == '@') /* abstract: a NUL in front, and no NUL behind */
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_set(MAPLOG_IO, "cannot make a socket: %s", strerror(errno));
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    int errnum = errno;
    close(fd);
    if (sent < 0)
        return error_set(MAPLOG_IO, "cannot notify %s: %s", name, strerror(errnum));
    return 0;
}

int notify_ready(void)
{
    return notify("READY=1");
}

int notify_reloading(void)
{
    char state[64];
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)(clock_monotonic_ns() / 1000));
    return notify(state);
}

int notify_stopping(void)
{
    return notify("STOPPING=1");
}

int notify_status(const char *format, ...)
{
    char status[STATUS_SIZE], state[STATUS_SIZE + 8];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(status, sizeof status, format, arguments);
    va_end(arguments);
    snprintf(state, sizeof state, "STATUS=%s", status);
    state[strcspn(state, "\n")] = '\0'; /* a second line would be another statement */
    return notify(state);
}
