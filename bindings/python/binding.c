/* binding.c - many records in one call; part of the extension module, see binding.h. */
#include <maplog.h>
#include <maplog_file.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"

#define FIRST_CAPACITY 16

/* Takes the hold over. NULL: no memory. */
static struct binding_run *run_make(struct maplog_hold *hold)
{
    struct binding_run *run = calloc(1, sizeof *run);
    struct maplog_message *messages = malloc(FIRST_CAPACITY * sizeof *messages);
    if (!run || !messages) {
        free(run);
        free(messages);
        return NULL;
    }
    run->hold = hold;
    run->messages = messages;
    run->capacity = FIRST_CAPACITY;
    return run;
}

void binding_run_free(struct binding_run *run)
{
    if (!run)
        return;
    maplog_release(run->hold);
    free(run->messages);
    free(run);
}

static bool run_grow(struct binding_run *run)
{
    if (run->count < run->capacity)
        return true;
    size_t capacity = 2 * (size_t)run->capacity;
    struct maplog_message *messages = realloc(run->messages, capacity * sizeof *messages);
    if (!messages)
        return false;
    run->messages = messages;
    run->capacity = (int32_t)capacity;
    return true;
}

static void widen(struct binding_run *run, const void *piece, size_t size)
{
    const char *begin = piece, *end = begin + size;
    if (!piece)
        return;
    const char *old_end = run->base + run->size;
    if (!run->base) {
        run->base = begin;
        old_end = end;
    }
    run->base = begin < run->base ? begin : run->base;
    run->size = (size_t)((end > old_end ? end : old_end) - run->base);
}

static void run_put(struct binding_run *run, const struct maplog_message *message)
{
    run->messages[run->count++] = *message;
    widen(run, message->key, message->key_size);
    widen(run, message->value, message->value_size);
    widen(run, message->headers, message->headers_size);
}

/* Holds the message that was just taken; without memory for it, it is left to be taken again. */
static int hold_or_return(struct binding_reader *reader, const struct maplog_message *message,
                          struct maplog_hold **hold)
{
    int result = maplog_hold(reader->consumer, hold);
    if (result)
        maplog_seek(reader->consumer, message->partition, message->offset);
    return result;
}

/* The first message of a run, and the hold that keeps it. */
static int first_message(struct binding_reader *reader, int timeout_ms,
                         struct maplog_message *message, struct maplog_hold **hold)
{
    if (reader->hold) {
        *hold = reader->hold;
        *message = reader->ahead;
        reader->hold = NULL;
        return 1;
    }
    int result = maplog_consume(reader->consumer, message, timeout_ms);
    if (result != 1)
        return result;
    result = hold_or_return(reader, message, hold);
    return result ? result : 1;
}

int binding_fetch(struct binding_reader *reader, int32_t limit, size_t bytes, int timeout_ms,
                  struct binding_run **run)
{
    struct maplog_message message;
    struct maplog_hold *hold;
    int result = first_message(reader, timeout_ms, &message, &hold);
    if (result != 1)
        return result;
    struct binding_run *made = run_make(hold);
    if (!made) {
        maplog_seek(reader->consumer, message.partition, message.offset);
        maplog_release(hold);
        return MAPLOG_NO_MEMORY;
    }
    run_put(made, &message);
    while (made->count < limit && made->size < bytes && run_grow(made)) {
        /* An error ends the run; it comes again with the next one. */
        if (maplog_consume(reader->consumer, &message, 0) != 1)
            break;
        if (!maplog_hold_covers(made->hold, reader->consumer)) {
            if (hold_or_return(reader, &message, &reader->hold) == 0)
                reader->ahead = message;
            break;
        }
        run_put(made, &message);
    }
    if (!made->base)
        made->base = ""; /* nulls only */
    *run = made;
    return 1;
}

ptrdiff_t binding_run_place(const struct binding_run *run, const void *piece)
{
    return piece ? (const char *)piece - run->base : -1;
}

void binding_run_values(const struct binding_run *run, int64_t *starts, int64_t *ends)
{
    for (int32_t i = 0; i < run->count; i++) {
        const struct maplog_message *message = &run->messages[i];
        starts[i] = message->value ? (const char *)message->value - run->base : -1;
        ends[i] = starts[i] + (int64_t)message->value_size;
    }
}

