/*
 * groups.h - what a server knows of consumer groups. One thread at a time.
 */
#pragma once

#include "remote/connection.h"

struct remote_group {
    const char *name;
    const char *state; /* "Stable", "Empty", ...; "" when the server does not tell */
};
/* In the order of names; visit may call the remote. */
int remote_group_list(struct remote *remote,
                      int (*visit)(void *context, const struct remote_group *group), void *context);

/* One partition that a member has; topic NULL: the member has none. */
struct remote_membership {
    const char *member, *client, *host;
    const char *topic;
    int32_t partition;
};
/* The group's state in `state` ("Dead": there is no such group), and who has what. visit must not
 * call the remote; texts are valid within. */
#define REMOTE_STATE_SIZE 32
int remote_group_members(struct remote *remote, const char *group,
                         char state[static REMOTE_STATE_SIZE],
                         int (*visit)(void *context, const struct remote_membership *member),
                         void *context);

/* All committed offsets of the group. visit must not call the remote; texts are valid within. */
int remote_group_offsets(struct remote *remote, const char *group,
                         int (*visit)(void *context, const char *topic, int32_t partition,
                                      int64_t offset),
                         void *context);
/* MAPLOG_NOT_FOUND, MAPLOG_GROUP_ACTIVE (it has members). */
int remote_group_delete(struct remote *remote, const char *group);
