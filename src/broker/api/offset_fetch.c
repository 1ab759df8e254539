/* offset_fetch.c - how far groups have come, as the log has it. Any group, whoever asks. */
#include "broker/apis.h"
#include "broker/offsets.h"

#include "base/error.h"

#define VERSION_ERROR 2      /* a code for the whole group */
#define VERSION_GROUPS 8     /* several groups */
#define VERSION_TOPIC_IDS 10 /* topics by id */

typedef struct offset_fetch_request_groups asked_group;
typedef struct offset_fetch_response_groups told_group;
typedef struct offset_fetch_response_groups_topics told_topic;
typedef struct offset_fetch_response_groups_topics_partitions told_partition;

struct fetching {
    struct broker *broker;
    struct copies copies;
    const char *group;
    bool by_id;
    told_group *answer;
    int32_t topic_room; /* of the answer, when all are told */
    int32_t partition_room;
};

static void tell_none(told_partition *partition, int32_t number, int16_t error)
{
    *partition = (told_partition){.partition_index = number,
                                  .committed_offset = -1,
                                  .committed_leader_epoch = -1,
                                  .metadata = wire_text(""),
                                  .error_code = error};
}

static void tell(struct fetching *fetching, told_partition *partition,
                 const struct progress_entry *entry)
{
    const struct wire_string metadata = {entry->metadata, (int32_t)entry->metadata_size};
    *partition = (told_partition){.partition_index = entry->partition,
                                  .committed_offset = entry->offset,
                                  .committed_leader_epoch = entry->leader_epoch,
                                  .metadata = copies_string(&fetching->copies, metadata)};
}

/* ---- those that are asked for ---------------------------------------------------------------- */

static void fetch_partition(struct fetching *fetching, const char *topic, int32_t number,
                            told_partition *to)
{
    char metadata[PROGRESS_METADATA_MAX];
    struct progress_entry entry;
    int result = progress_fetch(fetching->broker->progress, fetching->group, topic, number, &entry,
                                metadata);
    if (result == 1)
        tell(fetching, to, &entry);
    else if (result == 0 || result == MAPLOG_INVALID) /* no topic has such a name */
        tell_none(to, number, KAFKA_NONE);
    else
        tell_none(to, number, offsets_error(fetching->broker, fetching->group, result));
}

static void fetch_topics(struct fetching *fetching, const asked_group *asked)
{
    told_group *answer = fetching->answer;
    struct copies *copies = &fetching->copies;
    answer->topics = copies_array(copies, &wire_offset_fetch_response_groups_topics,
                                  asked->topics_count, &answer->topics_count);
    for (int32_t i = 0; i < answer->topics_count; i++) {
        const struct offset_fetch_request_groups_topics *from = &asked->topics[i];
        told_topic *to = &answer->topics[i];
        const char *name = wire_copy(copies->arena, from->name);
        int16_t error = answer->error_code;
        if (!error && fetching->by_id)
            error = offsets_topic(fetching->broker, from->name, &from->topic_id, 0, &name);
        to->name = from->name;
        to->topic_id = from->topic_id;
        to->partitions = copies_array(copies, &wire_offset_fetch_response_groups_topics_partitions,
                                      from->partition_indexes_count, &to->partitions_count);
        copies->failed |= !name;
        for (int32_t p = 0; !copies->failed && p < to->partitions_count; p++) {
            if (error)
                tell_none(&to->partitions[p], from->partition_indexes[p], error);
            else
                fetch_partition(fetching, name, from->partition_indexes[p], &to->partitions[p]);
        }
    }
}

/* ---- all there are --------------------------------------------------------------------------- */

/* Makes the array twice as large; what it had is the arena's. */
static void *widen(struct fetching *fetching, const struct wire_struct *type, void *from,
                   int32_t count, int32_t *room)
{
    if (count < *room)
        return from;
    int32_t counted;
    void *to = copies_array(&fetching->copies, type, *room ? 2 * *room : 8, &counted);
    if (to && count > 0)
        memcpy(to, from, (size_t)count * wire_size(type));
    *room = counted;
    return to;
}

/* The topic's place in the answer; NULL when it has no id any more, or without memory. */
static told_topic *open_topic(struct fetching *fetching, const char *name)
{
    told_group *answer = fetching->answer;
    struct maplog_topic found;
    told_topic *last = answer->topics_count ? &answer->topics[answer->topics_count - 1] : NULL;
    if (last && wire_equal(last->name, name))
        return last;
    if (fetching->by_id && directory_topic(fetching->broker->directory, name, &found))
        return NULL;
    answer->topics = widen(fetching, &wire_offset_fetch_response_groups_topics, answer->topics,
                           answer->topics_count, &fetching->topic_room);
    if (fetching->copies.failed)
        return NULL;
    fetching->partition_room = 0;
    last = &answer->topics[answer->topics_count++];
    last->name = copies_string(&fetching->copies, wire_text(name));
    if (fetching->by_id)
        uuid_parse(found.id, &last->topic_id);
    return last;
}

