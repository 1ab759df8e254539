#include "door.h"

#include <stdio.h>

#include "os/signals.h"
#include "os/socket.h"

#define BACKLOG 1024
#define LOOK_NS                                                                                    \
    100000000ll /* after a socket that could not be accepted, as without descriptors               \
                 */

static struct io_engine *engine;
static int (*visit)(int fd);
static bool refused;

static void accepted(struct io_operation *operation, int fd)
{
    (void)operation; /* door_run submits it again */
    refused = fd < 0 || io_add(engine, fd) != 0;
    if (!refused && visit(fd) < 0) {
        io_remove(engine, fd);
        refused = true;
    }
    if (refused)
        socket_close(fd);
}

static void wake(void *context)
{
    io_wake(context);
}

static int accept_until_signal(int listener)
{
    struct io_operation accept = {.fd = listener, .done = accepted};
    int result = 0;
    while (result == 0 && !(signals_take() & SIGNALS_STOP)) {
        if (accept.state == 0 && !refused) /* it is not under way */
            io_accept(engine, &accept);
        refused = false;
        result = io_wait(engine, accept.state == 0 ? LOOK_NS : -1);
    }
    io_cancel(engine, &accept);
    while (result == 0 && accept.state != 0)
        result = io_wait(engine, -1);
    return result;
}

int door_run(struct io_engine *at, const char *address, int (*visit_accepted)(int fd))
{
    int fds[SOCKET_LISTENERS];
    char text[SOCKET_TEXT];
    engine = at;
    visit = visit_accepted;
    int count = socket_listen(address, BACKLOG, fds);
    int result = count < 0 ? count : io_add(engine, fds[0]);
    if (result == 0)
        result = signals_catch(wake, engine);
    if (result == 0) {
        socket_local(fds[0], text);
        printf("listening on %s\n", text);
        fflush(stdout);
        result = accept_until_signal(fds[0]);
        io_remove(engine, fds[0]);
    }
    while (count > 0) /* localhost has an IPv6 address, too: only the first one is used */
        socket_close_listener(fds[--count]);
    return result;
}

bool door_wait(struct io_engine *at, const int *open)
{
    while (*open > 0 && !(signals_take() & SIGNALS_STOP))
        if (io_wait(at, -1) != 0)
            break;
    return *open == 0;
}
