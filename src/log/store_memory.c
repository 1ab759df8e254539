/*
 * The segments of an anonymous log: slots of a memfd.
 *
 * Recycling (the writer) and pinning (a reader of any process) meet like this:
 *   writer: raise log_start behind the oldest segment; full fence; look at every `pinned` word;
 *           one at or below the segment's sequence: FULL; else empty the slot, punch it, reuse it
 *   reader: find the slot of a base offset; store `pinned`; full fence; look again: the same
 * segment in the slot, and not below log_start; else unpin So either the writer sees the pin or the
 * reader sees the raised log start. A slot is punched, not overwritten: bytes that were handed to
 * the kernel keep their pages (I1).
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/anonymous.h"
#include "log/directory.h"
#include "os/fault.h"
#include "os/map.h"

#define NO_SLOT UINT32_MAX

/* One look at the table of slots. */
struct table {
    uint32_t count;
    uint64_t base[LIMIT_ANONYMOUS_SLOTS];
    uint64_t sequence[LIMIT_ANONYMOUS_SLOTS];
};

static void read_table(const struct anonymous *anonymous, struct table *table)
{
    table->count = anonymous->slots;
    for (uint32_t i = 0; i < table->count; i++) {
        table->base[i] = load_acquire(&anonymous->header->slot[i].base);
        table->sequence[i] = load_acquire(&anonymous->header->slot[i].sequence);
    }
}

static uint32_t find_slot(const struct table *table, uint64_t base)
{
    for (uint32_t i = 0; base != MEMORY_NO_BASE && i < table->count; i++)
        if (table->base[i] == base)
            return i;
    return NO_SLOT;
}

/* Base of the segment that follows; MEMORY_NO_BASE behind the newest. */
static uint64_t next_base(const struct table *table, uint64_t base)
{
    uint64_t next = MEMORY_NO_BASE;
    for (uint32_t i = 0; i < table->count; i++)
        if (table->base[i] > base && table->base[i] < next)
            next = table->base[i];
    return next;
}

/* Wholly below the log start: as good as removed. */
static bool is_retired(const struct partition *partition, const struct table *table, uint64_t base)
{
    return next_base(table, base) <= (uint64_t)partition_start(partition);
}

static struct anonymous *anonymous_of(const struct partition *partition)
{
    return partition->directory->anonymous;
}

static int not_found(const struct partition *partition, int64_t base)
{
    return error_set(MAPLOG_NOT_FOUND, "%s has no segment %lld any more", partition->name,
                     (long long)base);
}

/* ---- pins ------------------------------------------------------------------------------------ */

/* Publishes the oldest sequence that this process reads; under anonymous->lock. */
static void publish_pins(struct directory *directory)
{
    const struct anonymous *anonymous = directory->anonymous;
    uint64_t oldest = UINT64_MAX;
    for (uint32_t i = 0; i < anonymous->slots; i++)
        if (anonymous->pins[i] && anonymous->sequences[i] < oldest)
            oldest = anonymous->sequences[i];
    /* Release: what was read of the segment comes before; pairs with oldest_pin. */
    struct control_view *view = &directory->view;
    store_release(&view->control->processes[view->process].pinned, oldest);
}

static void unpin_locked(struct directory *directory, uint32_t slot)
{
    if (--directory->anonymous->pins[slot] == 0)
        publish_pins(directory);
}

static void unpin(struct directory *directory, uint32_t slot)
{
    if (directory_forked(directory))
        return; /* the pin is the parent's */
    pthread_mutex_lock(&directory->anonymous->lock);
    unpin_locked(directory, slot);
    pthread_mutex_unlock(&directory->anonymous->lock);
}

/* Pins the segment against recycling: true and its slot. */
static bool pin_locked(struct partition *partition, int64_t base, uint32_t *slot)
{
    struct directory *directory = partition->directory;
    struct anonymous *anonymous = directory->anonymous;
    struct table table;
    read_table(anonymous, &table);
    uint32_t found = find_slot(&table, (uint64_t)base);
    if (found == NO_SLOT)
        return false;
    uint64_t sequence = table.sequence[found];
    anonymous->sequences[found] = sequence;
    if (anonymous->pins[found]++ == 0)
        publish_pins(directory);
    fence_full(); /* pairs with recycle */
    read_table(anonymous, &table);
    if (table.base[found] == (uint64_t)base && table.sequence[found] == sequence &&
        !is_retired(partition, &table, (uint64_t)base)) {
        *slot = found;
        return true;
    }
    unpin_locked(directory, found);
    return false;
}

