#include "broker/topics.h"

#include <string.h>

#include "log/epochs.h"
#include "log/progress.h"

#define TRANSACTION_TOPIC "__transaction_state"

static int16_t find_by_id(struct broker *broker, const struct uuid *id, int32_t number,
                          struct partition **partition)
{
    int result = directory_partition_by_id(broker->directory, id, number, partition);
    if (result != MAPLOG_NOT_FOUND)
        return broker_error(result);
    struct partition *first; /* is it the id or the number that is not known? */
    result = directory_partition_by_id(broker->directory, id, 0, &first);
    return result == MAPLOG_NOT_FOUND ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
}

int16_t topics_find(struct broker *broker, struct wire_string name, const struct uuid *id,
                    int32_t number, struct partition **partition)
{
    if (id)
        return find_by_id(broker, id, number, partition);
    char topic[LIMIT_TOPIC_NAME + 1];
    if (name.size <= 0 || name.size > LIMIT_TOPIC_NAME || memchr(name.at, 0, (size_t)name.size))
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    memcpy(topic, name.at, (size_t)name.size);
    topic[name.size] = 0;
    return broker_error(directory_partition(broker->directory, topic, number, partition));
}

bool topics_is_internal(const char *name)
{
    return strcmp(name, PROGRESS_TOPIC) == 0 || strcmp(name, TRANSACTION_TOPIC) == 0;
}

bool topics_is_internal_name(struct wire_string name)
{
    return wire_equal(name, PROGRESS_TOPIC) || wire_equal(name, TRANSACTION_TOPIC);
}

int16_t topics_check_epoch(const struct partition *partition, int32_t epoch)
{
    if (epoch < 0)
        return KAFKA_NONE;
    int32_t current = epochs_current(partition);
    if (epoch == current)
        return KAFKA_NONE;
    return epoch < current ? KAFKA_FENCED_LEADER_EPOCH : KAFKA_UNKNOWN_LEADER_EPOCH;
}
