/*
 * lease.h - who is the writer of a partition: at most one seat at a time, over all processes.
 *
 * The owner of the biased lease pays two plain stores and two loads an append. Everything else is
 * in lease.c: hand-over on request, revocation of an idle owner by membarrier, take-over from a
 * dead one. The argument why two writers never meet is in docs/shm-layout.md; tests/model/ checks
 * it. A struct lease belongs to one seat (one producer, one thread at a time).
 *
 *   for each append:  lease_enter() >= 0 ... one publication ... lease_leave()
 *
 * lease_enter() may return 1 instead of 0: the lease was acquired anew, reload everything that
 * another writer may have changed. Between enter and leave no call may block on another process.
 */
#pragma once

#include <stdbool.h>

#include "shm/control.h"
#include "shm/order.h"

struct lease {
    struct control_view *view;
    struct control_partition *partition;
    struct control_seat *seat;
    uint64_t token;           /* of the lease we think we own; 0: none */
    uint64_t mutex_token;     /* the same with WRITER_MUTEX, where token stays 0 */
    uint32_t partition_index; /* slot of partition */
    uint32_t seat_index;
    uint32_t incarnation; /* of the partition slot, when the lease was initialised */
    uint32_t appends;     /* since the lease was taken */
    bool mutex;           /* WRITER_MUTEX: lock at each append */
};

#define LEASE_FAIR_APPENDS 1024 /* a wanted lease is handed over after so many appends ... */
#define LEASE_FAIR_US 50        /* ... or when it was wanted for so many microseconds */
#define LEASE_IDLE_US 2         /* an owner that was not seen appending for so long is idle */

/* The seat is the caller's. A partition slot that is given to another partition later answers
 * MAPLOG_TOPIC_DELETED to this lease. */
void lease_init(struct lease *lease, struct control_view *view, uint32_t partition_index,
                uint32_t seat_index);
/* Gives the lease up when it is ours; not between enter and leave. For closing producers, and for
 * those who could not reload: the next enter answers 1 again. */
void lease_drop(struct lease *lease);

/* Slow path: becomes the writer. timeout_ns < 0: waits for ever; 0: never waits for another
 * process, MAPLOG_BUSY (but asks a busy owner to hand over, so that a later try succeeds); else
 * MAPLOG_TIMED_OUT. Both name the process in the way. MAPLOG_TOPIC_DELETED. On success in_append is
 * set and 1 is returned (with WRITER_MUTEX 0 when we were the last writer too), else it is 0. */
int lease_take(struct lease *lease, int64_t timeout_ns);
/* Slow part of lease_leave. */
void lease_hand_over(struct lease *lease);

/* Becomes (0: stays, 1: became) the writer of the partition. */
static inline int lease_enter(struct lease *lease, int64_t timeout_ns)
{
    /* Pairs with the taker's membarrier: either it sees in_append, or we see its lease word. */
    store_relaxed(&lease->seat->in_append, lease->partition_index + 1);
    fence_compiler();
    if (__builtin_expect(lease->token && load_acquire(&lease->partition->lease) == lease->token, 1))
        return 0;
    return lease_take(lease, timeout_ns);
}

/* Ends the append; hands the lease over when somebody wants it and it is time. */
static inline void lease_leave(struct lease *lease)
{
    /* Pairs with the taker's acquire load of in_append: it then sees all that we wrote. */
    store_release(&lease->seat->in_append, 0);
    lease->appends++;
    /* Relaxed: a taker that is seen late only waits longer. */
    if (__builtin_expect(load_relaxed(&lease->partition->want) != 0 || lease->mutex, 0))
        lease_hand_over(lease);
}

/* Marks the partition deleted, as its writer: from now on every enter answers
 * MAPLOG_TOPIC_DELETED, and readers that sleep wake up. */
int lease_delete_partition(struct lease *lease, int64_t timeout_ns);
