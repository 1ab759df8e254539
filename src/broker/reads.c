#include "broker/reads.h"

#include "base/error.h"
#include "broker/topics.h"
#include "log/batch.h"
#include "log/epochs.h"

/* The item's partition as of now. */
static int16_t find_partition(struct broker *broker, struct fetch_item *item)
{
    uint64_t generation = directory_generation(broker->directory);
    if (item->partition && item->generation == generation)
        return KAFKA_NONE;
    struct partition *found;
    int16_t error = topics_find(broker, item->topic, item->topic.at ? NULL : &item->topic_id,
                                item->number, &found);
    item->partition = error ? NULL : found;
    item->generation = generation;
    return error;
}

/* KIP-320: does the client's log, whose last batch has this epoch, go on as ours does? */
static int16_t check_divergence(const struct fetch_item *item, struct read_result *result)
{
    struct partition *partition = item->partition;
    if (item->last_fetched_epoch < 0 || item->last_fetched_epoch == epochs_current(partition))
        return KAFKA_NONE;
    int32_t epoch;
    int64_t end;
    int code = epochs_find_end(partition, item->last_fetched_epoch, &epoch, &end);
    if (code)
        return broker_error(code);
    if (epoch < 0)
        return KAFKA_OFFSET_OUT_OF_RANGE;
    if (epoch < item->last_fetched_epoch || end < item->offset) {
        result->diverging_epoch = epoch;
        result->diverging_end = end;
    }
    return KAFKA_NONE;
}

/* Everything about the item but its records. */
static int16_t check(struct broker *broker, struct fetch_item *item, struct read_result *result)
{
    int16_t error = find_partition(broker, item);
    if (!error)
        error = broker_error(partition_check_live(item->partition));
    if (!error)
        error = topics_check_epoch(item->partition, item->leader_epoch);
    if (!error)
        error = check_divergence(item, result);
    return error;
}

/* Who does not know zstd gets the batches before the first such one, or an error. */
static int16_t leave_out_zstd(struct slice *slice)
{
    uint32_t position = 0;
    struct batch batch;
    while (position < slice->size &&
           batch_read(slice->at + position, slice->size - position, &batch) == 0 &&
           batch_codec(&batch) != MAPLOG_COMPRESSION_ZSTD)
        position += batch.size;
    if (position == 0)
        return KAFKA_UNSUPPORTED_COMPRESSION_TYPE;
    slice->size = position;
    return KAFKA_NONE;
}

static int16_t take_slice(struct broker *broker, const struct fetch_item *item,
                          struct read_budget *budget, struct slice *slice)
{
    int64_t room = item->max_bytes > 0 ? item->max_bytes : 0;
    if (room > budget->bytes)
        room = budget->bytes;
    int code = slice_find(broker->segments, item->partition, item->offset, (uint32_t)room,
                          budget->any, slice);
    if (code == MAPLOG_CORRUPT)
        broker_note_seldom(broker, 'E', error_text());
    if (code)
        return broker_error(code);
    int16_t error = slice->size && !budget->zstd ? leave_out_zstd(slice) : KAFKA_NONE;
    if (!error && slice->size) {
        budget->any = false;
        budget->bytes = slice->size < budget->bytes ? budget->bytes - slice->size : 0;
    }
    return error;
}

void reads_take(struct broker *broker, struct fetch_item *item, struct read_budget *budget,
                struct read_result *result)
{
    *result = (struct read_result){.diverging_epoch = -1};
    int16_t error = check(broker, item, result);
    if (!error && result->diverging_epoch < 0)
        error = take_slice(broker, item, budget, &result->slice);
    if (error) {
        reads_drop(result);
        *result = (struct read_result){
            .error = error, .high_watermark = -1, .log_start = -1, .diverging_epoch = -1};
        return;
    }
    /* Behind the records: a high watermark below them would look like a log that was cut. */
    struct partition_end end;
    partition_end(item->partition, &end);
    result->high_watermark = end.offset;
    result->log_start = partition_start(item->partition);
}

void reads_drop(struct read_result *result)
{
    segment_drop(result->slice.segment);
    result->slice = (struct slice){0};
}

int64_t reads_available(struct broker *broker, struct fetch_item *item, int64_t enough)
{
    struct read_result result = {.diverging_epoch = -1};
    if (check(broker, item, &result) || result.diverging_epoch >= 0)
        return enough;
    struct partition_end end;
    partition_end(item->partition, &end);
    if (item->offset == end.offset)
        return 0;
    if (item->offset > end.offset || item->offset < partition_start(item->partition))
        return enough;
    int64_t bytes = slice_available(broker->segments, item->partition, item->offset, enough);
    int64_t most = item->max_bytes > 0 ? item->max_bytes : 1; /* a batch at least */
    bytes = bytes < most ? bytes : most;
    return bytes < 0 ? enough : bytes;
}
