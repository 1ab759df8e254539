#include "log/segment_cache.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "log/directory.h"

/* A segment that is kept; in one bucket, and in the order of use. */
struct entry {
    struct segment *segment; /* a reference */
    uint32_t indexed;        /* index bytes that were valid when it was opened, while active */
    struct entry *next;      /* in its bucket; in the list of those that go */
    struct entry *newer, *older;
};

struct segment_cache {
    pthread_mutex_t lock; /* guards what follows */
    size_t capacity;
    size_t count;
    size_t mask; /* buckets - 1 */
    struct entry **buckets;
    struct entry *newest, *oldest;
};

/* What a mapping must have to serve a look-up of now. */
struct needed {
    bool sealed;
    uint32_t end;     /* published, of the active segment */
    uint32_t indexed; /* valid index bytes of the active segment */
};

int segment_cache_open(size_t capacity, struct segment_cache **cache)
{
    size_t buckets = 16;
    while (buckets < capacity && buckets < SIZE_MAX / 2 / sizeof(struct entry *))
        buckets *= 2;
    struct segment_cache *made = calloc(1, sizeof *made);
    struct entry **table = calloc(buckets, sizeof(struct entry *));
    if (!made || !table) {
        free(made);
        free(table);
        return error_set(MAPLOG_NO_MEMORY, "cannot make a cache of %zu segments", capacity);
    }
    pthread_mutex_init(&made->lock, NULL);
    made->capacity = capacity ? capacity : 1;
    made->mask = buckets - 1;
    made->buckets = table;
    *cache = made;
    return 0;
}

static struct entry **bucket_of(const struct segment_cache *cache,
                                const struct partition *partition, int64_t base)
{
    uint64_t hash = ((uint64_t)(uintptr_t)partition >> 6) * 0x9e3779b97f4a7c15ull;
    hash = (hash ^ (uint64_t)base) * 0x9e3779b97f4a7c15ull;
    return &cache->buckets[(hash >> 32) & cache->mask];
}

static struct entry *find(const struct segment_cache *cache, const struct partition *partition,
                          int64_t base)
{
    struct entry *entry = *bucket_of(cache, partition, base);
    while (entry && (entry->segment->base != base || entry->segment->partition != partition))
        entry = entry->next;
    return entry;
}

/* ---- order of use ---------------------------------------------------------------------------- */

static void unlink_use(struct segment_cache *cache, struct entry *entry)
{
    *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
}

static void link_newest(struct segment_cache *cache, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

/* Takes the entry out of the cache and puts it before *gone, for free_entries() without the lock:
 * to unmap takes a while. */
static void take_out(struct segment_cache *cache, struct entry *entry, struct entry **gone)
{
    struct entry **at = bucket_of(cache, entry->segment->partition, entry->segment->base);
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    unlink_use(cache, entry);
    cache->count--;
    entry->next = *gone;
    *gone = entry;
}

static void free_entries(struct entry *gone)
{
    while (gone) {
        struct entry *next = gone->next;
        segment_drop(gone->segment);
        free(gone);
        gone = next;
    }
}

static void put(struct segment_cache *cache, struct entry *entry, struct entry **gone)
{
    struct entry **bucket = bucket_of(cache, entry->segment->partition, entry->segment->base);
    entry->next = *bucket;
    *bucket = entry;
    link_newest(cache, entry);
    cache->count++;
    while (cache->count > cache->capacity)
        take_out(cache, cache->oldest, gone);
}

/* ---- looking up ------------------------------------------------------------------------------ */

static struct needed needed_now(const struct partition *partition, int64_t base)
{
    struct partition_end end;
    partition_end(partition, &end);
    struct needed needed = {.sealed = base < end.base, .end = end.position};
    if (!needed.sealed)
        needed.indexed = load_acquire(&partition->control->index_bytes[end.rolls & 1]);
    return needed;
}

/* A segment that was mapped while it was active grew since, or was cut to its size since: its
 * indexes then have pages without a file behind them. */
static bool serves(const struct entry *entry, const struct needed *needed)
{
    const struct segment *segment = entry->segment;
    if (needed->sealed)
        return segment->sealed;
    uint64_t indexed =
        segment->index_bytes > entry->indexed ? segment->index_bytes : entry->indexed;
    return needed->end <= segment->log_bytes && needed->indexed <= indexed;
}

/* Maps the segment. Its end is asked for once: an unlinked or sealed file does not change. */
static int open_entry(struct partition *partition, int64_t base, const struct needed *needed,
                      struct entry **entry)
{
    struct entry *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "cannot map a segment of %s", partition->name);
    int result = partition->store->open(partition, base, 0, false, &made->segment);
    struct segment_sizes sizes;
    if (!result && needed->sealed) {
        result = segment_sealed(made->segment, &sizes);
        if (!result && sizes.log > made->segment->log_bytes)
            result = error_set(MAPLOG_CORRUPT, "%s/%s: segment %lld changed while it was mapped",
                               partition->directory->path, partition->name, (long long)base);
        made->segment->sealed = true;
        made->segment->end = result ? 0 : (uint32_t)sizes.log;
    }
    if (result) {
        segment_drop(made->segment);
        free(made);
        return result;
    }
    made->indexed = needed->indexed;
    *entry = made;
    return 0;
}

