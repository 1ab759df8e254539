#include "log/segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "log/directory.h"
#include "log/format.h"
#include "os/file.h"
#include "os/map.h"
#include "shm/order.h"

struct segment *segment_keep(struct segment *segment)
{
    add_full(&segment->references, 1);
    return segment;
}

void segment_drop(struct segment *segment)
{
    if (!segment || add_full(&segment->references, (uint32_t)-1) != 1)
        return;
    segment->partition->store->unmap(segment);
    free(segment);
}

int segment_sealed(const struct segment *segment, struct segment_sizes *sizes)
{
    if (segment->log_fd < 0)
        return segment->partition->store->sizes(segment->partition, segment->base, sizes);
    struct file_identity file;
    int result = file_identify(segment->log_fd, segment->partition->name, &file);
    if (!result)
        *sizes = (struct segment_sizes){file.size, segment->index_bytes, segment->timeindex_bytes};
    return result;
}

void segment_list_free(struct segment_list *list)
{
    free(list->bases);
    *list = (struct segment_list){0};
}

long segment_list_find(const struct segment_list *list, int64_t offset)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list->bases[middle] <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return (long)low - 1;
}

void segment_path(const struct partition *partition, int64_t base, const char *suffix, char *path,
                  size_t size)
{
    snprintf(path, size, "%s/%0*" PRId64 "%s", partition->name, SEGMENT_NAME_BYTES, base, suffix);
}
