#include "broker/expiry.h"

#include <stdio.h>

#include "base/error.h"
#include "broker/offsets.h"

#define AGAIN_MS 1000
/* Nothing is known of the groups of before a start: one may have had members who committed long
 * ago, because nothing came since. They have this long to come back. */
#define GRACE_MS 86400000

/* One look at everything that is committed. */
struct look {
    struct expiry *expiry;
    int64_t now_ms, wall_ms, retention_ms;
    struct arena arena;
    char group[LIMIT_GROUP_NAME + 1]; /* that is being listed */
    struct offsets_batch batch;
    int result;
};

void expiry_init(struct expiry *expiry, struct broker *broker, int64_t now_ms)
{
    *expiry = (struct expiry){.broker = broker, .opened_ms = now_ms, .looked_ms = now_ms};
}

/* group: NULL when nothing is known of it. The lock of groups is held. */
static bool is_expired(const struct look *look, const struct group *group,
                       const struct progress_entry *entry)
{
    int64_t since = entry->committed_ms;
    if (group && group->count > 0)
        return group->state == GROUP_STABLE && !group_subscribes(group, entry->topic) &&
               since <= look->wall_ms - look->retention_ms;
    if (entry->expires_ms >= 0)
        return entry->expires_ms <= look->wall_ms;
    int64_t grace = look->retention_ms < GRACE_MS ? look->retention_ms : GRACE_MS;
    if (!group && look->expiry->opened_ms + grace > look->now_ms)
        return false;
    if (group && group->empty_since_ms > since)
        since = group->empty_since_ms;
    return since <= look->wall_ms - look->retention_ms;
}

/* Commits away those of the batch that are expired, unless a member came meanwhile. */
static int flush(struct look *look)
{
    struct broker *broker = look->expiry->broker;
    struct offsets_batch *batch = &look->batch;
    struct group *group;
    size_t kept = 0;
    int result = 0;
    if (batch->count > 0 && !groups_enter(broker, wire_text(look->group), look->now_ms, &group)) {
        for (size_t i = 0; i < batch->count; i++) {
            struct progress_entry now;
            const struct progress_entry *entry = &batch->entries[i];
            result = progress_fetch(broker->progress, entry->group, entry->topic, entry->partition,
                                    &now, NULL);
            if (result == 1 && is_expired(look, group, &now))
                batch->entries[kept++] = *entry;
        }
        result = progress_commit(broker->progress, batch->entries, kept, false);
        groups_leave(broker, group, look->now_ms);
        if (!result && kept > 0)
            broker_note(broker, 'I', "group %s: %zu offsets expired", look->group, kept);
    }
    batch->count = 0;
    arena_reset(&look->arena);
    return result;
}

/* The group of the entry has committed offsets. */
static void mark(struct look *look, const char *name)
{
    struct group *group;
    snprintf(look->group, sizeof look->group, "%s", name);
    if (groups_enter(look->expiry->broker, wire_text(name), look->now_ms, &group))
        return;
    if (group)
        group->committed = true;
    groups_leave(look->expiry->broker, group, look->now_ms);
}

static int visit(void *context, const struct progress_entry *entry)
{
    struct look *look = context;
    int result = 0;
    if (strcmp(look->group, entry->group) != 0) {
        result = flush(look);
        mark(look, entry->group);
    }
    bool may_be = entry->expires_ms >= 0
                      ? entry->expires_ms <= look->wall_ms
                      : entry->committed_ms <= look->wall_ms - look->retention_ms;
    if (!result && may_be && offsets_batch_add(&look->batch, entry))
        result = flush(look);
    return result;
}

static int unmark(void *context, struct group *group)
{
    (void)context;
    group->committed = false;
    return 0;
}

/* Groups without members and offsets are nothing any more. */
static int forget_unmarked(void *context, struct group *group)
{
    if (group->state == GROUP_EMPTY && group->pending_count == 0 && !group->committed)
        groups_forget(context, group);
    return 0;
}

int64_t expiry_tick(struct expiry *expiry, int64_t now_ms)
{
    struct broker *broker = expiry->broker;
    int64_t pause =
        expiry->unfinished ? AGAIN_MS : BROKER_SETTING(broker, offsets_retention_check_ms);
    if (now_ms - expiry->looked_ms < pause)
        return expiry->looked_ms + pause;
    struct look look = {.expiry = expiry,
                        .now_ms = now_ms,
                        .wall_ms = broker_wall_ms(broker, now_ms),
                        .retention_ms = BROKER_SETTING(broker, offsets_retention_minutes) * 60000,
                        .arena = {.limit = LIMIT_REQUEST_MEMORY}};
    look.batch.arena = &look.arena;
    groups_walk(broker, now_ms, unmark, NULL);
    int result = progress_list(broker->progress, NULL, visit, &look);
    if (!result)
        result = flush(&look);
    arena_reset(&look.arena);
    if (!result)
        groups_walk(broker, now_ms, forget_unmarked, broker);
    else if (result != MAPLOG_BUSY)
        broker_note(broker, 'W', "expired offsets stay: %s", error_text());
    expiry->looked_ms = now_ms;
    expiry->unfinished = result != 0;
    return now_ms + (result ? AGAIN_MS : BROKER_SETTING(broker, offsets_retention_check_ms));
}
