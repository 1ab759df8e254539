#include "broker/sessions.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "wire/errors.h"

#define BUCKETS 1024       /* of sessions by id */
#define ITEM_BUCKETS 16    /* of a new session's partitions */
#define EVICT_MS 120000    /* Kafka's: younger or used ones do not give way */
#define DEFAULT_SLOTS 1000 /* Kafka's */

/* One partition of a session; begins with the item that others see. */
struct member {
    struct fetch_item item;
    struct member *next_hash;
    struct member *before, *behind; /* in the order of service */
    char topic[];
};

struct session {
    int32_t id;
    int32_t epoch; /* of the next request */
    bool by_id;
    bool taken;
    bool removed; /* freed when it is given back */
    int64_t created_ms, used_ms;
    struct session *next_hash;
    struct session *newer, *older;

    int32_t count;
    uint32_t mask; /* buckets - 1 */
    struct member **buckets;
    struct member *first, *last;
};

struct sessions {
    const struct broker_host *host;
    pthread_mutex_t lock; /* guards what follows, and what of sessions is not their taker's */
    int32_t limit;
    int32_t count;
    int64_t partitions;              /* of all sessions */
    struct session *newest, *oldest; /* by their last use */
    struct session *buckets[BUCKETS];
};

int sessions_open(const struct broker_host *host, struct sessions **sessions)
{
    struct sessions *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for fetch sessions");
    made->host = host;
    made->limit = DEFAULT_SLOTS;
    pthread_mutex_init(&made->lock, NULL);
    *sessions = made;
    return 0;
}

/* ---- partitions of one ----------------------------------------------------------------------- */

static uint32_t hash_item(const struct fetch_item *item)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    const uint8_t *at = item->topic.at ? (const uint8_t *)item->topic.at : item->topic_id.bytes;
    size_t size = item->topic.at ? (size_t)item->topic.size : sizeof item->topic_id.bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * 16777619u;
    return (hash ^ (uint32_t)item->number) * 2654435761u >> 8;
}

static bool same(const struct fetch_item *one, const struct fetch_item *other)
{
    if (one->number != other->number || !one->topic.at != !other->topic.at)
        return false;
    if (!one->topic.at)
        return memcmp(&one->topic_id, &other->topic_id, sizeof one->topic_id) == 0;
    return one->topic.size == other->topic.size &&
           memcmp(one->topic.at, other->topic.at, (size_t)one->topic.size) == 0;
}

static struct member **find_member(struct session *session, const struct fetch_item *item)
{
    struct member **at = &session->buckets[hash_item(item) & session->mask];
    while (*at && !same(&(*at)->item, item))
        at = &(*at)->next_hash;
    return at;
}

static void unlink_member(struct session *session, struct member *member)
{
    *(member->before ? &member->before->behind : &session->first) = member->behind;
    *(member->behind ? &member->behind->before : &session->last) = member->before;
}

static void link_last(struct session *session, struct member *member)
{
    member->behind = NULL;
    member->before = session->last;
    *(session->last ? &session->last->behind : &session->first) = member;
    session->last = member;
}

/* Twice the buckets when there is a partition for each; without memory the chains get longer. */
static void widen(struct session *session)
{
    uint32_t wide = (session->mask + 1) * 2;
    struct member **buckets =
        (uint32_t)session->count < wide / 2 ? NULL : calloc(wide, sizeof(struct member *));
    if (!buckets)
        return;
    free(session->buckets);
    session->buckets = buckets;
    session->mask = wide - 1;
    for (struct member *member = session->first; member; member = member->behind) {
        struct member **bucket = &buckets[hash_item(&member->item) & session->mask];
        member->next_hash = *bucket;
        *bucket = member;
    }
}

/* Changes the number of partitions of all sessions; false when there may be no more. */
static bool count_partitions(struct sessions *sessions, int64_t change)
{
    pthread_mutex_lock(&sessions->lock);
    bool fits = change < 0 || sessions->partitions + change <= LIMIT_SESSION_PARTITIONS;
    if (fits)
        sessions->partitions += change;
    pthread_mutex_unlock(&sessions->lock);
    return fits;
}

