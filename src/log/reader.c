#include "log/reader.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "log/directory.h"
#include "log/index.h"

#define FETCH_BYTES 512
#define OPEN_ATTEMPTS 100 /* a segment may go between looking it up and opening it */

void reader_init(struct reader *reader, struct partition *partition, int64_t offset)
{
    *reader = (struct reader){.partition = partition, .offset = offset};
}

static void reader_leave_segment(struct reader *reader)
{
    segment_drop(reader->segment);
    reader->segment = NULL;
    reader->rolls = 0;
    reader->word = 0;
    reader->position = reader->end = 0;
}

void reader_close(struct reader *reader)
{
    reader_leave_segment(reader);
}

void reader_seek(struct reader *reader, int64_t offset)
{
    reader_leave_segment(reader);
    reader->offset = offset;
}

void reader_watch(const struct reader *reader, struct bell_watch *watch)
{
    *watch = (struct bell_watch){.partition_index = reader->partition->slot,
                                 .rolls = reader->rolls,
                                 .published = reader->word};
}

/* Base of the segment that holds the offset, or of the next one behind a gap. */
static int find_base(struct partition *partition, int64_t offset, int64_t *base)
{
    struct segment_list list;
    int result = partition->store->list(partition, &list);
    if (result)
        return result;
    long at = segment_list_find(&list, offset);
    if (at < 0 && list.count == 0)
        result = error_set(MAPLOG_NOT_FOUND, "%s has no segment for offset %" PRId64,
                           partition->name, offset);
    else
        *base = list.bases[at < 0 ? 0 : at];
    segment_list_free(&list);
    return result;
}

/* Is the control slot's pair that was the segment's still the segment's? To be asked after reading
 * from the pair: a roll stores the base first (roll.c), and raises `rolls` only at the end. */
static bool pair_is_ours(const struct reader *reader)
{
    const struct control_partition *control = reader->partition->control;
    return (int64_t)load_acquire(&control->base[reader->rolls & 1]) == reader->segment->base;
}

/* Begins at the wanted offset within the segment that was just opened. */
static void place(struct reader *reader)
{
    const struct segment *segment = reader->segment;
    uint32_t relative = 0;
    if (reader->offset > segment->base && reader->offset - segment->base <= UINT32_MAX)
        relative = (uint32_t)(reader->offset - segment->base);
    size_t bytes = segment->index ? segment->index_bytes : 0;
    if (reader->rolls) {
        uint32_t valid = load_acquire(&reader->partition->control->index_bytes[reader->rolls & 1]);
        bytes = valid < bytes ? valid : bytes;
        if (!pair_is_ours(reader))
            bytes = 0; /* two rolls came since the segment was looked up */
    }
    uint32_t position = bytes && relative ? index_find(segment->index, bytes, relative) : 0;
    reader->position = position < reader->end ? position : 0;
}

/* Opens the segment of the wanted offset. 1; 0 when there is nothing yet. */
static int open_segment(struct reader *reader, bool *gone)
{
    struct partition *partition = reader->partition;
    struct partition_end end;
    partition_end(partition, &end);
    int64_t start = partition_start(partition);
    if (reader->offset < start || reader->offset > end.offset)
        return error_set(MAPLOG_OFFSET_OUT_OF_RANGE,
                         "%s holds offsets %" PRId64 " to %" PRId64 ", not %" PRId64,
                         partition->name, start, end.offset, reader->offset);
    if (end.rolls == 0)
        return partition_check_live(partition);
    int64_t base = end.base;
    bool active = reader->offset >= end.base;
    int result = active ? 0 : find_base(partition, reader->offset, &base);
    active = active || base == end.base;
    if (!result)
        result = partition->store->open(partition, base, 0, false, &reader->segment);
    if (result == MAPLOG_NOT_FOUND) {
        *gone = true; /* retention was faster: look again */
        return partition_check_live(partition);
    }
    if (result)
        return result;
    if (base > reader->offset && reader->offset < partition_start(partition)) {
        reader_leave_segment(reader);
        *gone = true; /* the offset's own segment was removed, this is no gap */
        return 0;
    }
    reader->rolls = active ? end.rolls : 0;
    reader->word = active ? end.word : 0;
    reader->end = end.position;
    if (!active) {
        struct segment_sizes sizes;
        result = segment_sealed(reader->segment, &sizes);
        if (result) {
            reader_leave_segment(reader);
            return result;
        }
        reader->end = (uint32_t)sizes.log;
    }
    if (reader->end > reader->segment->log_bytes) {
        reader_leave_segment(reader);
        return error_set(MAPLOG_CORRUPT,
                         "%s/%s: segment %" PRId64 " is shorter than its published end",
                         partition->directory->path, partition->name, base);
    }
    if (active && reader->offset == end.offset)
        reader->position = end.position;
    else
        place(reader);
    return 1;
}

