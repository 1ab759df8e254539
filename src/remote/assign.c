#include "remote/assign.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Static members first, by their instance; the others by their id. */
static int compare_members(const void *a, const void *b)
{
    const struct assign_member *first = a, *second = b;
    if (first->instance && second->instance)
        return strcmp(first->instance, second->instance);
    if (first->instance || second->instance)
        return first->instance ? -1 : 1;
    return strcmp(first->id, second->id);
}

static int compare_topics(const void *a, const void *b)
{
    const struct assign_topic *first = a, *second = b;
    return strcmp(first->name, second->name);
}

void assign_sort(struct assign_member *members, size_t member_count, struct assign_topic *topics,
                 size_t topic_count)
{
    qsort(members, member_count, sizeof *members, compare_members);
    qsort(topics, topic_count, sizeof *topics, compare_topics);
}

static bool wants(const struct assign_member *member, const struct assign_topic *topic)
{
    for (size_t i = 0; i < member->topic_count; i++) {
        if (strcmp(member->topics[i], topic->name) == 0)
            return true;
    }
    return false;
}

static void give_range(const struct assign_member *members, size_t member_count,
                       struct assign_topic *topic)
{
    int32_t wanted_by = 0;
    for (size_t i = 0; i < member_count; i++)
        wanted_by += wants(&members[i], topic);
    int32_t next = 0, nth = 0;
    for (size_t i = 0; i < member_count; i++) {
        if (!wants(&members[i], topic))
            continue;
        int32_t share = topic->partitions / wanted_by + (nth++ < topic->partitions % wanted_by);
        for (int32_t end = next + share; next < end; next++)
            topic->owners[next] = (int32_t)i;
    }
    for (; next < topic->partitions; next++)
        topic->owners[next] = -1;
}

void assign_range(const struct assign_member *members, size_t member_count,
                  struct assign_topic *topics, size_t topic_count)
{
    for (size_t i = 0; i < topic_count; i++)
        give_range(members, member_count, &topics[i]);
}

void assign_round_robin(const struct assign_member *members, size_t member_count,
                        struct assign_topic *topics, size_t topic_count)
{
    size_t turn = 0;
    for (size_t i = 0; i < topic_count; i++) {
        for (int32_t partition = 0; partition < topics[i].partitions; partition++) {
            topics[i].owners[partition] = -1;
            for (size_t tried = 0; tried < member_count; tried++) {
                size_t member = turn++ % member_count;
                if (wants(&members[member], &topics[i])) {
                    topics[i].owners[partition] = (int32_t)member;
                    break;
                }
            }
        }
    }
}
