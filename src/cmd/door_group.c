#include "cmd/door_group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "client/client.h"
#include "log/progress.h"

#define DELETE_ENTRIES 256 /* of one batch */

static int no_memory(void)
{
    return error_set(MAPLOG_NO_MEMORY, "no memory for groups");
}

/* ---- rows ------------------------------------------------------------------------------------ */

int64_t group_lag(const struct group_row *row)
{
    if (row->committed < 0 || row->end < 0)
        return -1;
    return row->end > row->committed ? row->end - row->committed : 0;
}

void group_view_free(struct group_view *view)
{
    free(view->rows);
    arena_reset(&view->arena);
    *view = (struct group_view){0};
}

/* The row of the partition, a new one at the end when there is none; NULL without memory. */
static struct group_row *row_for(struct group_view *view, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < view->count; i++) {
        if (view->rows[i].partition == partition && strcmp(view->rows[i].topic, topic) == 0)
            return &view->rows[i];
    }
    if (view->count == view->capacity) {
        size_t capacity = view->capacity ? view->capacity * 2 : 16;
        struct group_row *rows = realloc(view->rows, capacity * sizeof *rows);
        if (!rows)
            return NULL;
        view->rows = rows;
        view->capacity = capacity;
    }
    const char *copy = arena_copy(&view->arena, topic, strlen(topic));
    if (!copy)
        return NULL;
    struct group_row *row = &view->rows[view->count++];
    *row = (struct group_row){copy, partition, -1, -1, -1, NULL, NULL, NULL};
    return row;
}

static int compare_rows(const void *a, const void *b)
{
    const struct group_row *first = a, *second = b;
    int order = strcmp(first->topic, second->topic);
    return order ? order
                 : (first->partition > second->partition) - (first->partition < second->partition);
}

static int take_committed(void *context, const char *topic, int32_t partition, int64_t offset)
{
    struct group_row *row = row_for(context, topic, partition);
    if (!row)
        return no_memory();
    row->committed = offset;
    return 0;
}

static int take_entry(void *context, const struct progress_entry *entry)
{
    return take_committed(context, entry->topic, entry->partition, entry->offset);
}

struct members {
    struct group_view *view;
    const char *last; /* member: each is visited once for each of its partitions */
};

static int take_member(void *context, const struct remote_membership *member)
{
    struct members *members = context;
    struct group_view *view = members->view;
    view->members += !members->last || strcmp(members->last, member->member) != 0;
    members->last = arena_copy(&view->arena, member->member, strlen(member->member));
    if (!members->last)
        return no_memory();
    if (!member->topic)
        return 0;
    struct group_row *row = row_for(view, member->topic, member->partition);
    if (!row)
        return no_memory();
    row->member = members->last;
    row->client = arena_copy(&view->arena, member->client, strlen(member->client));
    row->host = arena_copy(&view->arena, member->host, strlen(member->host));
    return row->client && row->host ? 0 : no_memory();
}

/* ---- how far the partitions reach ------------------------------------------------------------ */

/* For rows first.. of one topic; a topic that is gone leaves them as they are. */
static int take_ends(struct door *door, struct group_row *rows, size_t count)
{
    struct maplog_topic topic;
    int result = door_topic_describe(door, rows[0].topic, &topic);
    if (result)
        return result == MAPLOG_NOT_FOUND ? 0 : result;
    struct maplog_partition *found = calloc((size_t)topic.partitions + 1, sizeof *found);
    if (!found)
        return no_memory();
    result = door_partitions_describe(door, rows[0].topic, topic.partitions, found);
    for (size_t i = 0; !result && i < count; i++) {
        if (rows[i].partition >= topic.partitions)
            continue;
        rows[i].start = found[rows[i].partition].start_offset;
        rows[i].end = found[rows[i].partition].end_offset;
    }
    free(found);
    return result;
}

