/*
 * assign.h - how the leader of a consumer group shares partitions out, as Kafka's own clients do
 * under the same names, since members of all kinds may be in one group. Pure; any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ASSIGN_RANGE "range"
#define ASSIGN_ROUND_ROBIN "roundrobin"

struct assign_member {
    const char *id;
    const char *instance; /* of a static member; NULL: none */
    const char **topics;  /* that it wants */
    size_t topic_count;
};

struct assign_topic {
    const char *name;
    int32_t partitions;
    int32_t *owners; /* out, by partition: index of the member; -1: nobody wants it */
};

/* Puts members and topics into the order that the rules below go by. */
void assign_sort(struct assign_member *members, size_t member_count, struct assign_topic *topics,
                 size_t topic_count);
/* Each topic by itself: consecutive partitions for each member, the first ones get one more. */
void assign_range(const struct assign_member *members, size_t member_count,
                  struct assign_topic *topics, size_t topic_count);
/* Partitions of all topics in turn. */
void assign_round_robin(const struct assign_member *members, size_t member_count,
                        struct assign_topic *topics, size_t topic_count);
