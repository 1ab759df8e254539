// SPDX-License-Identifier: GPL-2.0-only
/*
 * emit.c - the way in for every record, and the wake-up of the reader.
 */
#include <linux/export.h>
#include <linux/irq_work.h>
#include <linux/preempt.h>
#include <linux/smp.h>
#include <linux/timekeeping.h>

#include "internal.h"
#include "maplog.h"

DECLARE_WAIT_QUEUE_HEAD(maplog_readers);

static void emit_wake_now(struct irq_work *work)
{
	wake_up_interruptible_all(&maplog_readers);
}

/* In an interrupt: a wait queue's lock is not for NMIs, nor for who holds the scheduler's. */
static DEFINE_IRQ_WORK(emit_wake, emit_wake_now);

int maplog_write(enum ring_source source, const void *payload, size_t length)
{
	struct ring_record record = { .time = ktime_get_real_fast_ns(), .source = source };
	int result;

	preempt_disable();
	record.cpu = smp_processor_id();
	result = maplog_ring_write(maplog_ring_here(), &record, payload, length);
	preempt_enable();
	/* Its full barrier is between head and the look at the queue. Pairs with that in poll. */
	if (wq_has_sleeper(&maplog_readers))
		irq_work_queue(&emit_wake);
	return result;
}

int maplog_emit(const void *data, size_t length)
{
	return maplog_write(RING_SOURCE_EMIT, data, length);
}
EXPORT_SYMBOL_GPL(maplog_emit);

void maplog_emit_stop(void)
{
	irq_work_sync(&emit_wake);
}
