#include "log/warmer.h"

#include "log/directory.h"
#include "os/map.h"

static uint64_t smaller(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

/* Counts what was appended since the last look, by whomever. */
static void note_progress(struct warmer *warmer, const struct partition_end *end, int64_t now_ms)
{
    uint64_t bytes = 0;
    if (end->rolls == warmer->rolls) {
        bytes = end->position - warmer->position;
    } else {
        if (warmer->rolls) /* else it is the first look: all of that may be old */
            bytes = end->position;
        if (end->rolls == warmer->rolls + 1) {
            const struct control_partition *control = warmer->partition->control;
            uint64_t word = load_acquire(&control->published[warmer->rolls & 1]);
            uint32_t sealed = (uint32_t)(word >> 32);
            bytes += sealed > warmer->position ? sealed - warmer->position : 0;
        }
        warmer->rolls = end->rolls;
        warmer->populated = 0;
    }
    warmer->position = end->position;
    int64_t age = now_ms - warmer->window_ms;
    if (age < 0 || age >= WARMER_WINDOW_MS) {
        warmer->recent_bytes = age >= 0 && age < 2 * WARMER_WINDOW_MS ? warmer->window_bytes : 0;
        warmer->window_bytes = 0;
        warmer->window_ms = now_ms;
    }
    warmer->window_bytes += bytes;
}

/* How far ahead of the tail memory should be ready. */
static uint64_t wanted_ahead(const struct warmer *warmer)
{
    uint64_t bytes =
        warmer->window_bytes > warmer->recent_bytes ? warmer->window_bytes : warmer->recent_bytes;
    return bytes < WARMER_STEP ? WARMER_STEP : smaller(bytes, LIMIT_WARM_PARTITION);
}

/* This process's writable mapping of the active segment, or NULL. */
static struct segment *take_segment(struct partition *partition, const struct partition_end *end)
{
    pthread_mutex_lock(&partition->lock);
    struct segment *segment = partition->active;
    if (segment && segment->base == end->base && partition->settings.flush_messages != 1) {
        segment->populated = true;
        segment_keep(segment);
    } else {
        segment = NULL;
    }
    pthread_mutex_unlock(&partition->lock);
    return segment;
}

uint64_t warmer_round(struct warmer *warmer, int64_t now_ms, uint64_t budget)
{
    struct partition *partition = warmer->partition;
    struct control_partition *control = partition->control;
    struct partition_end end;
    partition_end(partition, &end);
    if (end.rolls == 0)
        return 0;
    note_progress(warmer, &end, now_ms);
    int64_t idle_ms = now_ms - load_relaxed(&partition->appended_ms);
    if (idle_ms > WARMER_WINDOW_MS || load_relaxed(&control->durable_policy))
        return 0;

    uint64_t allocated = load_acquire(&control->allocated[end.rolls & 1]);
    uint64_t page = MAP_PAGE_BYTES;
    uint64_t from =
        warmer->populated > end.position ? warmer->populated : end.position & ~(page - 1);
    uint64_t until = end.position + wanted_ahead(warmer);
    until = (until + WARMER_STEP - 1) & ~(uint64_t)(WARMER_STEP - 1);
    until = smaller(until, allocated & ~(page - 1));
    if (until <= from)
        return 0;
    struct segment *segment = take_segment(partition, &end);
    if (!segment)
        return 0;
    until = smaller(until, segment->log_bytes);
    uint64_t step_end = (from + WARMER_STEP) & ~(uint64_t)(WARMER_STEP - 1);
    until = smaller(until, step_end);
    uint64_t bytes = until > from ? smaller(until - from, budget & ~(page - 1)) : 0;
    if (bytes) {
        /* It fails past the end of a file that was sealed meanwhile: that is no harm, and neither
         * is a kernel that cannot populate. */
        map_populate(segment->log + from, bytes, true);
        warmer->populated = (uint32_t)(from + bytes);
    }
    segment_drop(segment);
    return bytes;
}
