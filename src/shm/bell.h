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
 *
 * A listener sleeps for all partitions at once, on one word of the control file: it sets bit 0 of
 * the bell words that matter, and who rings one of them also leaves a bit in control.dirty and
 * wakes it. The same argument holds twice: for the bell word, and for the listener's own word.
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

/* ---- listening ------------------------------------------------------------------------------- */

struct bell_seen {
    _Atomic uint64_t rolls, published; /* as in struct bell_watch */
};

/* One sleeper for all partitions. One of a directory at a time: of two, each takes what the other
 * should hear, and both hear of it late. In zeroed memory; half a MiB, which the kernel only gives
 * as far as it is used. */
struct bell_listener {
    struct control_view *view;
    int64_t looked_ns;                              /* last look at all that is marked */
    _Atomic uint32_t polls;                         /* nobody can wake it here */
    _Atomic uint32_t stop;                          /* bell_listen_stop() was called */
    _Atomic uint64_t marked[LIMIT_PARTITIONS / 64]; /* to be heard of */
    struct bell_seen seen[LIMIT_PARTITIONS];        /* when it was marked */
};

void bell_listen_begin(struct bell_listener *listener, struct control_view *view);
/* The partition is to be heard of once, also when it moved a little before. Any thread. */
void bell_mark(struct bell_listener *listener, uint32_t partition_index);
/* What moves marked partitions after this call is heard. Any thread. */
void bell_mark_barrier(struct bell_listener *listener);
/* Waits until marked partitions move (timeout_ns < 0: 100 ms), and calls moved() for each, whose
 * mark is gone then. How many; 0: none within the time, or it was stopped. One thread. */
unsigned bell_listen(struct bell_listener *listener, int64_t timeout_ns,
                     void (*moved)(void *context, uint32_t partition_index), void *context);
/* Ends a bell_listen under way, and all to come. Any thread. */
void bell_listen_stop(struct bell_listener *listener);
