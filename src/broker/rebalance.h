/*
 * rebalance.h - how a group comes from one generation to the next: members join until all have, or
 * the time is up; the leader divides the work; all fetch their part. Guarded as the group is.
 *
 *   EMPTY --join--> PREPARING --all joined, or deadline--> COMPLETING --leader's sync--> STABLE
 *                       ^                                        |                          |
 *                       +--- a member joins anew, leaves or is not heard of any more -------+
 */
#pragma once

#include "broker/group.h"

/* Begins a rebalance unless one is being prepared. The group has members. delay_ms: how long the
 * first one of an empty group waits for more members. */
void rebalance_prepare(struct group *group, int64_t now_ms, int32_t delay_ms);
/* The member takes part in what is being prepared; its answer is parked. */
void rebalance_join(struct group *group, struct member *member, struct group_wait *wait,
                    int64_t now_ms);
/* The leader has assigned: all who wait for it get it. */
void rebalance_finish(struct group *group, int64_t now_ms);
/* The member has asked for its assignment. */
void rebalance_synced(struct group *group, struct member *member);
/* Takes the member out; the others rebalance. */
void rebalance_leave(struct group *group, struct member *member, int16_t error, int64_t now_ms);
/* Does whatever is due: after each change, and when time has passed. */
void rebalance_advance(struct group *group, int64_t now_ms);
