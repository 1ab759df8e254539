/*
 * timers.h - deadlines in order: a binary heap. Pure; one thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct timer {
    int64_t due_ms;
    uint32_t place; /* in the heap + 1; 0: not set */
};

/* Begin with {0}. */
struct timers {
    struct timer **heap;
    uint32_t count, room;
};

void timers_free(struct timers *timers); /* the timers stay their owners' */
/* Sets the timer, or moves it. MAPLOG_NO_MEMORY. */
int timers_set(struct timers *timers, struct timer *timer, int64_t due_ms);
void timers_clear(struct timers *timers, struct timer *timer); /* fine when it is not set */
/* The one that is due first; NULL: none. */
static inline struct timer *timers_first(const struct timers *timers)
{
    return timers->count ? timers->heap[0] : NULL;
}
