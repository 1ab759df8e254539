#include "log/keeper.h"

#include <stdlib.h>

#include "base/error.h"
#include "log/duty.h"
#include "log/warmer.h"
#include "os/clock.h"
#include "os/futex.h"

#define TICK_NS 1000000ll
#define AWAKE_NS 100000000ll     /* the clock ticks on so long after the last append */
#define TRY_DUTY_NS 1000000000ll /* between two attempts at becoming the keeper */
#define WORK_TICKS 4             /* the worker is called each so many ticks */
#define SCAN_NS 50000000ll       /* between two looks for partitions that are appended to */
#define RETIRED 8                /* segments that wait to be unmapped */
#define HOT_MS 1000              /* a partition without appends is dropped after that time */

struct keeper {
    struct directory *directory;
    pthread_t clock, worker;
    _Atomic uint32_t stop;       /* futex */
    _Atomic uint32_t asleep;     /* futex; 1: the clock sleeps until somebody makes it 0 */
    _Atomic uint32_t calls;      /* futex; +1 calls the worker */
    _Atomic int64_t appended_ns; /* when the worker last saw an append */

    pthread_mutex_t lock; /* guards the timers and the retired segments */
    struct segment *retired[RETIRED];
    size_t retired_count;
    pthread_cond_t fired;
    struct keeper_timer *timers;
    struct keeper_timer *firing;

    /* The clock's own. */
    int64_t woken_ns;
    int64_t duty_ns; /* when to try to become the keeper */
    uint32_t ticks;
    struct duty *duty;

    /* The worker's own. */
    struct warmer *warmers; /* of partitions that this process appends to */
    size_t warmer_count, warmer_room;
    int64_t scanned_ns;
    int64_t newest_ms; /* largest appended_ms seen */
};

/* ---- timers ---------------------------------------------------------------------------------- */

/* When the next timer is due; INT64_MAX: none. */
static int64_t next_due(struct keeper *keeper)
{
    int64_t next = INT64_MAX;
    pthread_mutex_lock(&keeper->lock);
    for (const struct keeper_timer *timer = keeper->timers; timer; timer = timer->next) {
        int64_t due = load_acquire(&timer->due_ms);
        if (due != 0 && due < next)
            next = due;
    }
    pthread_mutex_unlock(&keeper->lock);
    return next;
}

static struct keeper_timer *find_due(const struct keeper *keeper, int64_t now_ms)
{
    for (struct keeper_timer *timer = keeper->timers; timer; timer = timer->next) {
        int64_t due = load_acquire(&timer->due_ms);
        if (due != 0 && due <= now_ms)
            return timer;
    }
    return NULL;
}

static void fire_timers(struct keeper *keeper)
{
    struct keeper_timer *timer;
    int64_t now_ms = clock_wall_ms();
    pthread_mutex_lock(&keeper->lock);
    while (!load_relaxed(&keeper->stop) && (timer = find_due(keeper, now_ms))) {
        /* Done with, unless it is set anew from here on: then the next round finds it. */
        store_relaxed(&timer->due_ms, 0);
        keeper->firing = timer;
        pthread_mutex_unlock(&keeper->lock);
        timer->fire(timer);
        pthread_mutex_lock(&keeper->lock);
        keeper->firing = NULL;
        pthread_cond_broadcast(&keeper->fired);
    }
    pthread_mutex_unlock(&keeper->lock);
}

void keeper_timer_add(struct directory *directory, struct keeper_timer *timer)
{
    struct keeper *keeper = directory->keeper;
    pthread_mutex_lock(&keeper->lock);
    timer->next = keeper->timers;
    keeper->timers = timer;
    pthread_mutex_unlock(&keeper->lock);
}

void keeper_timer_set(struct directory *directory, struct keeper_timer *timer, int64_t due_ms)
{
    store_release(&timer->due_ms, due_ms);
    fence_full(); /* pairs with the clock's in rest(): it sees the timer, or we see that it sleeps
                   */
    if (load_relaxed(&directory->clock_ms) == 0)
        keeper_clock_wake(directory);
}

void keeper_timer_remove(struct directory *directory, struct keeper_timer *timer)
{
    struct keeper *keeper = directory->keeper;
    if (directory_forked(directory))
        return; /* no thread here looks at it */
    pthread_mutex_lock(&keeper->lock);
    while (keeper->firing == timer)
        pthread_cond_wait(&keeper->fired, &keeper->lock);
    struct keeper_timer **link = &keeper->timers;
    while (*link && *link != timer)
        link = &(*link)->next;
    if (*link)
        *link = timer->next;
    pthread_mutex_unlock(&keeper->lock);
}

/* ---- the worker ------------------------------------------------------------------------------ */

