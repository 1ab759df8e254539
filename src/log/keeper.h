/*
 * keeper.h - the helper thread of a producing process: the millisecond clock, the warmer, lingering
 * batches; and, in the one process that holds LOCK_KEEPER, retention, time rolls, flush.ms, flushing
 * of sealed segments and checkpoints. All of it only makes things faster or tidier: every step is
 * also done inline by who needs it when this thread is stopped.
 */
#pragma once

#include <stdint.h>

#include "log/directory.h"

/* Begins the thread for this directory unless it runs. */
int keeper_begin(struct directory *directory);
void keeper_end(struct directory *directory);

/* Wall clock in milliseconds at about the cost of a load: kept by the helper thread while this
 * process appends, read from the system when the thread sleeps or is late. */
struct keeper_clock {
    _Atomic int64_t ms; /* 0: the thread sleeps */
};
extern struct keeper_clock keeper_clock_word;
int64_t keeper_clock_wake(void); /* slow path: real time; wakes the thread */

static inline int64_t keeper_now_ms(void)
{
    int64_t ms = atomic_load_explicit(&keeper_clock_word.ms, memory_order_relaxed);
    return __builtin_expect(ms != 0, 1) ? ms : keeper_clock_wake();
}

/* Something with a deadline that the thread calls when it is due, e.g. a lingering batch. */
struct keeper_timer {
    struct keeper_timer *next;
    _Atomic int64_t due_ms; /* 0: not set */
    void (*fire)(struct keeper_timer *timer);
};
void keeper_timer_add(struct directory *directory, struct keeper_timer *timer);
void keeper_timer_remove(struct directory *directory, struct keeper_timer *timer); /* waits for a
                                                                                      running fire */
