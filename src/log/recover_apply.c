/* The writing half of recover.h. Its order makes every step repeatable after a crash: the epoch
 * first, then what tells of producers behind the cut, then segments behind it from the newest on,
 * then the cut itself. As long as the bad batch is there, the next recovery cuts at the same place
 * again. */
#include "log/recover.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "log/checkpoint.h"
#include "log/directory.h"
#include "log/producer_snapshot.h"
#include "os/clock.h"
#include "os/fault.h"

/* Kafka's rule: entries that begin at or behind the end fall away, then the new one comes. */
static int raise_epoch(struct partition *partition, const struct recovered *found)
{
    char path[LIMIT_PATH];
    snprintf(path, sizeof path, "%s/%s", partition->name, CHECKPOINT_LEADER_EPOCH);
    int directory = partition->directory->fd;
    struct checkpoint_epoch *old = NULL;
    size_t count = 0, kept = 0;
    int result = checkpoint_load_epochs(directory, path, &old, &count);
    if (result && result != MAPLOG_CORRUPT)
        return result;
    struct checkpoint_epoch *entries = calloc(count + 2, sizeof *entries);
    if (!entries) {
        free(old);
        return error_set(MAPLOG_NO_MEMORY, "cannot write %s", path);
    }
    for (size_t i = 0; i < count; i++)
        if (old[i].epoch < found->leader_epoch && old[i].start_offset < found->end_offset)
            entries[kept++] = old[i];
    if (kept == 0 && found->end_offset > found->log_start)
        entries[kept++] = (struct checkpoint_epoch){found->leader_epoch - 1, found->log_start};
    entries[kept++] = (struct checkpoint_epoch){found->leader_epoch, found->end_offset};
    result = checkpoint_store_epochs(directory, path, entries, kept,
                                     partition->directory->kind == FILE_SYSTEM_DISK);
    free(entries);
    free(old);
    return result;
}

static int remove_dropped(struct partition *partition, const struct segment_list *list,
                          int64_t active_base, bool *removed)
{
    *removed = false;
    for (size_t i = list->count; i-- > 0 && list->bases[i] > active_base;) {
        int result = partition->store->remove(partition, list->bases[i]);
        if (result)
            return result;
        *removed = true;
        fault_point("recover-removed");
    }
    return 0;
}

static int sync_active(struct partition *partition, const struct recovered *found)
{
    struct segment *segment;
    int result = partition->store->open(partition, found->active_base, 0, true, &segment);
    if (result)
        return result;
    result = partition->store->sync(segment, true);
    segment_drop(segment);
    return result;
}

static struct indexer_parts parts_of(const struct segment *segment, uint64_t log_bytes)
{
    struct segment_sizes room = segment_allocation(log_bytes);
    return (struct indexer_parts){.index = segment->index,
                                  .index_room = room.index,
                                  .timeindex = segment->timeindex,
                                  .timeindex_room = room.timeindex};
}

static bool sound(struct partition *partition, int64_t base, const struct segment_sizes *sizes)
{
    struct segment *segment;
    if (partition->store->open(partition, base, 0, false, &segment))
        return false;
    struct indexer_parts parts = parts_of(segment, sizes->log);
    parts.index_bytes = sizes->index;
    parts.timeindex_bytes = sizes->timeindex;
    bool answer = (segment->index || !sizes->index) && (segment->timeindex || !sizes->timeindex) &&
                  indexer_sound((uint32_t)partition->settings.index_interval_bytes, segment->log,
                                sizes->log, base, &parts);
    segment_drop(segment);
    return answer;
}

/* Empties both indexes of the segment, whose log ends at *end, and builds them anew; `ended`: it is
 * not the active one. A scanned segment (*end UINT64_MAX) ends behind its last batch. A full disk
 * is no reason to refuse the log: the indexes then stay empty. */
static int reindex(struct partition *partition, int64_t base, bool ended, uint64_t *end,
                   struct recovered *made)
{
    const struct store *store = partition->store;
    struct segment_sizes sizes;
    int result = store->sizes(partition, base, &sizes);
    if (result)
        return result;
    bool exact = *end != UINT64_MAX;
    sizes = (struct segment_sizes){.log = exact ? *end : sizes.log};
    result = store->seal(partition, base, &sizes);
    struct segment *segment = NULL;
    if (!result)
        result = store->open(partition, base, 0, true, &segment);
    if (result)
        return result;
    struct segment_sizes room = segment_allocation(sizes.log);
    struct indexer_parts parts = parts_of(segment, sizes.log);
    result = store->allocate(segment, &room);
    if (result == MAPLOG_DISK_FULL) {
        parts.index_room = parts.timeindex_room = 0;
        result = 0;
    }
    if (!result) {
        indexer_init(&made->indexer, (uint32_t)partition->settings.index_interval_bytes);
        uint64_t batches_end = indexer_build(&made->indexer, segment->log, sizes.log, base, &parts);
        if (ended)
            indexer_end(&made->indexer, &parts);
        made->index_bytes = (uint32_t)parts.index_bytes;
        made->timeindex_bytes = (uint32_t)parts.timeindex_bytes;
        if (!exact)
            *end = batches_end;
        sizes = (struct segment_sizes){*end, parts.index_bytes, parts.timeindex_bytes};
    }
    segment_drop(segment);
    return result ? result : store->seal(partition, base, &sizes);
}

