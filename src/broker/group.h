/*
 * group.h - one group of the classic protocol: its members, what they have in common, and where it
 * stands. How it comes from one generation to the next: rebalance.h.
 *
 * Belongs to the table of groups and is guarded by its lock (groups.h). No clock, no call into the
 * log: (event, now) changes it and wakes parked requests.
 */
#pragma once

#include "broker/broker.h"
#include "broker/member.h"
#include "wire/errors.h"

enum group_state {
    GROUP_EMPTY,      /* no members; committed offsets perhaps */
    GROUP_PREPARING,  /* members are joining the next generation */
    GROUP_COMPLETING, /* they joined; the leader has not yet given out the assignments */
    GROUP_STABLE,
};

/* A client that was given a member id and has not joined with it yet. */
struct group_pending {
    struct wire_string id;
    int64_t expires_ms;
};

struct group {
    struct group *next; /* in the table's bucket */
    uint64_t hash;
    struct broker *broker;
    char *name;
    enum group_state state;
    int32_t generation;
    struct wire_string protocol_type; /* of its members, or of those it had last; "": none ever */
    struct wire_string protocol;      /* that its members chose; null while none is */
    struct member **members;          /* in the order they came */
    size_t count, room;
    struct member *leader;        /* NULL when there are no members */
    struct wire_string leader_id; /* of this generation's, who may be gone */
    size_t joined;                /* members with that flag */
    struct group_pending *pending;
    size_t pending_count, pending_room;

    /* PREPARING: goes on without those who are missing; COMPLETING, STABLE: does without those who
     * have not asked for their assignment. INT64_MAX: all have. */
    int64_t deadline_ms;
    /* Of the first rebalance: it waits for more members, and longer while more come. */
    bool initial, grew;
    int32_t delay_ms;
    int64_t limit_ms;

    int64_t due_ms;         /* nothing happens by itself before */
    int64_t empty_since_ms; /* of EMPTY; date and time */
    bool active;            /* local commits are kept out (progress_activate) */
    bool committed;         /* of the last look for expired offsets: it has some */
    size_t bytes, counted;  /* of memory, about; how many of them the table has counted */
};

/* Before its first member. NULL without memory. */
struct group *group_create(struct broker *broker, struct wire_string name, int64_t now_ms);
void group_free(struct group *group); /* accepts NULL; no request is parked in it */

struct member *group_find(const struct group *group, struct wire_string id);
struct member *group_find_static(const struct group *group, struct wire_string instance_id);
/* The member that a request comes from: NONE, UNKNOWN_MEMBER_ID, or FENCED_INSTANCE_ID when another
 * member has its instance id. */
int16_t group_identify(const struct group *group, struct wire_string id,
                       struct wire_string instance_id, struct member **member);
/* Can somebody with these protocols be one of them? A member's own old protocols count too. */
bool group_supports(const struct group *group, const struct join_group_request *asked);
/* The protocol that all members offer and most prefer. The group has members. */
struct wire_string group_vote(const struct group *group);
/* "Stable", ... */
const char *group_state_name(const struct group *group);
/* May offsets be committed by who says to be this member of this generation? */
int16_t group_check_commit(struct group *group, const struct offset_commit_request *asked,
                           int64_t now_ms);
/* Are its members consumers, whose offers say what they subscribe to? */
bool group_of_consumers(const struct group *group);
/* Does one of its members, consumers, read the topic? True also where that cannot be known. */
bool group_subscribes(const struct group *group, const char *topic);

/* These return MAPLOG_NO_MEMORY, and have changed nothing then; group_add_pending() also
 * MAPLOG_LIMIT at LIMIT_GROUP_PENDING. */
int group_add(struct group *group, struct member *member, struct wire_string protocol_type);
int group_offer(struct group *group, struct member *member, const struct join_group_request *asked);
int group_assign(struct group *group, struct member *member, struct wire_bytes assignment);
int group_add_pending(struct group *group, struct wire_string id, int64_t expires_ms);
/* This generation's protocol, null: none, and leader: the present one. */
int group_choose(struct group *group, struct wire_string protocol);

bool group_is_pending(const struct group *group, struct wire_string id);
/* true when there was one. */
bool group_drop_pending(struct group *group, struct wire_string id);
void group_expire_pending(struct group *group, int64_t now_ms);
/* Frees the member, after answering what it has parked with `error`. */
void group_remove(struct group *group, struct member *member, int16_t error, int64_t now_ms);

/* The member was heard of: its session begins anew. */
void group_touch(struct group *group, struct member *member, int64_t now_ms);
/* Something is due at that time. */
static inline void group_due(struct group *group, int64_t at_ms)
{
    if (at_ms < group->due_ms)
        group->due_ms = at_ms;
}

/* Parks a request at the member; one that is parked there already is answered
 * REBALANCE_IN_PROGRESS: its client gave it up. */
void group_park(struct group *group, struct member *member, struct group_wait **slot,
                struct group_wait *wait);
/* Answers what is parked there, if anything is, and wakes it. */
void group_answer(struct group *group, struct group_wait **slot, int16_t error, int64_t now_ms);
/* The request has gone: its connection vanished. Its member stays until its session ends. */
void group_unpark(struct group_wait *wait, int64_t now_ms);
