#include "log/progress.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/appender.h"
#include "log/keeper.h"
#include "log/progress_format.h"
#include "log/progress_table.h"
#include "os/fault.h"

#define TIMEOUT_NS (10000 * 1000000ll) /* longest wait for another writer */
#define REWRITE_BYTES (256u << 10)     /* of one batch of live entries */
#define REWRITE_ATTEMPTS 100           /* batches that others may overtake before the next commit */
/* Kafka's default of 100 MiB would keep every commit for long; a new one is read from its start. */
static const char *const topic_configs[] = {"cleanup.policy=compact", "segment.bytes=1048576",
                                            NULL};

/* One partition of the topic. */
struct shard {
    struct partition *partition; /* NULL until used */
    struct progress_table table;
    struct appender appender;
    bool appends;         /* appender is open */
    int64_t checked_base; /* active segment at the last look whether a rewrite pays */
};

struct progress {
    pthread_mutex_t lock;
    struct directory *directory; /* the caller keeps it */
    struct shard *shards;        /* NULL while there is no topic */
    int32_t count;
    uint32_t seat; /* UINT32_MAX until the first commit */
};

int progress_open(struct directory *directory, struct progress **progress)
{
    if (directory->fd < 0)
        return error_set(MAPLOG_UNSUPPORTED, "an anonymous log keeps no progress of groups");
    struct progress *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for group progress");
    made->directory = directory;
    made->seat = UINT32_MAX;
    pthread_mutex_init(&made->lock, NULL);
    *progress = made;
    return 0;
}

/* Lets go of the topic. In a forked child memory only. */
static void detach(struct progress *progress)
{
    bool forked = directory_forked(progress->directory);
    for (int32_t i = 0; i < progress->count; i++) {
        struct shard *shard = &progress->shards[i];
        if (shard->partition)
            progress_table_free(&shard->table);
        if (shard->appends && forked)
            segment_drop(shard->appender.segment);
        else if (shard->appends)
            appender_close(&shard->appender);
    }
    free(progress->shards);
    progress->shards = NULL;
    progress->count = 0;
}

void progress_close(struct progress *progress)
{
    if (!progress)
        return;
    detach(progress);
    if (!directory_forked(progress->directory)) {
        if (progress->seat != UINT32_MAX)
            control_leave_seat(&progress->directory->view, progress->seat);
        pthread_mutex_destroy(&progress->lock);
    }
    free(progress);
}

/* Finds the topic, or makes it. Without one and create: 0 and no shards. */
static int attach(struct progress *progress, bool create)
{
    if (progress->shards)
        return 0;
    struct maplog_topic topic;
    int result = directory_topic(progress->directory, PROGRESS_TOPIC, &topic);
    if (result == MAPLOG_NOT_FOUND && create) {
        result = directory_create_topic(progress->directory, PROGRESS_TOPIC, PROGRESS_PARTITIONS,
                                        topic_configs);
        if (!result || result == MAPLOG_EXISTS)
            result = directory_topic(progress->directory, PROGRESS_TOPIC, &topic);
    } else if (result == MAPLOG_NOT_FOUND) {
        return 0;
    }
    if (result)
        return result;
    progress->shards = calloc((size_t)topic.partitions, sizeof *progress->shards);
    if (!progress->shards)
        return error_set(MAPLOG_NO_MEMORY, "no memory for group progress");
    progress->count = topic.partitions;
    return 0;
}

/* Opens the shard if needed, and reads it up to its end. */
static int refresh(struct progress *progress, int32_t number)
{
    struct shard *shard = &progress->shards[number];
    if (!shard->partition) {
        struct partition *partition;
        int result = directory_partition(progress->directory, PROGRESS_TOPIC, number, &partition);
        if (result)
            return result;
        progress_table_init(&shard->table, partition);
        shard->checked_base = -1;
        shard->partition = partition;
    }
    return progress_table_refresh(&shard->table);
}

/* The shard of the group, up to date; NULL when there is none. The topic may be deleted and made
 * anew under our feet. */
static int take_shard(struct progress *progress, const char *group, bool create,
                      struct shard **shard)
{
    for (int attempt = 0;; attempt++) {
        *shard = NULL;
        int result = attach(progress, create);
        if (result || !progress->shards)
            return result;
        int32_t number = progress_place(group, progress->count);
        result = refresh(progress, number);
        if (!result)
            *shard = &progress->shards[number];
        if ((result != MAPLOG_TOPIC_DELETED && result != MAPLOG_NOT_FOUND) || attempt)
            return result;
        detach(progress);
    }
}

static int check_names(const struct progress *progress, const char *group, const char *topic)
{
    if (directory_forked(progress->directory))
        return error_set(MAPLOG_FORKED, "group progress was opened before fork()");
    size_t length = strlen(group);
    if (length == 0 || length > LIMIT_GROUP_NAME)
        return error_set(MAPLOG_INVALID, "a group name has 1 to %d bytes, not %zu",
                         LIMIT_GROUP_NAME, length);
    return catalog_check_name(topic);
}

