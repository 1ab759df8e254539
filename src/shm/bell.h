/*
 * bell.h - waking readers that sleep, for nothing when nobody does.
 *
 * A reader sleeps on the partition's bell word. Before each sleep it sets bit 0 of the word; the
 * writer looks at that bit after each publication and, when it is set, clears it, counts up the
 * bits above, and wakes all. No wake-up is lost: the reader sets the bit, passes a barrier on all
 * writers (membarrier), and looks again before it sleeps; and a wake that comes between that look
 * and the sleep has changed the word, so the kernel does not let it sleep. A killed reader leaves
 * at most one needless wake behind. A writer that is killed between publication and wake-up wakes
 * nobody, so sleepers look every 100 ms. tests/model/ checks it. Any thread; readers may have the
 * control mapping read-only.
 */
#pragma once

#include <stdbool.h>

#include "shm/control.h"
#include "shm/order.h"

#define BELL_WAITING 1u /* bit 0 of a bell word */

/* Wakes all who sleep on the partition. Any process that may write the bell. */
void bell_wake(struct control_view *view, uint32_t partition_index);

/* After a publication (or another change that bell_moved sees), by the writer. */
static inline void bell_ring(struct control_view *view, uint32_t partition_index)
{
    if (__builtin_expect(!view->barrier, 0))
        fence_full(); /* no membarrier here: order the publication before the look at the bell */
    fence_compiler(); /* pairs with the membarrier in bell_wait */
    if (__builtin_expect(load_relaxed(&view->bell[partition_index].waiters) & BELL_WAITING, 0))
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

/* Waits until one of the watched partitions moves: spins a little, then sleeps; timeout_ns 0: only
 * looks, < 0: for ever. 0: something moved, or may have (a signal or a needless wake ended the
 * sleep); MAPLOG_TIMED_OUT, without a text. Where the bell may not be written, membarrier is
 * refused to a reader that needs it, or the kernel cannot sleep on so many words
 * (FUTEX_WAIT_MANY_LIMIT), it looks every millisecond. */
int bell_wait(struct control_view *view, const struct bell_watch *watches, unsigned count,
              int64_t timeout_ns);
