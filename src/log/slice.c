#include "log/slice.h"

#include <inttypes.h>

#include "base/error.h"
#include "log/batch.h"
#include "log/directory.h"
#include "log/index.h"
#include "os/map.h"

#define OPEN_ATTEMPTS 100      /* a segment may go between looking it up and opening it */
#define READ_BYTES (64u << 10) /* at a time, where a mapping cannot be populated */

/* A segment, and how much of it may be shown (I2). */
struct span {
    struct segment *segment; /* a reference; NULL: none */
    uint32_t end;
    size_t indexed; /* valid bytes of its offset index */
};

/* Where a batch is. */
struct place {
    struct span span;
    uint32_t position;
    struct batch batch;
};

static void leave(struct place *place)
{
    segment_drop(place->span.segment);
    *place = (struct place){0};
}

/* ---- which segment --------------------------------------------------------------------------- */

/* Lists the sealed segments anew. What changes them raises rolls or log start after it made a file
 * and before it removes one, so a list that is as new as both misses nothing. */
static int list_sealed(struct partition *partition, const struct partition_end *end, int64_t start)
{
    struct segment_list list;
    int result = partition->store->list(partition, &list);
    if (result)
        return result;
    while (list.count && list.bases[list.count - 1] >= end->base)
        list.count--; /* the active one, and one that is being made */
    pthread_mutex_lock(&partition->lock);
    if (end->rolls >= partition->sealed_rolls && start >= partition->sealed_start) {
        struct segment_list old = partition->sealed;
        partition->sealed = list;
        partition->sealed_rolls = end->rolls;
        partition->sealed_start = start;
        list = old;
    }
    pthread_mutex_unlock(&partition->lock);
    segment_list_free(&list);
    return 0;
}

/* The next look-up lists them again. */
static void forget_sealed(struct partition *partition)
{
    pthread_mutex_lock(&partition->lock);
    partition->sealed_rolls = 0;
    pthread_mutex_unlock(&partition->lock);
}

/* Base of the segment that holds the offset, or of the first one behind it when none does. behind:
 * of the segment after that one. */
static int find_base(struct partition *partition, const struct partition_end *end, int64_t offset,
                     bool behind, int64_t *base)
{
    int64_t start = partition_start(partition);
    pthread_mutex_lock(&partition->lock);
    if (partition->sealed_rolls < end->rolls || partition->sealed_start < start) {
        pthread_mutex_unlock(&partition->lock);
        int result = list_sealed(partition, end, start);
        if (result)
            return result;
        pthread_mutex_lock(&partition->lock);
    }
    const struct segment_list *list = &partition->sealed;
    long at = segment_list_find(list, offset) + behind;
    at = at < 0 ? 0 : at;
    bool sealed = at < (long)list->count && list->bases[at] < end->base;
    *base = sealed ? list->bases[at] : end->base;
    pthread_mutex_unlock(&partition->lock);
    return 0;
}

static int corrupt(const struct partition *partition, int64_t base, uint32_t position)
{
    char path[sizeof partition->name + 40];
    segment_path(partition, base, SEGMENT_LOG_SUFFIX, path, sizeof path);
    return error_prefix(MAPLOG_CORRUPT, "%s/%s position %" PRIu32, partition->directory->path, path,
                        position);
}

static int open_span(struct segment_cache *cache, struct partition *partition,
                     const struct partition_end *end, int64_t base, struct span *span)
{
    struct segment *segment;
    int result = segment_cache_get(cache, partition, base, &segment);
    if (result)
        return result;
    *span = (struct span){segment, segment->end, segment->index_bytes};
    if (base == end->base) {
        const struct control_partition *control = partition->control;
        uint32_t parity = end->rolls & 1;
        uint32_t valid = load_acquire(&control->index_bytes[parity]);
        /* A roll stores the base before anything else of the pair: is it still this segment's? */
        if ((int64_t)load_acquire(&control->base[parity]) != base)
            valid = 0;
        span->end = end->position;
        span->indexed = valid < segment->index_bytes ? valid : segment->index_bytes;
    }
    if (!segment->index)
        span->indexed = 0;
    if (span->end <= segment->log_bytes)
        return 0;
    segment_drop(segment);
    error_set(MAPLOG_CORRUPT, "the segment is shorter than its published end");
    return corrupt(partition, base, end->position);
}

/* ---- which batch ----------------------------------------------------------------------------- */

static int read_at(const struct span *span, uint32_t position, struct batch *batch)
{
    return batch_read(span->segment->log + position, span->end - position, batch);
}

/* The first batch of the segment that ends at or behind the offset: 1; 0 when there is none. */
static int seek(struct place *place, int64_t offset)
{
    const struct span *span = &place->span;
    const struct segment *segment = span->segment;
    int64_t relative = offset - segment->base;
    uint32_t at = 0;
    if (relative > 0 && span->indexed)
        at = index_find(segment->index, span->indexed,
                        relative < UINT32_MAX ? (uint32_t)relative : UINT32_MAX);
    /* An index may be damaged: without its help it takes longer. */
    if (at && (at >= span->end || read_at(span, at, &place->batch) ||
               place->batch.base_offset > offset || place->batch.base_offset < segment->base))
        at = 0;
    for (; at < span->end; at += place->batch.size) {
        place->position = at;
        if (read_at(span, at, &place->batch))
            return MAPLOG_CORRUPT;
        if (place->batch.last_offset >= offset)
            return 1;
    }
    return 0;
}

