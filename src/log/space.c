#include "log/space.h"

#include "base/error.h"
#include "os/file.h"

int space_of_directory(const struct directory *directory, int64_t *total, int64_t *usable)
{
    uint64_t all = 0, rest = 0;
    int result = file_total_bytes(directory->fd, directory->path, &all);
    if (!result)
        result = file_free_bytes(directory->fd, directory->path, &rest);
    *total = (int64_t)all;
    *usable = (int64_t)rest;
    return result;
}

int space_of_partition(struct directory *directory, const char *topic, int32_t number,
                       int64_t *bytes)
{
    struct partition *partition = NULL;
    pthread_mutex_lock(&directory->lock);
    int result = directory_refresh(directory);
    const struct catalog_topic *known = result ? NULL : catalog_find(&directory->catalog, topic);
    if (!result && (!known || number < 0 || number >= known->partitions))
        result = error_set(MAPLOG_NOT_FOUND, "no partition %d of %s in %s", number, topic,
                           directory->path);
    if (!result &&
        load_acquire(&directory->view.control->partitions[known->slots[number]].rolls) != 0)
        result = directory_open_slot(directory, known, number, &partition);
    pthread_mutex_unlock(&directory->lock);
    *bytes = 0;
    struct maplog_partition found;
    if (!result && partition)
        result = partition_describe(partition, &found);
    if (!result && partition)
        *bytes = found.bytes;
    return result;
}
