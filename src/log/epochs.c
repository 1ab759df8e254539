#include "log/epochs.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "log/checkpoint.h"
#include "log/directory.h"
#include "log/reader.h"

struct epoch_end {
    int32_t epoch;
    int64_t offset;
};

int32_t epochs_current(const struct partition *partition)
{
    return (int32_t)load_acquire(&partition->control->leader_epoch);
}

/* What the checkpoint says: 1; 0 when it does not know. Its entries stay when retention takes the
 * records, so that a reader that lags is told the truth. */
static int find_in_checkpoint(const struct partition *partition, int32_t epoch,
                              struct epoch_end *found)
{
    char path[LIMIT_PATH];
    struct checkpoint_epoch *entries = NULL;
    size_t count = 0;
    if (partition->directory->fd < 0)
        return 0;
    snprintf(path, sizeof path, "%s/%s", partition->name, CHECKPOINT_LEADER_EPOCH);
    int result = checkpoint_load_epochs(partition->directory->fd, path, &entries, &count);
    if (result) /* a damaged one says nothing */
        return result == MAPLOG_CORRUPT || result == MAPLOG_VERSION ? 0 : result;
    /* The last entry ends where the next epoch begins, which it does not know. */
    for (size_t i = 0; i + 1 < count && entries[i].epoch <= epoch; i++) {
        if (entries[i].start_offset < entries[i + 1].start_offset) {
            *found = (struct epoch_end){entries[i].epoch, entries[i + 1].start_offset};
            result = 1;
        }
    }
    /* All entries are at or below the epoch: the answer may lie behind them. */
    if (count && entries[count - 1].epoch <= epoch)
        result = 0;
    free(entries);
    return result;
}

/* What the batches say, by halving: their epochs ascend. */
static int find_in_batches(struct partition *partition, int32_t epoch, struct epoch_end *found)
{
    struct partition_end end;
    partition_end(partition, &end);
    int64_t low = partition_start(partition), high = end.offset; /* the next epoch begins between */
    int result = 0;
    struct reader reader;
    *found = (struct epoch_end){-1, end.offset};
    reader_init(&reader, partition, low);
    while (low < high) {
        struct batch batch;
        int64_t middle = low + (high - low) / 2;
        reader_seek(&reader, middle);
        result = reader_next(&reader, &batch);
        if (result <= 0)
            break;
        if (batch.leader_epoch > epoch) {
            found->offset = batch.base_offset;
            high = batch.base_offset < middle ? batch.base_offset : middle;
        } else {
            found->epoch = batch.leader_epoch;
            low = batch.last_offset + 1;
        }
    }
    reader_close(&reader);
    if (found->epoch < 0)
        found->offset = -1;
    return result < 0 ? result : 0;
}

int epochs_find_end(struct partition *partition, int32_t epoch, int32_t *found, int64_t *end_offset)
{
    int result = partition_check_live(partition);
    if (result)
        return result;
    int32_t current = epochs_current(partition);
    struct epoch_end answer = {-1, -1};
    if (epoch == current) {
        struct partition_end end;
        partition_end(partition, &end);
        answer = (struct epoch_end){current, end.offset};
    } else if (epoch >= 0 && epoch < current) {
        result = find_in_checkpoint(partition, epoch, &answer);
        if (result == 0)
            result = find_in_batches(partition, epoch, &answer);
        if (result < 0)
            return result;
    }
    *found = answer.epoch;
    *end_offset = answer.offset;
    return 0;
}

int32_t epochs_of_offset(struct partition *partition, int64_t offset)
{
    struct reader reader;
    struct batch batch;
    reader_init(&reader, partition, offset);
    bool holds = reader_next(&reader, &batch) == 1 && batch.base_offset <= offset;
    reader_close(&reader);
    return holds ? batch.leader_epoch : -1;
}
