#include "broker/offsets.h"

#include "base/error.h"
#include "broker/topics.h"

#define WAIT_MS 5000 /* Kafka's offsets.commit.timeout.ms */
#define PAUSE_FIRST_MS 1
#define PAUSE_LONGEST_MS 20

bool offsets_wait(struct broker_request *request, struct offsets_retry *retry, int64_t now_ms)
{
    if (retry->begun_ms == 0)
        *retry = (struct offsets_retry){now_ms, PAUSE_FIRST_MS};
    if (now_ms - retry->begun_ms >= WAIT_MS)
        return false;
    request->deadline_ms = now_ms + retry->pause_ms;
    retry->pause_ms *= 2;
    if (retry->pause_ms > PAUSE_LONGEST_MS)
        retry->pause_ms = PAUSE_LONGEST_MS;
    return true;
}

int16_t offsets_error(struct broker *broker, const char *group, int code)
{
    switch (code) {
    case 0:
        return KAFKA_NONE;
    case MAPLOG_BUSY:
    case MAPLOG_DISK_FULL: /* whoever writes records says so too */
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    case MAPLOG_TOO_LARGE:
        return KAFKA_INVALID_COMMIT_OFFSET_SIZE;
    case MAPLOG_INVALID:
        return KAFKA_INVALID_REQUEST;
    default: /* clients look for the coordinator again, and try again */
        error_prefix(code, "group %s: cannot commit offsets", group);
        broker_note_seldom(broker, 'W', error_text());
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    }
}

static int found(void *context, const struct progress_entry *entry)
{
    (void)context;
    (void)entry;
    return 1;
}

int offsets_any(struct broker *broker, const char *group)
{
    return progress_list(broker->progress, group, found, NULL);
}

int offsets_batch_add(struct offsets_batch *batch, const struct progress_entry *entry)
{
    const char *topic = arena_copy(batch->arena, entry->topic, strlen(entry->topic));
    const char *group = batch->count ? batch->entries[0].group
                                     : arena_copy(batch->arena, entry->group, strlen(entry->group));
    if (!topic || !group)
        return error_set(MAPLOG_NO_MEMORY, "no memory for the offsets of group %s", entry->group);
    batch->entries[batch->count++] = (struct progress_entry){.group = group,
                                                             .topic = topic,
                                                             .partition = entry->partition,
                                                             .offset = -1,
                                                             .leader_epoch = -1,
                                                             .metadata = "",
                                                             .committed_ms = -1,
                                                             .expires_ms = -1};
    return batch->count == OFFSETS_BATCH;
}

int16_t offsets_topic(struct broker *broker, struct wire_string asked, const struct uuid *id,
                      int32_t number, const char **name)
{
    struct partition *partition;
    int16_t error = topics_find(broker, asked, id, number, &partition);
    if (!error)
        *name = partition->topic;
    return error;
}
