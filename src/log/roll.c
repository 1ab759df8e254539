#include "log/roll.h"

#include <inttypes.h>

#include "base/error.h"
#include "log/batch.h"
#include "log/directory.h"
#include "log/index.h"
#include "log/keeper.h"
#include "os/clock.h"
#include "os/fault.h"

#define AHEAD_FROM (4u << 20) /* bytes allocated: from here on the next step is made early */

static uint64_t smaller(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

/* Largest end of a batch. The mapping may be longer than segment.bytes says, or shorter while that
 * is being raised. */
static uint64_t segment_limit(const struct appender *appender)
{
    return smaller((uint64_t)appender->settings.segment_bytes,
                   appender->segment->log_bytes - APPENDER_SLACK);
}

static size_t segment_reserve(const struct appender *appender)
{
    return (size_t)appender->settings.segment_bytes + APPENDER_SLACK;
}

/* What is left of a large allocation when the next one is made, so that the warmer has something to
 * prepare meanwhile. */
static uint64_t kept_ahead(const struct appender *appender, uint64_t allocated)
{
    bool small = allocated < AHEAD_FROM || allocated >= segment_limit(appender) + APPENDER_SLACK;
    return small || load_relaxed(&appender->partition->control->durable_policy)
               ? 0
               : smaller(allocated, LIMIT_ALLOCATE_STEP) / 2;
}

static void take_limit(struct appender *appender)
{
    struct control_partition *control = appender->partition->control;
    uint64_t allocated = load_relaxed(&control->allocated[appender->parity]);
    uint64_t limit = smaller(allocated, segment_limit(appender) + APPENDER_SLACK);
    appender->limit = (uint32_t)(limit - kept_ahead(appender, allocated));
}

static void take_roll_time(struct appender *appender)
{
    int64_t first = (int64_t)load_relaxed(&appender->partition->control->first_append_ms);
    appender->roll_at_ms = first && first < INT64_MAX - appender->settings.segment_ms
                               ? first + appender->settings.segment_ms
                               : INT64_MAX;
}

/* This process's mapping of the active segment, shared by its appenders; made anew when
 * segment.bytes was raised. */
static int take_segment(struct appender *appender, int64_t base)
{
    struct partition *partition = appender->partition;
    int result = 0;
    pthread_mutex_lock(&partition->lock);
    if (!partition->active || partition->active->base != base ||
        partition->active->log_bytes < segment_reserve(appender)) {
        struct segment *segment;
        result = partition->store->open(partition, base, segment_reserve(appender), true, &segment);
        if (!result) {
            keeper_retire(partition->directory, partition->active);
            partition->active = segment;
        }
    }
    if (!result && appender->segment != partition->active) {
        keeper_retire(partition->directory, appender->segment);
        appender->segment = segment_keep(partition->active);
    }
    pthread_mutex_unlock(&partition->lock);
    if (!result)
        appender->log = appender->segment->log;
    return result;
}

int roll_settings(struct appender *appender)
{
    struct settings settings;
    uint64_t generation;
    int result = partition_settings(appender->partition, &settings, &generation);
    if (result)
        return result;
    appender->settings = settings;
    appender->indexer.interval = (uint32_t)settings.index_interval_bytes;
    appender->template.value_size = SIZE_MAX; /* LogAppendTime may have changed */
    take_roll_time(appender);
    if (appender->segment) {
        result = take_segment(appender, appender->base);
        if (result)
            return result;
        take_limit(appender);
    }
    appender->settings_generation = generation;
    return 0;
}

/* The writer before us died between its publication and its notes: what they would say follows
 * from the batches behind the last index entry. */
static int mend_notes(struct appender *appender, const struct partition_end *end)
{
    struct control_partition *control = appender->partition->control;
    const struct segment *segment = appender->segment;
    struct indexer *indexer = &appender->indexer;
    uint32_t relative, position = 0;
    int64_t timestamp = -1;
    uint32_t timestamp_relative = 0;
    timeindex_last(segment->timeindex, load_relaxed(&control->timeindex_bytes[appender->parity]),
                   &timestamp, &timestamp_relative);
    index_last(segment->index, load_relaxed(&control->index_bytes[appender->parity]), &relative,
               &position);
    indexer->max_timestamp = timestamp;
    indexer->max_timestamp_relative = timestamp_relative;
    indexer->bytes_since = 0;
    while (position < end->position) {
        struct batch batch;
        int result = batch_read(segment->log + position, end->position - position, &batch);
        if (result)
            return error_prefix(result, "%s/%s segment %" PRId64 " position %" PRIu32,
                                appender->directory->path, appender->partition->name, segment->base,
                                position);
        indexer_note(indexer, batch.size, batch.max_timestamp,
                     (uint32_t)(batch.last_offset - segment->base));
        position += batch.size;
    }
    return 0;
}

static int take_notes(struct appender *appender, const struct partition_end *end)
{
    struct control_partition *control = appender->partition->control;
    if (load_acquire(&control->noted_published) != end->word)
        return mend_notes(appender, end);
    appender->indexer.max_timestamp = (int64_t)load_relaxed(&control->max_timestamp);
    appender->indexer.max_timestamp_relative =
        (int64_t)load_relaxed(&control->max_timestamp_offset);
    appender->indexer.bytes_since = load_relaxed(&control->bytes_since_index);
    return 0;
}

/* Removes the segment that a writer left who died, or failed, while it rolled. Before anything is
 * published: the next batch may still fit into the old segment, and then it would be in the way. */
static int undo_roll(struct partition *partition, const struct partition_end *end)
{
    _Atomic uint64_t *rolling = &partition->control->rolling;
    uint64_t base = load_acquire(rolling) - 1; /* pairs with roll_segment */
    int result = 0;
    if (end->rolls == 0 || base > (uint64_t)end->base)
        result = partition->store->remove(partition, (int64_t)base);
    if (!result)
        store_release(rolling, 0);
    return result;
}

int roll_reload(struct appender *appender)
{
    struct partition *partition = appender->partition;
    struct partition_end end;
    partition_end(partition, &end);
    if (load_relaxed(&partition->control->rolling)) {
        int undone = undo_roll(partition, &end);
        if (undone)
            return undone;
    }
    appender->parity = end.rolls & 1;
    appender->published = &partition->control->published[appender->parity];
    appender->base = end.base;
    appender->position = end.position;
    appender->relative = (uint32_t)end.word;
    appender->leader_epoch = load_relaxed(&partition->control->leader_epoch);
    appender->template.value_size = SIZE_MAX;
    appender->indexer.interval = (uint32_t)appender->settings.index_interval_bytes;
    if (end.rolls == 0) {
        segment_drop(appender->segment);
        appender->segment = NULL;
        appender->limit = 0;
        return 0;
    }
    int result = take_segment(appender, end.base);
    if (result)
        return result;
    take_limit(appender);
    take_roll_time(appender);
    return take_notes(appender, &end);
}

/* Allocates for at least `need` bytes: doubling from 64 KiB, at most 64 MiB more at a time; when
 * the disk has not that much, just what is needed. */
static int grow(struct appender *appender, uint64_t need)
{
    struct control_partition *control = appender->partition->control;
    const struct store *store = appender->partition->store;
    uint64_t now = load_relaxed(&control->allocated[appender->parity]);
    uint64_t step = now < LIMIT_ALLOCATE_FIRST  ? LIMIT_ALLOCATE_FIRST
                    : now > LIMIT_ALLOCATE_STEP ? LIMIT_ALLOCATE_STEP
                                                : now;
    if (load_relaxed(&control->durable_policy) && step > LIMIT_ALLOCATE_DURABLE)
        step = LIMIT_ALLOCATE_DURABLE;
    if (appender->directory->kind == FILE_SYSTEM_MEMORY && step > LIMIT_ALLOCATE_MEMORY)
        step = LIMIT_ALLOCATE_MEMORY;
    uint64_t target = now + step > need ? now + step : need;
    target = smaller(target, segment_limit(appender) + APPENDER_SLACK);
    struct segment_sizes sizes = segment_allocation(target);
    int result = store->allocate(appender->segment, &sizes);
    if (result == MAPLOG_DISK_FULL && need <= now) { /* what is left of it serves for now */
        appender->limit = (uint32_t)smaller(now, segment_limit(appender) + APPENDER_SLACK);
        return 0;
    }
    if (result == MAPLOG_DISK_FULL && target > need) {
        target = need;
        sizes = segment_allocation(target);
        result = store->allocate(appender->segment, &sizes);
    }
    if (result)
        return result;
    fault_point("grow-allocated");
    store_release(&control->allocated[appender->parity], (uint32_t)target);
    take_limit(appender);
    return 0;
}

/* The active segment's indexes as they are now. Their room follows from the log's allocation. */
static struct indexer_parts index_parts(const struct appender *appender)
{
    const struct control_partition *control = appender->partition->control;
    const struct segment *segment = appender->segment;
    uint32_t parity = appender->parity;
    struct segment_sizes room = segment_allocation(load_relaxed(&control->allocated[parity]));
    return (struct indexer_parts){
        .index = segment->index,
        .index_bytes = load_relaxed(&control->index_bytes[parity]),
        .index_room = smaller(room.index, segment->index_bytes),
        .timeindex = segment->timeindex,
        .timeindex_bytes = load_relaxed(&control->timeindex_bytes[parity]),
        .timeindex_room = smaller(room.timeindex, segment->timeindex_bytes),
    };
}

static void publish_parts(struct appender *appender, const struct indexer_parts *parts)
{
    struct control_partition *control = appender->partition->control;
    store_release(&control->index_bytes[appender->parity], (uint32_t)parts->index_bytes);
    store_release(&control->timeindex_bytes[appender->parity], (uint32_t)parts->timeindex_bytes);
}

void roll_index(struct appender *appender, uint32_t position, uint32_t last_relative)
{
    struct indexer_parts parts = index_parts(appender);
    fault_point("index-begun");
    indexer_put(&appender->indexer, &parts, position, last_relative);
    publish_parts(appender, &parts);
    fault_point("index-put");
}

/* Whatever was published of the active segment gets its last time index entry, and the files their
 * exact sizes. Before the next segment is published: who dies in between leaves a segment that is
 * merely to be allocated again. */
static int seal(struct appender *appender)
{
    const struct control_partition *control = appender->partition->control;
    struct segment_sizes room =
        segment_allocation(load_relaxed(&control->allocated[appender->parity]));
    /* After a detach or a recovery the files have their exact sizes: no room yet. */
    int result = appender->partition->store->allocate(appender->segment, &room);
    if (result)
        return result;
    struct indexer_parts parts = index_parts(appender);
    indexer_end(&appender->indexer, &parts);
    publish_parts(appender, &parts);
    /* Nobody may touch what is cut off: the appender's limit goes first. */
    store_release(&appender->partition->control->allocated[appender->parity], appender->position);
    take_limit(appender);
    struct segment_sizes exact = {appender->position, parts.index_bytes, parts.timeindex_bytes};
    return appender->partition->store->seal(appender->partition, appender->base, &exact);
}

/* The roll failed: the next append tries again. */
static void abandon(struct partition *partition, int64_t base)
{
    if (partition->store->remove(partition, base) == 0)
        store_relaxed(&partition->control->rolling, 0);
}

int roll_segment(struct appender *appender, int64_t now_ms)
{
    struct partition *partition = appender->partition;
    struct control_partition *control = partition->control;
    int64_t base = appender->base + appender->relative;
    struct segment *made;
    int result = partition_check_live(partition); /* its name may be another topic's by now */
    if (result)
        return result;
    /* From here to the end whoever comes next undoes what is left of us. */
    store_release(&control->rolling, (uint64_t)base + 1);
    result = partition->store->create(partition, base, segment_reserve(appender), &made);
    if (result) {
        abandon(partition, base);
        return result;
    }
    fault_point("roll-created");
    struct segment_sizes first = segment_allocation(LIMIT_ALLOCATE_FIRST);
    result = partition->store->allocate(made, &first);
    fault_point("roll-allocated");
    if (!result && appender->segment)
        result = seal(appender);
    if (result) {
        segment_drop(made);
        abandon(partition, base);
        return result;
    }
    fault_point("roll-sealed");
    uint64_t rolls = load_relaxed(&control->rolls) + 1;
    uint32_t parity = rolls & 1;
    store_relaxed(&control->noted_published, UINT64_MAX); /* no notes: mend if we die here */
    store_relaxed(&control->base[parity], (uint64_t)base);
    store_relaxed(&control->index_bytes[parity], 0);
    store_relaxed(&control->timeindex_bytes[parity], 0);
    store_relaxed(&control->allocated[parity], LIMIT_ALLOCATE_FIRST);
    store_relaxed(&control->first_append_ms, (uint64_t)now_ms);
    store_release(&control->published[parity], 0);
    store_release(&control->rolls, rolls); /* pairs with partition_end */
    fault_point("roll-published");
    store_relaxed(&control->rolling, 0);

    pthread_mutex_lock(&partition->lock);
    keeper_retire(partition->directory, partition->active);
    partition->active = made;
    keeper_retire(partition->directory, appender->segment);
    appender->segment = segment_keep(made);
    pthread_mutex_unlock(&partition->lock);
    appender->parity = parity;
    appender->published = &control->published[parity];
    appender->log = made->log;
    appender->base = base;
    appender->position = appender->relative = 0;
    indexer_init(&appender->indexer, (uint32_t)appender->settings.index_interval_bytes);
    take_limit(appender);
    take_roll_time(appender);
    return 0;
}

int roll_make_room(struct appender *appender, size_t size, uint32_t records, int64_t now_ms)
{
    if (size + APPENDER_SLACK > segment_reserve(appender))
        return error_set(MAPLOG_TOO_LARGE, "a batch of %zu bytes for %s: segment.bytes is %lld",
                         size, appender->partition->name,
                         (long long)appender->settings.segment_bytes);
    uint64_t end = (uint64_t)appender->position + size;
    bool used = appender->segment && appender->position > 0;
    bool over = used && (end > segment_limit(appender) || now_ms >= appender->roll_at_ms ||
                         (uint64_t)appender->relative + records > INT32_MAX);
    int result = 0;
    if (!appender->segment || over) {
        result = roll_segment(appender, now_ms);
        end = size;
    }
    if (!result && now_ms >= appender->roll_at_ms) { /* nothing in it yet: its time begins now */
        store_relaxed(&appender->partition->control->first_append_ms, (uint64_t)now_ms);
        take_roll_time(appender);
    }
    if (!result && end + APPENDER_SLACK > appender->limit)
        result = grow(appender, end + APPENDER_SLACK);
    /* Names the file system to somebody who attached more than one. */
    return result ? error_prefix(result, "%s", appender->directory->path) : 0;
}

int roll_allocate(struct appender *appender, uint64_t bytes, int64_t now_ms)
{
    int result = appender->segment ? 0 : roll_segment(appender, now_ms);
    if (result)
        return result;
    uint64_t need = smaller(appender->position + bytes, segment_limit(appender)) + APPENDER_SLACK;
    return need <= appender->limit ? 0 : grow(appender, need);
}
