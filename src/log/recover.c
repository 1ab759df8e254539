#include "log/recover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/batch.h"
#include "log/checkpoint.h"
#include "log/directory.h"
#include "os/clock.h"
#include "os/map.h"

#define POPULATE_STEP (32u << 20) /* bytes mapped at once ahead of the scan */

/* How far the scan has come: all that a batch moves. */
struct progress {
    size_t segment;    /* index in the list */
    uint32_t position; /* behind the last good batch */
    int64_t next;      /* offset behind it */
    int32_t leader_epoch;
    int64_t first_timestamp;
    struct indexer indexer;
    bool indexed; /* the indexes have had every entry so far */
    uint32_t index_bytes, timeindex_bytes;
};

struct scan {
    struct partition *partition;
    int64_t recovery_point;
    struct segment_list list;
    struct progress now;
    struct progress doubtful; /* before the first batch with a bad CRC below the recovery point */
    bool has_doubt;
    struct recovered *found;
};

/* Why the cut is made, and where; the first reason is the one that counts. */
static void note_damage(struct recovered *found, int64_t base, uint32_t position,
                        const char *reason)
{
    if (found->damaged)
        return;
    found->damaged = true;
    found->cut_base = base;
    found->cut_position = position;
    snprintf(found->reason, sizeof found->reason, "%s", reason);
}

/* Length of bytes up to the last one that is not zero. */
static uint64_t used_length(const uint8_t *bytes, uint64_t length)
{
    while (length && ((uintptr_t)(bytes + length) & 7))
        if (bytes[--length])
            return length + 1;
    uint64_t word;
    while (length >= sizeof word) {
        memcpy(&word, bytes + length - sizeof word, sizeof word);
        if (word)
            break;
        length -= sizeof word;
    }
    while (length && !bytes[length - 1])
        length--;
    return length;
}

static int populate(const struct segment *segment, uint64_t size, uint64_t from)
{
    if (from >= size)
        return 0;
    uint64_t length = size - from < POPULATE_STEP ? size - from : POPULATE_STEP;
    length = map_page_up(length);
    int result = map_populate(segment->log + from, length, false);
    return result == MAPLOG_UNSUPPORTED ? 0 : result;
}

static int check_place(const struct progress *now, int64_t base, const struct batch *batch)
{
    if (batch->base_offset < now->next)
        return error_set(MAPLOG_CORRUPT, "base offset %" PRId64 " where %" PRId64 " is next",
                         batch->base_offset, now->next);
    if (batch->last_offset - base > INT32_MAX)
        return error_set(MAPLOG_CORRUPT,
                         "last offset %" PRId64 " is too far from the segment's base %" PRId64,
                         batch->last_offset, base);
    return 0;
}

/* Checks the batch at the present position: 0 good, MAPLOG_CORRUPT with the reason as text. */
static int check_batch(struct scan *scan, const struct segment *segment, uint64_t size,
                       struct batch *batch)
{
    struct progress *now = &scan->now;
    int result = batch_read(segment->log + now->position, size - now->position, batch);
    if (!result)
        result = check_place(now, segment->base, batch);
    if (result)
        return result;
    result = batch_check_crc(batch);
    if (result && batch->last_offset < scan->recovery_point) {
        if (!scan->has_doubt) {
            scan->has_doubt = true;
            scan->doubtful = *now;
        }
        return 0;
    }
    return result;
}

/* Does the segment's index have the entry of this batch? */
static void check_entry(struct progress *now, const struct segment *segment, uint32_t last_relative)
{
    struct indexer_parts parts = {segment->index,       now->index_bytes,
                                  segment->index_bytes, segment->timeindex,
                                  now->timeindex_bytes, segment->timeindex_bytes};
    now->indexed = indexer_agrees(&now->indexer, &parts, now->position, last_relative);
    now->index_bytes = (uint32_t)parts.index_bytes;
    now->timeindex_bytes = (uint32_t)parts.timeindex_bytes;
}

