/* groups.c - committing and reading a group's progress; see <maplog.h>. */
#include <string.h>

#include "base/error.h"
#include "client/consumer.h"

int maplog_commit(struct maplog_consumer *consumer)
{
    if (directory_forked(consumer->directory))
        return client_inherited("consumer");
    if (!consumer->group)
        return error_set(MAPLOG_INVALID, "this consumer has no group to commit for");
    struct progress *progress;
    int result = client_progress(consumer->log, &progress);
    for (size_t i = 0; !result && i < consumer->count; i++) {
        struct source *source = consumer->sources[i];
        if (source->position == source->committed)
            continue;
        result = progress_commit(progress, consumer->group, consumer->topic, source->number,
                                 source->position, NULL);
        if (!result)
            source->committed = source->position;
    }
    return result;
}

static int check(struct maplog *log, const char *group, const char *topic)
{
    int result = client_check(log);
    if (!result && (!group || !topic))
        result = error_set(MAPLOG_INVALID, "the group or the topic is NULL");
    return result;
}

int maplog_group_commit(struct maplog *log, const char *group, const char *topic, int32_t partition,
                        int64_t offset, const char *metadata)
{
    int result = check(log, group, topic);
    if (result)
        return result;
    if (offset < 0)
        return error_set(MAPLOG_INVALID, "%lld is no offset to commit", (long long)offset);
    struct maplog_topic found;
    result = directory_topic(log->directory, topic, &found);
    if (result)
        return result;
    if (partition < 0 || partition >= found.partitions)
        return error_set(MAPLOG_NOT_FOUND, "topic %s has %d partitions, no number %d", topic,
                         (int)found.partitions, (int)partition);
    struct progress *progress;
    result = client_progress(log, &progress);
    return result ? result : progress_commit(progress, group, topic, partition, offset, metadata);
}

int maplog_group_committed(struct maplog *log, const char *group, const char *topic,
                           int32_t partition, int64_t *offset)
{
    int result = check(log, group, topic);
    struct progress *progress;
    if (!result)
        result = client_progress(log, &progress);
    return result ? result : progress_fetch(progress, group, topic, partition, offset);
}