int progress_fetch(struct progress *progress, const char *group, const char *topic,
                   int32_t partition, int64_t *offset)
{
    int result = check_names(progress, group, topic);
    if (result)
        return result;
    uint8_t key[PROGRESS_KEY_MAX];
    size_t key_size = progress_put_key(key, group, topic, partition);
    pthread_mutex_lock(&progress->lock);
    struct shard *shard;
    struct progress_record record;
    result = take_shard(progress, group, false, &shard);
    if (!result) {
        int64_t found = -1;
        if (shard && progress_table_find(&shard->table, key, key_size, &record) &&
            !progress_parse_value(record.value, record.value_size, &found))
            result =
                error_set(MAPLOG_VERSION, "the progress of group %s in %s-%d has an unknown form",
                          group, topic, (int)partition);
        else
            *offset = found;
    }
    pthread_mutex_unlock(&progress->lock);
    return result;
}

/* ---- committing ------------------------------------------------------------------------------ */

static int open_appender(struct progress *progress, struct shard *shard)
{
    if (shard->appends)
        return 0;
    int result = 0;
    if (progress->seat == UINT32_MAX)
        result = control_take_seat(&progress->directory->view, &progress->seat);
    if (!result)
        result = appender_open(shard->partition, progress->seat, TIMEOUT_NS, &shard->appender);
    shard->appends = !result;
    return result;
}

