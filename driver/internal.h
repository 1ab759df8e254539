/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * internal.h - what the module's files know of each other.
 *
 *   main        parameters, init, exit
 *   rings       all rings: their memory, which one a CPU writes into
 *   ring        one ring: reserve, copy, publish, drop
 *   emit        the way in for every record, and the wake-up of the reader
 *   device      /dev/maplog: open, write, poll
 *   mapping     its mmap
 *   kernel_log  printk's lines as records
 */
#ifndef MAPLOG_INTERNAL_H
#define MAPLOG_INTERNAL_H

#include <linux/fs.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <asm/local.h>

#include "shm/ring_layout.h"

/*
 * A ring. It belongs to one CPU, whose interrupts may nest; or to all, who then hold its lock, and
 * nothing nests. local_t: changed by one CPU at a time, whole even when an interrupt comes between.
 */
struct maplog_ring {
	/* What does not change. */
	struct ring_header *header; /* shared with the reader: only tail is read, and checked */
	u8 *data;
	u64 data_bytes;
	u32 number;
	u32 cpu; /* or RING_EVERY_CPU */

	/* What its writers alone see. */
	raw_spinlock_t lock ____cacheline_aligned_in_smp; /* taken when cpu is RING_EVERY_CPU */
	unsigned int nest; /* writers inside: one, and the interrupts on top of it */
	local_t entries; /* writers that ever came in: tells the outermost that another came */
	local_t head; /* bytes reserved */
	local_t tail; /* the last that was taken from the header */
	local_t records;
	local_t dropped;
	local_t dropped_bytes;
	local_t unreported; /* drops that no record has told yet */
	local_t refused_tails;
	u64 published; /* head, as the header should have it */

	/* Drops of those who did not get the lock; moved to dropped by the next who gets it. */
	atomic64_t missed;
	atomic64_t missed_bytes;
};

/* rings.c: set up by maplog_rings_make(), constant until maplog_rings_free(). */
struct maplog_rings {
	struct maplog_ring **ring;
	u32 count;
	u64 data_bytes;
	u64 stride;
	u32 record_max;
	enum ring_memory memory;
};

extern struct maplog_rings maplog_rings;

int maplog_rings_make(u64 data_bytes, bool per_cpu_rings, enum ring_memory memory);
void maplog_rings_free(void);
/* Process context: writes all headers anew. */
void maplog_rings_renew(void);
/* Any context, preemption off: the ring of this CPU. */
struct maplog_ring *maplog_ring_here(void);

/* ring.c: any context, preemption off, on the ring's CPU if it has one. */
int maplog_ring_write(struct maplog_ring *ring, const struct ring_record *record,
		      const void *payload, size_t length);
void maplog_ring_renew(struct maplog_ring *ring);
/* Any context. */
bool maplog_ring_filled(const struct maplog_ring *ring, bool *nonsense);

/* emit.c: any context. */
int maplog_write(enum ring_source source, const void *payload, size_t length);
/* Process context: nobody emits any more; waits for the last wake-up. */
void maplog_emit_stop(void);
extern struct wait_queue_head maplog_readers;

/* device.c, kernel_log.c: process context. */
int maplog_device_register(void);
void maplog_device_unregister(void);
void maplog_kernel_log_start(bool all);
void maplog_kernel_log_stop(void);

/* mapping.c: file_operations.mmap. */
int maplog_mmap(struct file *file, struct vm_area_struct *vma);

/* Who has opened the device: the reader reads and writes, an observer reads, a producer writes. */
static inline bool maplog_is_reader(const struct file *file)
{
	return (file->f_mode & FMODE_READ) && (file->f_mode & FMODE_WRITE);
}

#endif
