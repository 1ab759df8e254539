/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * maplog.h - what maplog.ko offers to other modules.
 */
#ifndef MAPLOG_H
#define MAPLOG_H

#include <linux/types.h>

/**
 * maplog_emit() - write a record for the reader of /dev/maplog
 * @data: its payload, copied before the call returns; may be NULL when @length is 0
 * @length: bytes of it
 *
 * Context: Any: process, softirq, hardirq, NMI. Never sleeps, never waits for the reader. With a
 * ring per CPU nothing is locked. With one ring for all, a raw spinlock is held with interrupts
 * off while the record is copied; who finds it held in an NMI, or while the kernel oopses, drops
 * the record.
 *
 * A record that is not taken is counted in the ring's header, and told by the next that is.
 *
 * Return: 0, -EMSGSIZE when @length is over the ring's record_max, -ENOSPC when there is no room.
 */
int maplog_emit(const void *data, size_t length);

#endif
