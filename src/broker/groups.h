/*
 * groups.h - the groups that have members at this broker, or had some: a table under one lock. What
 * a group's requests mean is in api/, its rules are in group.h and rebalance.h; what it committed
 * is not here but in the log (log/progress.h), whose lock may be taken under this one.
 *
 * Any thread, between groups_enter() and groups_leave(), which hold the lock: short, without
 * waiting for anybody. Parked requests are woken under it, and look under it for what became of
 * them.
 */
#pragma once

#include "broker/copies.h"
#include "broker/group.h"
#include "broker/rebalance.h"

struct groups;

int groups_open(struct broker *broker, int64_t now_ms, struct groups **groups);
void groups_close(struct groups *groups); /* no request is parked; accepts NULL */

/* INVALID_GROUP_ID: not 1 to LIMIT_GROUP_NAME bytes, or a NUL among them. */
int16_t groups_check_id(struct wire_string id);
/* Locks the table and finds a group, NULL when it is not there, as of now. NONE, or
 * INVALID_GROUP_ID without the lock. */
int16_t groups_enter(struct broker *broker, struct wire_string id, int64_t now_ms,
                     struct group **group);
/* Within: the group of that valid id, made if need be. COORDINATOR_NOT_AVAILABLE without memory. */
int16_t groups_make(struct broker *broker, struct wire_string id, int64_t now_ms,
                    struct group **group);
/* Within: makes the group ready for a member, whose request takes about `size` bytes: local
 * consumers keep out from now on. COORDINATOR_NOT_AVAILABLE when memory, locks or
 * LIMIT_GROUPS_BYTES are at their end. */
int16_t groups_admit(struct broker *broker, struct group *group, size_t size);
/* Within: the group, EMPTY, is not known any more. */
void groups_forget(struct broker *broker, struct group *group);
/* Does what became due in the group (NULL: none), and unlocks. */
void groups_leave(struct broker *broker, struct group *group, int64_t now_ms);

/* Locks, calls visit for every group as of now, unlocks. A non-zero answer ends it. */
int groups_walk(struct broker *broker, int64_t now_ms, int (*visit)(void *context, struct group *),
                void *context);

/* Time passes: sessions, rebalances, expired offsets. Answers when it wants to be called again at
 * the latest. One thread at a time. */
int64_t groups_tick(struct broker *broker, int64_t now_ms);

/* For handlers whose requests park: the end of a wait, of whatever state. */
void groups_end_wait(struct broker *broker, struct broker_request *request);
/* A new id for a member. false without memory. */
bool groups_member_id(struct broker *broker, struct arena *arena, struct wire_string base,
                      struct wire_string *id);
