#include "log/progress_rewrite.h"

#include "base/error.h"
#include "log/builder.h"
#include "log/retain.h"
#include "os/fault.h"

#define BATCH_BYTES (256u << 10) /* of one batch of live records */
#define ATTEMPTS 100             /* batches that others may overtake before the next commit */

/* Live records that are in old segments, gathered for one batch. */
struct rewrite {
    struct progress_table *table;
    struct appender *appender;
    struct builder builder;
    int64_t before; /* base offset of the active segment */
    size_t limit;   /* bytes of a batch */
    int overtaken;
};

static int add_old(void *context, const struct progress_record *record)
{
    struct rewrite *rewrite = context;
    if (record->offset >= rewrite->before)
        return 1; /* they come in the order of their offsets */
    struct maplog_record copy = {.key = record->key,
                                 .key_size = record->key_size,
                                 .value = record->value,
                                 .value_size = record->value_size};
    struct builder *builder = &rewrite->builder;
    if (builder->records && builder_size_with(builder, &copy, record->timestamp) > rewrite->limit)
        return 1;
    return builder_add(builder, &copy, record->timestamp);
}

/* Did somebody commit since the table was read? */
static bool overtaken(const struct rewrite *rewrite)
{
    struct partition_end end;
    partition_end(rewrite->appender->partition, &end);
    return end.offset != rewrite->table->reader.offset;
}

/* Appends one batch of old live records, unless somebody commits in between: an old value must not
 * come behind a newer one. 1 look again, 0 nothing is left to rewrite. */
static int rewrite_some(struct rewrite *rewrite)
{
    builder_clear(&rewrite->builder);
    int result = progress_table_refresh(rewrite->table);
    if (!result)
        result = progress_table_walk(rewrite->table, add_old, rewrite);
    if (result < 0 || rewrite->builder.records == 0)
        return result < 0 ? result : 0;
    uint8_t *batch;
    size_t size;
    struct appended appended;
    result = builder_finish(&rewrite->builder, &batch, &size);
    fault_point("progress-gathered");
    if (!result)
        result = appender_append_at(rewrite->appender, batch, size, rewrite->table->reader.offset,
                                    &appended);
    fault_point("progress-appended");
    if (result == MAPLOG_BUSY && overtaken(rewrite))
        return ++rewrite->overtaken < ATTEMPTS ? 1 : result;
    return result ? result : 1;
}

/* The segments below `before` go. The checkpoint of log starts is not for this: the first file says
 * as much, and it would have to wait for whoever changes topics. */
static int remove_old(struct partition *partition, int64_t before)
{
    int result = partition_check_live(partition);
    if (result)
        return result;
    raise_to(&partition->control->log_start, (uint64_t)before);
    return retain_remove_below_start(partition);
}

/* Writes live records of older segments again, and lets those segments go. Killed at any point it
 * leaves records twice, never none, and the next commit goes on. */
static int rewrite_all(struct progress_table *table, struct appender *appender, int64_t active_base)
{
    const struct settings *settings = &appender->settings;
    int64_t largest = settings->max_message_bytes < settings->segment_bytes
                          ? settings->max_message_bytes
                          : settings->segment_bytes;
    struct rewrite rewrite = {.table = table,
                              .appender = appender,
                              .before = active_base,
                              .limit = largest < BATCH_BYTES ? (size_t)largest : BATCH_BYTES};
    builder_init(&rewrite.builder, MAPLOG_COMPRESSION_NONE);
    int result;
    while ((result = rewrite_some(&rewrite)) == 1)
        ;
    builder_free(&rewrite.builder);
    fault_point("progress-rewritten");
    return result ? result : remove_old(appender->partition, active_base);
}

void progress_rewrite(struct progress_table *table, struct appender *appender,
                      int64_t *checked_base)
{
    struct partition *partition = appender->partition;
    struct partition_end end;
    partition_end(partition, &end);
    if (end.base == *checked_base || partition_start(partition) >= end.base)
        return;
    struct maplog_partition found;
    if (progress_table_refresh(table) || partition_describe(partition, &found))
        return;
    /* Only when half of the log is dead, so that much live progress is not copied at each roll. */
    bool pays = (uint64_t)found.bytes > 2 * table->live_bytes;
    /* An error is not the caller's, whose commit stands; the next commit tries again. */
    if (!pays || rewrite_all(table, appender, end.base) == 0)
        *checked_base = end.base;
}
