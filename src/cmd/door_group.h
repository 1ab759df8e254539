/*
 * door_group.h - consumer groups through either door. A directory knows their progress; members are
 * known to the server that they are at. One thread.
 */
#pragma once

#include "base/arena.h"
#include "cmd/door.h"
#include "remote/groups.h"
#include "remote/member.h"

/* One partition in which the group made progress, or that a member of it has. */
struct group_row {
    const char *topic;
    int32_t partition;
    int64_t committed;                  /* -1: nothing yet */
    int64_t start, end;                 /* of the partition; -1: it is gone */
    const char *member, *client, *host; /* NULL: nobody has it, as far as is known */
};

struct group_view {
    char state[REMOTE_STATE_SIZE]; /* the server's word; "-": a directory, "Active": in use there */
    size_t members;
    struct group_row *rows; /* in the order of topic and partition */
    size_t count, capacity;
    struct arena arena; /* of the texts */
};

/* How far the group is behind in the row; -1: not known. */
int64_t group_lag(const struct group_row *row);

/* Names in order; visit may use the door. */
int door_group_list(struct door *door, int (*visit)(void *context, const char *group),
                    void *context);
/* Fills *view, which group_view_free frees, also after a failure. MAPLOG_NOT_FOUND. */
int door_group_describe(struct door *door, const char *group, struct group_view *view);
void group_view_free(struct group_view *view);
/* MAPLOG_GROUP_ACTIVE when it has members. */
int door_group_commit(struct door *door, const char *group, const char *topic,
                      const struct remote_commit *commits, size_t count);
int door_group_delete(struct door *door, const char *group);