static int pin(struct partition *partition, int64_t base, uint32_t *slot)
{
    pthread_mutex_t *lock = &anonymous_of(partition)->lock;
    pthread_mutex_lock(lock);
    bool pinned = pin_locked(partition, base, slot);
    pthread_mutex_unlock(lock);
    return pinned ? 0 : not_found(partition, base);
}

/* A living process that reads the segment of this sequence or an older one; NO_SLOT: none. */
static uint32_t reader_of(const struct control_view *view, uint64_t sequence)
{
    uint64_t limit = load_acquire(&view->control->header.process_limit);
    for (uint32_t i = 0; i < limit && i < LIMIT_PROCESSES; i++)
        if (load_acquire(&view->control->processes[i].pinned) <= sequence &&
            !control_process_dead(view, i))
            return i;
    return NO_SLOT;
}

/* ---- mapping --------------------------------------------------------------------------------- */

static void memory_unmap(struct segment *segment)
{
    map_remove(segment->log, MEMORY_PAGE_UP(segment->log_bytes));
    map_remove(segment->index, MEMORY_PAGE_UP(segment->index_bytes));
    map_remove(segment->timeindex, MEMORY_PAGE_UP(segment->timeindex_bytes));
    if (!segment->writable)
        unpin(segment->directory, segment->slot);
}

static int map_part(const struct segment *segment, uint64_t at, uint64_t bytes, uint8_t **address)
{
    const struct directory *directory = segment->directory;
    void *mapped;
    if (bytes == 0)
        return 0;
    int result = map_file(directory->memory_fd, directory->path, at, MEMORY_PAGE_UP(bytes),
                          segment->writable ? MAP_MODE_WRITE : MAP_MODE_READ, &mapped);
    if (!result)
        *address = mapped;
    return result;
}

/* Sizes as the table has them, never beyond the slot's areas. */
static void slot_sizes(const struct anonymous *anonymous, uint32_t slot,
                       struct segment_sizes *sizes)
{
    const struct memory_slot *shared = &anonymous->header->slot[slot];
    *sizes =
        (struct segment_sizes){load_acquire(&shared->log_bytes), load_acquire(&shared->index_bytes),
                               load_acquire(&shared->timeindex_bytes)};
    if (sizes->log > anonymous->areas.log)
        sizes->log = anonymous->areas.log;
    if (sizes->index > anonymous->areas.index)
        sizes->index = anonymous->areas.index;
    if (sizes->timeindex > anonymous->areas.timeindex)
        sizes->timeindex = anonymous->areas.timeindex;
}

/* Maps the parts of a slot: of the log always the whole area, of the indexes a reader gets what
 * there is. A reader's slot is pinned, and unpinned on failure. */
static int map_segment(struct partition *partition, uint32_t slot, int64_t base, bool writable,
                       struct segment **segment)
{
    const struct anonymous *anonymous = anonymous_of(partition);
    struct segment *made = calloc(1, sizeof *made);
    if (!made) {
        if (!writable)
            unpin(partition->directory, slot);
        return error_set(MAPLOG_NO_MEMORY, "cannot map a segment of %s", partition->name);
    }
    struct segment_sizes sizes = anonymous->areas;
    if (!writable) {
        slot_sizes(anonymous, slot, &sizes);
        sizes.log = anonymous->areas.log;
    }
    *made = (struct segment){.references = 1,
                             .slot = slot,
                             .base = base,
                             .log_bytes = sizes.log,
                             .index_bytes = sizes.index,
                             .timeindex_bytes = sizes.timeindex,
                             .log_fd = -1,
                             .writable = writable,
                             .directory = partition->directory,
                             .partition = partition};
    uint64_t at = anonymous_slot_at(anonymous, slot);
    int result = map_part(made, at, sizes.log, &made->log);
    if (!result)
        result = map_part(made, at + anonymous->areas.log, sizes.index, &made->index);
    if (!result)
        result = map_part(made, at + anonymous->areas.log + anonymous->areas.index, sizes.timeindex,
                          &made->timeindex);
    if (result) {
        memory_unmap(made);
        free(made);
        return result;
    }
    *segment = made;
    return 0;
}

