/*
 * No peer but the floor: a ring in shared memory, one store of each record and one of its number.
 * It has no checksum, no offsets, no second reader, and nothing is left when the processes end:
 * what a record costs more elsewhere is the price of what it gets there.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "transport.h"

#define SLOTS 4096

const char *const transport_name = "ring";
const char *const transport_profiles[] = {"default", NULL};
const bool transport_persistent = false;

static struct ring {
    _Alignas(64) _Atomic uint64_t head; /* records that were sent */
    _Alignas(64) _Atomic uint64_t tail; /* records that were taken */
    _Alignas(64) unsigned char slots[];
} * ring;
static size_t record_size, slot_size;
static uint64_t sent, taken, seen;

const char *transport_version(void)
{
    return "-";
}

void transport_prepare(const struct plan *plan)
{
    record_size = plan->size;
    slot_size = (plan->size + 63) & ~(size_t)63;
    ring = mmap(NULL, sizeof *ring + SLOTS * slot_size, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (ring == MAP_FAILED)
        fail("no memory: %s", strerror(errno));
}

void transport_open_sender(void)
{
}

void transport_send(const void *value, size_t size)
{
    while (sent - seen == SLOTS)
        seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
    memcpy(ring->slots + sent % SLOTS * slot_size, value, size);
    atomic_store_explicit(&ring->head, ++sent, memory_order_release);
}

void transport_flush(void)
{
}

void transport_open_receiver(void)
{
}

size_t transport_receive(const void **value, bool spin)
{
    (void)spin;
    /* The record of the call before this one is the caller's no longer. */
    if (taken == seen) {
        atomic_store_explicit(&ring->tail, taken, memory_order_release);
        seen = atomic_load_explicit(&ring->head, memory_order_acquire);
        if (taken == seen)
            return 0;
    }
    *value = ring->slots + taken++ % SLOTS * slot_size;
    return record_size;
}

void transport_replay(void)
{
}
