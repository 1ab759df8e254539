/* append_ring.c - writes through liburing. Where a build has none, append_ring_absent.c stands
 * here.
 */
#include "lab/append_ring.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

struct append_ring {
    struct io_uring ring;
    unsigned entries;
};

struct append_ring *append_ring_open(unsigned entries)
{
    struct append_ring *ring = calloc(1, sizeof *ring);
    if (!ring)
        return NULL;
    ring->entries = entries;
    if (io_uring_queue_init(entries, &ring->ring, 0) == 0)
        return ring;
    free(ring);
    return NULL;
}

void append_ring_close(struct append_ring *ring)
{
    if (ring)
        io_uring_queue_exit(&ring->ring);
    free(ring);
}

int append_ring_refusal(void)
{
    struct io_uring probe;
    int result = io_uring_queue_init(1, &probe, 0);
    if (result == 0) {
        io_uring_queue_exit(&probe);
        return error_set(MAPLOG_UNSUPPORTED, "io_uring could not be set up");
    }
    return error_set(MAPLOG_UNSUPPORTED, "io_uring is refused: %s", strerror(-result));
}

int append_ring_write(struct append_ring *ring, const struct append_ring_write *write, size_t at,
                      size_t count)
{
    if (count > ring->entries)
        return error_set(MAPLOG_LIMIT, "%zu writes for a ring of %u", count, ring->entries);
    for (size_t i = 0; i < count; i++)
        io_uring_prep_write(io_uring_get_sqe(&ring->ring), write->fd, write->record,
                            (unsigned)write->size, (at + i) * write->size);
    int result = io_uring_submit_and_wait(&ring->ring, (unsigned)count);
    if (result < 0)
        return error_errno(-result, "cannot submit %zu writes", count);
    result = 0;
    for (size_t i = 0; i < count; i++) {
        struct io_uring_cqe *done;
        int waited = io_uring_wait_cqe(&ring->ring, &done);
        if (waited < 0)
            return error_errno(-waited, "cannot wait for a write");
        if (done->res != (int)write->size)
            result = error_errno(done->res < 0 ? -done->res : ENOSPC, "cannot write %zu bytes",
                                 write->size);
        io_uring_cqe_seen(&ring->ring, done);
    }
    return result;
}
