/* consumer.c - consuming; see <maplog.h>. */
#include "client/consumer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/clock.h"

/* A sleeping consumer looks this often for partitions that were added or let go of. */
#define IDLE_SLICE_NS (1000 * 1000000ll)
/* A busy one after so many batches. */
#define CLAIM_EVERY 4096
/* A partition gives so many batches, or so many times 4 KiB, before the next one's turn. */
#define TURN_SHORTEST 64
#define TURN_BYTES_SHIFT 12
/* See ease_off. */
#define DENSE_NS 250
#define EASE_NS 1000

static int check_options(const struct maplog_consumer_options *options)
{
    int result = client_check_reserved(options->reserved, 4);
    if (result)
        return result;
    if (options->group && (options->group[0] == 0 || strlen(options->group) > LIMIT_GROUP_NAME))
        return error_set(MAPLOG_INVALID, "a group name has 1 to %d bytes", LIMIT_GROUP_NAME);
    if (!options->partitions != !options->partition_count)
        return error_set(MAPLOG_INVALID, "the list of partitions is %s, their count %zu",
                         options->partitions ? "given" : "NULL", options->partition_count);
    return 0;
}

/* The partitions that the caller lists, or all. */
static int add_partitions(struct maplog_consumer *consumer,
                          const struct maplog_consumer_options *options)
{
    if (!options->partitions) {
        consumer->all = true;
        int result = sources_claim_free(consumer);
        if (result < 0)
            return result;
        return consumer->count ? 0
                               : error_set(MAPLOG_GROUP_BUSY,
                                           "other consumers of group %s have all partitions of %s",
                                           consumer->group, consumer->topic);
    }
    for (size_t i = 0; i < options->partition_count; i++) {
        int32_t number = options->partitions[i];
        if (number < 0 || number >= consumer->partitions)
            return error_set(MAPLOG_NOT_FOUND, "topic %s has %d partitions, no number %d",
                             consumer->topic, (int)consumer->partitions, (int)number);
        if (consumer->by_number[number])
            return error_set(MAPLOG_INVALID, "partition %d is listed twice", (int)number);
        int result = sources_add(consumer, number, false);
        if (result < 0)
            return result;
        if (result == 0)
            return error_set(MAPLOG_GROUP_BUSY,
                             "another consumer of group %s has partition %d of %s", consumer->group,
                             (int)number, consumer->topic);
    }
    return 0;
}

/* Fills a zeroed consumer; what it took is given back by maplog_consumer_close(). */
static int consumer_fill(struct maplog_consumer *consumer, const char *topic,
                         const struct maplog_consumer_options *options)
{
    struct directory *directory = consumer->directory;
    consumer->generation = &directory->view.control->header.settings_generation;
    consumer->generation_seen = load_acquire(consumer->generation);
    struct maplog_topic found;
    int result = directory_topic(directory, topic, &found);
    if (result)
        return result;
    memcpy(consumer->topic, topic, strlen(topic) + 1);
    memcpy(consumer->id, found.id, sizeof consumer->id);
    result = sources_know(consumer, found.partitions);
    if (result)
        return result;
    consumer->at_end = options->at_end != 0;
    consumer->check_crcs = options->check_crcs != 0;
    if (options->group) {
        if (directory->read_only)
            return error_set(MAPLOG_DENIED, "a group wants to write, but %s was opened read-only",
                             directory->path);
        consumer->group = strdup(options->group);
        if (!consumer->group)
            return error_set(MAPLOG_NO_MEMORY, "no memory for a consumer");
    }
    return add_partitions(consumer, options);
}

int maplog_consumer_open(struct maplog *log, const char *topic,
                         const struct maplog_consumer_options *options,
                         struct maplog_consumer **consumer)
{
    int result = client_check(log);
    if (result)
        return result;
    if (!topic || !consumer)
        return error_set(MAPLOG_INVALID, "maplog_consumer_open: the topic or the result is NULL");
    struct maplog_consumer_options all = {0};
    if (options)
        all = *options;
    result = check_options(&all);
    if (result)
        return result;
    struct maplog_consumer *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a consumer");
    handle_init(&made->handle, HANDLE_CONSUMER);
    made->log = client_keep(log);
    made->directory = log->directory;
    made->claim_fd = -1;
    result = consumer_fill(made, topic, &all);
    if (result) {
        maplog_consumer_close(made);
        return result;
    }
    *consumer = made;
    return 0;
}