int binding_rewind(struct binding_reader *reader, const struct binding_run *run, int32_t index)
{
    int result = 0;
    if (reader->hold) {
        result = maplog_seek(reader->consumer, reader->ahead.partition, reader->ahead.offset);
        maplog_release(reader->hold);
        reader->hold = NULL;
    }
    /* Of the same partition it is the earlier one. */
    if (!result && run && index < run->count)
        result = maplog_seek(reader->consumer, run->messages[index].partition,
                             run->messages[index].offset);
    return result;
}

int binding_position(struct binding_reader *reader, const struct binding_run *run, int32_t index,
                     int32_t partition, int64_t *offset)
{
    int result = maplog_position(reader->consumer, partition, offset);
    if (result)
        return result;
    if (run && index < run->count && run->messages[index].partition == partition)
        *offset = run->messages[index].offset;
    else if (reader->hold && reader->ahead.partition == partition)
        *offset = reader->ahead.offset;
    return 0;
}

void binding_reader_close(struct binding_reader *reader)
{
    maplog_release(reader->hold);
    maplog_consumer_close(reader->consumer);
    *reader = (struct binding_reader){0};
}

struct copy {
    void *to;
    const void *from;
    size_t size;
};

static int copy_bytes(void *context)
{
    struct copy *copy = context;
    if (copy->size)
        memcpy(copy->to, copy->from, copy->size);
    return 0;
}

int binding_file_copy(struct maplog_file *file, void *to, const void *from, size_t size)
{
    struct copy copy = {.to = to, .from = from, .size = size};
    return maplog_file_guard(file, copy_bytes, &copy);
}

int64_t binding_produce(struct maplog_producer *producer, int32_t partition, const char *key,
                        ptrdiff_t key_size, const char *value, ptrdiff_t value_size)
{
    struct maplog_record record = {
        .key = key_size < 0 ? NULL : key,
        .key_size = key_size < 0 ? 0 : (size_t)key_size,
        .value = value_size < 0 ? NULL : value,
        .value_size = value_size < 0 ? 0 : (size_t)value_size,
    };
    int64_t offset = -1;
    int result = partition < 0 ? maplog_produce(producer, &record, &offset)
                               : maplog_produce_to(producer, partition, &record, &offset);
    return result ? BINDING_ERROR + result : offset;
}

static int produce_one(struct maplog_producer *producer, int32_t partition,
                       const struct maplog_record *record)
{
    return partition < 0 ? maplog_produce(producer, record, NULL)
                         : maplog_produce_to(producer, partition, record, NULL);
}

int binding_produce_rows(struct maplog_producer *producer, const struct binding_rows *rows,
                         int64_t *done)
{
    const char *key = rows->keys, *value = rows->values;
    struct maplog_record record = {.timestamp = rows->timestamp};
    for (*done = 0; *done < rows->count; (*done)++) {
        int64_t key_size = rows->key_sizes ? rows->key_sizes[*done] : -1;
        int64_t value_size = rows->value_sizes ? rows->value_sizes[*done] : rows->value_size;
        record.key = key_size < 0 ? NULL : key;
        record.key_size = key_size < 0 ? 0 : (size_t)key_size;
        record.value = value_size < 0 ? NULL : value;
        record.value_size = value_size < 0 ? 0 : (size_t)value_size;
        int result = produce_one(producer, rows->partition, &record);
        if (result)
            return result;
        key += record.key_size;
        value += record.value_size;
    }
    return 0;
}

int binding_produce_slices(struct maplog_producer *producer, const struct binding_rows *rows,
                           const int64_t *offsets, int64_t *done)
{
    struct maplog_record record = {.timestamp = rows->timestamp};
    for (*done = 0; *done < rows->count; (*done)++) {
        /* Read once: another thread of the caller may write there. */
        int64_t begin = __atomic_load_n(&offsets[*done], __ATOMIC_RELAXED);
        int64_t end = __atomic_load_n(&offsets[*done + 1], __ATOMIC_RELAXED);
        if (begin < 0 || begin > end || end > rows->size)
            return BINDING_ERROR;
        record.value = rows->values + begin;
        record.value_size = (size_t)(end - begin);
        int result = produce_one(producer, rows->partition, &record);
        if (result)
            return result;
    }
    return 0;
}
