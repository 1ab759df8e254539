/* One segment: its batches with all their records, and every entry of its indexes. */
#include "log/inspect.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "log/codec.h"

#define ADVICE_BATCH                                                                               \
    "its records are lost; restore the file from a backup, or move the log's start behind them"
#define ADVICE_INDEX                                                                               \
    "delete it and maplog.control while no process is attached: it is built again then"

struct walk {
    const struct inspect_view *view;
    const struct inspect_visitor *visitor;
    struct inspect_segment *segment;
    struct codec_buffer buffer;
    uint64_t position;
    int64_t next;    /* offset behind the last batch */
    size_t index_at; /* of the next entries to be checked */
    size_t timeindex_at;
    int64_t max_timestamp;
    int64_t indexed_timestamp; /* of the last time entry; -1: none */
    bool log_is_damaged;       /* then an index cannot be judged by it */
};

void inspect_add(struct inspect_counts *to, const struct inspect_counts *from)
{
    to->segments += from->segments;
    to->batches += from->batches;
    to->records += from->records;
    to->bytes += from->bytes;
    to->index_entries += from->index_entries;
    to->damaged += from->damaged;
    for (int i = 0; i < INSPECT_CODECS; i++)
        to->codecs[i] += from->codecs[i];
}

int inspect_tell(const struct inspect_visitor *visitor, struct inspect_counts *counts,
                 const struct inspect_finding *finding)
{
    counts->damaged += !finding->note;
    return visitor->finding ? visitor->finding(visitor->context, finding) : 0;
}

/* about: position, advice and note of a finding in the segment's file with that suffix. */
__attribute__((format(printf, 4, 5))) static int
tell(struct walk *walk, const char *suffix, struct inspect_finding about, const char *what, ...)
{
    char file[LIMIT_PATH], text[ERROR_TEXT_SIZE];
    snprintf(file, sizeof file, "%s/%0*" PRId64 "%s", walk->view->partition, SEGMENT_NAME_BYTES,
             walk->view->base, suffix);
    va_list arguments;
    va_start(arguments, what);
    vsnprintf(text, sizeof text, what, arguments);
    va_end(arguments);
    about.file = file;
    about.what = text;
    return inspect_tell(walk->visitor, &walk->segment->counts, &about);
}

static struct inspect_finding damage(int64_t position, const char *advice)
{
    return (struct inspect_finding){.position = position, .advice = advice};
}

static struct inspect_finding note(int64_t position, const char *advice)
{
    return (struct inspect_finding){.position = position, .advice = advice, .note = true};
}

/* ---- indexes --------------------------------------------------------------------------------- */

static int bad_index(struct walk *walk, const char *suffix, size_t at, const char *what)
{
    return tell(walk, suffix, damage((int64_t)at, ADVICE_INDEX), "%s", what);
}

/* An entry that is yet to come is wrong when its successor is due already; or it would hold up all
 * that follow. */
static bool is_passed(const struct walk *walk, uint32_t position)
{
    const struct inspect_view *view = walk->view;
    size_t next = walk->index_at + INDEX_ENTRY_BYTES;
    if (next + INDEX_ENTRY_BYTES > view->index_bytes)
        return false;
    uint32_t successor = bytes_load32(view->index + next + 4);
    return successor < position && successor <= walk->position;
}

static bool is_time_passed(const struct walk *walk, const struct batch *batch)
{
    const struct inspect_view *view = walk->view;
    size_t next = walk->timeindex_at + TIMEINDEX_ENTRY_BYTES;
    return next + TIMEINDEX_ENTRY_BYTES <= view->timeindex_bytes &&
           view->base + bytes_load32(view->timeindex + next + 8) <= batch->last_offset;
}

