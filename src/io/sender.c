/* sender.c - sendmsg and sendfile. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/limits.h"
#include "io/sender.h"
#include "os/map.h"

#define PIECES 64 /* memory slices that go out in one call */
/* Bytes asked of one sendfile: one packet of loopback, one burst of a network card. By itself the
 * kernel takes 64 KiB at a time, a little more than a packet, and is a third slower. */
#define FILE_PIECE (60u << 10)

struct sender {
    uint32_t memory_bytes;
};

static const char *const methods[] = {"auto"};

const char *io_send_name(unsigned index)
{
    return index < sizeof methods / sizeof methods[0] ? methods[index] : NULL;
}

int sender_open(const struct io_limits *limits, struct sender **sender)
{
    if (limits->send && strcmp(limits->send, "auto") != 0)
        return error_set(MAPLOG_INVALID, "no method to send is called %s; there is auto",
                         limits->send);
    *sender = malloc(sizeof **sender);
    if (!*sender)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a sender");
    **sender = (struct sender){.memory_bytes = limits->memory_bytes};
    return 0;
}

void sender_close(struct sender *sender)
{
    free(sender);
}

void sender_begin(struct sender *sender, struct io_operation *operation)
{
    (void)sender;
    operation->sent = 0;
    operation->by_file = false;
}

void sender_end(struct sender *sender, struct io_operation *operation)
{
    (void)sender;
    (void)operation;
}

/*
 * How much of a slice goes out from memory before the rest goes by file; all of it when it is small
 * or has no file. Files go from the beginning of a page on, so that every call of sendfile takes
 * whole ones; what lies before goes with the header, in the same call.
 */
static size_t memory_part(const struct io_operation *operation, uint32_t i, uint32_t memory_bytes)
{
    const struct io_slice *slice = &operation->slices[i];
    if (i == operation->sent && operation->by_file)
        return 0;
    if (slice->fd < 0 || slice->size < memory_bytes)
        return slice->size;
    size_t head = -slice->position & (MAP_PAGE_BYTES - 1);
    return head < slice->size ? head : slice->size;
}

/* Memory from the present slice on, as far as no file comes between, `room` bytes at most. */
static ssize_t send_memory(const struct io_operation *operation, uint32_t memory_bytes, size_t room,
                           size_t *asked)
{
    struct iovec pieces[PIECES];
    struct msghdr message = {.msg_iov = pieces};
    uint32_t i = operation->sent;
    *asked = 0;
    for (; i < operation->count && message.msg_iovlen < PIECES && *asked < room; i++) {
        const struct io_slice *slice = &operation->slices[i];
        size_t part = memory_part(operation, i, memory_bytes);
        size_t size = part < room - *asked ? part : room - *asked;
        if (size > 0)
            pieces[message.msg_iovlen++] = (struct iovec){(void *)slice->at, size};
        *asked += size;
        if (size < slice->size)
            break;
    }
    while (i < operation->count && operation->slices[i].size == 0)
        i++;
    bool more = i < operation->count;
    /* A header goes into one packet with the beginning of the file that follows. */
    return sendmsg(operation->fd, &message, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
}

static ssize_t send_file(struct io_operation *operation, size_t room, size_t *asked)
{
    const struct io_slice *slice = &operation->slices[operation->sent];
    off_t position = (off_t)slice->position;
    size_t piece = FILE_PIECE - slice->position % MAP_PAGE_BYTES; /* back to the page's end */
    *asked = slice->size < room ? slice->size : room;
    *asked = *asked < piece ? *asked : piece;
    operation->by_file = true;
    ssize_t moved = sendfile(operation->fd, slice->fd, &position, *asked);
    if (moved == 0) {
        errno = SENDER_FILE_ENDED;
        return -1;
    }
    return moved;
}

/* Takes what was moved off the slices. */
static void advance(struct io_operation *operation, size_t moved)
{
    while (moved > 0) {
        struct io_slice *slice = &operation->slices[operation->sent];
        size_t step = moved < slice->size ? moved : slice->size;
        slice->at += step;
        slice->position += step;
        slice->size -= step;
        moved -= step;
        if (slice->size == 0) {
            operation->sent++;
            operation->by_file = false;
        }
    }
}

enum transfer sender_send(struct sender *sender, struct io_operation *operation)
{
    uint32_t memory_bytes = sender->memory_bytes;
    size_t room = LIMIT_TURN_BYTES;
    for (;;) {
        while (operation->sent < operation->count && operation->slices[operation->sent].size == 0)
            operation->sent++;
        if (operation->sent == operation->count)
            return TRANSFER_DONE;
        if (room == 0)
            return TRANSFER_MORE;
        size_t asked;
        ssize_t moved = memory_part(operation, operation->sent, memory_bytes) == 0
                            ? send_file(operation, room, &asked)
                            : send_memory(operation, memory_bytes, room, &asked);
        if (moved < 0 && errno == EINTR)
            continue;
        if (moved < 0) {
            if (errno == EAGAIN)
                return TRANSFER_BLOCKED;
            operation->error = errno;
            return TRANSFER_FAILED;
        }
        advance(operation, (size_t)moved);
        room -= (size_t)moved;
        /* The socket is full: asking once more would only say so. */
        if ((size_t)moved < asked)
            return TRANSFER_BLOCKED;
    }
}