void maplog_consumer_close(struct maplog_consumer *consumer)
{
    if (!consumer)
        return;
    handle_check(&consumer->handle, HANDLE_CONSUMER);
    if (!directory_forked(consumer->directory))
        handle_idle(&consumer->handle, HANDLE_CONSUMER);
    handle_closed(&consumer->handle);
    notifier_end(consumer->notifier);
    for (size_t i = 0; i < consumer->count; i++)
        sources_free(consumer->sources[i]);
    free(consumer->sources);
    free(consumer->by_number);
    /* A forked child's descriptor is closed already, and the number may be another file's. */
    if (!directory_forked(consumer->directory))
        progress_unclaim(consumer->claim_fd);
    free(consumer->watches);
    free(consumer->group);
    unpacked_drop(consumer->unpacked);
    client_drop(consumer->log);
    handle_free(consumer);
}

/* Adds the place to the error of a batch, and goes back before the record that was wanted: the next
 * call meets the same error, until the caller seeks. */
static int damaged(struct maplog_consumer *consumer, struct source *source, int code)
{
    const struct segment *segment = source->reader.segment;
    char path[LIMIT_TOPIC_NAME + 64];
    segment_path(source->partition, segment->base, SEGMENT_LOG_SUFFIX, path, sizeof path);
    int result = error_prefix(code, "%s/%s position %td", consumer->directory->path, path,
                              consumer->batch.bytes - segment->log);
    reader_seek(&source->reader, source->position);
    consumer->source = NULL;
    return result;
}

/* Memory for decompressed records that no hold has. */
static int own_unpacked(struct maplog_consumer *consumer)
{
    struct unpacked *unpacked = consumer->unpacked;
    if (unpacked && load_acquire(&unpacked->references) == 1)
        return 0;
    struct unpacked *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory to decompress records");
    made->references = 1;
    unpacked_drop(unpacked);
    consumer->unpacked = made;
    return 0;
}

/* Makes the batch that was just read the present one, unless it has nothing to hand out. */
static int open_batch(struct maplog_consumer *consumer, struct source *source)
{
    const struct batch *batch = &consumer->batch;
    if (batch->records == 0 || (batch->attributes & ATTRIBUTE_CONTROL)) {
        source->position = batch->last_offset + 1;
        return 0;
    }
    int result = 0;
    if (consumer->check_crcs)
        result = batch_check_crc(batch);
    const void *records = batch->bytes + BATCH_HEADER_BYTES;
    size_t size = batch->size - BATCH_HEADER_BYTES;
    consumer->last_unpacked = batch_codec(batch) != MAPLOG_COMPRESSION_NONE;
    if (!result && consumer->last_unpacked) {
        result = own_unpacked(consumer);
        if (!result)
            result = codec_open_batch(batch, &consumer->unpacked->buffer, &records, &size);
    }
    if (result)
        return damaged(consumer, source, result);
    record_begin(&consumer->cursor, batch, records, size);
    consumer->source = source;
    source->from_begin = false;
    return 0;
}

/* Next batch of one source: 1, 0 none, or an error. */
static int take_batch(struct maplog_consumer *consumer, struct source *source)
{
    int result = reader_next(&source->reader, &consumer->batch);
    while (result == MAPLOG_OFFSET_OUT_OF_RANGE && source->from_begin) {
        int64_t start = partition_start(source->partition);
        if (start <= source->position)
            break;
        source->position = start; /* retention was faster than the first read */
        reader_seek(&source->reader, start);
        result = reader_next(&source->reader, &consumer->batch);
    }
    if (result != 1)
        return result;
    result = open_batch(consumer, source);
    return result ? result : 1;
}

/* The next source is asked first from now on. */
static void end_turn(struct maplog_consumer *consumer)
{
    consumer->turn = consumer->turn + 1 < consumer->count ? consumer->turn + 1 : 0;
    /* So long that looking at all the others, in vain, costs less than the batches did. */
    consumer->patience = TURN_SHORTEST + (uint32_t)consumer->count;
}

/* A batch was taken from the source whose turn it is. */
static inline void spend_turn(struct maplog_consumer *consumer, uint32_t bytes)
{
    uint32_t cost = 1 + (bytes >> TURN_BYTES_SHIFT);
    if (__builtin_expect(consumer->patience <= cost, 0))
        end_turn(consumer);
    else
        consumer->patience -= cost;
}