/* Offset index entries up to the batch that was just read; batch NULL: what is left at the end. */
static int check_index(struct walk *walk, const struct batch *batch)
{
    const struct inspect_view *view = walk->view;
    while (walk->index_at + INDEX_ENTRY_BYTES <= view->index_bytes) {
        uint32_t relative = bytes_load32(view->index + walk->index_at);
        uint32_t position = bytes_load32(view->index + walk->index_at + 4);
        if (batch && position > walk->position && !is_passed(walk, position))
            return 0;
        char text[160];
        int result = 0;
        if (!batch || position != walk->position) {
            snprintf(text, sizeof text,
                     "entry of offset %" PRId64 ": no batch begins at position %" PRIu32,
                     view->base + relative, position);
            if (!walk->log_is_damaged)
                result = bad_index(walk, SEGMENT_INDEX_SUFFIX, walk->index_at, text);
        } else if (view->base + relative != batch->last_offset) {
            snprintf(text, sizeof text,
                     "entry says that the batch at position %" PRIu32 " ends with offset %" PRId64
                     ", it ends with %" PRId64,
                     position, view->base + relative, batch->last_offset);
            result = bad_index(walk, SEGMENT_INDEX_SUFFIX, walk->index_at, text);
        }
        if (result)
            return result;
        walk->index_at += INDEX_ENTRY_BYTES;
        walk->segment->counts.index_entries++;
    }
    return 0;
}

static int check_timeindex_entry(struct walk *walk, const struct batch *batch, int64_t timestamp,
                                 int64_t offset)
{
    char text[200];
    if (timestamp <= walk->indexed_timestamp)
        snprintf(text, sizeof text, "timestamp %" PRId64 " does not ascend", timestamp);
    else if (walk->log_is_damaged)
        return 0;
    else if (!batch || batch->last_offset != offset)
        snprintf(text, sizeof text, "entry of offset %" PRId64 ": no batch ends with it", offset);
    else if (batch->max_timestamp != timestamp)
        snprintf(text, sizeof text,
                 "entry says that the batch that ends with offset %" PRId64
                 " has timestamp %" PRId64 ", it has %" PRId64,
                 offset, timestamp, batch->max_timestamp);
    else if (walk->max_timestamp > timestamp)
        snprintf(text, sizeof text,
                 "timestamp %" PRId64 " is not the largest up to offset %" PRId64, timestamp,
                 offset);
    else
        return 0;
    return bad_index(walk, SEGMENT_TIMEINDEX_SUFFIX, walk->timeindex_at, text);
}

static int check_timeindex(struct walk *walk, const struct batch *batch)
{
    const struct inspect_view *view = walk->view;
    while (walk->timeindex_at + TIMEINDEX_ENTRY_BYTES <= view->timeindex_bytes) {
        const uint8_t *entry = view->timeindex + walk->timeindex_at;
        int64_t timestamp = (int64_t)bytes_load64(entry);
        int64_t offset = view->base + bytes_load32(entry + 8);
        if (batch && offset > batch->last_offset && !is_time_passed(walk, batch))
            return 0;
        int result = check_timeindex_entry(walk, batch, timestamp, offset);
        if (result)
            return result;
        if (timestamp > walk->indexed_timestamp)
            walk->indexed_timestamp = timestamp;
        walk->timeindex_at += TIMEINDEX_ENTRY_BYTES;
        walk->segment->counts.index_entries++;
    }
    return 0;
}