static int visit(void *context, const struct progress_entry *entry)
{
    struct fetching *fetching = context;
    told_topic *topic = open_topic(fetching, entry->topic);
    if (topic)
        topic->partitions =
            widen(fetching, &wire_offset_fetch_response_groups_topics_partitions, topic->partitions,
                  topic->partitions_count, &fetching->partition_room);
    if (topic && !fetching->copies.failed)
        tell(fetching, &topic->partitions[topic->partitions_count++], entry);
    return fetching->copies.failed ? MAPLOG_NO_MEMORY : 0;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static void fetch_group(struct fetching *fetching, const asked_group *asked)
{
    told_group *answer = fetching->answer;
    answer->group_id = asked->group_id;
    answer->error_code = groups_check_id(asked->group_id);
    fetching->topic_room = 0;
    fetching->group = wire_copy(fetching->copies.arena, asked->group_id);
    if (!fetching->group) {
        fetching->copies.failed = true;
    } else if (asked->topics_count >= 0) {
        fetch_topics(fetching, asked);
    } else if (!answer->error_code) {
        int result = progress_list(fetching->broker->progress, fetching->group, visit, fetching);
        if (result && !fetching->copies.failed)
            answer->error_code = offsets_error(fetching->broker, fetching->group, result);
    }
}

/* Before version 8 the request is its only group. Arrays of both have the same fields. */
static void ask_of_one(const struct offset_fetch_request *asked, struct copies *copies,
                       asked_group *to)
{
    int32_t count;
    *to = (asked_group){.group_id = asked->group_id, .topics_count = asked->topics_count};
    to->topics =
        copies_array(copies, &wire_offset_fetch_request_groups_topics, asked->topics_count, &count);
    for (int32_t i = 0; i < count; i++) {
        to->topics[i].name = asked->topics[i].name;
        to->topics[i].partition_indexes = asked->topics[i].partition_indexes;
        to->topics[i].partition_indexes_count = asked->topics[i].partition_indexes_count;
    }
}

/* Where there is no code for the group, its partitions carry it. */
static void tell_of_one(struct offset_fetch_response *answer, struct copies *copies,
                        const told_group *from)
{
    answer->error_code = from->error_code;
    answer->topics = copies_array(copies, &wire_offset_fetch_response_topics, from->topics_count,
                                  &answer->topics_count);
    for (int32_t i = 0; i < answer->topics_count; i++) {
        struct offset_fetch_response_topics *to = &answer->topics[i];
        const told_topic *topic = &from->topics[i];
        to->name = topic->name;
        to->partitions = copies_array(copies, &wire_offset_fetch_response_topics_partitions,
                                      topic->partitions_count, &to->partitions_count);
        for (int32_t p = 0; p < to->partitions_count; p++)
            to->partitions[p] = (struct offset_fetch_response_topics_partitions){
                topic->partitions[p].partition_index, topic->partitions[p].committed_offset,
                topic->partitions[p].committed_leader_epoch, topic->partitions[p].metadata,
                topic->partitions[p].error_code};
    }
}

enum broker_outcome offset_fetch_handle(struct broker *broker, struct broker_request *request,
                                        int64_t now_ms)
{
    (void)now_ms;
    const struct offset_fetch_request *asked = request->body;
    struct offset_fetch_response *answer = request->answer;
    int16_t version = request->header.api_version;
    struct fetching fetching = {.broker = broker,
                                .copies = {.arena = &request->arena},
                                .by_id = version >= VERSION_TOPIC_IDS};
    struct copies *copies = &fetching.copies;
    if (version < VERSION_GROUPS) {
        asked_group one;
        told_group told = {.error_code = KAFKA_NONE};
        ask_of_one(asked, copies, &one);
        fetching.answer = &told;
        if (!copies->failed)
            fetch_group(&fetching, &one);
        if (told.error_code && version >= VERSION_ERROR)
            told.topics_count = 0;
        tell_of_one(answer, copies, &told);
    } else {
        answer->groups = copies_array(copies, &wire_offset_fetch_response_groups,
                                      asked->groups_count, &answer->groups_count);
        for (int32_t i = 0; i < answer->groups_count && !copies->failed; i++) {
            fetching.answer = &answer->groups[i];
            fetch_group(&fetching, &asked->groups[i]);
            if (fetching.answer->error_code)
                fetching.answer->topics_count = 0;
        }
    }
    if (!copies->failed)
        return BROKER_ANSWER;
    error_set(MAPLOG_NO_MEMORY, "no memory for the committed offsets of a group");
    return BROKER_CLOSE;
}
