/* producer.c - producing; see <maplog.h>. */
#include "client/producer.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/murmur2.h"
#include "log/progress.h"
#include "os/process.h"

/* Records without a key go to another partition after so many, or so many bytes. */
#define STICKY_RECORDS 1000
#define STICKY_BYTES (64u << 10)

static int check_options(const struct maplog_producer_options *options)
{
    int result = client_check_reserved(options->reserved, 4);
    if (result)
        return result;
    if ((unsigned)options->acks > MAPLOG_ACKS_DISK)
        return error_set(MAPLOG_INVALID, "acks %d is none of enum maplog_acks", (int)options->acks);
    if ((unsigned)options->compression > MAPLOG_COMPRESSION_ZSTD)
        return error_set(MAPLOG_INVALID, "compression %d is none of enum maplog_compression",
                         (int)options->compression);
    if (options->batch_bytes == 0 && options->compression != MAPLOG_COMPRESSION_NONE)
        return error_set(MAPLOG_INVALID, "compression works on batches: set batch_bytes too");
    if (options->linger_ms < 0 || (options->batch_bytes == 0 && options->linger_ms != 0))
        return error_set(MAPLOG_INVALID,
                         "linger_ms is %d; it is not negative and wants batch_bytes",
                         options->linger_ms);
    return 0;
}

/* Refuses durable acknowledgements where nothing is durable (I5). */
static int check_persistent(struct maplog_producer *producer)
{
    struct directory *directory = producer->directory;
    if (directory->kind != FILE_SYSTEM_MEMORY)
        return 0;
    if (producer->options.acks == MAPLOG_ACKS_DISK)
        return error_set(MAPLOG_NOT_PERSISTENT,
                         "MAPLOG_ACKS_DISK was asked for, but %s is in memory", directory->path);
    struct partition *partition;
    struct settings settings;
    uint64_t generation;
    int result = directory_partition(directory, producer->topic, 0, &partition);
    if (!result)
        result = partition_settings(partition, &settings, &generation);
    if (!result && settings.flush_messages == 1)
        result =
            error_set(MAPLOG_NOT_PERSISTENT, "topic %s has flush.messages=1, but %s is in memory",
                      producer->topic, directory->path);
    return result;
}

/* Fills a zeroed producer; what it took is given back by producer_free. */
static int producer_fill(struct maplog_producer *producer, const char *topic)
{
    struct directory *directory = producer->directory;
    producer->generation = &directory->view.control->header.settings_generation;
    producer->generation_seen = load_acquire(producer->generation);
    struct maplog_topic found;
    int result = directory_topic(directory, topic, &found);
    if (result)
        return result;
    memcpy(producer->topic, topic, strlen(topic) + 1);
    memcpy(producer->id, found.id, sizeof producer->id);
    result = check_persistent(producer);
    if (result)
        return result;
    producer->lanes = calloc((size_t)found.partitions, sizeof *producer->lanes);
    if (!producer->lanes)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %d partitions", (int)found.partitions);
    producer->partitions = found.partitions;
    uint32_t start = 0; /* producers that come and go fill all partitions evenly */
    if (producer->partitions > 1 && process_random(&start, sizeof start) == 0)
        producer->sticky = (int32_t)(start % (uint32_t)producer->partitions);
    return control_take_seat(&directory->view, &producer->seat);
}

static void producer_free(struct maplog_producer *producer)
{
    for (int32_t i = 0; i < producer->partitions; i++)
        lane_close(producer, producer->lanes[i]);
    free(producer->lanes);
    if (producer->seat != UINT32_MAX && !directory_forked(producer->directory))
        control_leave_seat(&producer->directory->view, producer->seat);
    client_drop(producer->log);
    handle_closed(&producer->handle);
    handle_free(producer);
}

int maplog_producer_open(struct maplog *log, const char *topic,
                         const struct maplog_producer_options *options,
                         struct maplog_producer **producer)
{
    int result = client_check(log);
    if (result)
        return result;
    if (!topic || !producer)
        return error_set(MAPLOG_INVALID, "maplog_producer_open: the topic or the result is NULL");
    struct maplog_producer_options all = {0};
    if (options)
        all = *options;
    int64_t timeout_ns;
    result = check_options(&all);
    if (!result)
        result = client_timeout_ns(all.timeout_ms, &timeout_ns);
    if (result)
        return result;
    if (log->directory->read_only)
        return error_set(MAPLOG_DENIED, "%s was opened read-only", log->directory->path);
    if (strcmp(topic, PROGRESS_TOPIC) == 0)
        return error_set(MAPLOG_DENIED, "only commits of groups are written to " PROGRESS_TOPIC);
    struct maplog_producer *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a producer");
    handle_init(&made->handle, HANDLE_PRODUCER);
    made->log = client_keep(log);
    made->directory = log->directory;
    made->options = all;
    made->timeout_ns = timeout_ns;
    made->seat = UINT32_MAX;
    result = producer_fill(made, topic);
    if (!result && all.linger_ms > 0)
        result = linger_begin(made);
    if (result) {
        producer_free(made);
        return result;
    }
    *producer = made;
    return 0;
}

