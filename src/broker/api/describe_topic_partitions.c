/* describe_topic_partitions.c - DescribeTopicPartitions: what Metadata says of topics, in pages. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "broker/admin.h"
#include "broker/apis.h"
#include "broker/topics.h"

#define PAGE_MAX 2000 /* partitions, as Kafka's max.request.partition.size.limit */

typedef struct describe_topic_partitions_request_topics asked;
typedef struct describe_topic_partitions_response_topics answered;
typedef struct describe_topic_partitions_response_topics_partitions answered_partition;

struct page {
    struct broker *broker;
    struct arena *arena;
    struct describe_topic_partitions_response *answer;
    const char **names; /* sorted, each once */
    int32_t count;
    int32_t room; /* for partitions */
};

static int no_memory(void)
{
    return error_set(MAPLOG_NO_MEMORY, "no memory for the answer to DescribeTopicPartitions");
}

static int compare(const void *one, const void *other)
{
    const char *const *first = one, *const *second = other;
    return strcmp(*first, *second);
}

/* All topics, or those asked for. The directory's lock is held. */
static int collect(struct page *page, const struct describe_topic_partitions_request *body)
{
    const struct catalog *catalog = &page->broker->directory->catalog;
    bool all = body->topics_count == 0;
    int32_t count = all ? (int32_t)catalog->count : body->topics_count;
    page->names = arena_take_array(page->arena, (size_t)count, sizeof *page->names);
    if (!page->names)
        return no_memory();
    for (int32_t t = 0; t < count; t++) {
        const char *name = all ? catalog->topics[t]->name : NULL;
        page->names[t] = all ? arena_copy(page->arena, name, strlen(name))
                             : admin_copy(page->arena, body->topics[t].name);
        if (!page->names[t])
            return no_memory();
    }
    qsort(page->names, (size_t)count, sizeof *page->names, compare);
    for (int32_t t = 0; t < count; t++) {
        if (page->count == 0 || strcmp(page->names[page->count - 1], page->names[t]) != 0)
            page->names[page->count++] = page->names[t];
    }
    return 0;
}

static int point(struct page *page, const char *topic, int32_t partition)
{
    struct describe_topic_partitions_response_next_cursor *cursor =
        wire_new(page->arena, &wire_describe_topic_partitions_response_next_cursor);
    if (!cursor)
        return no_memory();
    cursor->topic_name = wire_text(topic);
    cursor->partition_index = partition;
    page->answer->next_cursor = cursor;
    return 0;
}

static int put_partitions(struct page *page, const struct catalog_topic *topic, int32_t first,
                          answered *to)
{
    int32_t left = topic->partitions - first;
    int32_t count = left < 0 ? 0 : left < page->room ? left : page->room;
    int32_t *nodes = arena_take(page->arena, sizeof *nodes);
    to->partitions =
        wire_array(page->arena, &wire_describe_topic_partitions_response_topics_partitions, count);
    if (!to->partitions || !nodes)
        return no_memory();
    *nodes = page->broker->node_id;
    to->partitions_count = count;
    for (int32_t i = 0; i < count; i++) {
        answered_partition *partition = &to->partitions[i];
        partition->partition_index = first + i;
        partition->leader_id = page->broker->node_id;
        partition->leader_epoch =
            directory_leader_epoch(page->broker->directory, topic->slots[first + i]);
        partition->replica_nodes = partition->isr_nodes = nodes;
        partition->replica_nodes_count = partition->isr_nodes_count = 1;
        partition->eligible_leader_replicas_count = partition->last_known_elr_count = 0;
    }
    page->room -= count;
    return count < left ? point(page, to->name.at, first + count) : 0;
}

static int put_topic(struct page *page, const char *name, int32_t first, answered *to)
{
    const struct catalog_topic *topic = catalog_find(&page->broker->directory->catalog, name);
    to->name = wire_text(name);
    to->is_internal = topics_is_internal(name);
    to->topic_authorized_operations = ADMIN_TOPIC_OPERATIONS;
    if (!topic) {
        to->error_code = catalog_check_name(name) ? KAFKA_INVALID_TOPIC_EXCEPTION
                                                  : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return 0;
    }
    to->topic_id = topic->id;
    return put_partitions(page, topic, first, to);
}

/* From the cursor on until the page is full. */
static int fill(struct page *page, const struct describe_topic_partitions_request_cursor *from)
{
    struct describe_topic_partitions_response *answer = page->answer;
    char *begin = from ? admin_copy(page->arena, from->topic_name) : NULL;
    if (from && !begin)
        return no_memory();
    int32_t t = 0;
    while (begin && t < page->count && strcmp(page->names[t], begin) < 0)
        t++;
    answer->topics =
        wire_array(page->arena, &wire_describe_topic_partitions_response_topics, page->count - t);
    if (!answer->topics)
        return no_memory();
    int result = 0;
    for (; !result && t < page->count && !answer->next_cursor; t++) {
        bool cut = begin && strcmp(page->names[t], begin) == 0;
        if (page->room == 0)
            return point(page, page->names[t], 0);
        result = put_topic(page, page->names[t], cut ? from->partition_index : 0,
                           &answer->topics[answer->topics_count++]);
    }
    return result;
}

static void refuse(struct page *page)
{
    struct describe_topic_partitions_response *answer = page->answer;
    answer->topics =
        wire_array(page->arena, &wire_describe_topic_partitions_response_topics, page->count);
    answer->topics_count = answer->topics ? page->count : 0;
    for (int32_t t = 0; t < answer->topics_count; t++) {
        answer->topics[t].name = wire_text(page->names[t]);
        answer->topics[t].error_code = KAFKA_INVALID_REQUEST;
    }
}

enum broker_outcome describe_topic_partitions_handle(struct broker *broker,
                                                     struct broker_request *request, int64_t now_ms)
{
    (void)now_ms;
    const struct describe_topic_partitions_request *body = request->body;
    int32_t room = body->response_partition_limit;
    if (body->topics_count > LIMIT_PARTITIONS) {
        error_set(MAPLOG_LIMIT, "DescribeTopicPartitions of %d topics: a directory has at most %d",
                  body->topics_count, LIMIT_PARTITIONS);
        return BROKER_CLOSE;
    }
    struct page page = {
        .broker = broker,
        .arena = &request->arena,
        .answer = request->answer,
        .room = room < 1          ? 1
                : room < PAGE_MAX ? room
                                  : PAGE_MAX,
    };
    pthread_mutex_lock(&broker->directory->lock);
    int result = directory_refresh(broker->directory);
    if (!result)
        result = collect(&page, body);
    if (!result && body->cursor && body->cursor->partition_index < 0)
        refuse(&page);
    else if (!result)
        result = fill(&page, body->cursor);
    pthread_mutex_unlock(&broker->directory->lock);
    return result ? BROKER_CLOSE : BROKER_ANSWER;
}
