/*
 * lease.c - the slow paths of the lease. Takers of a partition take turns under its robust mutex
 * `takers`; a taker that dies leaves the next one with whatever the lease word says, and each value
 * of it tells who may still be inside:
 *   a token         the seat in it
 *   given up        nobody
 *   LEASE_REVOKED   anybody: the taker that revoked it did not come to waiting for the old owner
 */
#include "shm/lease.h"

#include "base/error.h"
#include "os/clock.h"
#include "shm/bell.h"

#include <stdio.h>

#define SPIN_NS 20000         /* of waiting before the first nap */
#define NAP_FIRST_NS 20000    /* naps double ... */
#define NAP_LONGEST_NS 100000 /* ... up to this one */
#define LOOK_NS 250           /* between two looks at the owner's lines, which he is writing */
#define DESCRIPTION_SIZE 128

/* How long a taker is ready to wait. */
struct patience {
    int64_t deadline; /* monotonic; INT64_MAX: for ever */
    bool try;         /* do not wait for another process at all */
};

/* One wait: spins, then naps (at once where the other side has no CPU of its own). */
struct wait {
    int64_t now;
    int64_t naps_at;
    int64_t nap_ns;
};

static void wait_begin(struct wait *wait)
{
    wait->now = clock_monotonic_ns();
    wait->naps_at = wait->now + (process_cpus_online() > 1 ? SPIN_NS : 0);
    wait->nap_ns = NAP_FIRST_NS;
}

/* Passes a moment; true when it napped. */
static bool wait_step(struct wait *wait, int64_t deadline)
{
    bool nap = wait->now >= wait->naps_at;
    if (nap) {
        int64_t left = deadline - wait->now;
        clock_sleep_ns(left < wait->nap_ns ? left : wait->nap_ns);
        if (wait->nap_ns < NAP_LONGEST_NS)
            wait->nap_ns *= 2;
    } else {
        order_pause();
    }
    wait->now = clock_monotonic_ns();
    return nap;
}

static int in_the_way(const struct lease *lease, uint32_t process, const char *what,
                      const struct patience *patience)
{
    char description[DESCRIPTION_SIZE];
    control_describe_process(lease->view, process, description, sizeof description);
    return error_set(patience->try ? MAPLOG_BUSY : MAPLOG_TIMED_OUT,
                     "partition slot %u is %s by %s", lease->partition_index, what, description);
}

static bool is_live(const struct lease *lease)
{
    return load_acquire(&lease->partition->state) == PARTITION_LIVE &&
           load_relaxed(&lease->partition->incarnation) == lease->incarnation;
}

static int deleted(const struct lease *lease)
{
    return error_set(MAPLOG_TOPIC_DELETED, "partition slot %u: its topic was deleted",
                     lease->partition_index);
}

void lease_init(struct lease *lease, struct control_view *view, uint32_t partition_index,
                uint32_t seat_index)
{
    *lease = (struct lease){
        .view = view,
        .partition = &view->control->partitions[partition_index],
        .seat = &view->control->seats[seat_index],
        .partition_index = partition_index,
        .seat_index = seat_index,
        .mutex = view->control->header.writers == WRITER_MUTEX,
    };
    lease->incarnation = load_acquire(&lease->partition->incarnation);
}

/* ---- waiting for others ---------------------------------------------------------------------- */

/* Waits until the seat is outside the partition or its process is proven dead. */
static int wait_seat(struct lease *lease, uint32_t seat_index, const struct patience *patience)
{
    const struct control_seat *seat = &lease->view->control->seats[seat_index];
    struct wait wait = {0};
    bool ask = patience->try; /* for the proof of death, a system call: beside naps only */
    /* Pairs with the release store in lease_leave. */
    while (load_acquire(&seat->in_append) == lease->partition_index + 1) {
        uint32_t process = control_seat_process(lease->view, seat_index);
        if (process == UINT32_MAX || (ask && control_process_dead(lease->view, process)))
            return 0;
        if (patience->try)
            return in_the_way(lease, process, "held", patience);
        if (wait.nap_ns == 0)
            wait_begin(&wait);
        if (wait.now >= patience->deadline)
            return in_the_way(lease, process, "held", patience);
        ask = wait_step(&wait, patience->deadline);
    }
    return 0;
}

/* After the lease word was replaced: waits until nobody is inside any more who saw the old one.
 * `old` is the word that was replaced. */
