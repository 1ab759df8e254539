/* append_ring_absent.c - what a build without liburing says. */
#include "lab/append_ring.h"

#include "base/error.h"

struct append_ring *append_ring_open(unsigned entries)
{
    (void)entries;
    return NULL;
}

void append_ring_close(struct append_ring *ring)
{
    (void)ring;
}

int append_ring_refusal(void)
{
    return error_set(MAPLOG_UNSUPPORTED, "built without liburing");
}

int append_ring_write(struct append_ring *ring, const struct append_ring_write *write, size_t at,
                      size_t count)
{
    (void)ring, (void)write, (void)at, (void)count;
    return append_ring_refusal();
}
