/*
 * No peer but the floor: a ring in shared memory. A record lies behind its number, which the
 * receiver looks at, so both come with one cache line. There is no checksum, no offset, no second
 * reader, and nothing is left when the processes end: what a record costs more elsewhere is the
 * price of that.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "transport.h"

#define SLOTS 4096
#define TELL 256 /* records that are taken before the sender is told */

const char *const transport_name = "ring";
const char *const transport_profiles[] = {"default", NULL};
const bool transport_persistent = false;

struct slot {
    _Atomic uint64_t number; /* of the record in it, from 1 on */
    unsigned char record[];
};

static struct ring {
    _Alignas(64) _Atomic uint64_t taken; /* records that were taken, told now and then */
    _Alignas(64) unsigned char slots[];
} * ring;
static size_t record_size, slot_size;
static uint64_t sent, taken, seen;

static struct slot *slot_of(uint64_t number)
{
    return (struct slot *)(ring->slots + number % SLOTS * slot_size);
}

const char *transport_version(void)
{
    return "-";
}

void transport_prepare(const struct plan *plan)
{
    record_size = plan->size;
    slot_size = (sizeof(struct slot) + plan->size + 63) & ~(size_t)63;
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
        seen = atomic_load_explicit(&ring->taken, memory_order_acquire);
    struct slot *slot = slot_of(sent++);
    memcpy(slot->record, value, size);
    atomic_store_explicit(&slot->number, sent, memory_order_release);
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
    /* The records of the calls before this one are the caller's no longer. */
    if (taken - seen == TELL) {
        atomic_store_explicit(&ring->taken, taken, memory_order_release);
        seen = taken;
    }
    struct slot *slot = slot_of(taken);
    if (atomic_load_explicit(&slot->number, memory_order_acquire) != taken + 1)
        return 0;
    taken++;
    *value = slot->record;
    return record_size;
}

void transport_replay(void)
{
}