static int wait_outside(struct lease *lease, uint64_t old, const struct patience *patience)
{
    /* Pairs with the compiler fence in lease_enter: from here on a writer that entered before is
     * seen inside, and one that enters now sees the new lease word. */
    int result = process_barrier();
    if (result < 0)
        return result;
    uint32_t seat = LEASE_SEAT(old);
    if (seat != 0 && seat <= LIMIT_SEATS)
        return wait_seat(lease, seat - 1, patience);
    uint64_t limit = load_acquire(&lease->view->control->header.seat_limit);
    for (uint32_t i = 0; i < limit && i < LIMIT_SEATS; i++) {
        result = wait_seat(lease, i, patience);
        if (result < 0)
            return result;
    }
    return 0;
}

enum owner_state { OWNER_CHANGED, OWNER_IDLE, OWNER_BUSY };

/* Watches the owner until the lease word changes, the owner proves idle, or `patience_ns` passed.
 */
static enum owner_state watch_owner(const struct lease *lease, uint64_t owner, int64_t patience_ns)
{
    struct control_partition *partition = lease->partition;
    const struct control_seat *seat = &lease->view->control->seats[LEASE_SEAT(owner) - 1];
    uint64_t rolls = load_relaxed(&partition->rolls);
    uint64_t published = load_relaxed(&partition->published[rolls & 1]);
    int64_t begun = clock_monotonic_ns(), now = begun, looked = begun, active = begun;
    if (process_cpus_online() == 1) /* it cannot move while we look */
        return load_relaxed(&seat->in_append) == lease->partition_index + 1 ? OWNER_BUSY
                                                                            : OWNER_IDLE;
    while (load_acquire(&partition->lease) == owner) { /* pairs with the swap in hand_over */
        order_pause();
        now = clock_monotonic_ns();
        if (now - looked >= LOOK_NS) {
            uint64_t word = load_relaxed(&partition->published[rolls & 1]);
            looked = now;
            if (word != published || load_relaxed(&seat->in_append) == lease->partition_index + 1)
                active = now;
            published = word;
            if (now - active >= LEASE_IDLE_US * 1000)
                return OWNER_IDLE;
        }
        if (now - begun >= patience_ns)
            return OWNER_BUSY;
    }
    return OWNER_CHANGED;
}

/* Asks the owner for the lease. OWNER_CHANGED: look at the lease word again; else it has to be
 * revoked, unless this is a try and the owner is at work. */
static enum owner_state ask_owner(struct lease *lease, uint64_t owner, uint64_t token,
                                  const struct patience *patience)
{
    struct control_partition *partition = lease->partition;
    /* A word that an earlier try of this seat left means that it waited long enough already. */
    bool again = LEASE_SEAT(load_relaxed(&partition->want)) == lease->seat_index + 1;
    store_release(&partition->want, again && patience->try ? token | WANT_URGENT : token);
    enum owner_state state =
        watch_owner(lease, owner, (patience->try ? 2 * LEASE_IDLE_US : LEASE_FAIR_US) * 1000);
    if (state != OWNER_BUSY || patience->try)
        return state;
    store_release(&partition->want, token | WANT_URGENT);
    return watch_owner(lease, owner, 2 * LEASE_IDLE_US * 1000);
}

/* ---- taking ---------------------------------------------------------------------------------- */

static uint64_t new_token(struct lease *lease)
{
    uint64_t generation = load_relaxed(&lease->partition->lease_generation) + 1;
    store_relaxed(&lease->partition->lease_generation, generation);
    return LEASE_TOKEN(generation, lease->seat_index);
}

/* Nobody but us may enter when this returns 0. On failure the lease word is what it was, or
 * LEASE_REVOKED; either is fine for the next taker. */
static int make_way(struct lease *lease, uint64_t token, const struct patience *patience)
{
    _Atomic uint64_t *word = &lease->partition->lease;
    for (;;) {
        uint64_t owner = load_acquire(word);
        uint32_t seat = LEASE_SEAT(owner);
        if (owner == token)
            return 0; /* handed over */
        if (owner == LEASE_REVOKED || seat > LIMIT_SEATS)
            return wait_outside(lease, LEASE_REVOKED, patience);
        if (seat == 0 || seat == lease->seat_index + 1) {
            /* Given up; or a token of our own seat, from a hand-over that came too late for us or
             * from the seat's former user: we are the seat, and outside. */
            if (compare_swap_full(word, &owner, token))
                return 0;
            continue;
        }
        enum owner_state state = ask_owner(lease, owner, token, patience);
        if (state == OWNER_CHANGED)
            continue;
        if (state == OWNER_BUSY && patience->try) {
            uint32_t process = control_seat_process(lease->view, seat - 1);
            if (process != UINT32_MAX && !control_process_dead(lease->view, process))
                return in_the_way(lease, process, "held", patience);
        }
        uint64_t expected = owner;
        if (compare_swap_full(word, &expected, LEASE_REVOKED))
            return wait_outside(lease, owner, patience);
    }
}

