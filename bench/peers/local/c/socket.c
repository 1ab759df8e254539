/* A pair of Unix stream sockets with the kernel's buffers. */
#include <sys/socket.h>

#include "stream.h"
#include "transport.h"

const char *const transport_name = "socket";

int stream_make(int ends[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends);
}