static int take_all_ends(struct door *door, struct group_view *view)
{
    int result = 0;
    for (size_t first = 0, end; !result && first < view->count; first = end) {
        for (end = first + 1; end < view->count; end++) {
            if (strcmp(view->rows[end].topic, view->rows[first].topic) != 0)
                break;
        }
        result = take_ends(door, &view->rows[first], end - first);
    }
    return result;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static int describe_far(struct door *door, const char *group, struct group_view *view)
{
    struct members members = {view, NULL};
    int result = remote_group_members(door->remote, group, view->state, take_member, &members);
    return result ? result : remote_group_offsets(door->remote, group, take_committed, view);
}

static int describe_near(struct door *door, const char *group, struct group_view *view)
{
    struct progress *progress;
    int result = client_progress(door->log, &progress);
    if (!result)
        result = progress_list(progress, group, take_entry, view);
    bool active = !result && progress_check_inactive(door->log->directory, group) != 0;
    snprintf(view->state, sizeof view->state, "%s", active ? "Active" : "-");
    return result;
}

int door_group_describe(struct door *door, const char *group, struct group_view *view)
{
    *view = (struct group_view){.arena.limit = LIMIT_REQUEST_MEMORY};
    int result = door->remote ? describe_far(door, group, view) : describe_near(door, group, view);
    bool none = strcmp(view->state, "Dead") == 0 || strcmp(view->state, "-") == 0;
    if (!result && view->count == 0 && none)
        result = error_set(MAPLOG_NOT_FOUND, "%s has no group %s", door_name(door), group);
    if (result)
        return result;
    if (view->count > 0)
        qsort(view->rows, view->count, sizeof *view->rows, compare_rows);
    return take_all_ends(door, view);
}

struct names {
    int (*visit)(void *context, const char *group);
    void *context;
    char last[LIMIT_GROUP_NAME + 1]; /* entries come in the order of groups */
};

static int visit_far(void *context, const struct remote_group *group)
{
    const struct names *names = context;
    return names->visit(names->context, group->name);
}

static int visit_near(void *context, const struct progress_entry *entry)
{
    struct names *names = context;
    if (strcmp(names->last, entry->group) == 0 || strlen(entry->group) > LIMIT_GROUP_NAME)
        return 0;
    snprintf(names->last, sizeof names->last, "%s", entry->group);
    return names->visit(names->context, entry->group);
}

int door_group_list(struct door *door, int (*visit)(void *context, const char *group),
                    void *context)
{
    struct names names = {visit, context, ""};
    if (door->remote)
        return remote_group_list(door->remote, visit_far, &names);
    struct progress *progress;
    int result = client_progress(door->log, &progress);
    return result ? result : progress_list(progress, NULL, visit_near, &names);
}

int door_group_commit(struct door *door, const char *group, const char *topic,
                      const struct remote_commit *commits, size_t count)
{
    if (door->remote)
        return remote_group_commit(door->remote, group, topic, commits, count);
    int result = 0;
    for (size_t i = 0; !result && i < count; i++)
        result = maplog_group_commit(door->log, group, topic, commits[i].partition,
                                     commits[i].offset, NULL);
    return result;
}

static int delete_near(struct door *door, const char *group, const struct group_view *view)
{
    struct progress *progress;
    int result = client_progress(door->log, &progress);
    for (size_t done = 0; !result && done < view->count;) {
        struct progress_entry entries[DELETE_ENTRIES];
        size_t count = 0;
        for (; count < DELETE_ENTRIES && done < view->count; count++, done++)
            entries[count] = (struct progress_entry){.group = group,
                                                     .topic = view->rows[done].topic,
                                                     .partition = view->rows[done].partition,
                                                     .offset = -1,
                                                     .leader_epoch = -1,
                                                     .metadata = "",
                                                     .committed_ms = -1,
                                                     .expires_ms = -1};
        result = progress_commit(progress, entries, count, true);
    }
    return result;
}

int door_group_delete(struct door *door, const char *group)
{
    if (door->remote)
        return remote_group_delete(door->remote, group);
    struct group_view view;
    int result = door_group_describe(door, group, &view);
    if (!result)
        result = delete_near(door, group, &view);
    group_view_free(&view);
    return result;
}
