/*
 * load_lines.c - the lines of mapped files become records on all CPUs.
 *
 * Workers take consecutive chunks of the files. A line belongs to the chunk in which it begins, so
 * no chunk waits for the one before it to be searched. A worker splits its chunk and builds
 * finished batches (encoded, compressed, checksummed) in its own memory; then it waits for the
 * chunk's turn, and appends. So only copying into the log is done by one at a time, and records
 * come in order.
 */
#define _GNU_SOURCE 1
#include "cmd/load.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/lines.h"
#include "base/murmur2.h"
#include "client/producer.h"
#include "cmd/inputs.h"
#include "cmd/report.h"
#include "os/clock.h"
#include "os/futex.h"
#include "os/guard.h"
#include "os/process.h"
#include "os/thread.h"

#define CHUNK_BYTES (1u << 20)
#define CHUNK_LINES 4096 /* line ends found at a time */
#define WORKERS_MAX 32   /* appending is one at a time: more would only wait */
/* More than a record without key and headers takes besides its value. */
#define VALUE_OVERHEAD 128

struct load {
    maplog_producer *producer;
    const struct produce_how *how;
    struct meter *meter;
    size_t batch_bytes; /* largest batch */
    bool plain;         /* records have neither keys nor headers */

    struct inputs inputs;
    _Atomic uint32_t turn;   /* ticket of the chunk that may be appended */
    _Atomic uint32_t failed; /* nothing is appended any more */
    int error;               /* of the first failure, and its text; by whose turn it is */
    char error_text[ERROR_TEXT_SIZE];
};

/* A batch under work. */
struct part {
    struct builder builder;
    int32_t partition;
    uint64_t position; /* of its first line in the file */
    uint8_t *batch;    /* finished */
    size_t size;
};

struct worker {
    struct load *load;
    struct chunk chunk;
    int32_t partition; /* of records without key */
    int64_t timestamp;
    uint64_t records;
    struct part *parts; /* in the order of their making; memory is used again */
    size_t part_count, part_capacity;
    size_t *open; /* by partition: 1 + the part that is not full; 0: none */
    int32_t partitions;
};

/* ---- building -------------------------------------------------------------------------------- */

static int begin_part(struct worker *worker, int32_t partition, uint64_t position)
{
    if (worker->part_count == worker->part_capacity) {
        size_t capacity = worker->part_capacity ? worker->part_capacity * 2 : 16;
        struct part *parts = realloc(worker->parts, capacity * sizeof *parts);
        if (!parts)
            return error_set(MAPLOG_NO_MEMORY, "no memory for batches");
        worker->parts = parts;
        for (size_t i = worker->part_capacity; i < capacity; i++)
            builder_init(&parts[i].builder, worker->load->producer->options.compression);
        worker->part_capacity = capacity;
    }
    struct part *part = &worker->parts[worker->part_count++];
    builder_clear(&part->builder);
    part->partition = partition;
    part->position = position;
    worker->open[partition] = worker->part_count;
    return 0;
}

/* The open part of the partition, a new one when the record does not fit. */
static int part_for(struct worker *worker, int32_t partition, const struct maplog_record *record,
                    uint64_t position, struct builder **builder)
{
    size_t at = worker->open[partition];
    bool fits = false;
    if (at) {
        *builder = &worker->parts[at - 1].builder;
        fits = worker->load->plain && record->value_size < worker->load->batch_bytes &&
               (*builder)->size + record->value_size + VALUE_OVERHEAD <= worker->load->batch_bytes;
        if (!fits)
            fits =
                builder_size_with(*builder, record, worker->timestamp) <= worker->load->batch_bytes;
    }
    if (fits)
        return 0;
    int result = begin_part(worker, partition, position);
    if (!result)
        *builder = &worker->parts[worker->part_count - 1].builder;
    return result;
}

static int add_line(struct worker *worker, const char *line, size_t size)
{
    struct load *load = worker->load;
    uint64_t position = (uint64_t)(line - worker->chunk.input->text);
    struct maplog_record record;
    struct builder *builder;
    load_record(load->how, line, size, &record);
    int32_t partition = worker->partition;
    if (record.key && load->how->partition < 0 && worker->partitions > 1)
        partition = murmur2_partition(record.key, record.key_size, worker->partitions);
    int result = load->plain ? 0 : record_check(&record);
    if (!result)
        result = part_for(worker, partition, &record, position, &builder);
    if (!result)
        result = load->plain ? builder_add_value(builder, line, size, worker->timestamp)
                             : builder_add(builder, &record, worker->timestamp);
    worker->records++;
    return result ? error_prefix(result, "%s: the line at byte %llu", worker->chunk.input->path,
                                 (unsigned long long)position)
                  : 0;
}