static void take_batch(struct progress *now, const struct segment *segment,
                       const struct batch *batch)
{
    uint32_t last_relative = (uint32_t)(batch->last_offset - segment->base);
    if (now->position == 0)
        now->first_timestamp = batch->max_timestamp;
    if (indexer_add(&now->indexer, batch->size, batch->max_timestamp, last_relative) &&
        now->indexed)
        check_entry(now, segment, last_relative);
    if (batch->leader_epoch > now->leader_epoch)
        now->leader_epoch = batch->leader_epoch;
    now->position += batch->size;
    now->next = batch->last_offset + 1;
}

/* Walks the segment's batches. At its end, *rest is how many bytes there are behind them that are
 * not a zero tail, with the reason as error text. */
static int walk_segment(struct scan *scan, const struct segment *segment, uint64_t size,
                        uint64_t *rest)
{
    struct progress *now = &scan->now;
    uint64_t populated = 0;
    *rest = 0;
    while (now->position < size) {
        if (now->position >= populated) {
            populated = map_page_down(now->position);
            int result = populate(segment, size, populated);
            if (result)
                return result;
            populated += POPULATE_STEP;
        }
        struct batch batch;
        int result = check_batch(scan, segment, size, &batch);
        if (result == MAPLOG_CORRUPT) {
            *rest = used_length(segment->log + now->position, size - now->position);
            return 0;
        }
        if (result)
            return result;
        take_batch(now, segment, &batch);
    }
    return 0;
}

static int open_at(struct scan *scan, size_t i, struct segment **segment, uint64_t *size)
{
    struct partition *partition = scan->partition;
    struct segment_sizes sizes;
    int result = partition->store->sizes(partition, scan->list.bases[i], &sizes);
    if (!result && sizes.log > LIMIT_SEGMENT_BYTES)
        result = error_set(MAPLOG_LIMIT, "segment %" PRId64 " of %s has %" PRIu64 " bytes",
                           scan->list.bases[i], partition->name, sizes.log);
    if (!result)
        result = partition->store->open(partition, scan->list.bases[i], 0, false, segment);
    if (!result)
        *size = sizes.log;
    return result;
}

/* Everything behind segment `last` falls away. */
static int drop_behind(struct scan *scan, size_t last)
{
    for (size_t i = last + 1; i < scan->list.count; i++) {
        struct segment *segment;
        uint64_t size;
        int result = open_at(scan, i, &segment, &size);
        if (result)
            return result;
        uint64_t used = used_length(segment->log, size);
        segment_drop(segment);
        if (used && i == last + 1)
            note_damage(scan->found, scan->list.bases[last], scan->now.position,
                        scan->now.next > scan->list.bases[i]
                            ? "the next segment begins below the end of this one"
                            : "records are missing before the next segment");
        scan->found->cut_bytes += used;
        scan->found->dropped_segments++;
    }
    return 0;
}

/* Walks segment i. *more: the next one follows on it. */
static int scan_segment(struct scan *scan, size_t i, bool *more)
{
    struct progress *now = &scan->now;
    int64_t base = scan->list.bases[i];
    now->segment = i;
    now->position = 0;
    now->next = now->next > base ? now->next : base;
    now->first_timestamp = -1;
    now->indexed = true;
    now->index_bytes = now->timeindex_bytes = 0;
    indexer_init(&now->indexer, (uint32_t)scan->partition->settings.index_interval_bytes);
    struct segment *segment;
    uint64_t size, rest;
    int result = open_at(scan, i, &segment, &size);
    if (result)
        return result;
    result = walk_segment(scan, segment, size, &rest);
    segment_drop(segment);
    if (result)
        return result;
    if (rest) {
        note_damage(scan->found, base, now->position, error_text());
        scan->found->cut_bytes += rest;
    }
    /* A zero tail before the next segment may be lost records, unless the offsets go on. */
    bool whole = now->position == size;
    *more = !rest && i + 1 < scan->list.count && now->next <= scan->list.bases[i + 1] &&
            (whole || now->next == scan->list.bases[i + 1]);
    return 0;
}