static int take_locked(struct lease *lease, const struct patience *patience)
{
    struct control_partition *partition = lease->partition;
    if (!is_live(lease))
        return deleted(lease);
    uint64_t token = new_token(lease);
    int result = make_way(lease, token, patience);
    /* The owner before us may have deleted the partition. */
    if (result == 0 && !is_live(lease)) {
        store_release(&partition->lease, LEASE_REVOKED);
        result = deleted(lease);
    }
    if (result < 0) {
        if (!patience->try)
            store_release(&partition->want, 0);
        return result;
    }
    store_relaxed(&lease->seat->in_append, lease->partition_index + 1);
    store_release(&partition->lease, token);
    store_release(&partition->want, 0);
    lease->token = token;
    lease->appends = 0;
    return 1;
}

/* WRITER_MUTEX: the mutex stays locked until lease_leave. */
static int take_mutex(struct lease *lease)
{
    if (!is_live(lease))
        return deleted(lease);
    uint64_t last = load_relaxed(&lease->partition->lease);
    store_relaxed(&lease->seat->in_append, lease->partition_index + 1);
    if (lease->mutex_token != 0 && last == lease->mutex_token)
        return 0;
    lease->mutex_token = new_token(lease);
    store_relaxed(&lease->partition->lease, lease->mutex_token);
    return 1;
}

static void unlock_takers(struct lease *lease)
{
    store_relaxed(&lease->partition->taker_seat, 0);
    thread_mutex_unlock(&lease->partition->takers);
}

static int lock_takers(struct lease *lease, int64_t timeout_ns, const struct patience *patience)
{
    bool died;
    int result = thread_mutex_lock(&lease->partition->takers, timeout_ns, &died);
    if (result == MAPLOG_BUSY || result == MAPLOG_TIMED_OUT) {
        uint32_t seat = load_relaxed(&lease->partition->taker_seat);
        uint32_t process = UINT32_MAX;
        if (seat != 0 && seat <= LIMIT_SEATS)
            process = control_seat_process(lease->view, seat - 1);
        return in_the_way(lease, process, lease->mutex ? "held" : "being taken", patience);
    }
    if (result < 0)
        return error_prefix(result, "partition slot %u", lease->partition_index);
    store_relaxed(&lease->partition->taker_seat, lease->seat_index + 1);
    return 0;
}

int lease_take(struct lease *lease, int64_t timeout_ns)
{
    /* Outside while we wait: the owner may be waiting for us elsewhere. */
    store_release(&lease->seat->in_append, 0);
    lease->token = 0;
    if (!is_live(lease)) /* a slot without a partition has no mutex either */
        return deleted(lease);
    struct patience patience = {.deadline = INT64_MAX, .try = timeout_ns == 0};
    if (timeout_ns > 0)
        patience.deadline = clock_monotonic_ns() + timeout_ns;
    int result = lock_takers(lease, timeout_ns, &patience);
    if (result < 0)
        return result;
    result = lease->mutex ? take_mutex(lease) : take_locked(lease, &patience);
    if (result < 0 || !lease->mutex)
        unlock_takers(lease);
    return result;
}

void lease_hand_over(struct lease *lease)
{
    if (lease->mutex) {
        unlock_takers(lease);
        return;
    }
    uint64_t want = load_acquire(&lease->partition->want);
    uint64_t token = lease->token;
    if (want == 0 || token == 0 || (lease->appends < LEASE_FAIR_APPENDS && !(want & WANT_URGENT)))
        return;
    lease->token = 0;
    /* Fails when the lease was revoked meanwhile. We are outside, so no barrier is needed. */
    compare_swap_full(&lease->partition->lease, &token, want & ~WANT_URGENT);
}

void lease_drop(struct lease *lease)
{
    uint64_t token = lease->token;
    lease->mutex_token = 0;
    if (token == 0)
        return;
    lease->token = 0;
    uint64_t want = load_acquire(&lease->partition->want) & ~WANT_URGENT;
    compare_swap_full(&lease->partition->lease, &token, want ? want : LEASE_GIVEN_UP(token));
}

int lease_delete_partition(struct lease *lease, int64_t timeout_ns)
{
    int result = lease_enter(lease, timeout_ns);
    if (result < 0)
        return result;
    store_release(&lease->partition->state, PARTITION_DELETED); /* pairs with is_live */
    if (!lease->mutex) {
        uint64_t token = lease->token;
        lease->token = 0;
        compare_swap_full(&lease->partition->lease, &token, LEASE_REVOKED);
    }
    bell_wake(lease->view, lease->partition_index);
    lease_leave(lease);
    return 0;
}
