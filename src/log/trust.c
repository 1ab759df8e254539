#include "log/trust.h"

#include <string.h>

#include "log/batch.h"
#include "log/directory.h"
#include "log/index.h"
#include "os/file.h"

int trust_look(int directory_fd, const char *control_file, struct trust *now)
{
    struct file_identity file;
    struct trust found = {0};
    int result = file_identify_at(directory_fd, control_file, &file);
    if (!result)
        result = process_boot_id(found.boot_id);
    if (result)
        return result;
    found.device = file.device;
    found.inode = file.inode;
    found.mount = file.mount;
    found.born = file.born_ns;
    found.backdated = file.backdated;
    *now = found;
    return 0;
}

void trust_store(const struct trust *now, struct control_header *header)
{
    memcpy(header->boot_id, now->boot_id, sizeof header->boot_id);
    header->device = now->device;
    header->inode = now->inode;
    header->mount = now->mount;
    header->born = now->born;
}

bool trust_header(const struct control_header *header, const struct trust *now)
{
    return header->magic == CONTROL_MAGIC && header->version == CONTROL_VERSION &&
           header->mutex_abi == thread_mutex_abi() &&
           memcmp(header->boot_id, now->boot_id, sizeof now->boot_id) == 0 &&
           header->device == now->device && header->inode == now->inode &&
           header->mount == now->mount && header->born == now->born && !now->backdated &&
           (load_acquire(&header->session) & 1) == 0;
}

/* How many whole batches with this or later offsets there are, up to two. */
static int batches_behind(const struct segment *segment, uint64_t size, uint32_t position,
                          int64_t offset)
{
    int count = 0;
    struct batch batch;
    while (count < 2 && position < size && size <= segment->log_bytes &&
           batch_read(segment->log + position, size - position, &batch) == 0 &&
           batch.base_offset >= offset && batch_check_crc(&batch) == 0) {
        count++;
        offset = batch.last_offset + 1;
        position += batch.size;
    }
    return count;
}

/* Did somebody die within an append? Then he may have left one batch that was not published. */
static bool died_inside(const struct partition *partition)
{
    const struct control *control = partition->directory->view.control;
    uint64_t limit = load_relaxed(&control->header.seat_limit);
    for (uint32_t i = 0; i < limit && i < LIMIT_SEATS; i++)
        if (load_relaxed(&control->seats[i].in_append) == partition->slot + 1)
            return true;
    return false;
}

/* Walks from the last index entry to the published end. */
static bool ends_where_it_says(const struct partition *partition, const struct segment *segment,
                               const struct partition_end *end)
{
    uint32_t relative, position = 0;
    size_t bytes = load_relaxed(&partition->control->index_bytes[end->rolls & 1]);
    if (bytes > (segment->index ? segment->index_bytes : 0))
        return false;
    index_last(segment->index, bytes, &relative, &position);
    int64_t next = segment->base;
    if (position >= end->position)
        return end->position == 0 && position == 0 && end->offset == next;
    while (position < end->position) {
        struct batch batch;
        if (batch_read(segment->log + position, end->position - position, &batch) ||
            batch_check_crc(&batch) || batch.base_offset < next)
            return false;
        next = batch.last_offset + 1;
        position += batch.size;
    }
    return next == end->offset;
}

/* A segment from the active one on: it ends where the control slot says, or is not begun. */
static bool fits_end(struct partition *partition, int64_t base, const struct partition_end *end)
{
    struct segment_sizes sizes;
    struct segment *segment;
    if (partition->store->sizes(partition, base, &sizes) || sizes.log > LIMIT_SEGMENT_BYTES ||
        partition->store->open(partition, base, 0, false, &segment))
        return false;
    bool active = end->rolls && base == end->base;
    int behind = batches_behind(segment, sizes.log, active ? end->position : 0, end->offset);
    if (behind == 1 && active && died_inside(partition))
        behind = 0;
    bool fits =
        behind == 0 &&
        (!active || (sizes.log >= end->position && ends_where_it_says(partition, segment, end)));
    segment_drop(segment);
    return fits;
}

/* The segment before the active one has exactly the size that it had at the roll. */
static bool was_sealed(struct partition *partition, int64_t base, const struct partition_end *end)
{
    const struct control_partition *control = partition->control;
    uint32_t other = (end->rolls & 1) ^ 1;
    struct segment_sizes sizes;
    return end->rolls < 2 || (int64_t)load_relaxed(&control->base[other]) != base ||
           (partition->store->sizes(partition, base, &sizes) == 0 &&
            sizes.log == load_relaxed(&control->published[other]) >> 32);
}

bool trust_partition(struct partition *partition)
{
    struct partition_end end;
    struct segment_list list;
    partition_end(partition, &end);
    if (partition->store->list(partition, &list))
        return false;
    bool fits = true, active = end.rolls == 0;
    for (size_t i = 0; fits && i < list.count; i++) {
        int64_t base = list.bases[i];
        active = active || base == end.base;
        if (end.rolls && base < end.base)
            fits = was_sealed(partition, base, &end);
        else /* the active one, or what a writer left that died while it rolled */
            fits = fits_end(partition, base, &end);
    }
    segment_list_free(&list);
    return fits && active;
}
