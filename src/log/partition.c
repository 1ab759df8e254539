#include "log/partition.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/codec.h"
#include "log/directory.h"
#include "log/duty.h"
#include "log/index.h"
#include "log/reader.h"
#include "log/record.h"
#include "log/retain.h"
#include "os/file.h"

#define NOTE_ATTEMPTS 1000 /* to read the notes of a writer at work */

void partition_end(const struct partition *partition, struct partition_end *end)
{
    struct control_partition *control = partition->control;
    for (;;) {
        uint64_t rolls = load_acquire(&control->rolls);
        if (rolls == 0) {
            int64_t start = (int64_t)load_acquire(&control->log_start);
            *end = (struct partition_end){.base = start, .offset = start};
            return;
        }
        uint64_t base = load_acquire(&control->base[rolls & 1]);
        uint64_t word = load_acquire(&control->published[rolls & 1]);
        /* The pair is of one segment if no roll came in between: the writer fills the other pair
         * before it raises `rolls`, and this one again only at the roll after the next. */
        if (load_acquire(&control->rolls) != rolls)
            continue;
        *end = (struct partition_end){.rolls = rolls,
                                      .base = (int64_t)base,
                                      .position = (uint32_t)(word >> 32),
                                      .offset = (int64_t)(base + (uint32_t)word),
                                      .word = word};
        return;
    }
}

int partition_check_live(const struct partition *partition)
{
    if (load_acquire(&partition->control->state) == PARTITION_LIVE)
        return 0;
    return error_set(MAPLOG_TOPIC_DELETED, "topic %s was deleted", partition->topic);
}

int partition_settings(struct partition *partition, struct settings *settings, uint64_t *generation)
{
    struct directory *directory = partition->directory;
    uint64_t now = load_acquire(&directory->view.control->header.settings_generation);
    pthread_mutex_lock(&partition->lock);
    int result = 0;
    if (partition->settings_generation != now) {
        pthread_mutex_lock(&directory->lock);
        result = directory_refresh(directory);
        int32_t number;
        const struct catalog_topic *topic =
            result ? NULL : catalog_slot(&directory->catalog, partition->slot, &number);
        if (topic && strcmp(topic->name, partition->topic) == 0) {
            partition->settings = topic->settings;
            partition->settings_generation = now;
        } else if (!result) {
            result = error_set(MAPLOG_TOPIC_DELETED, "topic %s was deleted", partition->topic);
        }
        pthread_mutex_unlock(&directory->lock);
    }
    if (!result) {
        *settings = partition->settings;
        *generation = now;
    }
    pthread_mutex_unlock(&partition->lock);
    return result;
}

int partition_describe(struct partition *partition, struct maplog_partition *found)
{
    struct segment_list list;
    int result = partition->store->list(partition, &list);
    if (result)
        return result;
    struct partition_end end;
    partition_end(partition, &end);
    struct maplog_partition now = {
        .start_offset = partition_start(partition),
        .end_offset = end.offset,
        .durable_offset = partition->directory->kind == FILE_SYSTEM_MEMORY
                              ? -1
                              : (int64_t)load_acquire(&partition->control->durable_offset),
        .leader_epoch = (int32_t)load_acquire(&partition->control->leader_epoch),
    };
    for (size_t i = 0; i < list.count; i++) {
        struct segment_sizes sizes;
        if (list.bases[i] == end.base && end.rolls) {
            sizes.log = end.position;
        } else if (list.bases[i] > end.base ||
                   partition->store->sizes(partition, list.bases[i], &sizes)) {
            continue; /* being made or removed at this moment */
        }
        now.bytes += (int64_t)sizes.log;
        now.segments++;
    }
    segment_list_free(&list);
    *found = now;
    return 0;
}

/* First record of the batch with a timestamp of at least `time`. 1 found, 0 not in here. */
static int find_in_batch(const struct batch *batch, struct codec_buffer *buffer, int64_t time,
                         struct record *record)
{
    const void *records;
    size_t size;
    int result = codec_open_batch(batch, buffer, &records, &size);
    if (result)
        return result;
    struct record_cursor cursor;
    record_begin(&cursor, batch, records, size);
    while ((result = record_next(&cursor, record)) == 1) {
        if (record->timestamp >= time)
            return 1;
    }
    return result;
}

