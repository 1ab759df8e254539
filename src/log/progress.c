#include "log/progress.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/appender.h"
#include "log/keeper.h"
#include "log/progress_format.h"
#include "log/progress_listing.h"
#include "log/progress_rewrite.h"
#include "log/progress_table.h"
#include "os/lock.h"

#define FORGET_BYTES (256u << 10) /* of one batch of tombstones */
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
    int64_t timeout_ns;
    struct builder builder; /* of the batch that is being committed */
    uint32_t seat;          /* UINT32_MAX until the first commit */
};

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
    builder_free(&progress->builder);
    free(progress);
}

/* Is somebody changing topics, whom making one would have to wait for? */
static int check_unchanging(struct directory *directory)
{
    bool held;
    int result = lock_is_held(directory->view.lock_fd, directory->path, LOCK_CATALOG, &held);
    return !result && held
               ? error_set(MAPLOG_BUSY, "%s: another process is changing topics", directory->path)
               : result;
}

static int make_topic(struct progress *progress)
{
    struct directory *directory = progress->directory;
    int result = progress->timeout_ns == 0 ? check_unchanging(directory) : 0;
    if (!result)
        result =
            directory_create_topic(directory, PROGRESS_TOPIC, PROGRESS_PARTITIONS, topic_configs);
    return result == MAPLOG_EXISTS ? 0 : result;
}