/* Next batch of any source, in turns: 1, 0 when all are at their ends, or an error. */
static int next_batch(struct maplog_consumer *consumer)
{
    bool deleted = false;
    if (__builtin_expect(consumer->batches++ % CLAIM_EVERY == 0 && consumer->group, 0)) {
        int result = consumer->all ? sources_claim_free(consumer) : 0;
        if (result < 0)
            return result;
    }
    for (size_t i = 0; i < consumer->count; i++) {
        int result = take_batch(consumer, consumer->sources[consumer->turn]);
        if (result == 1) {
            spend_turn(consumer, consumer->batch.size);
            return 1;
        }
        end_turn(consumer);
        if (result == MAPLOG_TOPIC_DELETED)
            deleted = true; /* told when all that is readable was read */
        else if (result != 0)
            return result;
    }
    return deleted ? error_set(MAPLOG_TOPIC_DELETED, "topic %s was deleted", consumer->topic) : 0;
}

/* All records of the present batch were handed out. */
static inline void end_batch(struct maplog_consumer *consumer)
{
    consumer->source->position = consumer->batch.last_offset + 1;
    consumer->source = NULL;
}

/* Next record of the present batch: 1, 0 behind the last, or an error. */
static inline int next_record(struct maplog_consumer *consumer, struct maplog_message *message)
{
    struct source *source = consumer->source;
    struct record record;
    int result;
    while ((result = record_next(&consumer->cursor, &record)) == 1) {
        if (__builtin_expect(record.offset < source->position, 0))
            continue;
        message->key = record.key;
        message->value = record.value;
        message->key_size = record.key_size;
        message->value_size = record.value_size;
        message->offset = record.offset;
        message->timestamp = record.timestamp;
        message->partition = source->number;
        message->leader_epoch = consumer->batch.leader_epoch;
        message->header_count = record.header_count;
        message->timestamp_type = consumer->cursor.log_append_time;
        message->headers = record.headers;
        message->headers_size = record.headers_size;
        source->position = record.offset + 1;
        consumer->last = source;
        return 1;
    }
    if (result < 0)
        return damaged(consumer, source, result);
    end_batch(consumer);
    return 0;
}

/* While records come thick and fast, each look at the commit word takes its cache line, and that of
 * the newest record, away from the writer: a reader that keeps pace would halve the writer's speed.
 * So it lets a few gather, as long as the last ones came less than DENSE_NS apart. */
static void ease_off(struct maplog_consumer *consumer)
{
    uint64_t came = consumer->batches - consumer->eased_batches - 1; /* the look in vain counts */
    consumer->eased_batches = consumer->batches;
    if (came == 0)
        return;
    uint64_t per_us = clock_ticks_per_us(), now = clock_ticks();
    if ((now - consumer->eased_ticks) * 1000 < came * DENSE_NS * per_us)
        while (clock_ticks() - now < per_us * EASE_NS / 1000)
            order_pause();
    consumer->eased_ticks = now;
}

/* Nothing to read: waits. 1 look again, 0 the time is over. *deadline 0: not yet computed. */
static int idle(struct maplog_consumer *consumer, int timeout_ms, int64_t *deadline)
{
    int result = sources_refresh(consumer);
    if (result)
        return result;
    ease_off(consumer);
    if (consumer->notifier)
        notifier_arm(consumer->notifier, consumer);
    if (timeout_ms == 0)
        return 0;
    int64_t wait = IDLE_SLICE_NS;
    if (timeout_ms > 0) {
        int64_t now = clock_monotonic_ns();
        if (*deadline == 0)
            *deadline = now + (int64_t)timeout_ms * 1000000;
        if (now >= *deadline)
            return 0;
        if (*deadline - now < wait)
            wait = *deadline - now;
    }
    for (size_t i = 0; i < consumer->count; i++)
        reader_watch(&consumer->sources[i]->reader, &consumer->watches[i]);
    result =
        bell_wait(&consumer->directory->view, consumer->watches, (unsigned)consumer->count, wait);
    if (result == MAPLOG_TIMED_OUT && consumer->group && consumer->all)
        result = sources_claim_free(consumer);
    return result < 0 && result != MAPLOG_TIMED_OUT ? result : 1;
}

/* Every way: keys and headers, compressed batches, waiting. */
static __attribute__((noinline)) int consume_any(struct maplog_consumer *consumer,
                                                 struct maplog_message *message, int timeout_ms)
{
    int64_t deadline = 0;
    consumer->last = NULL;
    for (;;) {
        int result;
        if (consumer->source) {
            result = next_record(consumer, message);
            if (result)
                return result;
        }
        result = next_batch(consumer);
        if (__builtin_expect(result == 0, 0))
            result = idle(consumer, timeout_ms, &deadline);
        if (result <= 0)
            return result;
    }
}

/* Fills the message with a record that has neither key nor headers. */
static inline void give_value(struct maplog_message *message, const uint8_t *value, size_t size)
{
    message->key = NULL;
    message->value = value;
    message->key_size = 0;
    message->value_size = size;
    message->header_count = 0;
    message->headers = NULL;
    message->headers_size = 0;
}

