/* drain_loop.c - rings to partitions. */
#include "cmd/drain_loop.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cmd/report.h"
#include "cmd/ring_device.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/process.h"
#include "shm/order.h"

#define SPIN_NS 50000 /* before it sleeps */
#define HEADERS_MAX 4
#define NUMBER_SIZE 24

/* The headers of one record. */
struct labels {
    struct maplog_header headers[HEADERS_MAX];
    size_t count;
    char numbers[HEADERS_MAX][NUMBER_SIZE];
};

static void label_number(struct labels *labels, const char *name, uint64_t number)
{
    char *text = labels->numbers[labels->count];
    int length = snprintf(text, NUMBER_SIZE, "%" PRIu64, number);
    labels->headers[labels->count++] = (struct maplog_header){name, text, (size_t)length};
}

static void label_text(struct labels *labels, const char *name, const char *text)
{
    labels->headers[labels->count++] = (struct maplog_header){name, text, strlen(text)};
}

static int append(struct drain_loop *loop, int32_t partition, const struct ring_entry *entry)
{
    struct labels labels;
    labels.count = 0;
    if (entry->dropped)
        label_number(&labels, "drops", entry->dropped);
    if (loop->meta) {
        label_number(&labels, "cpu", entry->cpu);
        label_text(&labels, "source", ring_device_source(entry->source));
        label_number(&labels, "time_ns", entry->time_ns);
    }
    const struct maplog_record record = {
        .value = entry->payload,
        .value_size = entry->length,
        .headers = labels.headers,
        .header_count = labels.count,
        .timestamp = (int64_t)(entry->time_ns / 1000000),
    };
    return door_produce(loop->producer, partition, &record);
}

/* Records that were taken from a ring, and are not yet the log's. */
struct taken {
    uint64_t records, bytes, drops;
};

/* The log has accepted them: the kernel may have their bytes. */
static int settle(struct drain_loop *loop, uint32_t ring, const struct taken *taken)
{
    int result = door_flush(loop->producer);
    if (result)
        return result;
    ring_reader_release(loop->reader, ring);
    loop->records += taken->records;
    loop->bytes += taken->bytes;
    loop->drops += taken->drops;
    meter_add(loop->meter, taken->records, taken->bytes);
    return 0;
}

/* Appends what a ring holds, up to a chunk. 0, or the error of the first record that could not be
 * taken: the ring's next one is that. */
static int take_chunk(struct drain_loop *loop, uint32_t ring, struct taken *taken)
{
    struct ring_entry entry;
    int32_t partition = (int32_t)(ring % (uint32_t)loop->partitions);
    uint64_t chunk = 0;
    while (chunk < loop->chunk) {
        int result = ring_reader_next(loop->reader, ring, &entry);
        if (result < 1) {
            loop->device_failed = result != 0;
            return result;
        }
        result = append(loop, partition, &entry);
        if (result) {
            ring_reader_unread(loop->reader, ring, &entry);
            return result;
        }
        chunk += RING_RECORD_BYTES(entry.length);
        taken->records++;
        taken->bytes += entry.length;
        taken->drops += entry.dropped;
    }
    return 0;
}

/* Takes a chunk of a ring into the log. 1, 0 when it was empty, or an error. */
static int drain_ring(struct drain_loop *loop, uint32_t ring)
{
    struct taken taken = {0};
    int result = take_chunk(loop, ring, &taken);
    if (taken.records == 0)
        return result;
    if (!result) {
        result = settle(loop, ring, &taken);
        return result ? result : 1;
    }
    /* What came before the error is in the log, if that takes it. A producer behind a server may
     * have lost some of it by this very error: then all of it stays in the ring. */
    char why[ERROR_TEXT_SIZE];
    snprintf(why, sizeof why, "%s", error_text());
    if (loop->device_failed || !loop->producer->far)
        (void)settle(loop, ring, &taken);
    return error_set(result, "%s", why);
}

/* 1 when a ring had something. */
static int drain_all(struct drain_loop *loop)
{
    int found = 0;
    for (uint32_t i = 0; i < ring_reader_rings(loop->reader) && !interrupted(); i++) {
        int result = drain_ring(loop, i);
        if (result < 0)
            return result;
        found |= result;
    }
    return found;
}

static int await(struct drain_loop *loop, int64_t *idle_since)
{
    int64_t now = clock_monotonic_ns();
    if (*idle_since == 0)
        *idle_since = now;
    if (process_cpus_online() > 1 && now - *idle_since < SPIN_NS) {
        order_pause();
        return 0;
    }
    int result = file_await_input(loop->fd, loop->path, interrupted);
    loop->device_failed = result != 0;
    return result == MAPLOG_IO
               ? error_set(result,
                           "%s finds the tail of a ring where it cannot be: something else wrote "
                           "there; start maplog drain again, opening the device sets it right",
                           loop->path)
               : result;
}

int drain_loop_run(struct drain_loop *loop)
{
    int64_t idle_since = 0;
    loop->device_failed = false;
    while (!interrupted()) {
        int result = drain_all(loop);
        if (result < 0)
            return result;
        if (result > 0) {
            idle_since = 0;
            continue;
        }
        if (loop->until_empty)
            return 0;
        result = await(loop, &idle_since);
        if (result)
            return result;
    }
    return 0;
}
