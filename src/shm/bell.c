/* bell.c - the sleeping side of the bell, and the wake-up. */
#include "shm/bell.h"

#include "os/clock.h"
#include "os/futex.h"

#include <maplog.h>

#define SPIN_NS 20000           /* of looking before the first sleep */
#define SPIN_LOOKS 16           /* between two looks at the clock */
#define POLL_NS 1000000         /* between two looks where sleeping is not possible */
#ifndef LOOK_AGAIN_NS           /* the torture turns it off, to see a lost wake-up */
#define LOOK_AGAIN_NS 100000000 /* longest sleep: a writer may die between publication and ring */
#endif

static const uint32_t *futex_word(const struct bell_word *bell)
{
    return (const uint32_t *)(const void *)&bell->waiters;
}

void bell_wake(struct control_view *view, uint32_t partition_index)
{
    struct bell_word *bell = &view->bell[partition_index];
    uint32_t seen = load_relaxed(&bell->waiters);
    while (!compare_swap_full(&bell->waiters, &seen, (seen | BELL_WAITING) + 1))
        ;
    futex_wake_all(futex_word(bell));
}

bool bell_moved(const struct control_view *view, const struct bell_watch *watch)
{
    const struct control_partition *partition = &view->control->partitions[watch->partition_index];
    /* Acquire: what the writer did before these stores is then seen too. */
    uint64_t rolls = load_acquire(&partition->rolls);
    return rolls != watch->rolls ||
           load_acquire(&partition->published[rolls & 1]) != watch->published ||
           load_acquire(&partition->state) != PARTITION_LIVE;
}

static bool any_moved(const struct control_view *view, const struct bell_watch *watches,
                      unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (bell_moved(view, &watches[i]))
            return true;
    return false;
}

static bool spin(const struct control_view *view, const struct bell_watch *watches, unsigned count,
                 int64_t deadline)
{
    int64_t now = clock_monotonic_ns();
    int64_t end = process_cpus_online() > 1 ? now + SPIN_NS : now;
    for (unsigned looks = 1; now < end && now < deadline; looks++) {
        order_pause();
        if (any_moved(view, watches, count))
            return true;
        if (looks % SPIN_LOOKS == 0)
            now = clock_monotonic_ns();
    }
    return false;
}

static int look_each_ms(const struct control_view *view, const struct bell_watch *watches,
                        unsigned count, int64_t deadline)
{
    for (;;) {
        if (any_moved(view, watches, count))
            return 0;
        int64_t left = deadline - clock_monotonic_ns();
        if (left <= 0)
            return MAPLOG_TIMED_OUT;
        clock_sleep_ns(left < POLL_NS ? left : POLL_NS);
    }
}

/* Orders the bits we set before our next look, against every writer's publication before its look
 * at the bell. */
static int pass_barrier(const struct control_view *view)
{
    fence_full(); /* pairs with the fence in bell_ring where writers use no membarrier */
    return view->control->header.writers == WRITER_MUTEX ? 0 : process_barrier();
}

/* Registers, looks once more, and sleeps. 0: something moved, or may have; MAPLOG_TIMED_OUT;
 * another error: sleeping is not possible here. */
static int sleep_once(struct control_view *view, const struct bell_watch *watches, unsigned count,
                      int64_t longest_ns)
{
    struct futex_wait_on words[FUTEX_WAIT_MANY_LIMIT];
    for (unsigned i = 0; i < count; i++) {
        struct bell_word *bell = &view->bell[watches[i].partition_index];
        words[i].word = futex_word(bell);
        words[i].expected = or_full(&bell->waiters, BELL_WAITING) | BELL_WAITING;
    }
    int result = pass_barrier(view);
    if (result < 0)
        return result;
    if (any_moved(view, watches, count))
        return 0;
    return count == 1 ? futex_wait(words[0].word, words[0].expected, longest_ns)
                      : futex_wait_many(words, count, longest_ns);
}

int bell_wait(struct control_view *view, const struct bell_watch *watches, unsigned count,
              int64_t timeout_ns)
{
    if (any_moved(view, watches, count))
        return 0;
    if (timeout_ns == 0)
        return MAPLOG_TIMED_OUT;
    int64_t deadline = timeout_ns < 0 ? INT64_MAX : clock_monotonic_ns() + timeout_ns;
    if (spin(view, watches, count, deadline))
        return 0;
    bool can_sleep = view->bell && count > 0 && count <= FUTEX_WAIT_MANY_LIMIT;
    while (can_sleep) {
        int64_t left = deadline - clock_monotonic_ns();
        if (left <= 0)
            return MAPLOG_TIMED_OUT;
        int result = sleep_once(view, watches, count, left < LOOK_AGAIN_NS ? left : LOOK_AGAIN_NS);
        if (result == 0 || (result == MAPLOG_TIMED_OUT && any_moved(view, watches, count)))
            return 0;
        can_sleep = result == MAPLOG_TIMED_OUT;
    }
    return look_each_ms(view, watches, count, deadline);
}
