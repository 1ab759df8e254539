#include "log/durable.h"

#include <errno.h>
#include <inttypes.h>

#include "base/error.h"
#include "log/directory.h"
#include "log/format.h"
#include "os/clock.h"
#include "os/fault.h"
#include "os/futex.h"

/* A killed flusher wakes nobody: those who wait look for themselves this often. */
#define LOOK_AGAIN_NS 5000000
/* Longest wait for company before a sync. */
#define GATHER_LONGEST_NS 200000

#define PATH_BYTES (sizeof((struct partition *)0)->name + SEGMENT_NAME_BYTES + 16)

/* Somebody's sync failed. The kernel reports that once and then takes the lost pages for clean, so
 * nothing behind the durable offset is ever promised again. */
static int failed_before(struct partition *partition)
{
    int64_t durable = (int64_t)load_acquire(&partition->control->durable_offset);
    struct segment_list list = {0};
    long at = -1;
    if (partition->store->list(partition, &list) == 0)
        at = segment_list_find(&list, durable);
    char path[PATH_BYTES];
    segment_path(partition, at < 0 ? durable : list.bases[at], SEGMENT_LOG_SUFFIX, path,
                 sizeof path);
    segment_list_free(&list);
    return error_set(MAPLOG_IO,
                     "a sync of %s/%s failed: nothing from offset %" PRId64 " on is known to be on "
                     "disk",
                     partition->directory->path, path, durable);
}

/* The segment for syncing: the mapped one of this process's writers if it is that. */
static int take_segment(struct partition *partition, int64_t base, struct segment **segment)
{
    pthread_mutex_lock(&partition->lock);
    struct segment *active = partition->active;
    bool cached = active && active->base == base;
    if (cached)
        *segment = segment_keep(active);
    pthread_mutex_unlock(&partition->lock);
    return cached ? 0 : partition->store->open(partition, base, 0, false, segment);
}

/* Syncs one segment; then everything below `end` is durable. The holder of flusher only. */
static int sync_segment(struct partition *partition, int64_t base, int64_t end)
{
    struct control_partition *control = partition->control;
    struct segment *segment;
    int result = take_segment(partition, base, &segment);
    if (result == MAPLOG_NOT_FOUND && base < partition_start(partition))
        result = 0; /* retention was faster: it need not be durable any more */
    else if (result) {
        int live = partition_check_live(partition);
        return live ? live : result;
    } else {
        /* The directory entry counts from the first sync that covers a record of the segment. */
        bool fresh = (int64_t)load_relaxed(&control->durable_offset) <= base;
        result = partition->store->sync(segment, fresh);
        segment_drop(segment);
    }
    if (result) {
        store_release(&control->flush_failed, EIO);
        return error_prefix(MAPLOG_IO, "%s/%s is not durable from offset %" PRId64 " on",
                            partition->directory->path, partition->name,
                            (int64_t)load_relaxed(&control->durable_offset));
    }
    fault_point("flush-synced");
    raise_to(&control->durable_offset, (uint64_t)end);
    return 0;
}

/* Syncs the sealed segments that hold something between the durable offset and `until`, oldest
 * first. */
static int sync_sealed(struct partition *partition, const struct partition_end *end, int64_t until)
{
    struct segment_list list;
    int result = partition->store->list(partition, &list);
    if (result)
        return result;
    int64_t durable = (int64_t)load_relaxed(&partition->control->durable_offset);
    long first = segment_list_find(&list, durable);
    for (size_t i = first < 0 ? 0 : (size_t)first; !result && i < list.count; i++) {
        if (list.bases[i] >= end->base || list.bases[i] >= until)
            break;
        bool last = i + 1 == list.count || list.bases[i + 1] > end->base;
        int64_t next = last ? end->base : list.bases[i + 1];
        result = sync_segment(partition, list.bases[i], next);
    }
    segment_list_free(&list);
    return result;
}

/* One flush, by the holder of flusher: of everything, or of sealed segments only when that is
 * enough for `until`. */
static int flush(struct partition *partition, int64_t until)
{
    struct control_partition *control = partition->control;
    if (load_acquire(&control->flush_failed))
        return failed_before(partition);
    struct partition_end end;
    partition_end(partition, &end);
    int64_t durable = (int64_t)load_relaxed(&control->durable_offset);
    if (durable >= end.offset || durable >= until)
        return 0;
    int64_t begin = clock_monotonic_ns();
    int result = durable < end.base ? sync_sealed(partition, &end, until) : 0;
    if (!result && until > end.base)
        result = sync_segment(partition, end.base, end.offset);
    store_relaxed(&control->flush_us, (uint32_t)((clock_monotonic_ns() - begin) / 1000));
    return result;
}