/* Another process changed topics or settings: takes over what concerns this producer. */
static int refresh(struct maplog_producer *producer, uint64_t generation)
{
    producer->fast = NULL;
    struct maplog_topic found;
    int result = directory_topic(producer->directory, producer->topic, &found);
    if (result && result != MAPLOG_NOT_FOUND)
        return result;
    if (result || memcmp(found.id, producer->id, sizeof found.id) != 0) {
        producer->deleted = true;
    } else if (found.partitions > producer->partitions) {
        size_t old = (size_t)producer->partitions;
        size_t count = (size_t)found.partitions;
        struct lane **lanes = realloc(producer->lanes, count * sizeof *lanes);
        if (!lanes)
            return error_set(MAPLOG_NO_MEMORY, "no memory for %zu partitions", count);
        memset(lanes + old, 0, (count - old) * sizeof *lanes);
        producer->lanes = lanes;
        producer->partitions = found.partitions;
    }
    for (int32_t i = 0; !producer->deleted && i < producer->partitions; i++) {
        result = producer->lanes[i] ? lane_refresh(producer, producer->lanes[i]) : 0;
        if (result)
            return result;
    }
    producer->generation_seen = generation;
    return 0;
}

static void next_sticky(struct maplog_producer *producer)
{
    producer->sticky_records = 0;
    producer->sticky_bytes = 0;
    producer->sticky = (producer->sticky + 1) % producer->partitions;
}

/* The partition's share of records without keys is used up. */
static bool is_turn_over(const struct maplog_producer *producer)
{
    size_t batch_bytes = producer->options.batch_bytes;
    if (batch_bytes) /* as much as a batch, also where each goes before it is full: linger_ms */
        return producer->sticky_bytes >= batch_bytes;
    return producer->sticky_records >= STICKY_RECORDS || producer->sticky_bytes >= STICKY_BYTES;
}

/* Partition of a record without a key. A batch that is full goes first, so that the next one is
 * begun elsewhere. */
static int choose_sticky(struct maplog_producer *producer, const struct maplog_record *record,
                         int32_t *partition)
{
    struct lane *lane = producer->lanes[producer->sticky];
    if (producer->options.batch_bytes && lane && !lane_fits(lane, record)) {
        int result = record_check(record);
        if (!result)
            result = lane_publish(lane);
        if (!result)
            result = lane_acknowledge(producer, lane);
        if (result)
            return error_prefix(result, "this record was not taken");
        next_sticky(producer);
    } else if (is_turn_over(producer)) {
        next_sticky(producer);
    }
    producer->sticky_records++;
    producer->sticky_bytes += record->value_size;
    *partition = producer->sticky;
    return 0;
}

/* Does a record need nothing but the lane from now on? Changed settings end it: refresh(). */
static bool is_fast(const struct maplog_producer *producer, const struct lane *lane)
{
    return producer->partitions == 1 && producer->appends > LANE_KEEPER_AFTER &&
           !producer->lingers && producer->options.acks != MAPLOG_ACKS_DISK &&
           lane->appender.settings.flush_messages == INT64_MAX &&
           (lane->limit || lane->appender.settings_generation == producer->generation_seen);
}

/* Topics and settings as of now; MAPLOG_TOPIC_DELETED. */
static int look_around(struct maplog_producer *producer)
{
    uint64_t generation = load_acquire(producer->generation);
    if (__builtin_expect(generation != producer->generation_seen, 0)) {
        int result = refresh(producer, generation);
        if (result)
            return result;
    }
    return producer->deleted
               ? error_set(MAPLOG_TOPIC_DELETED, "topic %s was deleted", producer->topic)
               : 0;
}

static int take_lane(struct maplog_producer *producer, int32_t partition, struct lane **lane)
{
    if (partition < 0 || partition >= producer->partitions)
        return error_set(MAPLOG_NOT_FOUND, "topic %s has %d partitions, no number %d",
                         producer->topic, (int)producer->partitions, (int)partition);
    *lane = producer->lanes[partition];
    return *lane ? 0 : lane_open(producer, partition, lane);
}

