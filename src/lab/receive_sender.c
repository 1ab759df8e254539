/* receive_sender.c - a forked process, a socket, and a pipe that says how much is wanted. */
#include "lab/receive_sender.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "lab/pair.h"
#include "lab/pins.h"

#define PIECE ((size_t)1 << 20) /* of a write() */

struct receive_sender {
    pid_t pid;
    int socket;
    int orders; /* written: a uint64_t of bytes */
    struct pins pins;
};

/* ---- the sender ------------------------------------------------------------------------------ */

static void send_orders(int orders, int socket)
{
    uint64_t wanted;
    uint8_t *bytes = malloc(PIECE);
    if (!bytes)
        _exit(1);
    memset(bytes, 's', PIECE);
    while (read(orders, &wanted, sizeof wanted) == (ssize_t)sizeof wanted) {
        while (wanted > 0) {
            ssize_t sent = send(socket, bytes, wanted < PIECE ? wanted : PIECE, MSG_NOSIGNAL);
            if (sent <= 0)
                _exit(1);
            wanted -= (uint64_t)sent;
        }
    }
    _exit(0);
}

static int start(struct receive_sender *sender, bool local)
{
    int sockets[2], orders[2];
    int result = pair_open(sockets, local);
    if (result)
        return result;
    sender->socket = sockets[1];
    if (pipe(orders) != 0) {
        close(sockets[0]);
        return error_errno(errno, "cannot make a pipe");
    }
    sender->orders = orders[1];
    sender->pid = fork();
    if (sender->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(orders[1]);
        close(sockets[1]);
        pins_move_child(&sender->pins);
        send_orders(orders[0], sockets[0]);
    }
    int errnum = errno;
    close(orders[0]);
    close(sockets[0]);
    return sender->pid < 0 ? error_errno(errnum, "cannot start a process that sends") : 0;
}

int receive_sender_start(struct receive_sender **sender, bool local)
{
    struct receive_sender *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a sender");
    made->pid = made->socket = made->orders = -1;
    pins_take(&made->pins);
    int result = start(made, local);
    if (result) {
        receive_sender_stop(made);
        return result;
    }
    *sender = made;
    return 0;
}

void receive_sender_stop(struct receive_sender *sender)
{
    if (!sender)
        return;
    if (sender->orders >= 0)
        close(sender->orders);
    if (sender->socket >= 0)
        close(sender->socket);
    if (sender->pid > 0)
        waitpid(sender->pid, NULL, 0);
    pins_release(&sender->pins);
    free(sender);
}

int receive_sender_socket(const struct receive_sender *sender)
{
    return sender->socket;
}

int receive_sender_order(struct receive_sender *sender, size_t bytes)
{
    uint64_t wanted = bytes;
    if (write(sender->orders, &wanted, sizeof wanted) != (ssize_t)sizeof wanted)
        return error_errno(errno, "the process that sends is gone");
    return 0;
}