/* Those whom the last flush woke are likely to append and wait again at once: with them this sync
 * serves all. Waits for them half as long as a sync takes, so that at worst, when they have other
 * things to do, it costs that much once: then none are expected next time. */
static void gather(struct control_partition *control)
{
    uint32_t expected = load_relaxed(&control->flush_group);
    if (expected == 0)
        return;
    int64_t longest = load_relaxed(&control->flush_us) * (1000ll / 2);
    int64_t now = clock_monotonic_ns();
    int64_t until = now + (longest < GATHER_LONGEST_NS ? longest : GATHER_LONGEST_NS);
    for (; load_relaxed(&control->flush_waiters) < expected && now < until;
         now = clock_monotonic_ns())
        thread_yield();
}

/* Wakes those who registered, and notes how many. */
static void wake_waiters(struct control_partition *control)
{
    uint32_t waiters = load_relaxed(&control->flush_waiters);
    if (waiters)
        waiters = swap_full(&control->flush_waiters, 0);
    store_relaxed(&control->flush_group, waiters);
    if (waiters)
        futex_wake_all((const uint32_t *)&control->flushes);
}

/* Flushes unless another does: MAPLOG_BUSY. */
static int try_flush(struct partition *partition, int64_t until, bool in_company)
{
    struct control_partition *control = partition->control;
    bool died;
    int result = thread_mutex_lock(&control->flusher, 0, &died);
    if (result)
        return result;
    store_relaxed(&control->flusher_process, partition->directory->view.process + 1);
    if (in_company)
        gather(control);
    result = flush(partition, until);
    store_relaxed(&control->flusher_process, 0);
    thread_mutex_unlock(&control->flusher);
    /* Behind the unlock: who saw the mutex taken and the old count finds either the new count or a
     * wake-up to come. */
    add_full(&control->flushes, 1);
    fence_full(); /* pairs with the registration in wait_for_flush */
    wake_waiters(control);
    return result;
}

static int timed_out(const struct partition *partition, int64_t offset, int64_t timeout_ns)
{
    uint32_t flusher = load_relaxed(&partition->control->flusher_process);
    char process[96] = "another process";
    if (flusher)
        control_describe_process(&partition->directory->view, flusher - 1, process, sizeof process);
    return error_set(MAPLOG_TIMED_OUT,
                     "%s is not durable up to offset %" PRId64 " after %lld ms: %s flushes it",
                     partition->name, offset, (long long)(timeout_ns / 1000000), process);
}

/* Sleeps until a flush ended after `seen` was read. MAPLOG_TIMED_OUT at the deadline. */
static int wait_for_flush(struct control_partition *control, uint32_t seen, int64_t deadline)
{
    int64_t left = deadline < 0 ? LOOK_AGAIN_NS : deadline - clock_monotonic_ns();
    if (left <= 0)
        return MAPLOG_TIMED_OUT;
    add_full(&control->flush_waiters, 1);
    int result = futex_wait((const uint32_t *)&control->flushes, seen,
                            left < LOOK_AGAIN_NS ? left : LOOK_AGAIN_NS);
    return result == MAPLOG_TIMED_OUT ? 0 : result;
}

int durable_wait(struct partition *partition, int64_t offset, int64_t timeout_ns)
{
    struct control_partition *control = partition->control;
    if (partition->directory->kind == FILE_SYSTEM_MEMORY)
        return error_set(MAPLOG_NOT_PERSISTENT, "%s lies in memory: nothing makes it durable",
                         partition->name);
    int64_t deadline = -1;
    for (;;) {
        if ((int64_t)load_acquire(&control->durable_offset) >= offset)
            return 0;
        if (load_acquire(&control->flush_failed))
            return failed_before(partition);
        struct partition_end end;
        partition_end(partition, &end);
        if (offset > end.offset)
            return error_set(MAPLOG_INVALID, "%s ends at offset %" PRId64 ", before %" PRId64,
                             partition->name, end.offset, offset);
        uint32_t seen = load_acquire(&control->flushes);
        int result = try_flush(partition, offset, true);
        if (result == MAPLOG_BUSY) {
            if (timeout_ns >= 0 && deadline < 0)
                deadline = clock_monotonic_ns() + timeout_ns;
            result = wait_for_flush(control, seen, deadline);
        }
        if (result == MAPLOG_TIMED_OUT)
            return timed_out(partition, offset, timeout_ns);
        if (result)
            return result;
    }
}

int durable_sealed(struct partition *partition, int64_t until)
{
    if (partition->directory->kind == FILE_SYSTEM_MEMORY)
        return 0;
    struct partition_end end;
    partition_end(partition, &end);
    return try_flush(partition, until < end.base ? until : end.base, false);
}

void durable_announce(struct partition *partition)
{
    store_relaxed(&partition->control->durable_policy, 1);
}
