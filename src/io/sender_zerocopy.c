/*
 * sender_zerocopy.c - MSG_ZEROCOPY: the network reads the pages of the mapping itself. Each call
 * has a number on its socket, counted from 0; the socket's error queue tells, in ranges of numbers,
 * which ones the kernel is through with.
 *
 * Notices of a send that was cancelled may still come when the next one has begun. They then count
 * for that one, which does no harm: what is behind a send that broke off is no stream any more, and
 * the pages, which nobody changes, are the kernel's as long as it needs them.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/errqueue.h> /* needs <time.h> */

#include "io/sender_methods.h"
#include "os/socket.h"

ssize_t sender_zerocopy(struct sender_holds *holds, struct io_operation *operation, size_t room,
                        size_t *asked)
{
    (void)holds;
    const struct io_slice *slice = &operation->slices[operation->sent];
    *asked = slice->size < room ? slice->size : room;
    struct iovec piece = {(void *)slice->at, *asked};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    int flags = MSG_NOSIGNAL | (sender_more(operation, *asked) ? MSG_MORE : 0);
    if (operation->unsettled > 0 || socket_allow_zerocopy(operation->fd)) {
        ssize_t moved = sendmsg(operation->fd, &message, flags | MSG_ZEROCOPY);
        if (moved > 0)
            operation->unsettled++;
        /* Too many pages are held already (net.core.optmem_max, RLIMIT_MEMLOCK). */
        if (moved >= 0 || errno != ENOBUFS)
            return moved;
    }
    /* As where the socket cannot: the kernel copies, from the same mapping. */
    return sendmsg(operation->fd, &message, flags);
}

/* What one message of the error queue says. */
static void note(struct io_operation *operation, struct msghdr *message)
{
    for (struct cmsghdr *each = CMSG_FIRSTHDR(message); each; each = CMSG_NXTHDR(message, each)) {
        struct sock_extended_err report;
        if (!(each->cmsg_level == SOL_IP && each->cmsg_type == IP_RECVERR) &&
            !(each->cmsg_level == SOL_IPV6 && each->cmsg_type == IPV6_RECVERR))
            continue;
        memcpy(&report, CMSG_DATA(each), sizeof report);
        if (report.ee_origin != SO_EE_ORIGIN_ZEROCOPY)
            continue;
        uint32_t settled = report.ee_data - report.ee_info + 1;
        operation->unsettled -= settled < operation->unsettled ? settled : operation->unsettled;
        operation->copied |= (report.ee_code & SO_EE_CODE_ZEROCOPY_COPIED) != 0;
    }
}

void sender_settle(struct io_operation *operation)
{
    while (operation->unsettled > 0) {
        _Alignas(struct cmsghdr) char
            control[CMSG_SPACE(sizeof(struct sock_extended_err) + sizeof(struct sockaddr_in6))];
        struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control};
        if (recvmsg(operation->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            return;
        note(operation, &message);
    }
}
