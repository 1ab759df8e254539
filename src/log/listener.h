/*
 * listener.h - one sleeper for all partitions of a directory: what a server needs to wake its long
 * polls, also for records that local processes append. Any thread.
 *
 * A partition is heard of once after each mark: mark all that matter, pass the barrier, look once
 * more whether there is something already, and only then wait. Whoever waits must be known to
 * moved() before it marks: it may be called before listener_mark() returns, and then everybody who
 * still waits for the partition has to mark again, and look. One listener of a directory at a time.
 */
#pragma once

#include "log/directory.h"

struct listener;

/* Begins its thread; moved(context, control slot) is called by it, and must not take long. It may
 * be called without need. */
int listener_open(struct directory *directory, void (*moved)(void *context, uint32_t slot),
                  void *context, struct listener **listener);
void listener_close(struct listener *listener); /* no call of moved() after it; accepts NULL */
void listener_mark(struct listener *listener, const struct partition *partition);
/* Publications after this call are heard. */
void listener_barrier(struct listener *listener);