/* Any reserve fits: the mapping always spans the slot's whole log area. */
static int memory_open(struct partition *partition, int64_t base, size_t reserve, bool writable,
                       struct segment **segment)
{
    (void)reserve;
    uint32_t slot = NO_SLOT;
    if (writable) {
        struct table table;
        read_table(anonymous_of(partition), &table);
        slot = find_slot(&table, (uint64_t)base);
        if (slot == NO_SLOT)
            return not_found(partition, base);
    } else {
        int result = pin(partition, base, &slot);
        if (result)
            return result;
    }
    return map_segment(partition, slot, base, writable, segment);
}

/* ---- changes, by the writer ------------------------------------------------------------------ */

static void set_sizes(struct memory_slot *slot, const struct segment_sizes *sizes)
{
    store_release(&slot->log_bytes, sizes->log);
    store_release(&slot->index_bytes, sizes->index);
    store_release(&slot->timeindex_bytes, sizes->timeindex);
}

/* Empties a slot that nobody can have open. A writer that dies in here leaves an empty slot that is
 * punched once more before it is used. */
static int empty_slot(struct partition *partition, uint32_t slot)
{
    const struct anonymous *anonymous = anonymous_of(partition);
    struct memory_slot *shared = &anonymous->header->slot[slot];
    store_release(&shared->base, MEMORY_NO_BASE);
    fault_point("slot-emptied");
    set_sizes(shared, &(struct segment_sizes){0});
    return file_punch(partition->directory->memory_fd, partition->directory->path,
                      anonymous_slot_at(anonymous, slot), anonymous_slot_bytes(anonymous));
}

/* Makes the oldest segment's slot free. MAPLOG_FULL when somebody reads it; then it stays, and so
 * does the log start unless the reader came in between. */
static int recycle(struct partition *partition, const struct table *table, uint32_t *slot)
{
    const struct control_view *view = &partition->directory->view;
    struct partition_end end;
    partition_end(partition, &end);
    uint64_t oldest = next_base(table, 0);
    uint32_t found = find_slot(table, 0);
    if (found != NO_SLOT)
        oldest = 0;
    else
        found = find_slot(table, oldest);
    if (found == NO_SLOT || oldest >= (uint64_t)end.base)
        return error_set(MAPLOG_CORRUPT, "%s: the table of slots is damaged", partition->name);
    uint64_t sequence = table->sequence[found];
    uint32_t reader = reader_of(view, sequence);
    if (reader == NO_SLOT) {
        raise_to(&partition->control->log_start, next_base(table, oldest));
        fence_full(); /* pairs with pin */
        reader = reader_of(view, sequence);
    }
    if (reader != NO_SLOT) {
        char process[96];
        control_describe_process(view, reader, process, sizeof process);
        return error_set(MAPLOG_FULL, "%s: all %u segments are in use, %s reads the oldest",
                         partition->name, table->count, process);
    }
    *slot = found;
    return 0;
}

static int memory_create(struct partition *partition, int64_t base, size_t reserve,
                         struct segment **segment)
{
    (void)reserve;
    struct anonymous *anonymous = anonymous_of(partition);
    struct table table;
    read_table(anonymous, &table);
    /* Empty, or left over by a writer that died before it published the segment. */
    uint32_t slot = NO_SLOT;
    for (uint32_t i = 0; slot == NO_SLOT && i < table.count; i++)
        if (table.base[i] == MEMORY_NO_BASE || table.base[i] >= (uint64_t)base)
            slot = i;
    int result = slot == NO_SLOT ? recycle(partition, &table, &slot) : 0;
    if (!result && table.sequence[slot] != 0)
        result = empty_slot(partition, slot);
    if (result)
        return result;
    struct memory_slot *shared = &anonymous->header->slot[slot];
    store_release(&shared->sequence, add_full(&anonymous->header->sequence, 1) + 1);
    store_release(&shared->base, (uint64_t)base); /* pairs with read_table */
    fault_point("slot-taken");
    return map_segment(partition, slot, base, true, segment);
}