int sessions_put(struct sessions *sessions, struct session *session, const struct fetch_item *item)
{
    struct member *known = *find_member(session, item);
    if (known) {
        known->item.leader_epoch = item->leader_epoch;
        known->item.last_fetched_epoch = item->last_fetched_epoch;
        known->item.max_bytes = item->max_bytes;
        known->item.offset = item->offset;
        return 0;
    }
    size_t topic_size = item->topic.at ? (size_t)item->topic.size : 0;
    struct member *made = malloc(sizeof *made + topic_size);
    if (!made || !count_partitions(sessions, 1)) {
        free(made);
        return error_set(MAPLOG_LIMIT, "fetch sessions have %d partitions in all",
                         LIMIT_SESSION_PARTITIONS);
    }
    made->item = *item;
    if (item->topic.at) {
        memcpy(made->topic, item->topic.at, topic_size);
        made->item.topic.at = made->topic;
    }
    session->count++;
    link_last(session, made);
    struct member **bucket = &session->buckets[hash_item(item) & session->mask];
    made->next_hash = *bucket;
    *bucket = made;
    widen(session);
    return 0;
}

void sessions_forget(struct sessions *sessions, struct session *session,
                     const struct fetch_item *item)
{
    struct member **at = find_member(session, item);
    struct member *member = *at;
    if (!member)
        return;
    *at = member->next_hash;
    unlink_member(session, member);
    session->count--;
    free(member);
    count_partitions(sessions, -1);
}

struct fetch_item *sessions_next(struct session *session, struct fetch_item *previous)
{
    struct member *next = previous ? ((struct member *)previous)->behind : session->first;
    return next ? &next->item : NULL;
}

void sessions_served(struct session *session, struct fetch_item *item)
{
    struct member *member = (struct member *)item;
    if (member == session->last)
        return;
    unlink_member(session, member);
    link_last(session, member);
}

static struct session *new_session(void)
{
    struct session *made = calloc(1, sizeof *made);
    struct member **buckets = calloc(ITEM_BUCKETS, sizeof(struct member *));
    if (!made || !buckets) {
        free(made);
        free(buckets);
        return NULL;
    }
    made->buckets = buckets;
    made->mask = ITEM_BUCKETS - 1;
    return made;
}

static void free_session(struct session *session)
{
    if (!session)
        return;
    for (struct member *member = session->first, *behind; member; member = behind) {
        behind = member->behind;
        free(member);
    }
    free(session->buckets);
    free(session);
}

/* ---- all ------------------------------------------------------------------------------------- */

static struct session **find_session(struct sessions *sessions, int32_t id)
{
    struct session **at = &sessions->buckets[(uint32_t)id % BUCKETS];
    while (*at && (*at)->id != id)
        at = &(*at)->next_hash;
    return at;
}

static void unlink_use(struct sessions *sessions, struct session *session)
{
    *(session->newer ? &session->newer->older : &sessions->newest) = session->older;
    *(session->older ? &session->older->newer : &sessions->oldest) = session->newer;
}

static void link_newest(struct sessions *sessions, struct session *session)
{
    session->newer = NULL;
    session->older = sessions->newest;
    *(sessions->newest ? &sessions->newest->newer : &sessions->oldest) = session;
    sessions->newest = session;
}

/* Takes it out; answers it when it is to be freed now, else whoever has it does that. */
static struct session *take_out(struct sessions *sessions, struct session *session)
{
    *find_session(sessions, session->id) = session->next_hash;
    unlink_use(sessions, session);
    sessions->count--;
    session->removed = true;
    if (session->taken)
        return NULL;
    sessions->partitions -= session->count;
    return session;
}

void sessions_close(struct sessions *sessions)
{
    if (!sessions)
        return;
    while (sessions->oldest)
        free_session(take_out(sessions, sessions->oldest));
    pthread_mutex_destroy(&sessions->lock);
    free(sessions);
}

