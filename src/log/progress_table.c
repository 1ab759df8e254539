#include "log/progress_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/record.h"

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) (out_of_memory = true)
#include <uthash.h>

#define RECORD_OVERHEAD 24 /* of a record in a batch, about */

struct progress_entry {
    struct progress_record record; /* points into bytes */
    UT_hash_handle hh;
    uint8_t bytes[]; /* key, then value */
};

void progress_table_init(struct progress_table *table, struct partition *partition)
{
    *table = (struct progress_table){0};
    reader_init(&table->reader, partition, partition_start(partition));
}

static uint64_t weight(const struct progress_entry *entry)
{
    return entry->record.key_size + entry->record.value_size + RECORD_OVERHEAD;
}

static void forget(struct progress_table *table, struct progress_entry *entry)
{
    table->live_bytes -= weight(entry);
    HASH_DEL(table->entries, entry);
    free(entry);
}

static void clear(struct progress_table *table)
{
    struct progress_entry *entry;
    struct progress_entry *next;
    HASH_ITER(hh, table->entries, entry, next)
    {
        forget(table, entry);
    }
}

void progress_table_free(struct progress_table *table)
{
    clear(table);
    reader_close(&table->reader);
    codec_buffer_free(&table->buffer);
}

static struct progress_entry *find(const struct progress_table *table, const uint8_t *key,
                                   size_t key_size)
{
    struct progress_entry *entry;
    HASH_FIND(hh, table->entries, key, key_size, entry);
    return entry;
}

static int apply(struct progress_table *table, const struct record *record)
{
    if (!record->key)
        return 0; /* nobody's */
    struct progress_entry *entry = find(table, record->key, record->key_size);
    if (entry)
        forget(table, entry);
    if (!record->value)
        return 0;
    size_t size = record->key_size + record->value_size;
    entry = malloc(sizeof *entry + size);
    if (!entry)
        return error_set(MAPLOG_NO_MEMORY, "no memory for group progress");
    memcpy(entry->bytes, record->key, record->key_size);
    memcpy(entry->bytes + record->key_size, record->value, record->value_size);
    entry->record = (struct progress_record){.key = entry->bytes,
                                             .value = entry->bytes + record->key_size,
                                             .key_size = record->key_size,
                                             .value_size = record->value_size,
                                             .offset = record->offset,
                                             .timestamp = record->timestamp};
    bool out_of_memory = false;
    HASH_ADD_KEYPTR(hh, table->entries, entry->record.key, entry->record.key_size, entry);
    if (out_of_memory) {
        free(entry);
        return error_set(MAPLOG_NO_MEMORY, "no memory for group progress");
    }
    table->live_bytes += weight(entry);
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
    const struct progress_entry *entry = find(table, key, key_size);
    if (entry)
        *record = entry->record;
    return entry != NULL;
}

int progress_table_walk(const struct progress_table *table,
                        int (*visit)(void *context, const struct progress_record *record),
                        void *context)
{
    for (const struct progress_entry *entry = table->entries; entry; entry = entry->hh.next) {
        int result = visit(context, &entry->record);
        if (result)
            return result;
    }
    return 0;
}
