// SPDX-License-Identifier: GPL-2.0-only
/*
 * ring.c - one ring: room is reserved, the record copied, head published.
 *
 * A ring of one CPU has no lock. A writer may be interrupted anywhere by another on the same CPU,
 * who is done before it goes on. Each reserves its own bytes with a compare-and-exchange that is
 * whole for this CPU, and fills them; only the outermost publishes head, when the records of all
 * who came on top of it are complete as well.
 */
#include <linux/compiler.h>
#include <linux/hardirq.h>
#include <linux/kernel.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/string.h>

#include "internal.h"

static bool ring_is_shared(const struct maplog_ring *ring)
{
	return ring->cpu == RING_EVERY_CPU;
}

static void ring_count_drops(struct maplog_ring *ring, u64 records, u64 bytes)
{
	local_add(records, &ring->dropped);
	local_add(records, &ring->unreported);
	local_add(bytes, &ring->dropped_bytes);
}

/* Writers of this CPU at the shared ring: one, and an NMI or a probe on top of it. */
static DEFINE_PER_CPU(unsigned int, ring_lockers);

/*
 * False when the lock is held and this writer must not wait: on top of another, in an NMI, or while
 * the kernel dies. A panic prints when the other CPUs are stopped, one of them perhaps in here.
 */
static bool ring_lock(struct maplog_ring *ring, unsigned long *flags)
{
	local_irq_save(*flags);
	if (__this_cpu_inc_return(ring_lockers) == 1 && !in_nmi() && !oops_in_progress) {
		raw_spin_lock(&ring->lock);
		return true;
	}
	if (raw_spin_trylock(&ring->lock))
		return true;
	__this_cpu_dec(ring_lockers);
	local_irq_restore(*flags);
	return false;
}

static void ring_unlock(struct maplog_ring *ring, unsigned long flags)
{
	raw_spin_unlock(&ring->lock);
	__this_cpu_dec(ring_lockers);
	local_irq_restore(flags);
}

static bool ring_enter(struct maplog_ring *ring, unsigned long *flags)
{
	if (ring_is_shared(ring)) {
		if (!ring_lock(ring, flags))
			return false;
		if (unlikely(atomic64_read(&ring->missed)))
			ring_count_drops(ring, atomic64_xchg(&ring->missed, 0),
					 atomic64_xchg(&ring->missed_bytes, 0));
	}
	WRITE_ONCE(ring->nest, ring->nest + 1);
	local_inc(&ring->entries);
	barrier(); /* an interrupt from here on is on top of this writer, and leaves head alone */
	return true;
}

/* What the header should say. Only while ring->nest keeps others from doing the same. */
static void ring_show(struct maplog_ring *ring)
{
	struct ring_header *header = ring->header;

	WRITE_ONCE(header->records, local_read(&ring->records));
	WRITE_ONCE(header->dropped, local_read(&ring->dropped));
	WRITE_ONCE(header->dropped_bytes, local_read(&ring->dropped_bytes));
	WRITE_ONCE(header->refused_tails, local_read(&ring->refused_tails));
	/* Release: the records before head are filled. Pairs with the reader's acquire of head. */
	smp_store_release(&header->head, ring->published);
}

static void ring_publish(struct maplog_ring *ring)
{
	unsigned long entries;

	do {
		entries = local_read(&ring->entries);
		WRITE_ONCE(ring->nest, 1);
		barrier(); /* head is read when nobody else publishes: it cannot go back */
		WRITE_ONCE(ring->published, local_read(&ring->head));
		ring_show(ring);
		barrier(); /* shown before an interrupt may be an outermost writer */
		WRITE_ONCE(ring->nest, 0);
		barrier(); /* who came until here is seen, who comes later publishes itself */
	} while (local_read(&ring->entries) != entries);
}

static void ring_leave(struct maplog_ring *ring, unsigned long flags)
{
	barrier(); /* the record is filled */
	if (ring->nest > 1)
		WRITE_ONCE(ring->nest, ring->nest - 1);
	else
		ring_publish(ring);
	if (ring_is_shared(ring))
		ring_unlock(ring, flags);
}

static bool ring_tail_valid(u64 taken, u64 tail, u64 published)
{
	return taken <= tail && tail <= published && tail % RING_ALIGN == 0;
}

