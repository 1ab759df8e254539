/* groups.c - committing and reading a group's progress; see <maplog.h>. */
#include <string.h>

#include "base/error.h"
#include "client/consumer.h"

#define COMMIT_ENTRIES 256 /* of one batch; however long the names, it is within a segment */

/* Commits the sources first.. that moved, up to COMMIT_ENTRIES of them, as one batch; *next: the
 * first that was not looked at. */
static int commit_some(struct maplog_consumer *consumer, struct progress *progress, size_t first,
                       size_t *next)
{
    struct progress_entry entries[COMMIT_ENTRIES];
    struct source *moved[COMMIT_ENTRIES];
    size_t count = 0, i = first;
    for (; i < consumer->count && count < COMMIT_ENTRIES; i++) {
        struct source *source = consumer->sources[i];
        if (source->position == source->committed)
            continue;
        moved[count] = source;
        entries[count++] = (struct progress_entry){.group = consumer->group,
                                                   .topic = consumer->topic,
                                                   .partition = source->number,
                                                   .offset = source->position,
                                                   .leader_epoch = -1,
                                                   .metadata = "",
                                                   .committed_ms = -1,
                                                   .expires_ms = -1};
    }
    *next = i;
    if (count == 0)
        return 0;
    int result = progress_commit(progress, entries, count, true);
    for (i = 0; !result && i < count; i++)
        moved[i]->committed = entries[i].offset;
    return result;
}

int maplog_commit(struct maplog_consumer *consumer)
{
    int result = consumer_check(consumer);
    if (result)
        return result;
    HANDLE_ENTER(&consumer->handle, HANDLE_CONSUMER);
    if (!consumer->group)
        return error_set(MAPLOG_INVALID, "this consumer has no group to commit for");
    struct progress *progress;
    result = client_progress(consumer->log, &progress);
    for (size_t i = 0; !result && i < consumer->count;)
        result = commit_some(consumer, progress, i, &i);
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
    struct progress_entry entry = {.group = group,
                                   .topic = topic,
                                   .partition = partition,
                                   .offset = offset,
                                   .leader_epoch = -1,
                                   .metadata = metadata ? metadata : "",
                                   .metadata_size = metadata ? strlen(metadata) : 0,
                                   .committed_ms = -1,
                                   .expires_ms = -1};
    return result ? result : progress_commit(progress, &entry, 1, true);
}

int maplog_group_committed(struct maplog *log, const char *group, const char *topic,
                           int32_t partition, int64_t *offset)
{
    int result = check(log, group, topic);
    if (!result && !offset)
        result = error_set(MAPLOG_INVALID, "maplog_group_committed: the result is NULL");
    struct progress *progress;
    if (!result)
        result = client_progress(log, &progress);
    struct progress_entry entry;
    if (!result)
        result = progress_fetch(progress, group, topic, partition, &entry, NULL);
    if (result < 0)
        return result;
    *offset = result ? entry.offset : -1;
    return 0;
}