/* Base of the first segment that may hold the time: the last one whose predecessor's largest
 * timestamp is below it. */
static int first_offset_for_time(struct partition *partition, int64_t time, int64_t *from)
{
    struct segment_list list;
    int result = partition->store->list(partition, &list);
    int64_t start = partition_start(partition);
    *from = start;
    struct partition_end end;
    partition_end(partition, &end);
    for (size_t i = 0; !result && i < list.count && list.bases[i] <= end.base; i++) {
        struct segment *segment;
        result = partition->store->open(partition, list.bases[i], 0, false, &segment);
        if (result == MAPLOG_NOT_FOUND) {
            result = 0;
            continue;
        }
        if (result)
            break;
        size_t bytes = segment->timeindex
                           ? timeindex_valid_bytes(segment->timeindex, segment->timeindex_bytes)
                           : 0;
        int64_t largest;
        uint32_t relative;
        bool known = bytes && timeindex_last(segment->timeindex, bytes, &largest, &relative);
        bool sealed = list.bases[i] != end.base;
        if (sealed && known && largest < time) {
            segment_drop(segment);
            continue;
        }
        int64_t offset =
            segment->base + (bytes ? timeindex_find(segment->timeindex, bytes, time) : 0);
        if (offset > *from)
            *from = offset;
        segment_drop(segment);
        break;
    }
    segment_list_free(&list);
    return result;
}

int partition_find_time(struct partition *partition, int64_t time, int64_t *offset,
                        int64_t *timestamp)
{
    int64_t from;
    int result = first_offset_for_time(partition, time, &from);
    if (result)
        return result;
    struct reader reader;
    struct codec_buffer buffer = {0};
    struct batch batch;
    struct record record = {0};
    reader_init(&reader, partition, from);
    int64_t start = partition_start(partition);
    while ((result = reader_next(&reader, &batch)) == 1) {
        if (batch.max_timestamp < time || (batch.attributes & ATTRIBUTE_CONTROL))
            continue;
        result = find_in_batch(&batch, &buffer, time, &record);
        if (result < 0)
            break;
        if (result == 1 && record.offset >= start) {
            *offset = record.offset;
            *timestamp = record.timestamp;
            break;
        }
    }
    if (result == 0) {
        *offset = -1;
        *timestamp = -1;
    }
    reader_close(&reader);
    codec_buffer_free(&buffer);
    return result < 0 ? result : 0;
}

/* The largest timestamp so far, and an offset within the batch that holds it. */
struct newest {
    int64_t timestamp;
    int64_t offset;
};

/* The first record at or above `start` with the largest timestamp, when that is above *newest's. */
static int newest_in_batch(const struct batch *batch, int64_t start, struct newest *newest)
{
    struct codec_buffer buffer = {0};
    const void *records;
    size_t size;
    int result = codec_open_batch(batch, &buffer, &records, &size);
    if (!result) {
        struct record_cursor cursor;
        struct record record;
        record_begin(&cursor, batch, records, size);
        while ((result = record_next(&cursor, &record)) == 1)
            if (record.offset >= start && record.timestamp > newest->timestamp)
                *newest = (struct newest){record.timestamp, record.offset};
    }
    codec_buffer_free(&buffer);
    return result;
}

/* Walks the batches from `start` to the segment's end: without an index, or where the log begins in
 * the middle of the segment. */
static int newest_by_walk(struct partition *partition, int64_t start, int64_t segment_end,
                          struct newest *newest)
{
    struct reader reader;
    struct batch batch;
    int result = 0;
    reader_init(&reader, partition, start);
    while (reader.offset < segment_end && (result = reader_next(&reader, &batch)) == 1) {
        if (batch.base_offset >= segment_end)
            break;
        if (batch.base_offset < start)
            result = newest_in_batch(&batch, start, newest);
        else if (batch.max_timestamp > newest->timestamp)
            *newest = (struct newest){batch.max_timestamp, batch.last_offset};
        if (result < 0)
            break;
    }
    reader_close(&reader);
    return result < 0 ? result : 0;
}