/* Where the first line begins that begins in the chunk; worker->chunk.end when none does. */
static uint64_t first_line(const struct worker *worker)
{
    if (worker->chunk.begin == 0)
        return 0;
    const char *from = worker->chunk.input->text + worker->chunk.begin - 1;
    const char *newline = memchr(from, '\n', worker->chunk.end - worker->chunk.begin + 1);
    return newline ? (uint64_t)(newline + 1 - worker->chunk.input->text) : worker->chunk.end;
}

/* Splits the chunk; within guard_run. */
static int split(void *context)
{
    struct worker *worker = context;
    const char *text = worker->chunk.input->text;
    uint64_t at = first_line(worker);
    uint64_t searched = at;
    uint32_t ends[CHUNK_LINES];
    size_t found = CHUNK_LINES;
    while (found == CHUNK_LINES && searched < worker->chunk.end) {
        uint64_t base = searched;
        found = lines_find(text + base, worker->chunk.end - base, ends, CHUNK_LINES);
        for (size_t i = 0; i < found; i++) {
            int result = add_line(worker, text + at, base + ends[i] - at);
            if (result)
                return result;
            at = base + ends[i] + 1;
        }
        searched = at;
    }
    if (at >= worker->chunk.end)
        return 0;
    /* The last line goes on behind the chunk. */
    const char *rest = text + worker->chunk.end;
    const char *newline = memchr(rest, '\n', worker->chunk.input->size - worker->chunk.end);
    uint64_t end = newline ? (uint64_t)(newline - text) : worker->chunk.input->size;
    return add_line(worker, text + at, end - at);
}

static int finish_parts(struct worker *worker)
{
    int result = 0;
    for (size_t i = 0; !result && i < worker->part_count; i++) {
        struct part *part = &worker->parts[i];
        result = builder_finish(&part->builder, &part->batch, &part->size);
    }
    return result;
}

static int build(struct worker *worker)
{
    const struct load *load = worker->load;
    struct input *input = worker->chunk.input;
    worker->timestamp = clock_wall_ms();
    worker->records = 0;
    worker->part_count = 0;
    worker->partition = load->how->partition >= 0
                            ? load->how->partition
                            : (int32_t)(worker->chunk.number % (size_t)worker->partitions);
    memset(worker->open, 0, (size_t)worker->partitions * sizeof *worker->open);
    int result = guard_run(input->text, input->size, input->path, split, worker);
    if (!result)
        result = inputs_check(input);
    return result ? result : finish_parts(worker);
}

/* ---- appending, in turn ---------------------------------------------------------------------- */

static void wait_for_turn(struct worker *worker)
{
    _Atomic uint32_t *turn = &worker->load->turn;
    uint32_t seen;
    while ((seen = load_acquire(turn)) != worker->chunk.ticket) /* pairs with pass_turn */
        futex_wait((const uint32_t *)turn, seen, -1);
}

static void pass_turn(struct worker *worker)
{
    store_release(&worker->load->turn, worker->chunk.ticket + 1);
    futex_wake_all((const uint32_t *)&worker->load->turn);
}

static int append_part(struct load *load, struct part *part)
{
    maplog_producer *producer = load->producer;
    struct lane *lane = producer->lanes[part->partition];
    int result = lane ? 0 : lane_open(producer, part->partition, &lane);
    if (result)
        return result;
    struct appended appended;
    result = appender_append(&lane->appender, part->batch, part->size, &appended);
    if (result == MAPLOG_TOO_LARGE && part->builder.codec != MAPLOG_COMPRESSION_NONE) {
        /* Bytes that do not compress grow a little: as they are they may fit. */
        enum maplog_compression codec = part->builder.codec;
        part->builder.codec = MAPLOG_COMPRESSION_NONE;
        result = builder_finish(&part->builder, &part->batch, &part->size);
        if (!result)
            result = appender_append(&lane->appender, part->batch, part->size, &appended);
        part->builder.codec = codec;
    }
    if (!result)
        lane->end = appended.last_offset + 1;
    return result;
}

