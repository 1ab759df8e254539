#include "cmd/far_producer.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/murmur2.h"
#include "base/properties.h"
#include "log/builder.h"
#include "os/clock.h"
#include "os/process.h"
#include "remote/producer.h"
#include "remote/topics.h"

#define CONFIG_SIZE 64
#define TIMEOUT_MS 10000    /* when none is asked for */
#define STICKY_RECORDS 1000 /* of batches of one record: then another partition has its turn */

struct far_producer {
    struct remote *remote;
    struct remote_producer *producer;
    struct builder **builders; /* by partition; NULL until used */
    enum maplog_compression codec;
    size_t limit;       /* largest batch before compression; 0: each record is one */
    size_t max_message; /* the topic's max.message.bytes */
    int32_t partitions;
    int32_t sticky; /* partition of records without a key */
    uint32_t sticky_records;
    char topic[MAPLOG_TOPIC_NAME_MAX + 1];
};

/* ---- opening --------------------------------------------------------------------------------- */

int far_check_durable(struct remote *remote, const char *topic)
{
    char value[CONFIG_SIZE];
    int result = remote_topic_config(remote, topic, "flush.messages", value, sizeof value);
    if (result || strcmp(value, "1") == 0)
        return result;
    return error_set(MAPLOG_NOT_PERSISTENT,
                     "--acks disk: topic %s has flush.messages=%s, so the server acknowledges "
                     "records before they are on disk; \"maplog topic alter %s --config "
                     "flush.messages=1\" changes it",
                     topic, value, topic);
}

static int read_max_message(struct far_producer *far)
{
    char value[CONFIG_SIZE];
    int64_t bytes;
    int result =
        remote_topic_config(far->remote, far->topic, "max.message.bytes", value, sizeof value);
    if (!result && !properties_size(value, strlen(value), 1, INT32_MAX, &bytes))
        result = error_set(MAPLOG_CORRUPT, "topic %s has max.message.bytes=%s", far->topic, value);
    if (!result)
        far->max_message = (size_t)bytes;
    return result;
}

static enum remote_acks remote_acks_of(enum maplog_acks acks)
{
    return acks == MAPLOG_ACKS_NONE   ? REMOTE_ACKS_NONE
           : acks == MAPLOG_ACKS_DISK ? REMOTE_ACKS_ALL
                                      : REMOTE_ACKS_ONE;
}

static int fill(struct far_producer *far, const struct maplog_producer_options *options)
{
    struct maplog_topic found;
    int result = remote_topic_describe(far->remote, far->topic, &found);
    if (!result && options->acks == MAPLOG_ACKS_DISK)
        result = far_check_durable(far->remote, far->topic);
    if (!result)
        result = read_max_message(far);
    if (result)
        return result;
    far->codec = options->compression;
    far->limit = options->batch_bytes < far->max_message ? options->batch_bytes : far->max_message;
    far->partitions = found.partitions;
    far->builders = calloc((size_t)found.partitions, sizeof *far->builders);
    if (!far->builders)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %d partitions", (int)found.partitions);
    uint32_t start = 0; /* producers that come and go fill all partitions evenly */
    if (far->partitions > 1 && process_random(&start, sizeof start) == 0)
        far->sticky = (int32_t)(start % (uint32_t)far->partitions);
    result = remote_producer_open(far->remote, far->topic, far->partitions,
                                  remote_acks_of(options->acks), &far->producer);
    if (!result)
        remote_producer_timeout(far->producer,
                                options->timeout_ms ? options->timeout_ms : TIMEOUT_MS);
    return result;
}

static void far_free(struct far_producer *far)
{
    for (int32_t i = 0; far->builders && i < far->partitions; i++) {
        builder_free(far->builders[i]);
        free(far->builders[i]);
    }
    free(far->builders);
    remote_producer_close(far->producer);
    free(far);
}

int far_producer_open(struct remote *remote, const char *topic,
                      const struct maplog_producer_options *options, struct far_producer **far)
{
    if (strlen(topic) > MAPLOG_TOPIC_NAME_MAX)
        return error_set(MAPLOG_INVALID, "a topic's name has at most %d bytes",
                         MAPLOG_TOPIC_NAME_MAX);
    struct far_producer *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a producer");
    made->remote = remote;
    memcpy(made->topic, topic, strlen(topic) + 1);
    int result = fill(made, options);
    if (result) {
        far_free(made);
        return result;
    }
    *far = made;
    return 0;
}