static bool add_warmer(struct keeper *keeper, struct partition *partition)
{
    for (size_t i = 0; i < keeper->warmer_count; i++)
        if (keeper->warmers[i].partition == partition)
            return true;
    if (keeper->warmer_count == keeper->warmer_room) {
        size_t room = keeper->warmer_room ? keeper->warmer_room * 2 : 8;
        struct warmer *grown = realloc(keeper->warmers, room * sizeof *grown);
        if (!grown)
            return false; /* it is only not populated */
        keeper->warmers = grown;
        keeper->warmer_room = room;
    }
    keeper->warmers[keeper->warmer_count++] = (struct warmer){.partition = partition};
    return true;
}

/* Looks for partitions that this process appends to now. */
static void scan_partitions(struct keeper *keeper, int64_t now_ms)
{
    struct directory *directory = keeper->directory;
    uint64_t limit = load_acquire(&directory->view.control->header.partition_limit);
    for (size_t i = keeper->warmer_count; i-- > 0;)
        if (now_ms - load_relaxed(&keeper->warmers[i].partition->appended_ms) > HOT_MS)
            keeper->warmers[i] = keeper->warmers[--keeper->warmer_count];
    pthread_mutex_lock(&directory->lock);
    for (uint64_t i = 0; i < limit && i < LIMIT_PARTITIONS; i++) {
        struct partition *partition = directory->partitions[i];
        if (partition && now_ms - load_relaxed(&partition->appended_ms) <= HOT_MS &&
            !add_warmer(keeper, partition))
            break;
    }
    pthread_mutex_unlock(&directory->lock);
}

/* One step for each partition; true when there is more to do at once. */
static bool warm(struct keeper *keeper, int64_t now_ms)
{
    uint64_t ahead = 0;
    for (size_t i = 0; i < keeper->warmer_count; i++)
        ahead += warmer_ahead(&keeper->warmers[i]);
    bool more = false;
    for (size_t i = 0; i < keeper->warmer_count && ahead < LIMIT_WARM_DIRECTORY; i++) {
        uint64_t bytes = warmer_round(&keeper->warmers[i], now_ms, LIMIT_WARM_DIRECTORY - ahead);
        ahead += bytes;
        more = more || bytes > 0;
    }
    return more;
}

static void note_appends(struct keeper *keeper, int64_t now_ns)
{
    for (size_t i = 0; i < keeper->warmer_count; i++) {
        int64_t appended = load_relaxed(&keeper->warmers[i].partition->appended_ms);
        if (appended > keeper->newest_ms) {
            keeper->newest_ms = appended;
            store_relaxed(&keeper->appended_ns, now_ns);
        }
    }
}

static void drop_retired(struct keeper *keeper)
{
    for (;;) {
        struct segment *segment = NULL;
        pthread_mutex_lock(&keeper->lock);
        if (keeper->retired_count > 0)
            segment = keeper->retired[--keeper->retired_count];
        pthread_mutex_unlock(&keeper->lock);
        if (!segment)
            return;
        segment_drop(segment);
    }
}

static void *run_worker(void *argument)
{
    struct keeper *keeper = argument;
    while (!load_acquire(&keeper->stop)) {
        uint32_t seen = load_acquire(&keeper->calls);
        bool more;
        do {
            fire_timers(keeper);
            int64_t now_ns = clock_monotonic_ns();
            int64_t now_ms = clock_wall_ms();
            if (now_ns - keeper->scanned_ns >= SCAN_NS) {
                keeper->scanned_ns = now_ns;
                scan_partitions(keeper, now_ms);
            }
            note_appends(keeper, now_ns);
            more = warm(keeper, now_ms);
        } while (more && !load_acquire(&keeper->stop));
        drop_retired(keeper);
        futex_wait((const uint32_t *)&keeper->calls, seen, -1);
    }
    return NULL;
}

static void call_worker(struct keeper *keeper)
{
    add_full(&keeper->calls, 1);
    futex_wake_all((const uint32_t *)&keeper->calls);
}

void keeper_retire(struct directory *directory, struct segment *segment)
{
    struct keeper *keeper = directory->keeper;
    if (keeper && segment) {
        pthread_mutex_lock(&keeper->lock);
        if (keeper->retired_count < RETIRED) {
            keeper->retired[keeper->retired_count++] = segment;
            segment = NULL;
        }
        pthread_mutex_unlock(&keeper->lock);
        call_worker(keeper);
    }
    segment_drop(segment);
}

/* ---- the clock ------------------------------------------------------------------------------- */

int64_t keeper_clock_wake(struct directory *directory)
{
    struct keeper *keeper = directory->keeper;
    if (keeper && load_relaxed(&keeper->asleep) && swap_full(&keeper->asleep, 0))
        futex_wake_all((const uint32_t *)&keeper->asleep);
    return clock_wall_ms();
}

