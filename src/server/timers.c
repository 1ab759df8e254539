/* timers.c - a binary heap of deadlines; each timer knows its place. */
#include "server/timers.h"

#include <stdlib.h>

#include "base/error.h"

void timers_free(struct timers *timers)
{
    free(timers->heap);
    *timers = (struct timers){0};
}

static void put(struct timers *timers, uint32_t at, struct timer *timer)
{
    timers->heap[at] = timer;
    timer->place = at + 1;
}

static void move_up(struct timers *timers, uint32_t at, struct timer *timer)
{
    while (at > 0) {
        uint32_t parent = (at - 1) / 2;
        if (timers->heap[parent]->due_ms <= timer->due_ms)
            break;
        put(timers, at, timers->heap[parent]);
        at = parent;
    }
    put(timers, at, timer);
}

static void move_down(struct timers *timers, uint32_t at, struct timer *timer)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= timers->count)
            break;
        if (child + 1 < timers->count &&
            timers->heap[child + 1]->due_ms < timers->heap[child]->due_ms)
            child++;
        if (timers->heap[child]->due_ms >= timer->due_ms)
            break;
        put(timers, at, timers->heap[child]);
        at = child;
    }
    put(timers, at, timer);
}

int timers_set(struct timers *timers, struct timer *timer, int64_t due_ms)
{
    if (!timer->place) {
        if (timers->count == timers->room) {
            uint32_t room = timers->room ? timers->room * 2 : 64;
            struct timer **heap = realloc(timers->heap, room * sizeof(*heap));
            if (!heap)
                return error_set(MAPLOG_NO_MEMORY, "no memory for %u timers", room);
            timers->heap = heap;
            timers->room = room;
        }
        timer->due_ms = due_ms;
        move_up(timers, timers->count++, timer);
        return 0;
    }
    int64_t before = timer->due_ms;
    timer->due_ms = due_ms;
    if (due_ms < before)
        move_up(timers, timer->place - 1, timer);
    else
        move_down(timers, timer->place - 1, timer);
    return 0;
}

void timers_clear(struct timers *timers, struct timer *timer)
{
    if (!timer->place)
        return;
    uint32_t at = timer->place - 1;
    struct timer *last = timers->heap[--timers->count];
    timer->place = 0;
    if (last == timer)
        return;
    move_down(timers, at, last);
    move_up(timers, last->place - 1, last);
}