/* A reference of the segment when a mapping is kept that serves; one that does not goes. */
static struct segment *get_kept(struct segment_cache *cache, const struct partition *partition,
                                int64_t base, struct entry **gone)
{
    struct entry *entry = find(cache, partition, base);
    if (!entry)
        return NULL;
    struct needed needed = needed_now(partition, base);
    if (!serves(entry, &needed)) {
        take_out(cache, entry, gone);
        return NULL;
    }
    if (entry != cache->newest) {
        unlink_use(cache, entry);
        link_newest(cache, entry);
    }
    return segment_keep(entry->segment);
}

int segment_cache_get(struct segment_cache *cache, struct partition *partition, int64_t base,
                      struct segment **segment)
{
    struct entry *gone = NULL;
    pthread_mutex_lock(&cache->lock);
    struct segment *kept = get_kept(cache, partition, base, &gone);
    pthread_mutex_unlock(&cache->lock);
    free_entries(gone);
    if (kept) {
        *segment = kept;
        return 0;
    }
    struct needed needed = needed_now(partition, base);
    struct entry *made = NULL;
    int result = open_entry(partition, base, &needed, &made);
    if (result)
        return result;
    *segment = segment_keep(made->segment);
    gone = NULL;
    pthread_mutex_lock(&cache->lock);
    /* Another thread may have been faster; of two good ones the newer stays. */
    struct entry *other = find(cache, partition, base);
    if (other)
        take_out(cache, other, &gone);
    put(cache, made, &gone);
    pthread_mutex_unlock(&cache->lock);
    free_entries(gone);
    return 0;
}

/* Its files went, or will: the one that holds the log start is mapped again when it is asked for.
 */
static bool is_gone(const struct segment *segment)
{
    return segment->base < partition_start(segment->partition) ||
           load_acquire(&segment->partition->control->state) != PARTITION_LIVE;
}

void segment_cache_forget(struct segment_cache *cache, const struct partition *partition)
{
    struct entry *gone = NULL;
    pthread_mutex_lock(&cache->lock);
    for (struct entry *entry = cache->newest, *older; entry; entry = older) {
        older = entry->older;
        bool asked = !partition || entry->segment->partition == partition;
        if (asked && is_gone(entry->segment))
            take_out(cache, entry, &gone);
    }
    pthread_mutex_unlock(&cache->lock);
    free_entries(gone);
}

void segment_cache_close(struct segment_cache *cache)
{
    if (!cache)
        return;
    struct entry *gone = NULL;
    while (cache->oldest)
        take_out(cache, cache->oldest, &gone);
    free_entries(gone);
    pthread_mutex_destroy(&cache->lock);
    free(cache->buckets);
    free(cache);
}
