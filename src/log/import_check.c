#include "log/import_check.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "log/batch.h"
#include "log/codec.h"
#include "log/producer_snapshot.h"
#include "log/record.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define MARKER_ABORT 0
#define MARKER_COMMIT 1

struct transaction {
    int64_t producer_id;
    int64_t offset; /* of its first records */
    UT_hash_handle hh;
};

struct check {
    struct partition *files;
    const struct transfer_listener *listener;
    struct import_checked *checked;
    struct transaction *open; /* hash of what has no marker yet */
    struct codec_buffer buffer;
    char log[LIMIT_PATH]; /* the file that is read */
    int64_t next;
};

#define refuse(check, format, ...)                                                                 \
    ((check)->checked->refusals++, transfer_refuse((check)->listener, format, __VA_ARGS__))

/* ---- transactions ---------------------------------------------------------------------------- */

static struct transaction *find(struct check *check, int64_t producer_id)
{
    struct transaction *found;
    HASH_FIND(hh, check->open, &producer_id, sizeof producer_id, found);
    return found;
}

static int begin_transaction(struct check *check, const struct batch *batch)
{
    if (find(check, batch->producer_id))
        return 0;
    struct transaction *made = calloc(1, sizeof *made);
    bool added = made;
    if (made) {
        made->producer_id = batch->producer_id;
        made->offset = batch->base_offset;
        HASH_ADD(hh, check->open, producer_id, sizeof made->producer_id, made);
        added = made->hh.tbl;
    }
    if (added)
        return 0;
    free(made);
    return error_set(MAPLOG_NO_MEMORY, "too many open transactions in %s", check->files->name);
}

static void end_transaction(struct check *check, struct transaction *transaction)
{
    HASH_DEL(check->open, transaction);
    free(transaction);
}

/* The marker at the end of a transaction: its key is {int16 version, int16 type}. */
static int take_marker(struct check *check, const struct batch *batch)
{
    const void *records;
    size_t size;
    int result = codec_open_batch(batch, &check->buffer, &records, &size);
    if (result)
        return result;
    struct record_cursor cursor;
    struct record record;
    record_begin(&cursor, batch, records, size);
    while ((result = record_next(&cursor, &record)) == 1) {
        if (!record.key || record.key_size < 4)
            continue;
        uint16_t type = bytes_load16((const uint8_t *)record.key + 2);
        if (type != MARKER_ABORT && type != MARKER_COMMIT)
            continue;
        check->checked->aborted += type == MARKER_ABORT;
        struct transaction *transaction = find(check, batch->producer_id);
        if (transaction)
            end_transaction(check, transaction);
    }
    return result;
}

static void end_transactions(struct check *check)
{
    struct transaction *transaction, *following;
    HASH_ITER(hh, check->open, transaction, following)
    {
        refuse(check,
               "%s: the transaction of producer %" PRId64 " that began at offset %" PRId64
               " is still open: end or abort it (kafka-transactions.sh), then stop the broker",
               check->files->name, transaction->producer_id, transaction->offset);
        end_transaction(check, transaction);
    }
}

/* ---- batches --------------------------------------------------------------------------------- */

/* What could not be read as a batch. */
static void refuse_rest(struct check *check, const uint8_t *log, uint64_t position, uint64_t size)
{
    uint64_t left = size - position;
    if (left > BATCH_MAGIC && log[position + BATCH_MAGIC] < BATCH_MAGIC_V2 &&
        bytes_load32(log + position + BATCH_LENGTH) != 0)
        refuse(check,
               "%s position %" PRIu64 ": a message of format %d, from before Kafka 0.11: copy the "
               "topic to a new one with a Kafka that still reads it, then import that",
               check->log, position, log[position + BATCH_MAGIC]);
    else
        refuse(check,
               "%s ends with %" PRIu64 " bytes that are no batch, from position %" PRIu64
               " on (%s): start the broker and stop it cleanly",
               check->log, left, position, error_text());
}

