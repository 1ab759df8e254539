/*
 * bell.h - waking readers that sleep, for nothing when nobody does.
 *
 * A reader sleeps on the low half of the partition's commit word, which every append changes; so
 * the futex costs the writer no store. It registers in the bell word before each sleep; the writer
 * looks at that word after each publication and, when it is not 0, swaps it to 0 and wakes all.
 * No wake-up is lost: the reader registers, passes a barrier on all writers (membarrier), and looks
 * again before it sleeps. A killed reader leaves at most one needless wake behind. tests/model/
 * checks it. Any thread; readers may have the control mapping read-only.
 */
#pragma once

#include <stdbool.h>

#include "shm/control.h"
#include "shm/order.h"

/* Wakes those who sleep on the partition; called when its bell word was seen non-zero. */
void bell_wake(struct control_view *view, uint32_t partition_index);

/* After a publication, by the writer. */
static inline void bell_ring(struct control_view *view, uint32_t partition_index)
{
    if (__builtin_expect(!view->barrier, 0))
        fence_full(); /* no membarrier here: order the publication before the look at the bell */
    fence_compiler(); /* pairs with the membarrier in bell_wait */
    if (__builtin_expect(load_relaxed(&view->bell[partition_index].waiters) != 0, 0))
        bell_wake(view, partition_index);
}

/* What a reader has seen of a partition: it waits for the commit word to differ. */
struct bell_watch {
    uint32_t partition_index;
    uint64_t rolls;     /* control_partition.rolls that was seen */
    uint64_t published; /* published[rolls & 1] that was seen */
};

/* True when the partition moved on (new commit word, roll, deletion) since the watch was taken. */
bool bell_moved(const struct control_view *view, const struct bell_watch *watch);

/* Waits until one of the watched partitions moves: spins a little, then sleeps; timeout_ns < 0: for
 * ever. 0 something moved (or may have), MAPLOG_TIMED_OUT. Without a writable bell, or beyond
 * FUTEX_WAIT_MANY_LIMIT watches, it looks every millisecond. */
int bell_wait(struct control_view *view, const struct bell_watch *watches, unsigned count,
              int64_t timeout_ns);