static void tick(struct keeper *keeper)
{
    int64_t now_ms = clock_wall_ms();
    store_relaxed(&keeper->directory->clock_ms, now_ms);
    if (keeper->ticks++ % WORK_TICKS == 0 || next_due(keeper) <= now_ms)
        call_worker(keeper);
    futex_wait((const uint32_t *)&keeper->stop, 0, TICK_NS);
}

/* Sleeps until an append, a timer, or at most limit_ns. */
static void rest(struct keeper *keeper, int64_t limit_ns)
{
    store_relaxed(&keeper->directory->clock_ms, 0);
    store_relaxed(&keeper->asleep, 1);
    fence_full(); /* pairs with keeper_timer_set and with keeper_end */
    int64_t due_ms = next_due(keeper);
    int64_t now_ms = clock_wall_ms();
    if (due_ms <= now_ms) {
        call_worker(keeper);
        due_ms = now_ms + 1; /* it takes its time */
    }
    int64_t left_ms = due_ms - now_ms;
    if (left_ms < limit_ns / 1000000)
        limit_ns = left_ms * 1000000;
    if (limit_ns > 0 && !load_acquire(&keeper->stop))
        futex_wait((const uint32_t *)&keeper->asleep, 1, limit_ns);
    if (swap_full(&keeper->asleep, 0) == 0)
        keeper->woken_ns = clock_monotonic_ns();
}

/* Becomes the keeper of the directory when nobody is. An anonymous log has nothing to keep. */
static void try_duty(struct keeper *keeper, int64_t now_ns)
{
    if (now_ns < keeper->duty_ns)
        return;
    bool done = keeper->directory->fd < 0 || duty_begin(keeper->directory, &keeper->duty) == 0;
    keeper->duty_ns = done ? INT64_MAX : now_ns + TRY_DUTY_NS;
}

static void *run_clock(void *argument)
{
    struct keeper *keeper = argument;
    keeper->woken_ns = clock_monotonic_ns();
    while (!load_acquire(&keeper->stop)) {
        int64_t now_ns = clock_monotonic_ns();
        try_duty(keeper, now_ns);
        int64_t active_ns = load_relaxed(&keeper->appended_ns);
        if (keeper->woken_ns > active_ns)
            active_ns = keeper->woken_ns;
        if (now_ns - active_ns <= AWAKE_NS)
            tick(keeper);
        else
            rest(keeper, keeper->duty_ns - now_ns);
    }
    return NULL;
}

/* ---- begin and end --------------------------------------------------------------------------- */

static void stop_threads(struct keeper *keeper, bool worker_runs)
{
    store_release(&keeper->stop, 1);
    fence_full(); /* pairs with rest() */
    futex_wake_all((const uint32_t *)&keeper->stop);
    store_release(&keeper->asleep, 0);
    futex_wake_all((const uint32_t *)&keeper->asleep);
    call_worker(keeper);
    thread_join(keeper->clock);
    if (worker_runs)
        thread_join(keeper->worker);
}

static void free_keeper(struct keeper *keeper)
{
    bool forked = directory_forked(keeper->directory);
    duty_end(keeper->duty);
    if (!forked) { /* else its state is whatever the parent's threads left at that moment */
        drop_retired(keeper);
        pthread_cond_destroy(&keeper->fired);
        pthread_mutex_destroy(&keeper->lock);
    }
    free(keeper->warmers);
    free(keeper);
}

static int make_keeper(struct directory *directory, struct keeper **keeper)
{
    struct keeper *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for the helper thread of %s",
                         directory->path);
    made->directory = directory;
    made->scanned_ns = -SCAN_NS;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->fired, NULL);
    int result = thread_start(&made->clock, "maplog-clock", run_clock, made);
    if (result) {
        free_keeper(made);
        return result;
    }
    result = thread_start(&made->worker, "maplog-worker", run_worker, made);
    if (result) {
        stop_threads(made, false);
        free_keeper(made);
        store_relaxed(&directory->clock_ms, 0);
        return result;
    }
    *keeper = made;
    return 0;
}

int keeper_begin(struct directory *directory)
{
    if (directory->keeper)
        return 0;
    struct keeper *made = NULL;
    pthread_mutex_lock(&directory->lock);
    int result = directory->keeper ? 0 : make_keeper(directory, &made);
    if (made)
        directory->keeper = made;
    pthread_mutex_unlock(&directory->lock);
    return result;
}

void keeper_end(struct directory *directory)
{
    struct keeper *keeper = directory->keeper;
    if (!keeper)
        return;
    if (!directory_forked(directory)) {
        stop_threads(keeper, true);
        store_relaxed(&directory->clock_ms, 0);
    }
    directory->keeper = NULL;
    free_keeper(keeper);
}