int32_t far_partitions(const struct far_producer *far)
{
    return far->partitions;
}

/* ---- batches --------------------------------------------------------------------------------- */

static int take_builder(struct far_producer *far, int32_t partition, struct builder **builder)
{
    if (partition < 0 || partition >= far->partitions)
        return error_set(MAPLOG_NOT_FOUND, "topic %s has %d partitions, no number %d", far->topic,
                         (int)far->partitions, (int)partition);
    if (!far->builders[partition]) {
        far->builders[partition] = malloc(sizeof **far->builders);
        if (!far->builders[partition])
            return error_set(MAPLOG_NO_MEMORY, "no memory for a batch");
        builder_init(far->builders[partition], far->codec);
    }
    *builder = far->builders[partition];
    return 0;
}

/* Bytes that do not compress grow a little: as they are they may fit. */
static int finish(struct far_producer *far, struct builder *builder, uint8_t **batch, size_t *size)
{
    int result = builder_finish(builder, batch, size);
    if (!result && *size > far->max_message && builder->codec != MAPLOG_COMPRESSION_NONE) {
        builder->codec = MAPLOG_COMPRESSION_NONE;
        result = builder_finish(builder, batch, size);
        builder->codec = far->codec;
    }
    if (!result && *size > far->max_message)
        result =
            error_set(MAPLOG_TOO_LARGE, "a batch of %zu bytes, topic %s has max.message.bytes=%zu",
                      *size, far->topic, far->max_message);
    return result;
}

/* Sends what has gathered. A batch that cannot be sent is gone. */
static int publish(struct far_producer *far, int32_t partition)
{
    struct builder *builder = far->builders[partition];
    if (!builder || builder->records == 0)
        return 0;
    struct remote_stamp stamp = remote_producer_stamp(far->producer, partition);
    builder->producer_id = stamp.producer_id;
    builder->producer_epoch = stamp.producer_epoch;
    builder->base_sequence = stamp.base_sequence;
    uint8_t *batch;
    size_t size;
    int result = finish(far, builder, &batch, &size);
    if (!result)
        result = remote_producer_send(far->producer, partition, batch, size, builder->records);
    builder_clear(builder);
    return result;
}

static void next_sticky(struct far_producer *far)
{
    far->sticky_records = 0;
    far->sticky = (far->sticky + 1) % far->partitions;
}

static int32_t choose(struct far_producer *far, const struct maplog_record *record)
{
    if (far->partitions == 1)
        return 0;
    if (record->key)
        return murmur2_partition(record->key, record->key_size, far->partitions);
    if (far->limit == 0 && far->sticky_records++ >= STICKY_RECORDS)
        next_sticky(far);
    return far->sticky;
}

int far_produce(struct far_producer *far, int32_t partition, const struct maplog_record *record)
{
    bool free_choice = partition < 0;
    struct builder *builder = NULL;
    int64_t timestamp = record->timestamp ? record->timestamp : clock_wall_ms();
    int result = record_check(record);
    if (free_choice)
        partition = choose(far, record);
    if (!result)
        result = take_builder(far, partition, &builder);
    if (result)
        return result;
    if (builder->records > 0 && builder_size_with(builder, record, timestamp) > far->limit) {
        result = publish(far, partition);
        if (!result && free_choice && !record->key && far->partitions > 1) {
            next_sticky(far);
            partition = far->sticky;
            result = take_builder(far, partition, &builder);
        }
        if (result)
            return result;
    }
    result = builder_add(builder, record, timestamp);
    /* One that is larger by itself goes alone. */
    return !result && builder->size > far->limit ? publish(far, partition) : result;
}

int far_flush(struct far_producer *far)
{
    int result = 0;
    for (int32_t i = 0; !result && i < far->partitions; i++)
        result = publish(far, i);
    return result ? result : remote_producer_wait(far->producer);
}

int far_producer_close(struct far_producer *far)
{
    if (!far)
        return 0;
    int result = far_flush(far);
    far_free(far);
    return result;
}