static int take_batch(struct check *check, const struct batch *batch, uint64_t position)
{
    if (batch_check_crc(batch) != 0) {
        refuse(check, "%s position %" PRIu64 ": %s", check->log, position, error_text());
        return 0;
    }
    if (batch->base_offset < check->next)
        refuse(check, "%s position %" PRIu64 ": base offset %" PRId64 " where %" PRId64 " is next",
               check->log, position, batch->base_offset, check->next);
    if (batch->last_offset >= check->next)
        check->next = batch->last_offset + 1;
    check->checked->records += (uint64_t)batch->records;
    check->checked->bytes += batch->size;
    if (batch->producer_id > check->checked->producer)
        check->checked->producer = batch->producer_id;
    if (!(batch->attributes & ATTRIBUTE_TRANSACTIONAL))
        return 0;
    int result = batch->attributes & ATTRIBUTE_CONTROL ? take_marker(check, batch)
                                                       : begin_transaction(check, batch);
    if (result != MAPLOG_CORRUPT && result != MAPLOG_LIMIT)
        return result;
    refuse(check, "%s position %" PRIu64 ": %s", check->log, position, error_text());
    return 0;
}

static int check_segment(struct check *check, int64_t base)
{
    struct partition *files = check->files;
    struct segment *segment;
    struct segment_sizes sizes;
    segment_path(files, base, SEGMENT_LOG_SUFFIX, check->log, sizeof check->log);
    if (base < check->next)
        refuse(check, "%s begins below the end of the segment before it, %" PRId64, check->log,
               check->next);
    check->next = base > check->next ? base : check->next;
    int result = files->store->open(files, base, 0, false, &segment);
    if (result)
        return result;
    result = segment_sealed(segment, &sizes);
    if (!result && sizes.log > LIMIT_SEGMENT_BYTES) {
        refuse(check, "%s has %" PRIu64 " bytes, more than a segment can have", check->log,
               sizes.log);
        sizes.log = 0;
    }
    for (uint64_t position = 0; !result && position < sizes.log;) {
        struct batch batch;
        if (batch_read(segment->log + position, sizes.log - position, &batch) != 0) {
            refuse_rest(check, segment->log, position, sizes.log);
            break;
        }
        result = take_batch(check, &batch, position);
        if (!result && batch.last_offset - base > INT32_MAX)
            refuse(check, "%s position %" PRIu64 ": offset %" PRId64 " is too far from its base",
                   check->log, position, batch.last_offset);
        position += batch.size;
    }
    segment_drop(segment);
    return result;
}

/* Producers whose batches are gone may still be at work. A snapshot that is damaged tells nothing:
 * it is not followed either. */
static int see_producers(struct check *check)
{
    const struct producer_place place = {check->files->directory->fd, check->files->name};
    struct segment_list list;
    int result = producer_snapshot_list(&place, &list);
    if (result)
        return result;
    for (size_t i = 0; i < list.count; i++) {
        struct producers_entry *entries;
        size_t count;
        if (producer_snapshot_load(&place, list.bases[i], &entries, &count) != 0)
            continue;
        for (size_t k = 0; k < count; k++)
            if (entries[k].producer_id > check->checked->producer)
                check->checked->producer = entries[k].producer_id;
        free(entries);
    }
    segment_list_free(&list);
    return 0;
}

int import_check(struct partition *files, const struct transfer_listener *listener,
                 struct import_checked *checked)
{
    struct import_checked made = {.producer = -1};
    struct check check = {.files = files, .listener = listener, .checked = &made};
    struct segment_list list;
    int result = files->store->list(files, &list);
    if (result)
        return result;
    for (size_t i = 0; !result && i < list.count; i++)
        result = check_segment(&check, list.bases[i]);
    if (!result)
        result = see_producers(&check);
    if (result) { /* only to free them */
        static const struct transfer_listener nobody;
        check.listener = &nobody;
    }
    end_transactions(&check);
    codec_buffer_free(&check.buffer);
    segment_list_free(&list);
    if (!result)
        *checked = made;
    return result;
}