void sessions_limit(struct sessions *sessions, int32_t slots)
{
    pthread_mutex_lock(&sessions->lock);
    sessions->limit = slots;
    pthread_mutex_unlock(&sessions->lock);
}

int16_t sessions_take(struct sessions *sessions, const struct sessions_ask *ask,
                      struct session **session)
{
    int16_t error = KAFKA_NONE;
    pthread_mutex_lock(&sessions->lock);
    struct session *found = *find_session(sessions, ask->id);
    if (!found)
        error = KAFKA_FETCH_SESSION_ID_NOT_FOUND;
    else if (found->epoch != ask->epoch || found->taken)
        error = KAFKA_INVALID_FETCH_SESSION_EPOCH;
    else if (found->by_id != ask->by_id)
        error = KAFKA_FETCH_SESSION_TOPIC_ID_ERROR;
    else {
        found->epoch = found->epoch == INT32_MAX ? 1 : found->epoch + 1;
        found->taken = true;
        found->used_ms = ask->now_ms;
        unlink_use(sessions, found);
        link_newest(sessions, found);
        *session = found;
    }
    pthread_mutex_unlock(&sessions->lock);
    return error;
}

void sessions_give(struct sessions *sessions, struct session *session)
{
    if (!session)
        return;
    pthread_mutex_lock(&sessions->lock);
    session->taken = false;
    bool removed = session->removed;
    if (removed)
        sessions->partitions -= session->count;
    pthread_mutex_unlock(&sessions->lock);
    if (removed)
        free_session(session);
}

void sessions_remove(struct sessions *sessions, int32_t id)
{
    pthread_mutex_lock(&sessions->lock);
    struct session *found = *find_session(sessions, id);
    if (found)
        found = take_out(sessions, found);
    pthread_mutex_unlock(&sessions->lock);
    free_session(found);
}

/* Who gives way to a new session of `count` partitions: the one that was unused longest, if that
 * was long; else the smallest of those that are smaller and had their time. NULL: nobody. */
static struct session *find_victim(const struct sessions *sessions, int64_t now_ms, int32_t count)
{
    struct session *smallest = NULL;
    for (struct session *session = sessions->oldest; session; session = session->newer) {
        if (session->taken)
            continue;
        if (now_ms - session->used_ms > EVICT_MS)
            return session;
        if (now_ms - session->created_ms > EVICT_MS && session->count < count &&
            (!smallest || session->count < smallest->count))
            smallest = session;
    }
    return smallest;
}

static int32_t new_id(struct sessions *sessions)
{
    uint32_t id = 0;
    sessions->host->random(sessions->host->context, (uint8_t *)&id, sizeof id);
    while ((int32_t)id <= 0 || *find_session(sessions, (int32_t)id))
        id = (id + 1) & INT32_MAX;
    return (int32_t)id;
}

struct session *sessions_create(struct sessions *sessions, const struct sessions_ask *ask,
                                int32_t count)
{
    struct session *made = new_session(), *gone = NULL;
    if (!made)
        return NULL;
    pthread_mutex_lock(&sessions->lock);
    if (sessions->count >= sessions->limit) {
        struct session *victim = find_victim(sessions, ask->now_ms, count);
        if (victim)
            gone = take_out(sessions, victim);
    }
    bool room = sessions->count < sessions->limit &&
                sessions->partitions + count <= LIMIT_SESSION_PARTITIONS;
    if (room) {
        made->id = new_id(sessions);
        made->epoch = 1;
        made->by_id = ask->by_id;
        made->taken = true;
        made->created_ms = made->used_ms = ask->now_ms;
        struct session **bucket = &sessions->buckets[(uint32_t)made->id % BUCKETS];
        made->next_hash = *bucket;
        *bucket = made;
        link_newest(sessions, made);
        sessions->count++;
    }
    pthread_mutex_unlock(&sessions->lock);
    free_session(gone);
    if (room)
        return made;
    free_session(made);
    return NULL;
}

int32_t sessions_id(const struct session *session)
{
    return session->id;
}

int32_t sessions_count(const struct session *session)
{
    return session->count;
}
