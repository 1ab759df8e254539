/*
 * keeper.h - the helper threads of a producing process: the millisecond clock, lingering batches,
 * the warmer; and in the one process that holds LOCK_KEEPER the tidying of duty.h. All of it only
 * makes things faster or tidier: every step is also done inline by who needs it when these threads
 * are stopped.
 *
 * One struct keeper an attachment, made when the first producer is worth it. Three threads, because
 * none may wait for another's work: the clock ticks each millisecond while this process appends and
 * sleeps otherwise; the worker fires timers, populates memory and unmaps it; duty.c's does the
 * disk's work.
 */
#pragma once

#include <stdint.h>

#include "log/directory.h"

/* Begins the threads for this directory unless they run. */
int keeper_begin(struct directory *directory);
/* Ends them. The last user of the directory only; in a forked child it only frees. */
void keeper_end(struct directory *directory);

/* Slow path of keeper_now_ms: the system's time; wakes the clock when it sleeps. */
int64_t keeper_clock_wake(struct directory *directory);

/* Wall clock in milliseconds at about the cost of a load: kept by the clock thread while this
 * process appends, asked from the system while that sleeps or was never begun. It is late by a
 * millisecond or two; by more only while the thread gets no CPU, as right after SIGCONT: until its
 * next tick it then is the time of the stop. */
static inline int64_t keeper_now_ms(struct directory *directory)
{
    int64_t ms = load_relaxed(&directory->clock_ms);
    return __builtin_expect(ms != 0, 1) ? ms : keeper_clock_wake(directory);
}

/* Takes over a reference to a segment that nobody appends to any more: unmapping gigabytes takes
 * tens of milliseconds, which the worker has. Without threads it is dropped at once. NULL is fine.
 */
void keeper_retire(struct directory *directory, struct segment *segment);

/* Something with a deadline that the worker calls when it is due, e.g. a lingering batch. fire may
 * set the timer anew; it must not remove it. Timers take turns: fire waits for nobody for long. */
struct keeper_timer {
    struct keeper_timer *next;
    _Atomic int64_t due_ms; /* wall clock; 0: not set */
    void (*fire)(struct keeper_timer *timer);
};
/* After a successful keeper_begin. The timer is the caller's and stays where it is until removed.
 */
void keeper_timer_add(struct directory *directory, struct keeper_timer *timer);
/* Sets when it is due; from any thread. (fire itself may just store due_ms.) */
void keeper_timer_set(struct directory *directory, struct keeper_timer *timer, int64_t due_ms);
void keeper_timer_remove(struct directory *directory,
                         struct keeper_timer *timer); /* waits for a
                                                         running fire */