/* The log ended before the recovery point, so what is doubtful below it was no single bad batch:
 * cut there, as everywhere else. */
static int cut_at_doubt(struct scan *scan)
{
    struct recovered *found = scan->found;
    scan->now = scan->doubtful;
    found->damaged = false;
    found->cut_bytes = 0;
    found->dropped_segments = 0;
    struct segment *segment;
    uint64_t size;
    int result = open_at(scan, scan->now.segment, &segment, &size);
    if (result)
        return result;
    note_damage(found, segment->base, scan->now.position, "wrong CRC");
    found->cut_bytes = used_length(segment->log + scan->now.position, size - scan->now.position);
    segment_drop(segment);
    return drop_behind(scan, scan->now.segment);
}

static int scan_segments(struct scan *scan)
{
    long first = segment_list_find(&scan->list, scan->recovery_point);
    size_t i = first < 0 ? 0 : (size_t)first;
    scan->found->scanned_from = scan->list.bases[i];
    bool more = true;
    for (; more; i++) {
        int result = scan_segment(scan, i, &more);
        if (result)
            return result;
    }
    int result = drop_behind(scan, scan->now.segment);
    if (!result && scan->has_doubt && scan->now.next < scan->recovery_point)
        result = cut_at_doubt(scan);
    return result;
}

static void epoch_path(const struct partition *partition, char path[static LIMIT_PATH])
{
    snprintf(path, LIMIT_PATH, "%s/%s", partition->name, CHECKPOINT_LEADER_EPOCH);
}

/* The highest epoch in the checkpoint; a damaged checkpoint says nothing. */
static int load_epoch(const struct partition *partition, int32_t *epoch)
{
    char path[LIMIT_PATH];
    epoch_path(partition, path);
    struct checkpoint_epoch *entries = NULL;
    size_t count = 0;
    *epoch = 0;
    int result = checkpoint_load_epochs(partition->directory->fd, path, &entries, &count);
    if (result)
        return result == MAPLOG_CORRUPT ? 0 : result;
    for (size_t i = 0; i < count; i++)
        if (entries[i].epoch > *epoch)
            *epoch = entries[i].epoch;
    free(entries);
    return 0;
}

static int begin(struct partition *partition, struct scan *scan, struct recovered *found)
{
    *found = (struct recovered){
        .active_base = -1, .scanned_from = -1, .cut_base = -1, .first_timestamp = -1};
    indexer_init(&found->indexer, (uint32_t)partition->settings.index_interval_bytes);
    *scan = (struct scan){.partition = partition, .found = found};
    int result = load_epoch(partition, &scan->now.leader_epoch);
    return result ? result : partition->store->list(partition, &scan->list);
}

static void take_progress(const struct scan *scan, int64_t log_start)
{
    struct recovered *found = scan->found;
    const struct progress *now = &scan->now;
    found->leader_epoch = now->leader_epoch;
    found->log_start = found->end_offset = log_start;
    if (scan->list.count == 0)
        return;
    found->end_offset = now->next;
    if (found->log_start < scan->list.bases[0])
        found->log_start = scan->list.bases[0];
    if (found->log_start > found->end_offset)
        found->log_start = found->end_offset;
    found->active_base = scan->list.bases[now->segment];
    found->active_position = now->position;
    found->indexer = now->indexer;
    found->indexed = now->indexed;
    found->index_bytes = now->index_bytes;
    found->timeindex_bytes = now->timeindex_bytes;
    found->first_timestamp = now->first_timestamp;
}

