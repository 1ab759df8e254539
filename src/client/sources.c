/* sources.c - the partitions of a consumer: claims, new ones, positions. */
#include "client/consumer.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Makes room for one more source. */
static int grow(struct maplog_consumer *consumer)
{
    size_t count = consumer->count + 1;
    struct source **sources = realloc(consumer->sources, count * sizeof(struct source *));
    if (sources)
        consumer->sources = sources;
    struct bell_watch *watches =
        sources ? realloc(consumer->watches, count * sizeof *watches) : NULL;
    if (!watches)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %zu partitions", count);
    consumer->watches = watches;
    return 0;
}

/* Where a new source begins. */
static int begin(struct maplog_consumer *consumer, struct source *source, bool fresh)
{
    source->committed = -1;
    if (consumer->group) {
        struct progress *progress;
        struct progress_entry entry;
        int result = client_progress(consumer->log, &progress);
        if (!result)
            result = progress_fetch(progress, consumer->group, consumer->topic, source->number,
                                    &entry, NULL);
        if (result < 0)
            return result;
        if (result)
            source->committed = entry.offset;
    }
    int64_t from = consumer->at_end && !fresh ? MAPLOG_END : MAPLOG_BEGIN;
    sources_seek(consumer, source, source->committed >= 0 ? source->committed : from);
    return 0;
}

int sources_add(struct maplog_consumer *consumer, int32_t partition, bool fresh)
{
    struct partition *opened;
    int result = directory_partition(consumer->directory, consumer->topic, partition, &opened);
    if (!result)
        result = grow(consumer);
    if (result)
        return result;
    struct source *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for partition %d", (int)partition);
    made->partition = opened;
    made->number = partition;
    reader_init(&made->reader, opened, 0);
    if (consumer->group)
        result = progress_claim(consumer->directory, consumer->group, consumer->topic, partition,
                                &consumer->claim_fd);
    if (!result)
        result = begin(consumer, made, fresh);
    if (result) {
        sources_free(made);
        return result == MAPLOG_GROUP_BUSY ? 0 : result;
    }
    consumer->sources[consumer->count++] = made;
    consumer->by_number[partition] = made;
    return 1;
}

void sources_free(struct source *source)
{
    reader_close(&source->reader);
    free(source);
}

int sources_find(const struct maplog_consumer *consumer, int32_t partition, struct source **source)
{
    if (partition < 0 || partition >= consumer->partitions || !consumer->by_number[partition])
        return error_set(MAPLOG_NOT_FOUND, "this consumer does not read partition %d of %s",
                         (int)partition, consumer->topic);
    *source = consumer->by_number[partition];
    return 0;
}

void sources_seek(struct maplog_consumer *consumer, struct source *source, int64_t offset)
{
    source->from_begin = offset == MAPLOG_BEGIN;
    if (offset == MAPLOG_BEGIN) {
        offset = partition_start(source->partition);
    } else if (offset == MAPLOG_END) {
        struct partition_end end;
        partition_end(source->partition, &end);
        offset = end.offset;
    }
    source->position = offset;
    reader_seek(&source->reader, offset);
    if (consumer->source == source)
        consumer->source = NULL;
}

/* Adds it unless it is ours already, or others have it. A consumer whose group has members at a
 * server by now keeps what it has; its next commit is told. */
static int add_if_free(struct maplog_consumer *consumer, int32_t partition, bool fresh)
{
    if (consumer->by_number[partition])
        return 0;
    int result = sources_add(consumer, partition, fresh);
    return result == MAPLOG_GROUP_ACTIVE && consumer->count > 0 ? 0 : result;
}

int sources_claim_free(struct maplog_consumer *consumer)
{
    int more = 0;
    for (int32_t i = 0; i < consumer->partitions; i++) {
        int result = add_if_free(consumer, i, false);
        if (result < 0)
            return result;
        more |= result;
    }
    return more;
}

int sources_know(struct maplog_consumer *consumer, int32_t partitions)
{
    size_t old = (size_t)consumer->partitions;
    size_t count = (size_t)partitions;
    struct source **by_number = realloc(consumer->by_number, count * sizeof(struct source *));
    if (!by_number)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %zu partitions", count);
    memset(by_number + old, 0, (count - old) * sizeof(struct source *));
    consumer->by_number = by_number;
    consumer->partitions = partitions;
    return 0;
}

int sources_refresh(struct maplog_consumer *consumer)
{
    uint64_t generation = load_acquire(consumer->generation);
    if (generation == consumer->generation_seen || consumer->deleted)
        return 0;
    struct maplog_topic found;
    int result = directory_topic(consumer->directory, consumer->topic, &found);
    if (result && result != MAPLOG_NOT_FOUND)
        return result;
    if (result || memcmp(found.id, consumer->id, sizeof found.id) != 0) {
        consumer->deleted = true; /* the readers tell, at the end of what is readable */
        return 0;
    }
    int more = 0;
    int32_t known = consumer->partitions;
    if (found.partitions > known) {
        result = sources_know(consumer, found.partitions);
        if (result)
            return result;
    }
    /* Without a group also those that an earlier look failed to add. */
    for (int32_t i = consumer->group ? known : 0; consumer->all && i < found.partitions; i++) {
        result = add_if_free(consumer, i, true);
        if (result < 0)
            return result;
        more |= result;
    }
    consumer->generation_seen = generation;
    return more;
}