static int mend_segment(struct partition *partition, int64_t base, struct recovered *made)
{
    bool active = base == made->active_base;
    uint64_t end = made->active_position;
    if (active && made->indexed) {
        struct segment_sizes exact = {end, made->index_bytes, made->timeindex_bytes};
        return partition->store->seal(partition, base, &exact);
    }
    if (base < made->scanned_from) {
        struct segment_sizes sizes;
        int result = partition->store->sizes(partition, base, &sizes);
        if (result || sound(partition, base, &sizes))
            return result;
        end = sizes.log;
    } else if (!active) {
        end = UINT64_MAX;
    }
    struct recovered ignored;
    return reindex(partition, base, !active, &end, active ? made : &ignored);
}

int recover_apply(struct partition *partition, const struct recovered *found)
{
    struct recovered made = *found;
    const struct producer_place place = {partition->directory->fd, partition->name};
    bool kept = !partition->directory->read_only; /* else it is a trial in private memory */
    if (found->active_base < 0) {
        int pruned = kept ? producer_snapshot_prune(&place, found->end_offset) : 0;
        if (!pruned)
            recover_publish(partition, &made);
        return pruned;
    }
    int result = found->epoch_raised && kept ? raise_epoch(partition, found) : 0;
    if (result)
        return result;
    fault_point("recover-epoch");
    if (kept)
        result = producer_snapshot_prune(&place, found->end_offset);
    if (result)
        return result;
    struct segment_list list;
    result = partition->store->list(partition, &list);
    if (result)
        return result;
    bool removed;
    result = remove_dropped(partition, &list, found->active_base, &removed);
    /* What was cut must stay away: else a power cut could bring it back behind newer records. */
    bool lasting =
        found->damaged && found->epoch_raised && partition->directory->kind == FILE_SYSTEM_DISK;
    if (!result && removed && lasting)
        result = sync_active(partition, found);
    for (size_t i = 0; !result && i < list.count && list.bases[i] <= found->active_base; i++) {
        result = mend_segment(partition, list.bases[i], &made);
        fault_point("recover-mended");
    }
    segment_list_free(&list);
    if (!result && lasting)
        result = sync_active(partition, found);
    if (!result)
        recover_publish(partition, &made);
    return result;
}

void recover_publish(struct partition *partition, const struct recovered *found)
{
    struct control_partition *control = partition->control;
    store_relaxed(&control->log_start, (uint64_t)found->log_start);
    store_relaxed(&control->leader_epoch, (uint32_t)found->leader_epoch);
    store_relaxed(&control->durable_offset, (uint64_t)found->durable_offset);
    store_relaxed(&control->index_damaged, 0);
    if (found->active_base < 0) {
        store_release(&control->rolls, 0);
        return;
    }
    /* The first segment is number 1: its pair is the odd one. */
    uint32_t relative = (uint32_t)(found->end_offset - found->active_base);
    uint64_t word = PUBLISHED_WORD(found->active_position, relative);
    int64_t now_ms = clock_wall_ms();
    bool dated = found->first_timestamp > 0 && found->first_timestamp < now_ms;
    store_relaxed(&control->base[1], (uint64_t)found->active_base);
    store_relaxed(&control->index_bytes[1], found->index_bytes);
    store_relaxed(&control->timeindex_bytes[1], found->timeindex_bytes);
    store_relaxed(&control->allocated[1], found->active_position);
    store_relaxed(&control->max_timestamp, (uint64_t)found->indexer.max_timestamp);
    store_relaxed(&control->max_timestamp_offset, (uint64_t)found->indexer.max_timestamp_relative);
    store_relaxed(&control->bytes_since_index, found->indexer.bytes_since);
    store_relaxed(&control->first_append_ms, (uint64_t)(dated ? found->first_timestamp : now_ms));
    store_relaxed(&control->noted_published, word);
    store_release(&control->published[1], word);
    store_release(&control->rolls, 1); /* pairs with partition_end */
}
