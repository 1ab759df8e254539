#include "broker/groups.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "broker/expiry.h"
#include "broker/parts.h"
#include "log/progress.h"

#define BUCKETS_FIRST 64
/* Parked requests look at the clock themselves; this is for sessions that begin between ticks. */
#define TICK_MS 1000

struct groups {
    pthread_mutex_t lock;
    struct group **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
    size_t bytes;         /* of all groups, about */
    int claim_fd;         /* of progress_activate() */
    int64_t now_ms;       /* as of the last who came in */
    struct expiry expiry; /* the ticking thread's */
};

int groups_open(struct broker *broker, int64_t now_ms, struct groups **groups)
{
    struct groups *made = calloc(1, sizeof *made);
    struct group **buckets = calloc(BUCKETS_FIRST, sizeof(struct group *));
    if (!made || !buckets) {
        free(made);
        free(buckets);
        return error_set(MAPLOG_NO_MEMORY, "no memory for groups");
    }
    pthread_mutex_init(&made->lock, NULL);
    made->buckets = buckets;
    made->bucket_count = BUCKETS_FIRST;
    made->claim_fd = -1;
    expiry_init(&made->expiry, broker, now_ms);
    *groups = made;
    return 0;
}

void groups_close(struct groups *groups)
{
    if (!groups)
        return;
    for (size_t i = 0; i < groups->bucket_count; i++) {
        while (groups->buckets[i]) {
            struct group *group = groups->buckets[i];
            groups->buckets[i] = group->next;
            group_free(group);
        }
    }
    progress_unclaim(groups->claim_fd);
    pthread_mutex_destroy(&groups->lock);
    free(groups->buckets);
    free(groups);
}

/* ---- the table ------------------------------------------------------------------------------- */

static uint64_t hash_of(struct wire_string id)
{
    uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a */
    for (int32_t i = 0; i < id.size; i++)
        hash = (hash ^ (uint8_t)id.at[i]) * 0x100000001b3ull;
    return hash ^ hash >> 32;
}

static struct group **bucket_of(const struct groups *groups, uint64_t hash)
{
    return &groups->buckets[hash & (groups->bucket_count - 1)];
}

static struct group *find(const struct groups *groups, struct wire_string id)
{
    uint64_t hash = hash_of(id);
    struct group *group = *bucket_of(groups, hash);
    while (group && (group->hash != hash || !wire_equal(id, group->name)))
        group = group->next;
    return group;
}

/* Twice as many buckets; stays as it is without memory. */
static void spread(struct groups *groups)
{
    size_t old_count = groups->bucket_count;
    struct group **old = groups->buckets;
    struct group **fresh = calloc(2 * old_count, sizeof(struct group *));
    if (!fresh)
        return;
    groups->buckets = fresh;
    groups->bucket_count = 2 * old_count;
    for (size_t i = 0; i < old_count; i++) {
        for (struct group *group = old[i], *next; group; group = next) {
            struct group **bucket = bucket_of(groups, group->hash);
            next = group->next;
            group->next = *bucket;
            *bucket = group;
        }
    }
    free(old);
}

int16_t groups_make(struct broker *broker, struct wire_string id, int64_t now_ms,
                    struct group **group)
{
    struct groups *groups = broker->groups;
    struct group *made = find(groups, id);
    if (!made) {
        made = groups->bytes < LIMIT_GROUPS_BYTES ? group_create(broker, id, now_ms) : NULL;
        if (!made)
            return KAFKA_COORDINATOR_NOT_AVAILABLE;
        if (groups->count >= groups->bucket_count)
            spread(groups);
        made->hash = hash_of(id);
        struct group **bucket = bucket_of(groups, made->hash);
        made->next = *bucket;
        *bucket = made;
        groups->count++;
    }
    *group = made;
    return KAFKA_NONE;
}

void groups_forget(struct broker *broker, struct group *group)
{
    struct groups *groups = broker->groups;
    struct group **link = bucket_of(groups, group->hash);
    while (*link != group)
        link = &(*link)->next;
    *link = group->next;
    groups->count--;
    groups->bytes -= group->counted;
    group_free(group);
}

/* ---- within ---------------------------------------------------------------------------------- */

