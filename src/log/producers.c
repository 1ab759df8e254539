#include "log/producers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/directory.h"
#include "log/producer_snapshot.h"
#include "log/producer_walk.h"
#include "os/fault.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define BATCHES_KEPT 5 /* Kafka's: what a producer may have under way */
#define NO_EPOCH (-1)
#define NO_SEQUENCE (-1)
#define NO_OFFSET (-1)

/* As a snapshot tells it: counted back from its end. */
struct known_batch {
    int64_t last_offset;
    int64_t timestamp;
    int32_t last_sequence; /* NO_SEQUENCE: it has none, and is no duplicate of anything */
    int32_t offset_delta;
};

struct producer {
    int64_t id;
    int64_t timestamp; /* of the last batch, or of a marker behind it */
    int16_t epoch;
    uint16_t count;                           /* of batches; 0: only the epoch is known */
    struct known_batch batches[BATCHES_KEPT]; /* the oldest first, all of this epoch */
    UT_hash_handle hh;
};

struct producers {
    struct partition *partition;
    struct producer *table;
};

/* ---- sequences ------------------------------------------------------------------------------- */

/* They go round from 2^31-1 to 0. */
static int32_t sequence_behind(int32_t sequence, int32_t steps)
{
    return (int32_t)(((uint32_t)sequence + (uint32_t)steps) & INT32_MAX);
}

static int32_t sequence_before(int32_t sequence, int32_t steps)
{
    return (int32_t)(((uint32_t)sequence - (uint32_t)steps) & INT32_MAX);
}

static int32_t offset_delta(const struct batch *batch)
{
    return (int32_t)(batch->last_offset - batch->base_offset);
}

static bool is_same(const struct known_batch *known, const struct batch *batch)
{
    return known->last_sequence >= 0 && known->offset_delta == offset_delta(batch) &&
           sequence_before(known->last_sequence, known->offset_delta) == batch->base_sequence;
}

/* ---- the table ------------------------------------------------------------------------------- */

static struct producer *find(const struct producers *producers, int64_t id)
{
    struct producer *found;
    HASH_FIND(hh, producers->table, &id, sizeof id, found);
    return found;
}

/* NULL without memory. */
static struct producer *find_or_make(struct producers *producers, int64_t id)
{
    struct producer *producer = find(producers, id);
    if (producer)
        return producer;
    producer = calloc(1, sizeof *producer);
    if (!producer)
        return NULL;
    producer->id = id;
    producer->epoch = NO_EPOCH;
    HASH_ADD(hh, producers->table, id, sizeof producer->id, producer);
    if (producer->hh.tbl)
        return producer;
    free(producer);
    return NULL;
}

static int no_memory(const struct producers *producers)
{
    return error_set(MAPLOG_NO_MEMORY, "no memory for the producers of %s",
                     producers->partition->name);
}

static void forget(struct producers *producers, struct producer *producer)
{
    HASH_DEL(producers->table, producer);
    free(producer);
}

void producers_free(struct producers *producers)
{
    struct producer *producer, *following;
    if (!producers)
        return;
    HASH_ITER(hh, producers->table, producer, following)
    {
        forget(producers, producer);
    }
    free(producers);
}

enum producers_verdict producers_check(struct producers *producers, const struct batch *batch,
                                       struct producers_found *found)
{
    const struct producer *producer = find(producers, batch->producer_id);
    if (!producer || producer->epoch == NO_EPOCH)
        return PRODUCERS_APPEND;
    if (batch->producer_epoch < producer->epoch)
        return PRODUCERS_FENCED;
    if (batch->producer_epoch > producer->epoch || producer->count == 0)
        return batch->base_sequence == 0 ? PRODUCERS_APPEND : PRODUCERS_OUT_OF_ORDER;
    for (unsigned i = 0; i < producer->count; i++) {
        const struct known_batch *known = &producer->batches[i];
        if (!is_same(known, batch))
            continue;
        *found =
            (struct producers_found){known->last_offset - known->offset_delta, known->timestamp};
        return PRODUCERS_DUPLICATE;
    }
    int32_t last = producer->batches[producer->count - 1].last_sequence;
    int32_t next = last == NO_SEQUENCE ? 0 : sequence_behind(last, 1);
    return batch->base_sequence == next ? PRODUCERS_APPEND : PRODUCERS_OUT_OF_ORDER;
}

