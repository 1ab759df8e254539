/* pair.c - socketpair(2), and the same over TCP. */
#include "lab/pair.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "os/socket.h"

#define CONNECT_MS 1000

static int open_tcp(int pair[static 2])
{
    int listeners[SOCKET_LISTENERS];
    char address[SOCKET_TEXT];
    int result = socket_listen("127.0.0.1:0", 1, listeners);
    if (result < 0)
        return result;
    socket_local(listeners[0], address);
    result = socket_connect(address, CONNECT_MS, &pair[0]);
    if (!result) {
        pair[1] = accept4(listeners[0], NULL, NULL, SOCK_CLOEXEC);
        result = pair[1] < 0 ? error_errno(errno, "cannot accept over the loopback")
                             : socket_set_blocking(pair[0], true);
        if (result) {
            close(pair[0]);
            if (pair[1] >= 0)
                close(pair[1]);
        }
    }
    socket_close_listener(listeners[0]);
    return result;
}

int pair_open(int pair[static 2], bool local)
{
    if (!local)
        return open_tcp(pair);
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0
               ? 0
               : error_errno(errno, "cannot make a pair of sockets");
}