/* The next record of the present batch, if it is a plain one: the short way. */
static __attribute__((noinline)) int quick_record(struct maplog_consumer *consumer,
                                                  struct maplog_message *message, int timeout_ms)
{
    struct source *source = consumer->source;
    struct record_cursor *cursor = &consumer->cursor;
    struct record_plain plain;
    const uint8_t *end = record_take_plain(cursor->in.at, cursor->in.end, &plain);
    if (!end || plain.offset_delta > (uint32_t)cursor->last_offset_delta)
        return consume_any(consumer, message, timeout_ms);
    int64_t offset = cursor->base_offset + plain.offset_delta;
    if (__builtin_expect(offset < source->position, 0))
        return consume_any(consumer, message, timeout_ms);
    cursor->in.at = end;
    cursor->left--;
    give_value(message, plain.value, plain.value_size);
    message->offset = offset;
    message->timestamp = cursor->log_append_time ? cursor->append_timestamp
                                                 : cursor->base_timestamp + plain.time_delta;
    message->partition = source->number;
    message->leader_epoch = consumer->batch.leader_epoch;
    message->timestamp_type = cursor->log_append_time;
    source->position = offset + 1;
    consumer->last = source;
    return 1;
}

#define UNUSUAL (ATTRIBUTE_CODEC | ATTRIBUTE_CONTROL)

/* The next batch of the source whose turn it is, if it holds one plain record: the short way of a
 * record that was produced by itself. */
static __attribute__((noinline)) int quick_batch(struct maplog_consumer *consumer,
                                                 struct maplog_message *message, int timeout_ms)
{
    struct source *source = consumer->sources[consumer->turn];
    struct batch batch;
    if (consumer->check_crcs || consumer->batches % CLAIM_EVERY == 0 ||
        !reader_peek(&source->reader, &batch) || batch.records != 1 ||
        batch.base_offset != batch.last_offset || (batch.attributes & UNUSUAL))
        return consume_any(consumer, message, timeout_ms);
    size_t size;
    const uint8_t *value =
        record_only_value(batch.bytes + BATCH_HEADER_BYTES, batch.size - BATCH_HEADER_BYTES, &size);
    if (!value)
        return consume_any(consumer, message, timeout_ms);
    reader_take(&source->reader, &batch);
    consumer->batches++;
    spend_turn(consumer, batch.size);
    give_value(message, value, size);
    message->offset = batch.base_offset;
    message->timestamp_type = (batch.attributes & ATTRIBUTE_LOG_APPEND_TIME) != 0;
    message->timestamp = message->timestamp_type ? batch.max_timestamp : batch.base_timestamp;
    message->partition = source->number;
    message->leader_epoch = batch.leader_epoch;
    source->position = batch.base_offset + 1;
    source->from_begin = false;
    consumer->last = source;
    consumer->last_unpacked = false;
    return 1;
}

static __attribute__((cold)) int no_message(void)
{
    return error_set(MAPLOG_INVALID, "the message is NULL");
}

int maplog_consume(struct maplog_consumer *consumer, struct maplog_message *message, int timeout_ms)
{
    int result = consumer_check(consumer);
    if (__builtin_expect(result, 0))
        return result;
    if (__builtin_expect(!message, 0))
        return no_message();
    HANDLE_ENTER(&consumer->handle, HANDLE_CONSUMER);
    if (consumer->source) {
        if (consumer->cursor.left > 0)
            return quick_record(consumer, message, timeout_ms);
        if (bytes_left(&consumer->cursor.in) > 0)
            return consume_any(consumer, message, timeout_ms);
        end_batch(consumer);
    }
    return quick_batch(consumer, message, timeout_ms);
}

int maplog_message_header(const struct maplog_message *message, int32_t index, const char **name,
                          size_t *name_size, const void **value, size_t *value_size)
{
    if (!message)
        return no_message();
    if (!name || !name_size || !value || !value_size)
        return error_set(MAPLOG_INVALID, "maplog_message_header: a result is NULL");
    if (index < 0 || index >= message->header_count)
        return error_set(MAPLOG_NOT_FOUND, "the record has %d headers, no number %d",
                         (int)message->header_count, (int)index);
    struct bytes in = bytes_over(message->headers, message->headers_size);
    for (int32_t i = 0; i <= index; i++) {
        int result = record_header_next(&in, name, name_size, value, value_size);
        if (result != 1)
            return result ? result
                          : error_set(MAPLOG_CORRUPT, "the record ends before header %d", (int)i);
    }
    return 0;
}
