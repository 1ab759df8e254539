/* producing.c - the producer's options, and its topic. */
#include "cmd/producing.h"

#include <string.h>

#include "base/error.h"
#include "cmd/report.h"
#include "log/codec.h"

static int parse_acks(const struct usage *usage, const char *word, enum maplog_acks *acks)
{
    static const char *const names[] = {"memory", "none", "disk"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(word, names[i]) == 0) {
            *acks = (enum maplog_acks)i;
            return OPTIONS_GO;
        }
    }
    return usage_error(usage, "--acks is none, memory or disk, not \"%s\"", word);
}

int producing_options(const struct usage *usage, const struct producing *producing,
                      struct maplog_producer_options *options)
{
    options->batch_bytes = (size_t)producing->batch;
    options->timeout_ms = (int)producing->timeout;
    if (codec_parse(producing->compression, &options->compression) != 0)
        return usage_error(usage, "--compression: %s", error_text());
    if (options->compression != MAPLOG_COMPRESSION_NONE && producing->batch == 0)
        return usage_error(usage, "--compression works on batches, not with --batch 0");
    return parse_acks(usage, producing->acks, &options->acks);
}

static int create_topic(struct door *door, const char *topic, enum maplog_acks acks)
{
    if (door->remote && acks == MAPLOG_ACKS_DISK)
        return error_set(MAPLOG_NOT_PERSISTENT,
                         "--acks disk: %s has no topic %s; make one whose records it puts on disk "
                         "before it answers: maplog topic create %s --config flush.messages=1",
                         door_name(door), topic, topic);
    int result = door_topic_create(door, topic, 0, NULL);
    if (result == MAPLOG_EXISTS) /* somebody was faster */
        return 0;
    struct maplog_topic made = {.partitions = 1};
    if (!result && door->remote)
        result = door_topic_await(door, topic, &made);
    if (!result && made.partitions == 1)
        report_note("created topic %s in %s, with one partition", topic, door_name(door));
    else if (!result)
        report_note("created topic %s in %s, with %d partitions", topic, door_name(door),
                    (int)made.partitions);
    return result;
}

int producing_topic(struct door *door, const char *topic, enum maplog_acks acks)
{
    struct maplog_topic found;
    int result = door_topic_describe(door, topic, &found);
    return result == MAPLOG_NOT_FOUND ? create_topic(door, topic, acks) : result;
}