static int scan_all(struct scan *scan, int64_t recovery_point, int64_t log_start, bool trusted)
{
    scan->recovery_point = recovery_point;
    if (scan->list.count) {
        int result = scan_segments(scan);
        if (result)
            return result;
    }
    struct recovered *found = scan->found;
    take_progress(scan, log_start);
    /* A zero tail may be all that is left of records that never reached the disk. */
    found->epoch_raised = !trusted && scan->list.count > 0 && found->leader_epoch < INT32_MAX;
    found->leader_epoch += found->epoch_raised;
    found->durable_offset = recovery_point < found->end_offset ? recovery_point : found->end_offset;
    return 0;
}

int recover_scan(struct partition *partition, int64_t recovery_point, int64_t log_start,
                 bool trusted, struct recovered *found)
{
    struct recovered made;
    struct scan scan;
    int result = begin(partition, &scan, &made);
    if (!result)
        result = scan_all(&scan, recovery_point, log_start, trusted);
    segment_list_free(&scan.list);
    if (!result)
        *found = made;
    return result;
}

static int misfit(const struct partition *partition, int64_t base, const char *what)
{
    return error_set(MAPLOG_CORRUPT, "%s: segment %" PRId64 " %s", partition->name, base, what);
}

/* The last segment, from its last index entry on. */
static int clean_segment(struct scan *scan, const struct segment *segment,
                         const struct segment_sizes *sizes)
{
    struct progress *now = &scan->now;
    int64_t timestamp = -1;
    uint32_t relative = 0, timestamp_relative = 0;
    const struct indexer_parts parts = {.index = segment->index,
                                        .index_bytes = sizes->index,
                                        .timeindex = segment->timeindex,
                                        .timeindex_bytes = sizes->timeindex};
    if ((sizes->index && !segment->index) || (sizes->timeindex && !segment->timeindex) ||
        !indexer_whole(&parts))
        return misfit(scan->partition, segment->base, "has a damaged index");
    index_last(segment->index, sizes->index, &relative, &now->position);
    if (timeindex_last(segment->timeindex, sizes->timeindex, &timestamp, &timestamp_relative)) {
        now->indexer.max_timestamp = timestamp;
        now->indexer.max_timestamp_relative = timestamp_relative;
    }
    now->next = segment->base;
    uint64_t rest = 0;
    uint32_t from = now->position;
    int result = 0;
    if (from < sizes->log) {
        struct batch batch;
        if (batch_read(segment->log, sizes->log, &batch) == 0)
            now->first_timestamp = batch.max_timestamp;
        if (from && (batch_read(segment->log + from, sizes->log - from, &batch) ||
                     batch.last_offset - segment->base != relative))
            return misfit(scan->partition, segment->base, "does not fit its index");
        result = walk_segment(scan, segment, sizes->log, &rest);
    }
    if (result)
        return result;
    if (now->position != sizes->log)
        return misfit(scan->partition, segment->base, "does not end with a whole batch");
    now->indexed = true;
    now->index_bytes = (uint32_t)sizes->index;
    now->timeindex_bytes = (uint32_t)sizes->timeindex;
    return 0;
}

int recover_clean(struct partition *partition, int64_t log_start, struct recovered *found)
{
    struct recovered made;
    struct scan scan;
    int result = begin(partition, &scan, &made);
    struct segment *segment = NULL;
    struct segment_sizes sizes;
    if (!result && scan.list.count) {
        scan.now.segment = scan.list.count - 1;
        scan.now.first_timestamp = -1;
        scan.now.indexer = made.indexer;
        made.scanned_from = scan.list.bases[scan.now.segment];
        uint64_t size;
        result = open_at(&scan, scan.now.segment, &segment, &size);
        if (!result)
            result = partition->store->sizes(partition, made.scanned_from, &sizes);
        if (!result)
            result = clean_segment(&scan, segment, &sizes);
        segment_drop(segment);
    }
    if (!result) {
        take_progress(&scan, log_start);
        made.durable_offset = made.end_offset;
        *found = made;
    }
    segment_list_free(&scan.list);
    return result;
}