/* Live entries that are in old segments, gathered for one batch. */
struct rewrite {
    struct builder builder;
    int64_t before; /* base offset of the active segment */
    size_t limit;   /* bytes of a batch */
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

/* Appends one batch of old live entries, unless somebody commits in between: an old value must not
 * come behind a newer one. 1 done, 0 nothing is left to rewrite, MAPLOG_BUSY. */
static int rewrite_some(struct shard *shard, struct rewrite *rewrite)
{
    builder_clear(&rewrite->builder);
    int result = progress_table_refresh(&shard->table);
    if (!result)
        result = progress_table_walk(&shard->table, add_old, rewrite);
    if (result < 0 || rewrite->builder.records == 0)
        return result < 0 ? result : 0;
    uint8_t *batch;
    size_t size;
    struct appended appended;
    result = builder_finish(&rewrite->builder, &batch, &size);
    fault_point("progress-gathered");
    if (!result)
        result = appender_append_at(&shard->appender, batch, size, shard->table.reader.offset,
                                    &appended);
    fault_point("progress-appended");
    return result ? result : 1;
}

/* Writes live entries of older segments again, and lets those segments go. Killed at any point it
 * leaves entries twice, never none, and the next commit goes on. */
static int rewrite(struct shard *shard, int64_t active_base)
{
    const struct settings *settings = &shard->appender.settings;
    int64_t largest = settings->max_message_bytes < settings->segment_bytes
                          ? settings->max_message_bytes
                          : settings->segment_bytes;
    struct rewrite rewrite = {.before = active_base,
                              .limit = largest < REWRITE_BYTES ? (size_t)largest : REWRITE_BYTES};
    builder_init(&rewrite.builder, MAPLOG_COMPRESSION_NONE);
    int result = MAPLOG_BUSY;
    for (int tries = 0; tries < REWRITE_ATTEMPTS && (result == 1 || result == MAPLOG_BUSY);
         tries += result == MAPLOG_BUSY)
        result = rewrite_some(shard, &rewrite);
    builder_free(&rewrite.builder);
    fault_point("progress-rewritten");
    return result ? result : partition_delete_records(shard->partition, active_base);
}

/* After a commit: is there an older segment, and are its dead entries worth the work? */
static void tidy(struct shard *shard)
{
    struct partition_end end;
    partition_end(shard->partition, &end);
    if (end.base == shard->checked_base || partition_start(shard->partition) >= end.base)
        return;
    struct maplog_partition found;
    if (progress_table_refresh(&shard->table) || partition_describe(shard->partition, &found))
        return;
    /* Only when half of the log is dead, so that much live progress is not copied at each roll. */
    bool pays = (uint64_t)found.bytes > 2 * shard->table.live_bytes;
    /* An error is not the caller's, whose commit stands; the next commit tries again. */
    if (!pays || rewrite(shard, end.base) == 0)
        shard->checked_base = end.base;
}

/* Appends one record; value NULL takes the key's progress away. */
static int append(struct progress *progress, struct shard *shard,
                  const struct maplog_record *record)
{
    int result = open_appender(progress, shard);
    int64_t now_ms = keeper_now_ms(progress->directory);
    if (!result)
        result = appender_append_record(&shard->appender, record, now_ms, NULL);
    return result;
}

int progress_commit(struct progress *progress, const char *group, const char *topic,
                    int32_t partition, int64_t offset, const char *metadata)
{
    int result = check_names(progress, group, topic);
    if (result)
        return result;
    if (metadata && strlen(metadata) > PROGRESS_METADATA_MAX)
        return error_set(MAPLOG_LIMIT, "the metadata of a commit has at most %d bytes",
                         PROGRESS_METADATA_MAX);
    if (progress->directory->read_only)
        return error_set(MAPLOG_DENIED, "%s was opened read-only", progress->directory->path);
    uint8_t key[PROGRESS_KEY_MAX];
    uint8_t value[PROGRESS_VALUE_MAX(PROGRESS_METADATA_MAX)];
    struct maplog_record record = {
        .key = key,
        .key_size = progress_put_key(key, group, topic, partition),
        .value = value,
        .value_size =
            progress_put_value(value, offset, metadata, keeper_now_ms(progress->directory)),
    };
    pthread_mutex_lock(&progress->lock);
    struct shard *shard;
    result = take_shard(progress, group, true, &shard);
    if (!result)
        result = append(progress, shard, &record);
    if (!result)
        tidy(shard);
    pthread_mutex_unlock(&progress->lock);
    return result;
}

/* ---- all entries ----------------------------------------------------------------------------- */

struct listed {
    char group[LIMIT_GROUP_NAME + 1];
    char topic[LIMIT_TOPIC_NAME + 1];
    int32_t partition;
    int64_t offset;
};

struct listing {
    const char *group; /* NULL: all */
    const char *topic; /* NULL: all */
    struct listed *entries;
    size_t count;
};

static bool same_text(const char *wanted, const char *text, size_t size)
{
    return !wanted || (strlen(wanted) == size && memcmp(wanted, text, size) == 0);
}

static int collect(void *context, const struct progress_record *record)
{
    struct listing *listing = context;
    struct progress_key key;
    int64_t offset;
    if (!progress_parse_key(record->key, record->key_size, &key) ||
        !progress_parse_value(record->value, record->value_size, &offset) ||
        key.group_size > LIMIT_GROUP_NAME || key.topic_size > LIMIT_TOPIC_NAME ||
        !same_text(listing->group, key.group, key.group_size) ||
        !same_text(listing->topic, key.topic, key.topic_size))
        return 0;
    if ((listing->count & (listing->count + 1)) == 0) { /* full at every power of two less one */
        size_t capacity = 2 * listing->count + 1;
        struct listed *entries = realloc(listing->entries, capacity * sizeof *entries);
        if (!entries)
            return error_set(MAPLOG_NO_MEMORY, "no memory for group progress");
        listing->entries = entries;
    }
    struct listed *entry = &listing->entries[listing->count++];
    memcpy(entry->group, key.group, key.group_size);
    entry->group[key.group_size] = 0;
    memcpy(entry->topic, key.topic, key.topic_size);
    entry->topic[key.topic_size] = 0;
    entry->partition = key.partition;
    entry->offset = offset;
    return 0;
}

static int by_name(const void *left, const void *right)
{
    const struct listed *a = left;
    const struct listed *b = right;
    int order = strcmp(a->group, b->group);
    if (order == 0)
        order = strcmp(a->topic, b->topic);
    return order ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

/* Copies what matches; the caller holds the lock and frees. */
static int collect_all(struct progress *progress, struct listing *listing)
{
    int result = attach(progress, false);
    for (int32_t i = 0; !result && i < progress->count; i++) {
        result = refresh(progress, i);
        if (!result)
            result = progress_table_walk(&progress->shards[i].table, collect, listing);
    }
    if (result == MAPLOG_TOPIC_DELETED || result == MAPLOG_NOT_FOUND) {
        detach(progress);
        listing->count = 0;
        result = 0;
    }
    if (!result && listing->count)
        qsort(listing->entries, listing->count, sizeof *listing->entries, by_name);
    return result;
}

int progress_list(struct progress *progress, const char *group,
                  int (*visit)(void *context, const char *group, const char *topic,
                               int32_t partition, int64_t offset),
                  void *context)
{
    if (directory_forked(progress->directory))
        return error_set(MAPLOG_FORKED, "group progress was opened before fork()");
    struct listing listing = {.group = group};
    pthread_mutex_lock(&progress->lock);
    int result = collect_all(progress, &listing);
    pthread_mutex_unlock(&progress->lock);
    for (size_t i = 0; !result && i < listing.count; i++) {
        const struct listed *entry = &listing.entries[i];
        result = visit(context, entry->group, entry->topic, entry->partition, entry->offset);
    }
    free(listing.entries);
    return result;
}

int progress_forget(struct progress *progress, const char *topic)
{
    if (directory_forked(progress->directory))
        return error_set(MAPLOG_FORKED, "group progress was opened before fork()");
    struct listing listing = {.topic = topic};
    pthread_mutex_lock(&progress->lock);
    int result = collect_all(progress, &listing);
    for (size_t i = 0; !result && i < listing.count; i++) {
        const struct listed *entry = &listing.entries[i];
        uint8_t key[PROGRESS_KEY_MAX];
        struct maplog_record record = {
            .key = key,
            .key_size = progress_put_key(key, entry->group, entry->topic, entry->partition),
        };
        result = append(progress, &progress->shards[progress_place(entry->group, progress->count)],
                        &record);
    }
    free(listing.entries);
    pthread_mutex_unlock(&progress->lock);
    return result;
}