static int end_indexes(struct walk *walk)
{
    const struct inspect_view *view = walk->view;
    int result = check_index(walk, NULL);
    if (!result)
        result = check_timeindex(walk, NULL);
    if (!result && walk->index_at != view->index_bytes)
        result =
            bad_index(walk, SEGMENT_INDEX_SUFFIX, walk->index_at, "the file ends within an entry");
    if (!result && walk->timeindex_at != view->timeindex_bytes)
        result = bad_index(walk, SEGMENT_TIMEINDEX_SUFFIX, walk->timeindex_at,
                           "the file ends within an entry");
    bool used = walk->segment->counts.batches > 0;
    if (!result && used && !view->has_index)
        result =
            tell(walk, SEGMENT_INDEX_SUFFIX,
                 note(-1, "it is built again by the next recovery; until then look-ups are slower"),
                 "the file is missing");
    if (!result && used && !view->has_timeindex)
        result =
            tell(walk, SEGMENT_TIMEINDEX_SUFFIX,
                 note(-1, "it is built again by the next recovery; until then look-ups are slower"),
                 "the file is missing");
    struct segment_sizes room = segment_allocation(view->log_bytes);
    bool full = view->timeindex_bytes + TIMEINDEX_ENTRY_BYTES > room.timeindex;
    if (!result && !view->active && view->has_timeindex && !walk->log_is_damaged && !full &&
        walk->max_timestamp > walk->indexed_timestamp)
        result = tell(walk, SEGMENT_TIMEINDEX_SUFFIX, damage(-1, ADVICE_INDEX),
                      "the largest timestamp of the segment, %" PRId64 ", has no entry",
                      walk->max_timestamp);
    return result;
}

/* ---- batches --------------------------------------------------------------------------------- */

static int bad_batch(struct walk *walk, const char *what)
{
    walk->log_is_damaged = true;
    return tell(walk, SEGMENT_LOG_SUFFIX, damage((int64_t)walk->position, ADVICE_BATCH), "%s",
                what);
}

static int show_batch(struct walk *walk, const struct batch *batch)
{
    const struct inspect_visitor *visitor = walk->visitor;
    struct inspect_place place = {walk->view->partition, walk->view->base,
                                  (uint32_t)walk->position};
    int result = visitor->batch ? visitor->batch(visitor->context, &place, batch) : 0;
    if (result || !visitor->record)
        return result;
    const void *records;
    size_t size;
    if (codec_open_batch(batch, &walk->buffer, &records, &size))
        return 0; /* said already */
    struct record_cursor cursor;
    struct record record;
    record_begin(&cursor, batch, records, size);
    while (!result && record_next(&cursor, &record) == 1)
        result = visitor->record(visitor->context, &place, &record);
    return result;
}

/* Offsets of a batch whose header could be read. They are not under its CRC; so one that is wrong
 * must not make those behind it look wrong. */
static int check_offsets(struct walk *walk, const struct batch *batch)
{
    const struct inspect_view *view = walk->view;
    int64_t next = walk->next;
    char text[160];
    if (batch->last_offset - view->base > INT32_MAX) {
        snprintf(text, sizeof text, "last offset %" PRId64 " is too far from the segment's base",
                 batch->last_offset);
    } else if (batch->last_offset >= view->next_base) {
        snprintf(text, sizeof text,
                 "last offset %" PRId64
                 " belongs into the next segment, which begins with %" PRId64,
                 batch->last_offset, view->next_base);
    } else {
        walk->next = batch->last_offset + 1;
        if (batch->base_offset >= next)
            return 0;
        snprintf(text, sizeof text, "base offset %" PRId64 " where %" PRId64 " is next",
                 batch->base_offset, next);
    }
    return bad_batch(walk, text);
}

static int take_batch(struct walk *walk, const struct batch *batch)
{
    struct inspect_counts *counts = &walk->segment->counts;
    int result = check_offsets(walk, batch);
    struct batch deep;
    int deeply = result ? 0
                        : batch_check_deep(walk->view->log + walk->position,
                                           walk->view->log_bytes - walk->position, &deep);
    if (deeply)
        result = deeply == MAPLOG_NO_MEMORY ? deeply : bad_batch(walk, error_text());
    if (!result)
        result = show_batch(walk, batch);
    if (result)
        return result;
    if (batch->max_timestamp > walk->max_timestamp)
        walk->max_timestamp = batch->max_timestamp;
    counts->batches++;
    counts->records += (uint64_t)batch->records;
    counts->bytes += batch->size;
    counts->codecs[batch_codec(batch)]++;
    result = check_index(walk, batch);
    return result ? result : check_timeindex(walk, batch);
}

