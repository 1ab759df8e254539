#include "log/transfer.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "log/batch.h"
#include "os/file.h"
#include "os/lock.h"
#include "os/map.h"

#define SMALL_FILE_MAX (16u << 20) /* bytes of a file that transfer_file copies */
#define COPY_STEP (64u << 20)      /* bytes between two reports of progress */

static void tell(void (*to)(void *context, const char *text), void *context, const char *format,
                 va_list arguments)
{
    char text[ERROR_TEXT_SIZE];
    if (!to)
        return;
    vsnprintf(text, sizeof text, format, arguments);
    to(context, text);
}

void transfer_note(const struct transfer_listener *listener, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tell(listener->note, listener->context, format, arguments);
    va_end(arguments);
}

void transfer_refuse(const struct transfer_listener *listener, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tell(listener->refusal, listener->context, format, arguments);
    va_end(arguments);
}

/* ---- a segment ------------------------------------------------------------------------------- */

/* The segment's files in the copy. */
struct target {
    const struct transfer *transfer;
    char path[LIMIT_PATH];
    int fd;
};

static int open_target(const struct transfer *transfer, const char *suffix, struct target *target)
{
    *target = (struct target){.transfer = transfer, .fd = -1};
    snprintf(target->path, sizeof target->path, "%s/%0*" PRId64 "%s", transfer->name,
             SEGMENT_NAME_BYTES, transfer->from->base, suffix);
    return file_open(transfer->to_fd, target->path, O_RDWR | O_CREAT | O_TRUNC, 0660, &target->fd);
}

static int close_target(struct target *target, int result)
{
    if (!result && target->transfer->durable)
        result = file_sync(target->fd, target->path);
    file_close(target->fd);
    return result;
}

static int progress(const struct transfer_listener *listener, uint64_t records, uint64_t bytes)
{
    return listener->progress ? listener->progress(listener->context, records, bytes) : 0;
}

/* Leader epochs are not under the CRC; pages that hold none but 0 are not touched. */
static int zero_epochs(const struct target *target)
{
    const struct transfer *transfer = target->transfer;
    const uint8_t *from = transfer->from->log;
    uint8_t *copy = NULL;
    int result = 0;
    for (uint64_t position = 0; !result && position < transfer->bytes;) {
        if (bytes_load32(from + position + BATCH_LEADER_EPOCH) != 0) {
            void *mapped = copy;
            if (!copy)
                result =
                    map_file(target->fd, target->path, 0, transfer->bytes, MAP_MODE_WRITE, &mapped);
            copy = mapped;
            if (!result)
                bytes_store32(copy + position + BATCH_LEADER_EPOCH, 0);
        }
        position += BATCH_PREFIX_BYTES + bytes_load32(from + position + BATCH_LENGTH);
    }
    map_remove(copy, transfer->bytes);
    return result;
}

static int copy_log(const struct transfer *transfer, const struct transfer_listener *listener)
{
    struct target target;
    int result = open_target(transfer, SEGMENT_LOG_SUFFIX, &target);
    for (uint64_t position = 0; !result && position < transfer->bytes; position += COPY_STEP) {
        uint64_t length = transfer->bytes - position;
        length = length < COPY_STEP ? length : COPY_STEP;
        result = file_copy(transfer->from->log_fd, target.fd, target.path, position, length);
        if (!result)
            result = progress(listener, 0, length);
    }
    if (!result && transfer->epoch_zero)
        result = zero_epochs(&target);
    return close_target(&target, result);
}

static int write_index(const struct transfer *transfer, const char *suffix, const uint8_t *bytes,
                       size_t size)
{
    struct target target;
    int result = open_target(transfer, suffix, &target);
    if (!result && size)
        result = file_write_at(target.fd, target.path, bytes, size, 0);
    return close_target(&target, result);
}