static void push(struct producer *producer, const struct known_batch *batch)
{
    if (producer->count == BATCHES_KEPT)
        memmove(producer->batches, producer->batches + 1,
                --producer->count * sizeof *producer->batches);
    producer->batches[producer->count++] = *batch;
}

int producers_add(struct producers *producers, const struct batch *batch, int64_t base_offset)
{
    struct producer *producer = find_or_make(producers, batch->producer_id);
    if (!producer)
        return no_memory(producers);
    if (producer->epoch != batch->producer_epoch)
        producer->count = 0;
    producer->epoch = batch->producer_epoch;
    producer->timestamp = batch->max_timestamp;
    if (batch->attributes & ATTRIBUTE_CONTROL) /* a marker: only its epoch counts */
        return 0;
    int32_t delta = offset_delta(batch);
    const struct known_batch known = {
        .last_offset = base_offset + delta,
        .timestamp = batch->max_timestamp,
        .last_sequence =
            batch->base_sequence < 0 ? NO_SEQUENCE : sequence_behind(batch->base_sequence, delta),
        .offset_delta = delta};
    push(producer, &known);
    return 0;
}

void producers_expire(struct producers *producers, int64_t before_ms)
{
    struct producer *producer, *following;
    HASH_ITER(hh, producers->table, producer, following)
    {
        if (producer->timestamp < before_ms)
            forget(producers, producer);
    }
}

/* What the producer had done below `offset`; false: nothing that is known. */
static bool entry_below(const struct producer *producer, int64_t offset,
                        struct producers_entry *entry)
{
    struct known_batch last = {NO_OFFSET, producer->timestamp, NO_SEQUENCE, 0};
    unsigned count = producer->count;
    while (count > 0 && producer->batches[count - 1].last_offset >= offset)
        count--;
    if (count == 0 && producer->count > 0)
        return false;
    if (count > 0)
        last = producer->batches[count - 1];
    *entry = (struct producers_entry){.producer_id = producer->id,
                                      .epoch = producer->epoch,
                                      .last_sequence = last.last_sequence,
                                      .last_offset = last.last_offset,
                                      .offset_delta = last.offset_delta,
                                      .timestamp = last.timestamp};
    return true;
}

int producers_list(const struct producers *producers,
                   int (*visit)(void *context, const struct producers_entry *entry), void *context)
{
    struct producer *producer, *following;
    HASH_ITER(hh, producers->table, producer, following)
    {
        struct producers_entry entry;
        entry_below(producer, INT64_MAX, &entry);
        int result = visit(context, &entry);
        if (result)
            return result;
    }
    return 0;
}

/* ---- storing --------------------------------------------------------------------------------- */

int producers_encode(const struct producers *producers, int64_t offset, uint8_t **bytes,
                     size_t *size)
{
    struct producers_entry *entries = malloc((HASH_COUNT(producers->table) + 1) * sizeof *entries);
    if (!entries)
        return no_memory(producers);
    size_t count = 0;
    struct producer *producer, *following;
    HASH_ITER(hh, producers->table, producer, following)
    {
        count += entry_below(producer, offset, &entries[count]);
    }
    int result = producer_snapshot_encode(entries, count, bytes, size);
    free(entries);
    return result;
}

static struct producer_place place_of(const struct partition *partition)
{
    return (struct producer_place){partition->directory->fd, partition->name};
}

int producers_store(const struct producers *producers, int64_t offset)
{
    struct partition *partition = producers->partition;
    const struct producer_place place = place_of(partition);
    if (place.directory_fd < 0)
        return 0; /* an anonymous log dies with its state */
    uint8_t *bytes;
    size_t size;
    int result = partition_check_live(partition);
    if (!result)
        result = producers_encode(producers, offset, &bytes, &size);
    if (result)
        return result;
    result = producer_snapshot_store(&place, offset, bytes, size, false);
    free(bytes);
    fault_point("producers-stored");
    if (result)
        return result == MAPLOG_NOT_FOUND ? 0 : result; /* nothing was ever appended */
    producer_snapshot_prune(&place, INT64_MAX);         /* else the next one does it */
    return 0;
}