static bool all_zero(const uint8_t *bytes, uint64_t length)
{
    return length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

/* No batch at the present position: says so and goes on at the next indexed batch, if any. */
static int skip_damage(struct walk *walk)
{
    const struct inspect_view *view = walk->view;
    char reason[ERROR_TEXT_SIZE];
    snprintf(reason, sizeof reason, "%s", error_text());
    uint64_t left = view->log_bytes - walk->position;
    int result;
    if (all_zero(view->log + walk->position, left)) {
        if (view->unclean)
            result =
                tell(walk, SEGMENT_LOG_SUFFIX,
                     note((int64_t)walk->position, "the next process that attaches cuts it off"),
                     "%" PRIu64 " allocated bytes behind the last batch", left);
        else
            result = tell(walk, SEGMENT_LOG_SUFFIX, damage((int64_t)walk->position, ADVICE_BATCH),
                          "%" PRIu64 " zero bytes where batches belong", left);
        walk->position = view->log_bytes;
        return result;
    }
    walk->log_is_damaged = true;
    if (view->unclean && view->active)
        result = tell(
            walk, SEGMENT_LOG_SUFFIX,
            damage((int64_t)walk->position,
                   "the next process that attaches cuts the log here; `maplog inspect --recover "
                   "--dry-run` shows what would be lost"),
            "%s", reason);
    else
        result = bad_batch(walk, reason);
    uint64_t from = walk->position;
    walk->position = view->log_bytes;
    for (size_t at = 0; at + INDEX_ENTRY_BYTES <= view->index_bytes; at += INDEX_ENTRY_BYTES) {
        uint32_t position = bytes_load32(view->index + at + 4);
        struct batch batch;
        if (position > from && position < view->log_bytes &&
            batch_read(view->log + position, view->log_bytes - position, &batch) == 0 &&
            batch_check_crc(&batch) == 0) {
            walk->position = position;
            break;
        }
    }
    if (!result && walk->position < view->log_bytes)
        result = tell(walk, SEGMENT_LOG_SUFFIX,
                      note((int64_t)from, "the index shows where batches go on"),
                      "%" PRIu64 " bytes are passed over", walk->position - from);
    return result;
}

int inspect_view(const struct inspect_view *view, const struct inspect_visitor *visitor,
                 int64_t *next, struct inspect_segment *segment)
{
    *segment = (struct inspect_segment){.partition = view->partition,
                                        .base = view->base,
                                        .bytes = view->log_bytes,
                                        .index_bytes = view->index_bytes,
                                        .timeindex_bytes = view->timeindex_bytes,
                                        .counts.segments = 1};
    struct inspect_view bounded = *view;
    if (view->unclean) { /* allocated ahead, like the log */
        bounded.index_bytes = index_valid_bytes(view->index, view->index_bytes);
        bounded.timeindex_bytes = timeindex_valid_bytes(view->timeindex, view->timeindex_bytes);
    }
    struct walk walk = {.view = &bounded,
                        .visitor = visitor,
                        .segment = segment,
                        .next = *next > view->base ? *next : view->base,
                        .max_timestamp = -1,
                        .indexed_timestamp = -1};
    int result = 0;
    while (!result && walk.position < view->log_bytes) {
        struct batch batch;
        if (batch_read(view->log + walk.position, view->log_bytes - walk.position, &batch)) {
            result = skip_damage(&walk);
            continue;
        }
        result = take_batch(&walk, &batch);
        walk.position += batch.size;
    }
    if (!result)
        result = end_indexes(&walk);
    codec_buffer_free(&walk.buffer);
    segment->end = walk.next;
    segment->max_timestamp = walk.max_timestamp;
    *next = walk.next;
    if (!result && visitor->segment)
        result = visitor->segment(visitor->context, segment);
    return result;
}
