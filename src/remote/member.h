/*
 * member.h - being a member of a consumer group at a server: joining, heartbeats, commits, leaving
 * (Kafka's classic protocol, its eager variant). One thread: who is a member calls beat often.
 */
#pragma once

#include "remote/connection.h"

#define MEMBER_SESSION_MS 10000   /* without a heartbeat for so long, the others get what it has */
#define MEMBER_REBALANCE_MS 60000 /* that all members have for joining again */
#define MEMBER_ID 256             /* bytes, with the NUL */

struct remote_member {
    struct remote *remote;
    const char *group;
    const char *topic;
    char id[MEMBER_ID]; /* the server's choice; "": none yet */
    int32_t generation;
    bool joined; /* false: what is assigned may belong to others now; join again */
    int32_t *assigned;
    size_t assigned_count;
    int64_t beaten_ns; /* last heartbeat */
};

/* Not a member yet; the texts must outlive it. */
void remote_member_init(struct remote_member *member, struct remote *remote, const char *group,
                        const char *topic);
/* Joins, also again, and waits until partitions are assigned; a leader shares them out.
 * MAPLOG_CLOSED (interrupted), MAPLOG_UNSUPPORTED (the others speak otherwise). */
int remote_member_join(struct remote_member *member);
/* A heartbeat if one is due; clears joined when the group is being shared out anew. */
int remote_member_beat(struct remote_member *member);
/* Lets go at once, so that others need not wait for the session's end. Memory too. */
void remote_member_leave(struct remote_member *member);

struct remote_commit {
    int32_t partition;
    int64_t offset;
};
/* Commits for the member; MAPLOG_BUSY and joined cleared: the group is being shared out anew. */
int remote_member_commit(struct remote_member *member, const struct remote_commit *commits,
                         size_t count);
/* Commits for a group from outside. MAPLOG_GROUP_ACTIVE when it has members. */
int remote_group_commit(struct remote *remote, const char *group, const char *topic,
                        const struct remote_commit *commits, size_t count);
/* Finds out that this server has the group's progress, which it makes ready meanwhile. */
int remote_find_coordinator(struct remote *remote, const char *group);