/* The tail to count on: the reader's, or the last good one when that is nonsense. */
static u64 ring_take_tail(struct maplog_ring *ring)
{
	u64 taken, tail;

	do {
		taken = local_read(&ring->tail);
		/* Acquire: bytes before tail may be overwritten. Pairs with the reader's. */
		tail = smp_load_acquire(&ring->header->tail);
		if (!ring_tail_valid(taken, tail, READ_ONCE(ring->published))) {
			local_inc(&ring->refused_tails);
			return taken;
		}
	} while (tail != taken && local_cmpxchg(&ring->tail, taken, tail) != taken);
	return tail;
}

static bool ring_reserve(struct maplog_ring *ring, u64 bytes, u64 *position)
{
	u64 tail = ring_take_tail(ring);
	u64 head;

	do {
		head = local_read(&ring->head);
		if (head + bytes - tail > ring->data_bytes)
			return false;
	} while (local_cmpxchg(&ring->head, head, head + bytes) != head);
	*position = head;
	return true;
}

/* The drops since the last record that told of some; an interrupt may be the one to tell. */
static u32 ring_take_unreported(struct maplog_ring *ring)
{
	if (likely(!local_read(&ring->unreported)))
		return 0;
	return min_t(u64, local_xchg(&ring->unreported, 0), U32_MAX);
}

static void ring_copy(struct maplog_ring *ring, u64 position, const void *from, size_t length)
{
	u64 at = position & (ring->data_bytes - 1);
	size_t first = min_t(u64, length, ring->data_bytes - at);

	memcpy(ring->data + at, from, first);
	if (unlikely(first < length))
		memcpy(ring->data, from + first, length - first);
}

static int ring_append(struct maplog_ring *ring, struct ring_record record, const void *payload,
		       size_t length)
{
	bool fits = length <= maplog_rings.record_max;
	u64 position;

	if (!fits || !ring_reserve(ring, RING_RECORD_BYTES(length), &position)) {
		ring_count_drops(ring, 1, length);
		return fits ? -ENOSPC : -EMSGSIZE;
	}
	record.length = length;
	record.dropped = ring_take_unreported(ring);
	ring_copy(ring, position, &record, sizeof(record));
	ring_copy(ring, position + sizeof(record), payload, length);
	local_inc(&ring->records);
	return 0;
}

int maplog_ring_write(struct maplog_ring *ring, const struct ring_record *record,
		      const void *payload, size_t length)
{
	unsigned long flags;
	int result;

	if (!ring_enter(ring, &flags)) {
		atomic64_inc(&ring->missed);
		atomic64_add(length, &ring->missed_bytes);
		return -ENOSPC;
	}
	result = ring_append(ring, *record, payload, length);
	ring_leave(ring, flags);
	return result;
}

/* All of the header's page but for the kernel's words and tail. */
static void ring_describe(const struct maplog_ring *ring)
{
	struct ring_header description = {
		.magic = RING_MAGIC,
		.version = RING_VERSION,
		.rings = maplog_rings.count,
		.ring_stride = maplog_rings.stride,
		.data_bytes = ring->data_bytes,
		.data_offset = PAGE_SIZE,
		.record_max = maplog_rings.record_max,
		.ring = ring->number,
		.cpu = ring->cpu,
		.memory = maplog_rings.memory,
	};
	const size_t rest = offsetof(struct ring_header, unused_reader);
	struct ring_header *header = ring->header;

	memcpy(header, &description, offsetof(struct ring_header, head));
	memset(header->unused_kernel, 0, sizeof(header->unused_kernel));
	memset((u8 *)header + rest, 0, PAGE_SIZE - rest);
}

/* Whatever a reader wrote there is gone afterwards, but for the tail if it is good. */
void maplog_ring_renew(struct maplog_ring *ring)
{
	unsigned long flags;

	if (!ring_enter(ring, &flags))
		return;
	ring_describe(ring);
	WRITE_ONCE(ring->header->tail, ring_take_tail(ring));
	ring_show(ring); /* at once, should this have come on top of a writer */
	ring_leave(ring, flags);
}

bool maplog_ring_filled(const struct maplog_ring *ring, bool *nonsense)
{
	/* Oldest first: an honest reader's tail is never found outside, while all three move on. */
	u64 taken = local_read(&ring->tail);
	u64 tail, published;

	smp_rmb(); /* pairs with the acquire of tail, which taken was once */
	tail = READ_ONCE(ring->header->tail);
	smp_rmb(); /* pairs with the release of head, which tail was once */
	published = READ_ONCE(ring->published);
	*nonsense |= !ring_tail_valid(taken, tail, published);
	return published != tail;
}