/* Finds the topic, or makes it. Without one and create: 0 and no shards. */
static int attach(struct progress *progress, bool create)
{
    if (progress->shards)
        return 0;
    struct maplog_topic topic;
    int result = directory_topic(progress->directory, PROGRESS_TOPIC, &topic);
    if (result == MAPLOG_NOT_FOUND && create) {
        result = make_topic(progress);
        if (!result)
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

int progress_open(struct directory *directory, int64_t timeout_ns, struct progress **progress)
{
    if (directory->fd < 0)
        return error_set(MAPLOG_UNSUPPORTED, "an anonymous log keeps no progress of groups");
    struct progress *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for group progress");
    made->directory = directory;
    made->seat = UINT32_MAX;
    made->timeout_ns = -1;
    builder_init(&made->builder, MAPLOG_COMPRESSION_NONE);
    pthread_mutex_init(&made->lock, NULL);
    int result = timeout_ns == 0 && !directory->read_only ? attach(made, true) : 0;
    /* Nothing that keeps others from reading; commits try again. */
    if (result && result != MAPLOG_DISK_FULL && result != MAPLOG_TIMED_OUT) {
        progress_close(made);
        return result;
    }
    made->timeout_ns = timeout_ns;
    *progress = made;
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

static int unknown_form(const struct progress_key *key)
{
    return error_set(MAPLOG_VERSION, "the progress of group %.*s in %.*s-%d has an unknown form",
                     (int)key->group_size, key->group, (int)key->topic_size, key->topic,
                     (int)key->partition);
}

/* What the shard has of the key; 1, or 0. */
static int look_up(const struct shard *shard, const uint8_t *bytes, size_t size,
                   struct progress_value *value)
{
    struct progress_record record;
    struct progress_key key;
    if (!shard || !progress_table_find(&shard->table, bytes, size, &record))
        return 0;
    if (progress_parse_value(record.value, record.value_size, value))
        return 1;
    progress_parse_key(bytes, size, &key);
    return unknown_form(&key);
}

int progress_fetch(struct progress *progress, const char *group, const char *topic,
                   int32_t partition, struct progress_entry *entry, char *metadata)
{
    int result = check_names(progress, group, topic);
    if (result)
        return result;
    uint8_t key[PROGRESS_KEY_MAX];
    size_t key_size = progress_put_key(key, group, topic, partition);
    pthread_mutex_lock(&progress->lock);
    struct shard *shard;
    struct progress_value value;
    result = take_shard(progress, group, false, &shard);
    if (!result)
        result = look_up(shard, key, key_size, &value);
    if (result == 1) {
        *entry = (struct progress_entry){.group = group,
                                         .topic = topic,
                                         .partition = partition,
                                         .offset = value.offset,
                                         .leader_epoch = value.leader_epoch,
                                         .metadata = metadata ? metadata : "",
                                         .metadata_size = metadata ? value.metadata_size : 0,
                                         .committed_ms = value.committed_ms,
                                         .expires_ms = value.expires_ms};
        if (metadata)
            memcpy(metadata, value.metadata, value.metadata_size);
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
        result =
            appender_open(shard->partition, progress->seat, progress->timeout_ns, &shard->appender);
    shard->appends = !result;
    return result;
}

/* Appends the batch that was built. */
static int append(struct progress *progress, struct shard *shard)
{
    uint8_t *batch;
    size_t size;
    struct appended appended;
    int result = open_appender(progress, shard);
    if (!result)
        result = builder_finish(&progress->builder, &batch, &size);
    if (!result)
        result = appender_append(&shard->appender, batch, size, &appended);
    return result;
}

static int check_entry(const struct progress *progress, const struct progress_entry *entry,
                       const char *group)
{
    int result = check_names(progress, entry->group, entry->topic);
    if (result)
        return result;
    if (strcmp(entry->group, group) != 0)
        return error_set(MAPLOG_INVALID, "one commit is for one group, not for %s and %s", group,
                         entry->group);
    if (entry->partition < 0 || entry->offset < -1)
        return error_set(MAPLOG_INVALID, "offset %lld of %s-%d cannot be committed",
                         (long long)entry->offset, entry->topic, (int)entry->partition);
    if (entry->metadata_size > PROGRESS_METADATA_MAX)
        return error_set(MAPLOG_LIMIT, "the metadata of a commit has at most %d bytes",
                         PROGRESS_METADATA_MAX);
    return 0;
}

static int check_commit(const struct progress *progress, const struct progress_entry *entries,
                        size_t count, bool local)
{
    for (size_t i = 0; i < count; i++) {
        int result = check_entry(progress, &entries[i], entries[0].group);
        if (result)
            return result;
    }
    if (progress->directory->read_only)
        return error_set(MAPLOG_DENIED, "%s was opened read-only", progress->directory->path);
    return local ? progress_check_inactive(progress->directory, entries[0].group) : 0;
}

/* Adds the entry's record to the batch. */
static int add_entry(struct builder *builder, const struct progress_entry *entry, int64_t now_ms)
{
    uint8_t key[PROGRESS_KEY_MAX];
    uint8_t bytes[PROGRESS_VALUE_MAX(PROGRESS_METADATA_MAX)];
    struct maplog_record record = {
        .key = key,
        .key_size = progress_put_key(key, entry->group, entry->topic, entry->partition),
    };
    if (entry->offset >= 0) {
        struct progress_value value = {
            .offset = entry->offset,
            .leader_epoch = entry->leader_epoch,
            .metadata = entry->metadata,
            .metadata_size = entry->metadata_size,
            .committed_ms = entry->committed_ms < 0 ? now_ms : entry->committed_ms,
            .expires_ms = entry->expires_ms,
        };
        record.value = bytes;
        record.value_size = progress_put_value(bytes, &value);
    }
    return builder_add(builder, &record, now_ms);
}

int progress_commit(struct progress *progress, const struct progress_entry *entries, size_t count,
                    bool local)
{
    if (count == 0)
        return 0;
    int result = check_commit(progress, entries, count, local);
    if (result)
        return result;
    int64_t now_ms = keeper_now_ms(progress->directory);
    pthread_mutex_lock(&progress->lock);
    builder_clear(&progress->builder);
    for (size_t i = 0; !result && i < count; i++)
        result = add_entry(&progress->builder, &entries[i], now_ms);
    struct shard *shard;
    if (!result)
        result = take_shard(progress, entries[0].group, true, &shard);
    if (!result)
        result = append(progress, shard);
    if (!result)
        progress_rewrite(&shard->table, &shard->appender, &shard->checked_base);
    pthread_mutex_unlock(&progress->lock);
    return result;
}

/* ---- forgetting ------------------------------------------------------------------------------ */

struct forgetting {
    struct builder *builder;
    const char *topic;
    int64_t now_ms;
};

static int add_tombstone(void *context, const struct progress_record *record)
{
    const struct forgetting *forgetting = context;
    struct progress_key key;
    if (!progress_parse_key(record->key, record->key_size, &key) ||
        !progress_is_text(forgetting->topic, key.topic, key.topic_size))
        return 0;
    struct maplog_record tombstone = {.key = record->key, .key_size = record->key_size};
    if (forgetting->builder->size > FORGET_BYTES)
        return 1;
    return builder_add(forgetting->builder, &tombstone, forgetting->now_ms);
}

/* Batch after batch, until the shard has no progress in the topic. */
static int forget_in(struct progress *progress, int32_t number, const char *topic)
{
    struct forgetting forgetting = {&progress->builder, topic, keeper_now_ms(progress->directory)};
    for (;;) {
        int result = refresh(progress, number);
        builder_clear(&progress->builder);
        if (!result)
            result =
                progress_table_walk(&progress->shards[number].table, add_tombstone, &forgetting);
        if (result < 0 || progress->builder.records == 0)
            return result < 0 ? result : 0;
        result = append(progress, &progress->shards[number]);
        if (result)
            return result;
    }
}

int progress_forget(struct progress *progress, const char *topic)
{
    if (directory_forked(progress->directory))
        return error_set(MAPLOG_FORKED, "group progress was opened before fork()");
    pthread_mutex_lock(&progress->lock);
    int result = attach(progress, false);
    for (int32_t i = 0; !result && i < progress->count; i++)
        result = forget_in(progress, i, topic);
    if (result == MAPLOG_TOPIC_DELETED || result == MAPLOG_NOT_FOUND) {
        detach(progress);
        result = 0; /* it went with all the rest */
    }
    pthread_mutex_unlock(&progress->lock);
    return result;
}

/* ---- all entries ----------------------------------------------------------------------------- */

/* Copies what matches; the caller holds the lock. A group's entries are all in its shard. */
static int collect_all(struct progress *progress, struct progress_listing *listing)
{
    int result = attach(progress, false);
    int32_t begin = 0, end = progress->count;
    if (listing->group && end > 0) {
        begin = progress_place(listing->group, end);
        end = begin + 1;
    }
    for (int32_t i = begin; !result && i < end; i++) {
        result = refresh(progress, i);
        if (!result)
            result = progress_table_walk(&progress->shards[i].table, progress_listing_add, listing);
    }
    if (result == MAPLOG_TOPIC_DELETED || result == MAPLOG_NOT_FOUND) {
        detach(progress);
        progress_listing_clear(listing);
        result = 0;
    }
    return result;
}

int progress_list(struct progress *progress, const char *group,
                  int (*visit)(void *context, const struct progress_entry *entry), void *context)
{
    if (directory_forked(progress->directory))
        return error_set(MAPLOG_FORKED, "group progress was opened before fork()");
    struct progress_listing listing = {.group = group};
    pthread_mutex_lock(&progress->lock);
    int result = collect_all(progress, &listing);
    pthread_mutex_unlock(&progress->lock);
    if (!result)
        result = progress_listing_visit(&listing, visit, context);
    progress_listing_clear(&listing);
    return result;
}
