/* sender_file.c - sendfile, and what it shares with the other ways to send from a file. */
#include <errno.h>
#include <sys/sendfile.h>

#include "io/sender_methods.h"
#include "os/map.h"

#define FILE_PIECE (60u << 10)

bool sender_more(const struct io_operation *operation, size_t size)
{
    uint32_t i = operation->sent;
    if (size < operation->slices[i].size)
        return true;
    for (i++; i < operation->count; i++)
        if (operation->slices[i].size > 0)
            return true;
    return false;
}

size_t sender_piece(const struct io_slice *slice, size_t room)
{
    size_t piece = FILE_PIECE - slice->position % MAP_PAGE_BYTES; /* back to the page's end */
    size_t size = slice->size < room ? slice->size : room;
    return size < piece ? size : piece;
}

ssize_t sender_sendfile(struct sender_holds *holds, struct io_operation *operation, size_t room,
                        size_t *asked)
{
    (void)holds;
    const struct io_slice *slice = &operation->slices[operation->sent];
    off_t position = (off_t)slice->position;
    *asked = sender_piece(slice, room);
    ssize_t moved = sendfile(operation->fd, slice->fd, &position, *asked);
    if (moved == 0) {
        errno = SENDER_FILE_ENDED;
        return -1;
    }
    return moved;
}
