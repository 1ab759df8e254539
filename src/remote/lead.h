/*
 * lead.h - what the leader of a consumer group does between joining and synchronising: reads what
 * the members want, looks up the topics, shares their partitions out. One thread. For member.c.
 */
#pragma once

#include "remote/assign.h"
#include "remote/connection.h"

struct lead {
    struct arena arena;   /* of all that follows */
    const char *protocol; /* the group's choice: ASSIGN_RANGE or ASSIGN_ROUND_ROBIN */
    struct assign_member *members;
    size_t member_count; /* 0: another member leads */
    struct assign_topic *topics;
    size_t topic_count;
};

/* Copies out of the answer what is needed; *lead is zero before, and lead_end() frees it. */
int lead_begin(struct lead *lead, const struct join_group_response *response);
/* Shares the partitions out. */
int lead_assign(struct lead *lead, struct remote *remote);
/* Puts the assignments into the request; bytes in arena. */
int lead_fill(const struct lead *lead, struct arena *arena, struct sync_group_request *request);
void lead_end(struct lead *lead);

/* What members tell each other: an int16 version and a message. Version 0 is written, any that is
 * known is read. */
int lead_encode(struct arena *arena, const struct wire_struct *type, const void *message,
                struct wire_bytes *bytes);
int lead_decode(struct arena *arena, struct wire_bytes bytes, const struct wire_struct *type,
                void *message);