static int memory_allocate(struct segment *segment, const struct segment_sizes *sizes)
{
    const struct directory *directory = segment->directory;
    const struct anonymous *anonymous = directory->anonymous;
    const struct segment_sizes *areas = &anonymous->areas;
    struct segment_sizes now;
    slot_sizes(anonymous, segment->slot, &now);
    const uint64_t parts[3][3] = {{sizes->log, now.log, areas->log},
                                  {sizes->index, now.index, areas->index},
                                  {sizes->timeindex, now.timeindex, areas->timeindex}};
    uint64_t at = anonymous_slot_at(anonymous, segment->slot);
    for (int i = 0; i < 3; i++) {
        uint64_t wanted = parts[i][0], allocated = parts[i][1], area = parts[i][2];
        if (wanted > area)
            return error_set(MAPLOG_LIMIT, "%s: a segment's part has room for %llu bytes, not %llu",
                             segment->partition->name, (unsigned long long)area,
                             (unsigned long long)wanted);
        int result = wanted > allocated ? file_allocate(directory->memory_fd, directory->path,
                                                        at + allocated, wanted - allocated)
                                        : 0;
        if (result)
            return result;
        at += area;
    }
    struct segment_sizes larger = {sizes->log > now.log ? sizes->log : now.log,
                                   sizes->index > now.index ? sizes->index : now.index,
                                   sizes->timeindex > now.timeindex ? sizes->timeindex
                                                                    : now.timeindex};
    set_sizes(&anonymous->header->slot[segment->slot], &larger);
    return 0;
}

static int memory_seal(struct partition *partition, int64_t base, const struct segment_sizes *sizes)
{
    const struct anonymous *anonymous = anonymous_of(partition);
    struct table table;
    read_table(anonymous, &table);
    uint32_t slot = find_slot(&table, (uint64_t)base);
    if (slot == NO_SLOT)
        return not_found(partition, base);
    set_sizes(&anonymous->header->slot[slot], sizes);
    /* Give back the whole pages behind the end. */
    uint64_t used = MEMORY_PAGE_UP(sizes->log);
    return used < anonymous->areas.log
               ? file_punch(partition->directory->memory_fd, partition->directory->path,
                            anonymous_slot_at(anonymous, slot) + used, anonymous->areas.log - used)
               : 0;
}

/* Only what was never published is removed by hand. Published segments are retired by the log start
 * and recycled by memory_create, because only the writer may change the table. */
static int memory_remove(struct partition *partition, int64_t base)
{
    struct partition_end end;
    partition_end(partition, &end);
    struct table table;
    read_table(anonymous_of(partition), &table);
    uint32_t slot = find_slot(&table, (uint64_t)base);
    if (slot == NO_SLOT)
        return 0;
    if (end.rolls && base <= end.base)
        return error_set(MAPLOG_BUSY, "%s: segment %lld stays until its slot is needed",
                         partition->name, (long long)base);
    return empty_slot(partition, slot);
}

/* ---- looking --------------------------------------------------------------------------------- */

static int memory_sizes(struct partition *partition, int64_t base, struct segment_sizes *sizes)
{
    const struct anonymous *anonymous = anonymous_of(partition);
    struct table table;
    read_table(anonymous, &table);
    uint32_t slot = find_slot(&table, (uint64_t)base);
    if (slot == NO_SLOT)
        return not_found(partition, base);
    slot_sizes(anonymous, slot, sizes);
    return 0;
}

static int memory_list(struct partition *partition, struct segment_list *list)
{
    struct table table;
    read_table(anonymous_of(partition), &table);
    int64_t *bases = malloc(LIMIT_ANONYMOUS_SLOTS * sizeof *bases);
    if (!bases)
        return error_set(MAPLOG_NO_MEMORY, "cannot list segments");
    size_t count = 0;
    for (uint32_t i = 0; i < table.count; i++) {
        uint64_t base = table.base[i];
        if (base > INT64_MAX || is_retired(partition, &table, base))
            continue;
        size_t at = count++;
        for (; at > 0 && bases[at - 1] > (int64_t)base; at--)
            bases[at] = bases[at - 1];
        bases[at] = (int64_t)base;
    }
    *list = (struct segment_list){bases, count};
    return 0;
}

static int memory_sync(struct segment *segment, bool fresh)
{
    (void)fresh;
    return error_set(MAPLOG_NOT_PERSISTENT, "%s lies in memory: nothing makes it durable",
                     segment->partition->name);
}

const struct store store_memory = {
    .list = memory_list,
    .open = memory_open,
    .create = memory_create,
    .allocate = memory_allocate,
    .seal = memory_seal,
    .sizes = memory_sizes,
    .remove = memory_remove,
    .unmap = memory_unmap,
    .sync = memory_sync,
};