/* Builds complete indexes, and counts the records on the way. */
static int index_log(const struct transfer *transfer, struct indexer_parts *parts,
                     uint64_t *records)
{
    const struct segment *from = transfer->from;
    struct indexer indexer;
    indexer_init(&indexer, transfer->index_interval);
    for (uint64_t position = 0; position < transfer->bytes;) {
        struct batch batch;
        int result = batch_read(from->log + position, transfer->bytes - position, &batch);
        if (result)
            return error_prefix(result, "%s/%0*" PRId64 "%s position %" PRIu64, transfer->name,
                                SEGMENT_NAME_BYTES, from->base, SEGMENT_LOG_SUFFIX, position);
        uint32_t last_relative = (uint32_t)(batch.last_offset - from->base);
        if (indexer_add(&indexer, batch.size, batch.max_timestamp, last_relative))
            indexer_put(&indexer, parts, (uint32_t)position, last_relative);
        *records += (uint64_t)batch.records;
        position += batch.size;
    }
    indexer_end(&indexer, parts);
    return 0;
}

int transfer_segment(const struct transfer *transfer, const struct transfer_listener *listener,
                     struct transfer_counts *counts)
{
    struct segment_sizes room = segment_allocation(transfer->bytes);
    room.timeindex += TIMEINDEX_ENTRY_BYTES; /* for the last one */
    struct indexer_parts parts = {.index = malloc(room.index),
                                  .index_room = room.index,
                                  .timeindex = malloc(room.timeindex),
                                  .timeindex_room = room.timeindex};
    uint64_t records = 0;
    int result = parts.index && parts.timeindex
                     ? index_log(transfer, &parts, &records)
                     : error_set(MAPLOG_NO_MEMORY, "cannot copy a segment of %s", transfer->name);
    if (!result)
        result = copy_log(transfer, listener);
    if (!result)
        result = write_index(transfer, SEGMENT_INDEX_SUFFIX, parts.index, parts.index_bytes);
    if (!result)
        result =
            write_index(transfer, SEGMENT_TIMEINDEX_SUFFIX, parts.timeindex, parts.timeindex_bytes);
    free(parts.index);
    free(parts.timeindex);
    if (!result)
        result = progress(listener, records, 0);
    if (!result) {
        counts->segments++;
        counts->records += records;
        counts->bytes += transfer->bytes;
    }
    return result;
}

/* ---- other files ----------------------------------------------------------------------------- */

int transfer_file(int from_fd, int to_fd, const char *from, const char *to, bool durable)
{
    char *text;
    size_t length;
    int result = file_read_all(from_fd, from, SMALL_FILE_MAX, &text, &length);
    if (result)
        return result == MAPLOG_NOT_FOUND ? 0 : result;
    result = file_replace(to_fd, to, text, length, durable);
    free(text);
    return result;
}

int transfer_sync_directory(int directory_fd, const char *path)
{
    int fd;
    int result = file_open(directory_fd, path, O_RDONLY | O_DIRECTORY, 0, &fd);
    if (result)
        return result;
    result = file_sync(fd, path);
    file_close(fd);
    return result;
}

int transfer_lock_kafka(int directory_fd, const char *path, int *lock_fd)
{
    *lock_fd = -1;
    int fd;
    int result = file_open(directory_fd, TRANSFER_KAFKA_LOCK, O_RDWR, 0, &fd);
    if (result == MAPLOG_NOT_FOUND)
        return 0;
    bool held = false;
    if (result == 0) {
        result = lock_try(fd, TRANSFER_KAFKA_LOCK, 0, true);
        held = result == MAPLOG_BUSY;
    } else if (result == MAPLOG_DENIED) { /* not ours to lock: a look must do */
        result = file_open(directory_fd, TRANSFER_KAFKA_LOCK, O_RDONLY, 0, &fd);
        if (result)
            return result;
        result = lock_is_held(fd, TRANSFER_KAFKA_LOCK, 0, &held);
    } else {
        return result;
    }
    if (held)
        result = error_set(MAPLOG_BUSY, "%s: a Kafka broker runs on this directory: stop it first",
                           path);
    if (result)
        file_close(fd);
    else
        *lock_fd = fd;
    return result;
}
