/* bell.c - the sleeping sides of the bell, and the wake-up. */
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

static void wake(_Atomic uint32_t *word)
{
    uint32_t seen = load_relaxed(word);
    while (!compare_swap_full(word, &seen, (seen | BELL_WAITING) + 1))
        ;
    futex_wake_all((const uint32_t *)(const void *)word);
}

static void wake_listener(struct control *control, uint32_t partition_index)
{
    or_full(&control->dirty[partition_index / 64], 1ull << partition_index % 64);
    fence_full(); /* pairs with the one in bell_listen: one of us sees what the other did */
    if (load_relaxed(&control->header.listening) & BELL_WAITING)
        wake(&control->header.listening);
}

void bell_wake(struct control_view *view, uint32_t partition_index)
{
    struct bell_word *bell = &view->bell[partition_index];
    if (view->read_only) {
        /* It cannot tell the listener, whose mark must stay: counts, and leaves bit 0 as it is. */
        add_full(&bell->waiters, BELL_WAITING + 1);
        futex_wake_all(futex_word(bell));
        return;
    }
    wake(&bell->waiters);
    wake_listener(view->control, partition_index);
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

/* ---- listening ------------------------------------------------------------------------------- */

typedef void moved_function(void *context, uint32_t partition_index);

/* Whom bell_listen() tells. */
struct hearing {
    struct bell_listener *listener;
    moved_function *moved;
    void *context;
    unsigned heard;
};

void bell_listen_begin(struct bell_listener *listener, struct control_view *view)
{
    listener->view = view;
    listener->looked_ns = clock_monotonic_ns();
    store_relaxed(&listener->polls, !view->bell || view->read_only);
}

void bell_mark(struct bell_listener *listener, uint32_t partition_index)
{
    struct control_view *view = listener->view;
    const struct control_partition *partition = &view->control->partitions[partition_index];
    struct bell_seen *seen = &listener->seen[partition_index];
    uint64_t bit = 1ull << partition_index % 64;
    uint64_t rolls = load_acquire(&partition->rolls);
    uint64_t published = load_acquire(&partition->published[rolls & 1]);
    /* Ours before everybody's: whoever rings from then on finds it marked. What an earlier mark saw
     * stays: who made that one looked at no later moment. */
    if (!(or_full(&listener->marked[partition_index / 64], bit) & bit)) {
        store_relaxed(&seen->rolls, rolls);
        store_relaxed(&seen->published, published);
    }
    if (!load_relaxed(&listener->polls))
        or_full(&view->bell[partition_index].waiters, BELL_WAITING);
}

void bell_mark_barrier(struct bell_listener *listener)
{
    if (!load_relaxed(&listener->polls) && pass_barrier(listener->view) < 0) {
        store_release(&listener->polls, 1);
        wake(&listener->view->control->header.listening); /* from now on it looks by itself */
    }
}

static void hear(struct hearing *hearing, uint32_t partition_index)
{
    uint64_t bit = 1ull << partition_index % 64;
    if (!(and_full(&hearing->listener->marked[partition_index / 64], ~bit) & bit))
        return; /* it rang for others */
    hearing->heard++;
    hearing->moved(hearing->context, partition_index);
}

static void hear_dirty(struct hearing *hearing)
{
    struct control *control = hearing->listener->view->control;
    for (uint32_t i = 0; i < LIMIT_PARTITIONS / 64; i++) {
        if (!load_relaxed(&control->dirty[i]))
            continue;
        for (uint64_t bits = swap_full(&control->dirty[i], 0); bits; bits &= bits - 1)
            hear(hearing, i * 64 + (uint32_t)__builtin_ctzll(bits));
    }
}

/* What nobody rang for: its writer was killed before it could, or we cannot be told. */
static void look_at_marked(struct hearing *hearing)
{
    struct bell_listener *listener = hearing->listener;
    for (uint32_t i = 0; i < LIMIT_PARTITIONS / 64; i++) {
        for (uint64_t bits = load_acquire(&listener->marked[i]); bits; bits &= bits - 1) {
            uint32_t index = i * 64 + (uint32_t)__builtin_ctzll(bits);
            const struct bell_seen *seen = &listener->seen[index];
            const struct bell_watch watch = {index, load_relaxed(&seen->rolls),
                                             load_relaxed(&seen->published)};
            if (bell_moved(listener->view, &watch))
                hear(hearing, index);
        }
    }
    listener->looked_ns = clock_monotonic_ns();
}

/* Registers, looks, and sleeps until somebody rings; at most until the next look is due. */
static void hear_bells(struct hearing *hearing, int64_t longest_ns)
{
    struct bell_listener *listener = hearing->listener;
    _Atomic uint32_t *word = &listener->view->control->header.listening;
    hear_dirty(hearing);
    if (hearing->heard)
        return;
    uint32_t expected = or_full(word, BELL_WAITING) | BELL_WAITING;
    fence_full(); /* pairs with the one in wake_listener */
    hear_dirty(hearing);
    if (hearing->heard || load_acquire(&listener->stop) || load_acquire(&listener->polls))
        return;
    int64_t due_ns = LOOK_AGAIN_NS - (clock_monotonic_ns() - listener->looked_ns);
    int64_t sleep_ns = due_ns < longest_ns ? due_ns : longest_ns;
    if (sleep_ns > 0)
        futex_wait((const uint32_t *)(const void *)word, expected, sleep_ns);
    hear_dirty(hearing);
    if (sleep_ns == due_ns && clock_monotonic_ns() - listener->looked_ns >= LOOK_AGAIN_NS)
        look_at_marked(hearing);
}

unsigned bell_listen(struct bell_listener *listener, int64_t timeout_ns, moved_function *moved,
                     void *context)
{
    struct hearing hearing = {.listener = listener, .moved = moved, .context = context};
    int64_t longest_ns = timeout_ns < 0 ? LOOK_AGAIN_NS : timeout_ns;
    if (!load_acquire(&listener->polls)) {
        hear_bells(&hearing, longest_ns);
        return hearing.heard;
    }
    look_at_marked(&hearing);
    if (!hearing.heard && longest_ns > 0 && !load_acquire(&listener->stop))
        clock_sleep_ns(longest_ns < POLL_NS ? longest_ns : POLL_NS);
    return hearing.heard;
}

void bell_listen_stop(struct bell_listener *listener)
{
    store_release(&listener->stop, 1);
    if (!listener->view->read_only)
        wake(&listener->view->control->header.listening); /* a full barrier in between */
}
