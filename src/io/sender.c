/* sender.c - the ways to send by name, and an attempt by one of them. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/limits.h"
#include "io/sender_methods.h"
#include "os/socket.h"

#define NAMES_SIZE 128 /* text of all methods' names */

struct sender {
    const struct sender_method *method;
    uint32_t memory_bytes;
    struct sender_holds *holds;
};

/* ---- the methods ----------------------------------------------------------------------------- */

static const struct sender_method methods[] = {
    {"auto", sender_sendfile, .by_size = true},
    {"copy", sender_copy},
    {"mmap", NULL},
    {"sendfile", sender_sendfile},
    {"splice", sender_splice},
    {"zerocopy", sender_zerocopy},
};

#define METHODS (sizeof methods / sizeof methods[0])

const char *io_send_name(unsigned index)
{
    return index < METHODS ? methods[index].name : NULL;
}

static int find(const char *name, const struct sender_method **method)
{
    char names[NAMES_SIZE] = "";
    size_t length = 0;
    for (size_t i = 0; i < METHODS; i++) {
        if (strcmp(name, methods[i].name) == 0) {
            *method = &methods[i];
            return 0;
        }
        length += (size_t)snprintf(names + length, sizeof names - length, "%s%s", i ? ", " : "",
                                   methods[i].name);
    }
    return error_set(MAPLOG_INVALID, "no way to send is called %s; there are %s", name, names);
}

/* ---- life ------------------------------------------------------------------------------------ */

int sender_open(const struct io_limits *limits, struct sender **sender)
{
    struct sender opened = {.memory_bytes = limits->memory_bytes};
    int error = find(limits->send ? limits->send : "auto", &opened.method);
    if (!error && opened.method->send == sender_zerocopy)
        error = socket_try_zerocopy();
    if (!error)
        error = sender_holds_open(&opened.holds);
    if (error)
        return error;
    *sender = malloc(sizeof **sender);
    if (!*sender) {
        sender_holds_close(opened.holds);
        return error_set(MAPLOG_NO_MEMORY, "no memory for a sender");
    }
    **sender = opened;
    return 0;
}

void sender_close(struct sender *sender)
{
    if (sender)
        sender_holds_close(sender->holds);
    free(sender);
}

bool sender_settles(const struct sender *sender)
{
    return sender->method->send == sender_zerocopy;
}

void sender_begin(struct sender *sender, struct io_operation *operation)
{
    (void)sender;
    operation->sent = 0;
    operation->unsettled = 0;
    operation->hold = NULL;
    operation->by_copy = false;
    operation->copied = false;
}

void sender_end(struct sender *sender, struct io_operation *operation)
{
    sender_holds_settle(sender->holds, operation, true);
}

/* ---- attempts -------------------------------------------------------------------------------- */

/* True when the slice goes out from memory; what is left of it decides anew. */
static bool is_memory(const struct sender *sender, const struct io_slice *slice)
{
    const struct sender_method *method = sender->method;
    return slice->fd < 0 || slice->size == 0 || !method->send ||
           (method->by_size && slice->size < sender->memory_bytes);
}

bool sender_all_memory(const struct sender *sender, const struct io_operation *operation)
{
    for (uint32_t i = 0; i < operation->count; i++)
        if (!is_memory(sender, &operation->slices[i]))
            return false;
    return true;
}

size_t sender_gather(const struct sender *sender, const struct io_operation *operation, size_t room,
                     struct msghdr *message)
{
    uint32_t i = operation->sent;
    size_t size = 0;
    for (; i < operation->count && message->msg_iovlen < SENDER_PIECES && size < room; i++) {
        const struct io_slice *slice = &operation->slices[i];
        if (!is_memory(sender, slice))
            break;
        size_t step = slice->size < room - size ? slice->size : room - size;
        if (step > 0)
            message->msg_iov[message->msg_iovlen++] = (struct iovec){(void *)slice->at, step};
        size += step;
        if (step < slice->size)
            break;
    }
    while (i < operation->count && operation->slices[i].size == 0)
        i++;
    /* A header goes into one packet with the beginning of the file that follows. */
    message->msg_flags = MSG_NOSIGNAL | (i < operation->count ? MSG_MORE : 0);
    return size;
}

static ssize_t send_memory(const struct sender *sender, const struct io_operation *operation,
                           size_t room, size_t *asked)
{
    struct iovec pieces[SENDER_PIECES];
    struct msghdr message = {.msg_iov = pieces};
    *asked = sender_gather(sender, operation, room, &message);
    /* Most answers are one piece, and a message costs the kernel a tenth of a microsecond more. */
    if (message.msg_iovlen == 1)
        return send(operation->fd, pieces[0].iov_base, pieces[0].iov_len, message.msg_flags);
    return sendmsg(operation->fd, &message, message.msg_flags);
}

bool sender_advance(struct io_operation *operation, size_t moved)
{
    while (operation->sent < operation->count) {
        struct io_slice *slice = &operation->slices[operation->sent];
        size_t step = moved < slice->size ? moved : slice->size;
        if (step > 0) { /* an empty one may be nowhere */
            slice->at += step;
            slice->position += step;
            slice->size -= step;
            moved -= step;
        }
        if (slice->size > 0)
            return false;
        operation->sent++;
        operation->by_copy = false;
    }
    return true;
}

static enum transfer attempt(struct sender *sender, struct io_operation *operation)
{
    size_t room = LIMIT_TURN_BYTES;
    if (sender_advance(operation, 0))
        return TRANSFER_DONE;
    for (;;) {
        size_t asked;
        ssize_t moved = is_memory(sender, &operation->slices[operation->sent])
                            ? send_memory(sender, operation, room, &asked)
                            : sender->method->send(sender->holds, operation, room, &asked);
        operation->brief = moved >= 0 && (size_t)moved < asked;
        if (moved < 0) {
            if (errno == EAGAIN || errno == EINTR)
                return TRANSFER_BLOCKED;
            operation->error = errno;
            return TRANSFER_FAILED;
        }
        if (sender_advance(operation, (size_t)moved))
            return TRANSFER_DONE;
        room -= (size_t)moved;
        /* The socket is full (or a page is gone, which is rare): once more would only say so. */
        if (operation->brief)
            return TRANSFER_BLOCKED;
        if (room == 0)
            return TRANSFER_MORE;
    }
}

enum transfer sender_send(struct sender *sender, struct io_operation *operation)
{
    if (operation->unsettled > 0)
        sender_settle(operation); /* an error queue that is not read keeps the socket "ready" */
    enum transfer transfer = attempt(sender, operation);
    sender_holds_settle(sender->holds, operation, false);
    if (transfer != TRANSFER_DONE || operation->unsettled == 0)
        return transfer;
    sender_settle(operation);
    return operation->unsettled > 0 ? TRANSFER_SETTLING : TRANSFER_DONE;
}