/* ---- loading --------------------------------------------------------------------------------- */

/* A snapshot that was read; offset -1: none. */
struct loaded {
    int64_t offset;
    struct producers_entry *entries;
    size_t count;
};

/* The newest good one from `first` to `end`: an older one may know producers whose later batches
 * are gone, a later one is not of this log. */
static int load_newest(const struct partition *partition, int64_t first, int64_t end, char *note,
                       struct loaded *loaded)
{
    const struct producer_place place = place_of(partition);
    struct segment_list list = {0};
    int result = place.directory_fd < 0 ? 0 : producer_snapshot_list(&place, &list);
    *loaded = (struct loaded){.offset = -1};
    for (long i = segment_list_find(&list, end); result == 0 && i >= 0; i--) {
        if (list.bases[i] < first)
            break;
        result = producer_snapshot_load(&place, list.bases[i], &loaded->entries, &loaded->count);
        if (result == 0) {
            loaded->offset = list.bases[i];
            break;
        }
        if (result == MAPLOG_NO_MEMORY)
            break;
        if (result != MAPLOG_NOT_FOUND && note[0] == '\0')
            snprintf(note, PRODUCER_WALK_NOTE, "%s: passed over", error_text());
        result = 0;
    }
    segment_list_free(&list);
    return result;
}

/* What the snapshot knows and the walk did not see: producers whose last batch lies further back,
 * and one batch more of the others. */
static int merge(struct producers *producers, const struct loaded *loaded)
{
    for (size_t i = 0; i < loaded->count; i++) {
        const struct producers_entry *entry = &loaded->entries[i];
        struct producer *producer = find_or_make(producers, entry->producer_id);
        if (!producer)
            return no_memory(producers);
        if (producer->epoch == NO_EPOCH) {
            producer->epoch = entry->epoch;
            producer->timestamp = entry->timestamp;
        }
        const struct known_batch *oldest = &producer->batches[0];
        if (producer->epoch != entry->epoch || producer->count == BATCHES_KEPT ||
            entry->last_offset < 0 ||
            (producer->count > 0 &&
             entry->last_offset >= oldest->last_offset - oldest->offset_delta))
            continue;
        memmove(producer->batches + 1, producer->batches,
                producer->count++ * sizeof *producer->batches);
        producer->batches[0] = (struct known_batch){.last_offset = entry->last_offset,
                                                    .timestamp = entry->timestamp,
                                                    .last_sequence = entry->last_sequence,
                                                    .offset_delta = entry->offset_delta};
    }
    return 0;
}

static int take(void *context, const struct batch *batch)
{
    return producers_add(context, batch, batch->base_offset);
}

/* A snapshot knows one batch of each producer, the walk all that it sees: it begins at the segment
 * before the active one, or further back where the snapshot ends. */
static int fill(struct producers *producers, const struct segment_list *list, char *note)
{
    struct partition_end end;
    partition_end(producers->partition, &end);
    long active = segment_list_find(list, end.base);
    if (end.rolls == 0 || active < 0)
        return 0;
    int64_t first = list->bases[0], from = list->bases[active > 0 ? active - 1 : 0];
    struct loaded loaded;
    int result = load_newest(producers->partition, first, end.offset, note, &loaded);
    if (result)
        return result;
    bool far = loaded.offset < from && first < from;
    if (far)
        from = loaded.offset < 0 ? first : loaded.offset;
    result = producer_walk(producers->partition, from, take, producers, note);
    if (result == 0)
        result = merge(producers, &loaded);
    free(loaded.entries);
    if (result == 0 && far && !producers->partition->directory->read_only)
        producers_store(producers, end.offset); /* so that the next one need not go as far */
    return result;
}

int producers_load(struct partition *partition, char *note, struct producers **producers)
{
    note[0] = '\0';
    struct segment_list list;
    int result = partition->store->list(partition, &list);
    if (result)
        return result;
    struct producers *made = calloc(1, sizeof *made);
    if (made) {
        made->partition = partition;
        result = fill(made, &list, note);
    } else {
        result = error_set(MAPLOG_NO_MEMORY, "no memory for the producers of %s", partition->name);
    }
    segment_list_free(&list);
    if (result)
        producers_free(made);
    else
        *producers = made;
    return result;
}
