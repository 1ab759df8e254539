/*
 * sender_held.c - the ways that take bytes out of the file before they go to the socket: copy, into
 * a buffer of the process, and splice, into a pipe. What a full socket leaves behind stays with the
 * operation until it goes on; buffers and pipes without bytes are everybody's.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/error.h"
#include "io/sender_methods.h"
#include "os/file.h"
#include "os/pipe.h"

#define COPY_BYTES (128u << 10)
#define SPARES 8 /* kept for the next operations */

/* The first `left` bytes of an operation's present slice. */
struct sender_hold {
    struct sender_hold *next;
    size_t left;
    size_t from;      /* copy: where they begin in buffer */
    int ends[2];      /* splice: the pipe, to be read and to be written; copy: -1 */
    uint8_t buffer[]; /* copy: of COPY_BYTES */
};

struct sender_holds {
    pthread_mutex_t lock;
    struct sender_hold *spare; /* of one method all */
    unsigned spares;
};

int sender_holds_open(struct sender_holds **holds)
{
    *holds = calloc(1, sizeof **holds);
    if (!*holds)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a sender");
    pthread_mutex_init(&(*holds)->lock, NULL);
    return 0;
}

static void hold_free(struct sender_hold *hold)
{
    file_close(hold->ends[0]);
    file_close(hold->ends[1]);
    free(hold);
}

void sender_holds_close(struct sender_holds *holds)
{
    if (!holds)
        return;
    while (holds->spare) {
        struct sender_hold *next = holds->spare->next;
        hold_free(holds->spare);
        holds->spare = next;
    }
    pthread_mutex_destroy(&holds->lock);
    free(holds);
}

static struct sender_hold *hold_make(bool pipe)
{
    struct sender_hold *hold = malloc(sizeof *hold + (pipe ? 0 : COPY_BYTES));
    if (!hold)
        return NULL;
    *hold = (struct sender_hold){.ends = {-1, -1}};
    if (pipe && pipe_open(hold->ends) < 0) {
        free(hold);
        return NULL;
    }
    return hold;
}

/* The operation's own, a spare one or a new one; NULL: there is none to be had. */
static struct sender_hold *hold_of(struct sender_holds *holds, struct io_operation *operation,
                                   bool pipe)
{
    if (operation->hold)
        return operation->hold;
    pthread_mutex_lock(&holds->lock);
    struct sender_hold *hold = holds->spare;
    if (hold) {
        holds->spare = hold->next;
        holds->spares--;
    }
    pthread_mutex_unlock(&holds->lock);
    return operation->hold = hold ? hold : hold_make(pipe);
}

void sender_holds_settle(struct sender_holds *holds, struct io_operation *operation, bool over)
{
    struct sender_hold *hold = operation->hold;
    if (!hold || (hold->left > 0 && !over))
        return;
    operation->hold = NULL;
    pthread_mutex_lock(&holds->lock);
    /* A pipe that was never emptied is closed: cheaper than to empty it, and rare. */
    bool keep = holds->spares < SPARES && hold->left == 0;
    if (keep) {
        hold->next = holds->spare;
        holds->spare = hold;
        holds->spares++;
    }
    pthread_mutex_unlock(&holds->lock);
    if (!keep)
        hold_free(hold);
}

/* What came out of the file: true when there are bytes to send. */
static bool filled(struct sender_hold *hold, ssize_t got)
{
    if (got == 0)
        errno = SENDER_FILE_ENDED;
    hold->left = got > 0 ? (size_t)got : 0;
    hold->from = 0;
    return got > 0;
}

static ssize_t went(struct sender_hold *hold, ssize_t moved)
{
    if (moved > 0) {
        hold->left -= (size_t)moved;
        hold->from += (size_t)moved;
    }
    return moved;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t smaller = a < b ? a : b;
    return smaller < c ? smaller : c;
}

ssize_t sender_copy(struct sender_holds *holds, struct io_operation *operation, size_t room,
                    size_t *asked)
{
    const struct io_slice *slice = &operation->slices[operation->sent];
    struct sender_hold *hold = hold_of(holds, operation, false);
    if (!hold) {
        errno = ENOMEM;
        return -1;
    }
    if (hold->left == 0 &&
        !filled(hold, file_read_some(slice->fd, hold->buffer,
                                     smallest(COPY_BYTES, slice->size, room), slice->position)))
        return -1;
    *asked = hold->left;
    int flags = MSG_NOSIGNAL | (sender_more(operation, *asked) ? MSG_MORE : 0);
    return went(hold, send(operation->fd, hold->buffer + hold->from, *asked, flags));
}

ssize_t sender_splice(struct sender_holds *holds, struct io_operation *operation, size_t room,
                      size_t *asked)
{
    const struct io_slice *slice = &operation->slices[operation->sent];
    struct sender_hold *hold = hold_of(holds, operation, true);
    /* No descriptor is left for a pipe; the kernel has one of its own in sendfile. */
    if (!hold)
        return sender_sendfile(holds, operation, room, asked);
    loff_t position = (loff_t)slice->position;
    if (hold->left == 0 && !filled(hold, splice(slice->fd, &position, hold->ends[1], NULL,
                                                sender_piece(slice, room), SPLICE_F_MOVE)))
        return -1;
    *asked = hold->left;
    unsigned flags = SPLICE_F_MOVE | (sender_more(operation, *asked) ? SPLICE_F_MORE : 0);
    return went(hold, splice(hold->ends[0], NULL, operation->fd, NULL, *asked, flags));
}
