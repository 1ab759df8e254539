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

/* Slow path of keeper_now_ms: the system's time; wakes the thread when it sleeps. */
int64_t keeper_clock_wake(struct directory *directory);

/* Wall clock in milliseconds at about the cost of a load: kept by the helper thread while this
 * process appends, asked from the system while the thread sleeps or was never begun. */
static inline int64_t keeper_now_ms(struct directory *directory)
{
    int64_t ms = load_relaxed(&directory->clock_ms);
    return __builtin_expect(ms != 0, 1) ? ms : keeper_clock_wake(directory);
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
