/*
 * member.h - one member of a group: who it is, what it offered when it joined, what it was
 * assigned. Belongs to its group, and is guarded by the lock of groups.h. No clock: time is an
 * argument.
 */
#pragma once

#include "broker/request.h"

struct group;

/* A parked JoinGroup or SyncGroup request; lies in the request's arena. The group answers it by
 * setting `done` and waking the request; what the answer says is looked up when it resumes. */
struct group_wait {
    struct broker_request *request;
    struct wire_string member_id; /* of the arena */
    struct group *group;          /* these two while the member has it; then NULL */
    struct member *member;
    bool done;
    int16_t error; /* when done */
};

struct member {
    struct wire_string id;
    struct wire_string instance_id; /* null: a dynamic member */
    struct wire_string client_id;
    struct wire_string client_host;
    int32_t session_ms;
    int32_t rebalance_ms;
    struct join_group_request_protocols *protocols; /* with all they point at in one piece */
    int32_t protocol_count;
    struct wire_bytes assignment; /* of the present generation, once its leader gave it */
    size_t bytes, counted;        /* of memory, about; how many of them the group has counted */

    int64_t expires_ms;             /* unless it is heard of before */
    bool is_new;                    /* its first join is not answered yet */
    bool joined;                    /* it takes part in the generation that is being prepared */
    bool synced;                    /* it asked for its assignment in this generation */
    struct group_wait *join, *sync; /* NULL: none is parked */
};

/* The member that `request` asks to be; its protocols are not looked at. NULL without memory. */
struct member *member_create(struct wire_string id, const struct broker_request *request);
void member_free(struct member *member); /* accepts NULL */
/* Takes over timeouts and protocols of a join, or nothing: MAPLOG_NO_MEMORY. */
int member_update(struct member *member, const struct join_group_request *asked);
/* Does it offer the same, with the same metadata, as it did before? */
bool member_offers_same(const struct member *member, const struct join_group_request *asked);
/* Metadata for a protocol; empty when it does not have it. */
struct wire_bytes member_metadata(const struct member *member, struct wire_string protocol);
/* MAPLOG_NO_MEMORY, and no change. */
int member_rename(struct member *member, struct wire_string id);
int member_assign(struct member *member, struct wire_bytes assignment);

/* Is it parked where no heartbeats are sent, so that silence means nothing? A new member's join is
 * no such place: its client may have given up without ever knowing its member id. */
static inline bool member_waits(const struct member *member)
{
    return member->sync || (member->join && !member->is_new);
}

/* Strings of the wire: null equals null alone. */
static inline bool member_is(struct wire_string one, struct wire_string other)
{
    return one.size == other.size &&
           (one.size <= 0 || memcmp(one.at, other.at, (size_t)one.size) == 0);
}