/* partition -1: by the key, else in turns. */
static int produce_any(struct maplog_producer *producer, int32_t partition,
                       const struct maplog_record *record, int64_t *offset)
{
    int result = look_around(producer);
    if (result)
        return result;
    if (partition < 0) {
        partition = 0;
        if (__builtin_expect(record->key_size > INT32_MAX, 0))
            result = record_check(record); /* before it is hashed */
        else if (producer->partitions > 1 && record->key)
            partition = murmur2_partition(record->key, record->key_size, producer->partitions);
        else if (producer->partitions > 1)
            result = choose_sticky(producer, record, &partition);
        if (result)
            return result;
    }
    struct lane *lane;
    result = take_lane(producer, partition, &lane);
    if (result)
        return result;
    result = lane->limit ? lane_gather(producer, lane, record, offset)
                         : lane_append(producer, lane, record, offset);
    if (!result && is_fast(producer, lane))
        producer->fast = lane;
    return result;
}

static int produce_locked(struct maplog_producer *producer, int32_t partition,
                          const struct maplog_record *record, int64_t *offset)
{
    if (!producer->lingers)
        return produce_any(producer, partition, record, offset);
    pthread_mutex_lock(&producer->lock);
    int result = produce_any(producer, partition, record, offset);
    pthread_mutex_unlock(&producer->lock);
    return result;
}

static __attribute__((cold)) int no_record(void)
{
    return error_set(MAPLOG_INVALID, "the record is NULL");
}

int maplog_produce(struct maplog_producer *producer, const struct maplog_record *record,
                   int64_t *offset)
{
    int result = producer_check(producer);
    if (__builtin_expect(result, 0))
        return result;
    HANDLE_ENTER(&producer->handle, HANDLE_PRODUCER);
    if (__builtin_expect(!record, 0))
        return no_record();
    struct lane *lane = producer->fast;
    if (__builtin_expect(lane && load_acquire(producer->generation) == producer->generation_seen,
                         1)) {
        if (lane->limit)
            return lane_gather(producer, lane, record, offset);
        return appender_append_record(&lane->appender, record, keeper_now_ms(producer->directory),
                                      offset);
    }
    return produce_locked(producer, -1, record, offset);
}

int maplog_produce_to(struct maplog_producer *producer, int32_t partition,
                      const struct maplog_record *record, int64_t *offset)
{
    int result = producer_check(producer);
    if (__builtin_expect(result, 0))
        return result;
    HANDLE_ENTER(&producer->handle, HANDLE_PRODUCER);
    if (!record)
        return no_record();
    if (partition < 0)
        return error_set(MAPLOG_INVALID, "partition %d", (int)partition);
    return produce_locked(producer, partition, record, offset);
}

int maplog_prepare(struct maplog_producer *producer, int32_t partition, uint64_t bytes)
{
    int result = producer_check(producer);
    if (__builtin_expect(result, 0))
        return result;
    HANDLE_ENTER(&producer->handle, HANDLE_PRODUCER);
    if (producer->lingers)
        pthread_mutex_lock(&producer->lock);
    struct lane *lane;
    result = look_around(producer);
    if (!result)
        result = take_lane(producer, partition, &lane);
    if (!result)
        result = appender_prepare(&lane->appender, bytes);
    if (producer->lingers)
        pthread_mutex_unlock(&producer->lock);
    return result;
}

static int flush_all(struct maplog_producer *producer)
{
    int first = 0;
    /* All are published before the first wait, so that they share the time on disk. */
    for (int32_t i = 0; i < producer->partitions; i++) {
        int result = producer->lanes[i] ? lane_publish(producer->lanes[i]) : 0;
        first = first ? first : result;
    }
    for (int32_t i = 0; !first && i < producer->partitions; i++)
        first = producer->lanes[i] ? lane_acknowledge(producer, producer->lanes[i]) : 0;
    return first;
}

int maplog_flush(struct maplog_producer *producer)
{
    int result = producer_check(producer);
    if (__builtin_expect(result, 0))
        return result;
    HANDLE_ENTER(&producer->handle, HANDLE_PRODUCER);
    if (!producer->lingers)
        return flush_all(producer);
    pthread_mutex_lock(&producer->lock);
    result = flush_all(producer);
    pthread_mutex_unlock(&producer->lock);
    return result;
}

int maplog_producer_close(struct maplog_producer *producer)
{
    if (!producer)
        return 0;
    int result = producer_check(producer);
    if (result) {
        producer_free(producer);
        return result;
    }
    result = maplog_flush(producer);
    handle_idle(&producer->handle, HANDLE_PRODUCER);
    if (producer->lingers)
        linger_end(producer);
    producer_free(producer);
    return result;
}