/* What a sealed segment's time index says; false when it says nothing. */
static bool newest_by_index(struct partition *partition, int64_t base, struct newest *found)
{
    struct segment *segment;
    if (partition->store->open(partition, base, 0, false, &segment))
        return false;
    uint32_t relative;
    size_t bytes = segment->timeindex
                       ? timeindex_valid_bytes(segment->timeindex, segment->timeindex_bytes)
                       : 0;
    bool known = bytes && timeindex_last(segment->timeindex, bytes, &found->timestamp, &relative);
    if (known)
        found->offset = base + relative;
    segment_drop(segment);
    return known;
}

/* What the writer noted of the active segment; false when it did not come to that, or a roll came.
 * Notes are of one moment when nothing was appended while they were read. */
static bool newest_by_notes(const struct partition *partition, uint64_t rolls, struct newest *found)
{
    const struct control_partition *control = partition->control;
    for (int attempts = 0; attempts < NOTE_ATTEMPTS; attempts++) {
        struct partition_end before, after;
        partition_end(partition, &before);
        uint64_t noted = load_acquire(&control->noted_published);
        found->timestamp = (int64_t)load_acquire(&control->max_timestamp);
        found->offset = before.base + (int64_t)load_acquire(&control->max_timestamp_offset);
        partition_end(partition, &after);
        if (before.rolls != rolls || after.rolls != rolls)
            return false;
        if (noted == before.word && noted == after.word)
            return true;
    }
    return false;
}

static int newest_of_all(struct partition *partition, int64_t start, struct newest *newest)
{
    struct partition_end end;
    partition_end(partition, &end);
    struct segment_list list;
    int result = partition->store->list(partition, &list);
    for (size_t i = 0; !result && i < list.count && list.bases[i] <= end.base; i++) {
        int64_t base = list.bases[i];
        bool active = base == end.base;
        int64_t segment_end = active               ? end.offset
                              : i + 1 < list.count ? list.bases[i + 1]
                                                   : end.base;
        struct newest found = {-1, -1};
        if (segment_end <= start)
            continue;
        bool known = base >= start && (active ? newest_by_notes(partition, end.rolls, &found)
                                              : newest_by_index(partition, base, &found));
        if (!known)
            result = newest_by_walk(partition, base < start ? start : base, segment_end, &found);
        if (!result && found.timestamp > newest->timestamp)
            *newest = found;
    }
    segment_list_free(&list);
    return result;
}

int partition_find_max_timestamp(struct partition *partition, int64_t *offset, int64_t *timestamp)
{
    int64_t start;
    struct newest exact;
    int result;
    do {
        start = partition_start(partition);
        struct newest newest = {-1, -1};
        exact = newest;
        result = newest_of_all(partition, start, &newest);
        struct reader reader;
        struct batch batch;
        reader_init(&reader, partition, newest.offset);
        if (!result && newest.timestamp >= 0 && (result = reader_next(&reader, &batch)) == 1)
            result = newest_in_batch(&batch, start, &exact);
        reader_close(&reader);
    } while (result < 0 && partition_start(partition) != start); /* retention took it */
    if (result < 0)
        return result;
    *offset = exact.offset;
    *timestamp = exact.timestamp;
    return 0;
}

int partition_delete_records(struct partition *partition, int64_t before)
{
    int result = partition_check_live(partition);
    if (result)
        return result;
    struct partition_end end;
    partition_end(partition, &end);
    if (before < 0)
        before = end.offset;
    if (before > end.offset)
        return error_set(MAPLOG_OFFSET_OUT_OF_RANGE, "%s ends at offset %lld, before %lld",
                         partition->name, (long long)end.offset, (long long)before);
    raise_to(&partition->control->log_start, (uint64_t)before);
    result = retain_remove_below_start(partition);
    /* After a reboot the files alone would say less: a start may lie within a segment. */
    if (!result && !partition->directory->anonymous)
        result = duty_store_checkpoints(partition->directory);
    return result;
}
