// SPDX-License-Identifier: GPL-2.0-only
/*
 * rings.c - all rings: their memory, and which one a CPU writes into.
 */
#define pr_fmt(fmt) "maplog: " fmt

#include <linux/cpu.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "internal.h"

struct maplog_rings maplog_rings;

static DEFINE_PER_CPU(struct maplog_ring *, ring_here);

struct maplog_ring *maplog_ring_here(void)
{
	return __this_cpu_read(ring_here);
}

/* Zeroed, of whole pages, such as mapping.c can map. */
static void *pages_alloc(size_t bytes)
{
	if (maplog_rings.memory == RING_MEMORY_CONTIGUOUS)
		return alloc_pages_exact(bytes, GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN);
	return vmalloc_user(bytes);
}

static void pages_free(void *pages, size_t bytes)
{
	if (maplog_rings.memory != RING_MEMORY_CONTIGUOUS)
		vfree(pages);
	else if (pages)
		free_pages_exact(pages, bytes);
}

static void ring_free(struct maplog_ring *ring)
{
	if (!ring)
		return;
	pages_free(ring->data, maplog_rings.data_bytes);
	pages_free(ring->header, PAGE_SIZE);
	kfree(ring);
}

/* slot: where in maplog_rings.ring the new ring goes. Memory comes from the node of this CPU. */
static long ring_make(void *slot)
{
	struct maplog_ring *ring = kzalloc(sizeof(*ring), GFP_KERNEL);

	if (!ring)
		return -ENOMEM;
	raw_spin_lock_init(&ring->lock);
	ring->data_bytes = maplog_rings.data_bytes;
	ring->header = pages_alloc(PAGE_SIZE);
	ring->data = pages_alloc(maplog_rings.data_bytes);
	if (!ring->header || !ring->data) {
		ring_free(ring);
		return -ENOMEM;
	}
	*(struct maplog_ring **)slot = ring;
	return 0;
}

/* A ring for the CPU, made there, or here while it is offline. */
static int ring_make_for(u32 number, int cpu)
{
	struct maplog_ring **slot = &maplog_rings.ring[number];
	long error = work_on_cpu_safe(cpu, ring_make, slot);

	if (error == -ENODEV)
		error = ring_make(slot);
	if (error)
		return error;
	(*slot)->number = number;
	(*slot)->cpu = cpu;
	per_cpu(ring_here, cpu) = *slot;
	return 0;
}

static int rings_make_per_cpu(void)
{
	u32 number = 0;
	int cpu, error;

	for_each_possible_cpu(cpu) {
		error = ring_make_for(number++, cpu);
		if (error)
			return error;
	}
	return 0;
}

static int rings_make_one(void)
{
	int cpu, error = ring_make(&maplog_rings.ring[0]);

	if (error)
		return error;
	maplog_rings.ring[0]->cpu = RING_EVERY_CPU;
	for_each_possible_cpu(cpu)
		per_cpu(ring_here, cpu) = maplog_rings.ring[0];
	return 0;
}

/* Asking for more would have the kernel kill processes until it is there. */
static int rings_check_memory(void)
{
	u64 wanted = maplog_rings.count * maplog_rings.stride;
	u64 available = (u64)max(si_mem_available(), 0L) << PAGE_SHIFT;

	if (maplog_rings.memory == RING_MEMORY_CONTIGUOUS &&
	    maplog_rings.data_bytes > KMALLOC_MAX_SIZE) {
		pr_err("size=%llu is over the %lu bytes that memory=contiguous can have\n",
		       maplog_rings.data_bytes, KMALLOC_MAX_SIZE);
		return -EINVAL;
	}
	if (wanted > available) {
		pr_err("all rings (%u) take %llu bytes, and only %llu are available\n",
		       maplog_rings.count, wanted, available);
		return -ENOMEM;
	}
	return 0;
}

int maplog_rings_make(u64 data_bytes, bool per_cpu_rings, enum ring_memory memory)
{
	int error;

	maplog_rings.count = per_cpu_rings ? num_possible_cpus() : 1;
	maplog_rings.data_bytes = data_bytes;
	maplog_rings.stride = PAGE_SIZE + data_bytes;
	maplog_rings.record_max = RING_RECORD_MAX(data_bytes);
	maplog_rings.memory = memory;
	if (maplog_rings.count > RING_LIMIT) {
		pr_err("per_cpu=1 would make %u rings, and there can be %u\n", maplog_rings.count,
		       RING_LIMIT);
		return -EINVAL;
	}
	error = rings_check_memory();
	if (error)
		return error;
	maplog_rings.ring = kcalloc(maplog_rings.count, sizeof(*maplog_rings.ring), GFP_KERNEL);
	if (!maplog_rings.ring)
		return -ENOMEM;
	error = per_cpu_rings ? rings_make_per_cpu() : rings_make_one();
	if (error) {
		pr_err("no memory for all rings (%u) of %llu bytes\n", maplog_rings.count,
		       data_bytes);
		maplog_rings_free();
		return error;
	}
	maplog_rings_renew();
	return 0;
}

void maplog_rings_free(void)
{
	u32 i;

	for (i = 0; i < maplog_rings.count; i++)
		ring_free(maplog_rings.ring[i]);
	kfree(maplog_rings.ring);
}

static void ring_renew(void *ring)
{
	maplog_ring_renew(ring);
}

/* On each ring's CPU, as one of its writers. A CPU that is offline writes nothing. */
void maplog_rings_renew(void)
{
	u32 i;

	cpus_read_lock();
	for (i = 0; i < maplog_rings.count; i++) {
		struct maplog_ring *ring = maplog_rings.ring[i];

		preempt_disable();
		if (ring->cpu == RING_EVERY_CPU ||
		    smp_call_function_single(ring->cpu, ring_renew, ring, true))
			ring_renew(ring);
		preempt_enable();
	}
	cpus_read_unlock();
}