/* Bytes of the whole batches from the place on that fit into max_bytes. */
static uint32_t measure(const struct place *place, uint32_t max_bytes)
{
    const struct span *span = &place->span;
    const struct segment *segment = span->segment;
    if (span->end - place->position <= max_bytes)
        return span->end - place->position;
    if (place->batch.size > max_bytes)
        return 0;
    uint32_t limit = place->position + max_bytes; /* below the end */
    uint32_t at = place->position + place->batch.size;
    uint32_t relative, hint;
    struct batch batch;
    if (span->indexed &&
        index_find_position(segment->index, span->indexed, limit, &relative, &hint) && hint > at &&
        read_at(span, hint, &batch) == 0 && batch.last_offset == segment->base + relative)
        at = hint;
    /* A damaged batch ends the slice: who comes for it is told. */
    while (read_at(span, at, &batch) == 0 && batch.size <= limit - at)
        at += batch.size;
    return at - place->position;
}

/* ---- both ------------------------------------------------------------------------------------ */

static int check_offset(const struct partition *partition, const struct partition_end *end,
                        int64_t offset)
{
    int result = partition_check_live(partition);
    if (result)
        return result;
    int64_t start = partition_start(partition);
    if (offset >= start && offset <= end->offset)
        return 0;
    return error_set(MAPLOG_OFFSET_OUT_OF_RANGE,
                     "%s holds offsets %" PRId64 " to %" PRId64 ", not %" PRId64, partition->name,
                     start, end->offset, offset);
}

/* Looks in one segment after the other. 1 with a place; 0 when nothing is there yet;
 * MAPLOG_NOT_FOUND when a segment went meanwhile. */
static int locate_once(struct segment_cache *cache, struct partition *partition,
                       const struct partition_end *end, int64_t offset, struct place *place)
{
    int64_t base = end->base;
    int result = offset < end->base ? find_base(partition, end, offset, false, &base) : 0;
    for (;;) {
        if (!result)
            result = open_span(cache, partition, end, base, &place->span);
        if (result)
            return result;
        /* Behind a gap the log goes on; behind what was removed meanwhile it does not. */
        if (base > offset && offset < partition_start(partition))
            result = MAPLOG_NOT_FOUND;
        else
            result = seek(place, base > offset ? base : offset);
        if (result == MAPLOG_CORRUPT)
            corrupt(partition, base, place->position);
        if (result == 1)
            return 1;
        leave(place);
        if (result || base == end->base)
            return result;
        result = find_base(partition, end, base, true, &base);
    }
}

/* The batch that holds the offset, or the first behind it: 1; 0 when nothing is there yet. */
static int locate(struct segment_cache *cache, struct partition *partition, int64_t offset,
                  struct place *place)
{
    *place = (struct place){0};
    for (int attempts = 0; attempts < OPEN_ATTEMPTS; attempts++) {
        struct partition_end end;
        partition_end(partition, &end);
        int result = check_offset(partition, &end, offset);
        if (result || offset == end.offset || end.rolls == 0)
            return result;
        result = locate_once(cache, partition, &end, offset, place);
        if (result != MAPLOG_NOT_FOUND)
            return result;
        forget_sealed(partition);
    }
    return error_set(MAPLOG_NOT_FOUND, "%s: the segment of offset %" PRId64 " is missing",
                     partition->name, offset);
}

int slice_find(struct segment_cache *cache, struct partition *partition, int64_t offset,
               uint32_t max_bytes, bool at_least_one, struct slice *slice)
{
    struct place place;
    int result = locate(cache, partition, offset, &place);
    if (result < 0)
        return result;
    *slice = (struct slice){.base_offset = offset};
    if (result == 0)
        return 0;
    uint32_t size = measure(&place, max_bytes);
    if (size == 0 && at_least_one)
        size = place.batch.size;
    if (size == 0) {
        leave(&place);
        return 0;
    }
    *slice = (struct slice){.segment = place.span.segment,
                            .at = place.span.segment->log + place.position,
                            .position = place.position,
                            .size = size,
                            .base_offset = place.batch.base_offset};
    return 0;
}

int64_t slice_available(struct segment_cache *cache, struct partition *partition, int64_t offset,
                        int64_t enough)
{
    struct place place;
    int result = locate(cache, partition, offset, &place);
    if (result <= 0)
        return result;
    int64_t base = place.span.segment->base;
    int64_t bytes = place.span.end - place.position;
    leave(&place);
    struct partition_end end;
    partition_end(partition, &end);
    while (bytes < enough && base < end.base) {
        struct span span;
        if (find_base(partition, &end, base, true, &base) ||
            open_span(cache, partition, &end, base, &span))
            break; /* retention took it: there is less */
        bytes += span.end;
        segment_drop(span.segment);
    }
    return bytes < enough ? bytes : enough;
}

/* ---- pages ----------------------------------------------------------------------------------- */

/* Memory has no disk to wait for. */
static bool on_disk(const struct slice *slice)
{
    const struct segment *segment = slice->segment;
    return slice->size && segment->log_fd >= 0 && segment->directory->kind == FILE_SYSTEM_DISK;
}

bool slice_cold(const struct slice *slice)
{
    return on_disk(slice) &&
           !map_cached(slice->at, slice->size, slice->segment->log_fd, slice->position);
}

void slice_warm(const struct slice *slice)
{
    if (!on_disk(slice))
        return;
    struct segment *segment = slice->segment;
    uint32_t begin = (uint32_t)map_page_down(slice->position);
    size_t length = slice->position - begin + slice->size;
    /* A disk that fails says so again to whoever reads the pages. */
    if (map_populate(segment->log + begin, length, false) != MAPLOG_UNSUPPORTED)
        return;
    uint8_t bytes[READ_BYTES];
    for (size_t done = 0; done < length; done += sizeof bytes) {
        size_t part = length - done < sizeof bytes ? length - done : sizeof bytes;
        if (file_read_at(segment->log_fd, segment->partition->name, bytes, part, begin + done))
            return;
    }
}
