#include "log/progress_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/progress_format.h"
#include "log/record.h"

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(row) (out_of_memory = true)
#include <uthash.h>

#define RECORD_OVERHEAD 24 /* of a record in a batch, about */

struct progress_row {
    struct progress_record record; /* points into bytes */
    UT_hash_handle hh;
    uint8_t bytes[]; /* key, then value */
};

void progress_table_init(struct progress_table *table, struct partition *partition)
{
    *table = (struct progress_table){0};
    reader_init(&table->reader, partition, partition_start(partition));
}

static uint64_t weight(const struct progress_row *row)
{
    return row->record.key_size + row->record.value_size + RECORD_OVERHEAD;
}

static void forget(struct progress_table *table, struct progress_row *row)
{
    table->live_bytes -= weight(row);
    HASH_DEL(table->rows, row);
    free(row);
}

static void clear(struct progress_table *table)
{
    struct progress_row *row;
    struct progress_row *next;
    HASH_ITER(hh, table->rows, row, next)
    {
        forget(table, row);
    }
}

void progress_table_free(struct progress_table *table)
{
    clear(table);
    reader_close(&table->reader);
    codec_buffer_free(&table->buffer);
}

static struct progress_row *find(const struct progress_table *table, const uint8_t *key,
                                 size_t key_size)
{
    struct progress_row *row;
    HASH_FIND(hh, table->rows, key, key_size, row);
    return row;
}

/* A copy of the record; NULL without memory. */
static struct progress_row *copy_record(const struct record *record)
{
    size_t size = record->key_size + record->value_size;
    struct progress_row *row = malloc(sizeof *row + size);
    if (!row)
        return NULL;
    memcpy(row->bytes, record->key, record->key_size);
    row->bytes[1] = 1; /* keys of version 0 and 1 look alike, and mean the same */
    if (record->value)
        memcpy(row->bytes + record->key_size, record->value, record->value_size);
    row->record = (struct progress_record){.key = row->bytes,
                                           .value = row->bytes + record->key_size,
                                           .key_size = record->key_size,
                                           .value_size = record->value_size,
                                           .offset = record->offset,
                                           .timestamp = record->timestamp};
    return row;
}

static int apply(struct progress_table *table, const struct record *record)
{
    if (!record->key || !progress_is_key(record->key, record->key_size))
        return 0; /* of group members, or nobody's */
    struct progress_row *row = copy_record(record);
    if (!row)
        return error_set(MAPLOG_NO_MEMORY, "no memory for group progress");
    struct progress_row *former = find(table, row->record.key, row->record.key_size);
    if (former)
        forget(table, former);
    bool out_of_memory = false;
    if (record->value)
        HASH_ADD_KEYPTR(hh, table->rows, row->record.key, row->record.key_size, row);
    if (!record->value || out_of_memory) {
        free(row);
        return out_of_memory ? error_set(MAPLOG_NO_MEMORY, "no memory for group progress") : 0;
    }
    table->live_bytes += weight(row);
    return 0;
}

static int apply_batch(struct progress_table *table, const struct batch *batch)
{
    if (batch->attributes & ATTRIBUTE_CONTROL)
        return 0;
    const void *records;
    size_t size;
    int result = codec_open_batch(batch, &table->buffer, &records, &size);
    if (result)
        return result;
    struct record_cursor cursor;
    struct record record;
    record_begin(&cursor, batch, records, size);
    while ((result = record_next(&cursor, &record)) == 1) {
        result = apply(table, &record);
        if (result)
            return result;
    }
    return result;
}

int progress_table_refresh(struct progress_table *table)
{
    struct reader *reader = &table->reader;
    for (;;) {
        struct batch batch;
        int64_t offset = reader->offset;
        int result = reader_next(reader, &batch);
        int64_t start = partition_start(reader->partition);
        if (result == MAPLOG_OFFSET_OUT_OF_RANGE && start != offset) {
            /* Old segments went while we were away: all that counts lies behind the new start. */
            clear(table);
            reader_seek(reader, start);
            continue;
        }
        if (result <= 0)
            return result;
        result = apply_batch(table, &batch);
        if (result) {
            reader_seek(reader, offset);
            return result;
        }
    }
}

bool progress_table_find(const struct progress_table *table, const uint8_t *key, size_t key_size,
                         struct progress_record *record)
{
    const struct progress_row *row = find(table, key, key_size);
    if (row)
        *record = row->record;
    return row != NULL;
}

int progress_table_walk(const struct progress_table *table,
                        int (*visit)(void *context, const struct progress_record *record),
                        void *context)
{
    for (const struct progress_row *row = table->rows; row; row = row->hh.next) {
        int result = visit(context, &row->record);
        if (result)
            return result;
    }
    return 0;
}