static void append(struct worker *worker, int result)
{
    struct load *load = worker->load;
    if (load_acquire(&load->failed))
        return;
    for (size_t i = 0; !result && i < worker->part_count; i++) {
        result = append_part(load, &worker->parts[i]);
        if (result)
            error_prefix(result, "%s: the lines from byte %llu on were not appended",
                         worker->chunk.input->path, (unsigned long long)worker->parts[i].position);
    }
    if (result) {
        load->error = result;
        memcpy(load->error_text, error_text(), strlen(error_text()) + 1);
        store_release(&load->failed, 1);
        return;
    }
    meter_add(load->meter, worker->records, worker->chunk.end - worker->chunk.begin);
}

static void *work(void *context)
{
    struct worker *worker = context;
    struct load *load = worker->load;
    int claimed;
    while (!interrupted() && !load_acquire(&load->failed) &&
           (claimed = inputs_claim(&load->inputs, &worker->chunk)) != 0) {
        int result = claimed > 0 ? build(worker) : claimed;
        wait_for_turn(worker);
        append(worker, result);
        pass_turn(worker);
        if (claimed > 0)
            inputs_release(&load->inputs, &worker->chunk);
    }
    return NULL;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int worker_init(struct worker *worker, struct load *load)
{
    *worker = (struct worker){.load = load, .partitions = load->producer->partitions};
    worker->open = calloc((size_t)worker->partitions, sizeof *worker->open);
    return worker->open ? 0 : error_set(MAPLOG_NO_MEMORY, "no memory to load lines");
}

static void worker_free(struct worker *worker)
{
    for (size_t i = 0; i < worker->part_capacity; i++)
        builder_free(&worker->parts[i].builder);
    free(worker->parts);
    free(worker->open);
}

static int run_workers(struct load *load)
{
    static struct worker workers[WORKERS_MAX];
    pthread_t threads[WORKERS_MAX];
    uint64_t chunks = load->inputs.bytes / CHUNK_BYTES + 1;
    unsigned wanted = process_cpus() < WORKERS_MAX ? process_cpus() : WORKERS_MAX;
    if (chunks < wanted)
        wanted = (unsigned)chunks;
    int result = worker_init(&workers[0], load);
    unsigned ready = result ? 0 : 1;
    unsigned running = ready;
    /* With fewer workers it only takes longer. */
    for (; ready && ready < wanted && worker_init(&workers[ready], load) == 0; ready++) {
        if (thread_start(&threads[ready], "maplog-load", work, &workers[ready]) != 0) {
            ready++;
            break;
        }
        running = ready + 1;
    }
    if (!result)
        work(&workers[0]);
    for (unsigned i = 1; i < running; i++)
        thread_join(threads[i]);
    for (unsigned i = 0; i < ready; i++)
        worker_free(&workers[i]);
    return result;
}

static int load_all(struct load *load)
{
    int32_t first = load->how->partition < 0 ? 0 : load->how->partition;
    struct lane *lane = load->producer->lanes[first];
    int result = lane ? 0 : lane_open(load->producer, first, &lane);
    if (result)
        return result;
    load->batch_bytes = lane->limit;
    keeper_begin(load->producer->directory); /* it only makes things faster */
    result = run_workers(load);
    if (!result && load->failed)
        result = error_set(load->error, "%s", load->error_text);
    return result;
}

int load_lines(maplog_producer *producer, const struct produce_how *how, const struct words *files,
               struct meter *meter)
{
    struct load load = {
        .producer = producer,
        .how = how,
        .meter = meter,
        .plain = !how->separator && how->header_count == 0,
    };
    if (how->partition >= producer->partitions)
        return error_set(MAPLOG_NOT_FOUND, "topic %s has %d partitions, no number %d", how->topic,
                         (int)producer->partitions, (int)how->partition);
    int result = inputs_open(&load.inputs, files->items, files->count, CHUNK_BYTES);
    if (result)
        return result;
    meter->total_bytes = load.inputs.bytes;
    result = load_all(&load);
    inputs_close(&load.inputs);
    return result ? result : maplog_flush(producer);
}