/* What became due, and what the table has to know of it. */
static void settle(struct groups *groups, struct group *group, int64_t now_ms)
{
    rebalance_advance(group, now_ms);
    groups->bytes += group->bytes - group->counted;
    group->counted = group->bytes;
    if (group->active && group->state == GROUP_EMPTY) {
        progress_deactivate(group->broker->directory, group->name, groups->claim_fd);
        group->active = false;
    }
}

int16_t groups_check_id(struct wire_string id)
{
    bool fits = id.size > 0 && id.size <= LIMIT_GROUP_NAME;
    return fits && !memchr(id.at, 0, (size_t)id.size) ? KAFKA_NONE : KAFKA_INVALID_GROUP_ID;
}

int16_t groups_enter(struct broker *broker, struct wire_string id, int64_t now_ms,
                     struct group **group)
{
    struct groups *groups = broker->groups;
    int16_t error = groups_check_id(id);
    if (error)
        return error;
    pthread_mutex_lock(&groups->lock);
    groups->now_ms = now_ms;
    *group = find(groups, id);
    if (*group)
        settle(groups, *group, now_ms);
    return KAFKA_NONE;
}

int16_t groups_admit(struct broker *broker, struct group *group, size_t size)
{
    struct groups *groups = broker->groups;
    if (groups->bytes + size > LIMIT_GROUPS_BYTES) {
        broker_note_seldom(broker, 'W', "a member is refused: all groups need too much memory");
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    }
    if (!group->active &&
        progress_activate(broker->directory, group->name, &groups->claim_fd) < 0) {
        broker_note_seldom(broker, 'W', error_text());
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    }
    group->active = true;
    return KAFKA_NONE;
}

void groups_leave(struct broker *broker, struct group *group, int64_t now_ms)
{
    if (group)
        settle(broker->groups, group, now_ms);
    pthread_mutex_unlock(&broker->groups->lock);
}

int groups_walk(struct broker *broker, int64_t now_ms, int (*visit)(void *context, struct group *),
                void *context)
{
    struct groups *groups = broker->groups;
    int result = 0;
    pthread_mutex_lock(&groups->lock);
    for (size_t i = 0; !result && i < groups->bucket_count; i++) {
        for (struct group *group = groups->buckets[i], *next; !result && group; group = next) {
            next = group->next; /* it may be forgotten */
            settle(groups, group, now_ms);
            result = visit(context, group);
        }
    }
    pthread_mutex_unlock(&groups->lock);
    return result;
}

void groups_end_wait(struct broker *broker, struct broker_request *request)
{
    struct group_wait *wait = request->state;
    if (!wait)
        return;
    pthread_mutex_lock(&broker->groups->lock);
    group_unpark(wait, broker->groups->now_ms);
    pthread_mutex_unlock(&broker->groups->lock);
}

bool groups_member_id(struct broker *broker, struct arena *arena, struct wire_string base,
                      struct wire_string *id)
{
    uint8_t random[16];
    const struct broker_host *host = broker->host;
    host->random(host->context, random, sizeof random);
    struct uuid uuid = uuid_from_random(random);
    const uint8_t *b = uuid.bytes;
    int size = base.size > LIMIT_GROUP_NAME ? LIMIT_GROUP_NAME : base.size < 0 ? 0 : base.size;
    *id = wire_text(arena_print(
        arena, "%.*s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", size,
        size ? base.at : "", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10],
        b[11], b[12], b[13], b[14], b[15]));
    return id->size >= 0;
}

/* ---- time ------------------------------------------------------------------------------------ */

int64_t groups_tick(struct broker *broker, int64_t now_ms)
{
    struct groups *groups = broker->groups;
    int64_t next = now_ms + TICK_MS;
    pthread_mutex_lock(&groups->lock);
    groups->now_ms = now_ms;
    for (size_t i = 0; i < groups->bucket_count; i++) {
        for (struct group *group = groups->buckets[i]; group; group = group->next) {
            if (group->due_ms <= now_ms)
                settle(groups, group, now_ms);
            if (group->due_ms < next)
                next = group->due_ms;
        }
    }
    pthread_mutex_unlock(&groups->lock);
    int64_t expiry = expiry_tick(&groups->expiry, now_ms);
    return expiry < next ? expiry : next;
}