/* The next segment behind this one. 1 with the reader on it. */
static int next_segment(struct reader *reader)
{
    struct segment_list list;
    int result = reader->partition->store->list(reader->partition, &list);
    if (result)
        return result;
    int64_t base = reader->segment->base;
    long at = segment_list_find(&list, base) + 1;
    int64_t next = at < (long)list.count ? list.bases[at] : -1;
    segment_list_free(&list);
    if (next < 0)
        return partition_check_live(reader->partition);
    /* Behind what was removed it does not go on silently: the offset is refused when it is looked
     * up. A gap that was always there is passed. */
    bool removed = reader->offset < partition_start(reader->partition);
    reader_seek(reader, next > reader->offset && !removed ? next : reader->offset);
    return 1;
}

/* Bytes that were just published lie in their writer's cache: asks for all lines of a small batch
 * at once, not for one after the other as they are read. */
static void fetch(const uint8_t *at, uint32_t bytes)
{
    for (uint32_t line = 0; line < bytes && line < FETCH_BYTES; line += CACHE_LINE)
        __builtin_prefetch(at + line);
}

/* There is more of the segment; if the file grew since it was mapped, it is opened anew. */
static void extend(struct reader *reader, uint64_t end)
{
    if (end > reader->segment->log_bytes) {
        reader_seek(reader, reader->offset);
        return;
    }
    reader->end = (uint32_t)end;
    fetch(reader->segment->log + reader->position, reader->end - reader->position);
}

/* Everything up to `end` was read: finds more. 1 there is more; 0 at the published end. */
static int advance(struct reader *reader)
{
    struct control_partition *control = reader->partition->control;
    if (reader->rolls == 0)
        return next_segment(reader);
    uint64_t rolls = load_acquire(&control->rolls);
    uint64_t word = load_acquire(&control->published[reader->rolls & 1]);
    /* The word is of our segment unless a second roll came since, or is under way; it is final
     * after one. */
    if (!pair_is_ours(reader)) {
        struct segment_sizes sizes;
        int result = segment_sealed(reader->segment, &sizes);
        if (result)
            return result;
        reader->rolls = 0;
        extend(reader, sizes.log);
        return 1;
    }
    uint32_t end = (uint32_t)(word >> 32);
    if (end > reader->end) {
        reader->word = word;
        extend(reader, end);
        return 1;
    }
    if (rolls != reader->rolls)
        return next_segment(reader);
    return __builtin_expect(load_relaxed(&control->state) == PARTITION_LIVE, 1)
               ? 0
               : partition_check_live(reader->partition);
}

static int corrupt(struct reader *reader)
{
    char path[sizeof reader->partition->name + 40];
    segment_path(reader->partition, reader->segment->base, SEGMENT_LOG_SUFFIX, path, sizeof path);
    return error_prefix(MAPLOG_CORRUPT, "%s/%s position %" PRIu32,
                        reader->partition->directory->path, path, reader->position);
}

int reader_next(struct reader *reader, struct batch *batch)
{
    for (int attempts = 0; attempts < OPEN_ATTEMPTS;) {
        if (!reader->segment) {
            bool gone = false;
            int result = open_segment(reader, &gone);
            if (gone && result == 0) {
                attempts++;
                continue;
            }
            if (result <= 0)
                return result;
        }
        while (reader->position < reader->end) {
            int result = batch_read(reader->segment->log + reader->position,
                                    reader->end - reader->position, batch);
            if (result)
                return corrupt(reader);
            if (batch->last_offset >= reader->offset) {
                reader->position += batch->size;
                reader->offset = batch->last_offset + 1;
                return 1;
            }
            reader->position += batch->size;
        }
        int more = advance(reader);
        if (more <= 0)
            return more;
    }
    return error_set(MAPLOG_NOT_FOUND, "%s: the segment of offset %" PRId64 " is missing",
                     reader->partition->name, reader->offset);
}
