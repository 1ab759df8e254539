/* position.c - where a consumer reads; see <maplog.h>. */
#include "client/consumer.h"

#include "base/error.h"

/* Calls one for the partition, or for all when it is -1. */
static int each_source(struct maplog_consumer *consumer, int32_t partition,
                       int (*one)(struct maplog_consumer *consumer, struct source *source,
                                  int64_t argument),
                       int64_t argument)
{
    int result = consumer_check(consumer);
    if (result)
        return result;
    HANDLE_ENTER(&consumer->handle, HANDLE_CONSUMER);
    consumer->last = NULL;
    if (partition != -1) {
        struct source *source;
        result = sources_find(consumer, partition, &source);
        return result ? result : one(consumer, source, argument);
    }
    for (size_t i = 0; !result && i < consumer->count; i++)
        result = one(consumer, consumer->sources[i], argument);
    return result;
}

static int seek(struct maplog_consumer *consumer, struct source *source, int64_t offset)
{
    sources_seek(consumer, source, offset);
    return 0;
}

int maplog_seek(struct maplog_consumer *consumer, int32_t partition, int64_t offset)
{
    if (offset < MAPLOG_BEGIN)
        return error_set(MAPLOG_INVALID, "%lld is no offset", (long long)offset);
    return each_source(consumer, partition, seek, offset);
}

static int seek_time(struct maplog_consumer *consumer, struct source *source, int64_t time)
{
    int64_t offset;
    int64_t timestamp;
    int result = partition_find_time(source->partition, time, &offset, &timestamp);
    if (!result)
        sources_seek(consumer, source, offset < 0 ? MAPLOG_END : offset);
    return result;
}

int maplog_seek_time(struct maplog_consumer *consumer, int32_t partition, int64_t time)
{
    return each_source(consumer, partition, seek_time, time);
}

int maplog_position(struct maplog_consumer *consumer, int32_t partition, int64_t *offset)
{
    int result = consumer_check(consumer);
    if (!result && !offset)
        result = error_set(MAPLOG_INVALID, "maplog_position: the result is NULL");
    if (result)
        return result;
    HANDLE_ENTER(&consumer->handle, HANDLE_CONSUMER);
    struct source *source;
    result = sources_find(consumer, partition, &source);
    if (!result)
        *offset = source->position;
    return result;
}
