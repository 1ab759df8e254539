/* sender_methods.h - what a way to send is to sender.c, which alone calls it. */
#pragma once

#include "io/sender.h"

struct sender_holds; /* sender_held.c: what operations may hold that are under way */

struct sender_method {
    const char *name;
    /* Sends of the operation's present slice, which lies in a file, `room` bytes at most; how many,
     * or -1 with errno. *asked: how many would have gone if the socket had had room for all. NULL:
     * file slices go from their mapping, as all other memory does. */
    ssize_t (*send)(struct sender_holds *holds, struct io_operation *operation, size_t room,
                    size_t *asked);
    bool by_size; /* slices below limits.memory_bytes go from their mapping */
};

/* ---- sender_file.c --------------------------------------------------------------------------- */

ssize_t sender_sendfile(struct sender_holds *holds, struct io_operation *operation, size_t room,
                        size_t *asked);
/* How much of a file's slice goes by one call: one packet of loopback, one burst of a network card.
 * By itself the kernel takes 64 KiB at a time, a little more than a packet, and is a third slower.
 */
size_t sender_piece(const struct io_slice *slice, size_t room);
/* True when bytes follow those that are about to be sent, the first `size` of the present slice. */
bool sender_more(const struct io_operation *operation, size_t size);

/* ---- sender_held.c: bytes on their way are in a buffer, or in a pipe ----------------------- */

/* Those that are not in use, for the next operations; any thread. */
int sender_holds_open(struct sender_holds **holds);
void sender_holds_close(struct sender_holds *holds); /* accepts NULL */
/* After an attempt (over: the last one): an operation keeps what has bytes in it, and only that. */
void sender_holds_settle(struct sender_holds *holds, struct io_operation *operation, bool over);
ssize_t sender_copy(struct sender_holds *holds, struct io_operation *operation, size_t room,
                    size_t *asked);
ssize_t sender_splice(struct sender_holds *holds, struct io_operation *operation, size_t room,
                      size_t *asked);

/* ---- sender_zerocopy.c ----------------------------------------------------------------------- */

ssize_t sender_zerocopy(struct sender_holds *holds, struct io_operation *operation, size_t room,
                        size_t *asked);
/* Takes note of the pages that the kernel gave back: operation->unsettled. */
void sender_settle(struct io_operation *operation);
