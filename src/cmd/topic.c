/* topic.c - maplog topic: what topics there are, their settings, their state. */
#include <maplog.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/properties.h"
#include "cmd/commands.h"
#include "cmd/dispatch.h"
#include "cmd/door.h"
#include "cmd/options.h"
#include "cmd/print_json.h"
#include "cmd/report.h"

/* What may be asked of any of them. */
struct asked {
    struct place place;
    struct words configs;
    struct words arguments;
    int64_t partitions; /* 0: not given */
    int64_t partition;  /* -1: all */
    const char *before;
    int64_t before_offset; /* -1: the end */
    bool json;
    bool all; /* settings, those with their default value too */
};

/* What all of them do alike: options, a topic (or none), the door, work. */
struct task {
    struct usage usage;
    size_t topics;                                                /* 1, or 0 for list */
    int (*check)(const struct usage *usage, struct asked *asked); /* NULL: no more to check */
    enum door_mode mode;
    int (*work)(struct door *door, struct asked *asked);
};

static int run(const struct task *task, struct asked *asked, int argc, char **argv)
{
    struct door door = {0};
    int status = options_parse(&task->usage, argc, argv, &asked->arguments);
    if (status == OPTIONS_GO)
        status =
            usage_arguments(&task->usage, &asked->arguments, task->topics, "the name of a topic");
    if (status == OPTIONS_GO && task->check)
        status = task->check(&task->usage, asked);
    if (status == OPTIONS_GO) {
        int result = door_open(&asked->place, task->mode, &door);
        if (!result)
            result = task->work(&door, asked);
        status = result ? door_report(&door, result) : 0;
    }
    door_close(&door);
    words_free(&asked->configs);
    words_free(&asked->arguments);
    return status;
}

static const char *topic_of(const struct asked *asked)
{
    return asked->arguments.items[0];
}

/* ---- create, alter, delete ------------------------------------------------------------------- */

static const char create_help[] =
    "usage: maplog topic create TOPIC [--partitions N] [--config NAME=VALUE]...\n\n"
    "Creates a topic, and the directory when it is missing.\n\n"
    "  --partitions N       how many partitions (1); records without a key fill them evenly\n"
    "  --config NAME=VALUE  a setting under Kafka's name, such as segment.bytes, retention.ms,\n"
    "                       max.message.bytes; maplog-topic(1) lists them\n" PLACE_HELP;

static int create(struct door *door, struct asked *asked)
{
    return door_topic_create(door, topic_of(asked), (int32_t)asked->partitions,
                             asked->configs.items);
}

static int topic_create(int argc, char **argv)
{
    struct asked asked = {0};
    const struct option options[] = {
        {"partitions", OPTION_NUMBER, &asked.partitions, 1, LIMIT_PARTITIONS},
        {"config", OPTION_WORDS, &asked.configs, 0, 0},
        PLACE_OPTIONS(&asked.place),
        {0},
    };
    const struct task task = {{"topic create", create_help, options}, 1, NULL, DOOR_CREATE, create};
    return run(&task, &asked, argc, argv);
}

static const char alter_help[] =
    "usage: maplog topic alter TOPIC [--config NAME=VALUE]... [--partitions N]\n\n"
    "Changes a topic at once, for all attached processes.\n\n"
    "  --config NAME=VALUE  sets a setting; \"NAME=\" goes back to its default\n"
    "  --partitions N       adds partitions up to N in all; keyed records then go "
    "elsewhere\n" PLACE_HELP;

static int check_alter(const struct usage *usage, struct asked *asked)
{
    if (asked->configs.count || asked->partitions)
        return OPTIONS_GO;
    return usage_error(usage, "nothing to change; --config or --partitions says what");
}

static int alter(struct door *door, struct asked *asked)
{
    int result = 0;
    if (asked->configs.count)
        result = door_topic_alter(door, topic_of(asked), asked->configs.items);
    if (!result && asked->partitions)
        result = door_topic_grow(door, topic_of(asked), (int32_t)asked->partitions);
    return result;
}

static int topic_alter(int argc, char **argv)
{
    struct asked asked = {0};
    const struct option options[] = {
        {"config", OPTION_WORDS, &asked.configs, 0, 0},
        {"partitions", OPTION_NUMBER, &asked.partitions, 1, LIMIT_PARTITIONS},
        PLACE_OPTIONS(&asked.place),
        {0},
    };
    const struct task task = {
        {"topic alter", alter_help, options}, 1, check_alter, DOOR_CHANGE, alter};
    return run(&task, &asked, argc, argv);
}

static const char delete_help[] =
    "usage: maplog topic delete TOPIC\n\n"
    "Deletes a topic with all its records, also while processes are attached: their calls then\n"
    "answer that it was deleted.\n\n" PLACE_HELP;

static int delete_topic(struct door *door, struct asked *asked)
{
    return door_topic_delete(door, topic_of(asked));
}

static int topic_delete(int argc, char **argv)
{
    struct asked asked = {0};
    const struct option options[] = {
        PLACE_OPTIONS(&asked.place),
        {0},
    };
    const struct task task = {
        {"topic delete", delete_help, options}, 1, NULL, DOOR_CHANGE, delete_topic};
    return run(&task, &asked, argc, argv);
}

static const char delete_records_help[] =
    "usage: maplog topic delete-records TOPIC --before OFFSET [--partition N]\n\n"
    "Moves the start of a topic's partitions: records below OFFSET cannot be read any more, and\n"
    "segments that hold nothing else are removed.\n\n"
    "  --before OFFSET      the first offset to keep; end: keep none\n"
    "  --partition N        only this partition\n" PLACE_HELP;

static int check_before(const struct usage *usage, struct asked *asked)
{
    if (!asked->before)
        return usage_error(usage, "--before says which records to keep");
    if (strcmp(asked->before, "end") == 0)
        asked->before_offset = -1;
    else if (!properties_size(asked->before, strlen(asked->before), 0, INT64_MAX,
                              &asked->before_offset))
        return usage_error(usage, "--before wants an offset or \"end\", not \"%s\"", asked->before);
    return OPTIONS_GO;
}

static int delete_records(struct door *door, struct asked *asked)
{
    struct maplog_topic topic;
    int result = door_topic_describe(door, topic_of(asked), &topic);
    int32_t first = asked->partition < 0 ? 0 : (int32_t)asked->partition;
    int32_t last = asked->partition < 0 ? topic.partitions - 1 : first;
    for (int32_t partition = first; !result && partition <= last; partition++)
        result = door_delete_records(door, topic_of(asked), partition, asked->before_offset);
    return result;
}

static int topic_delete_records(int argc, char **argv)
{
    struct asked asked = {.partition = -1};
    const struct option options[] = {
        {"before", OPTION_TEXT, &asked.before, 0, 0},
        {"partition", OPTION_NUMBER, &asked.partition, 0, LIMIT_PARTITIONS - 1},
        PLACE_OPTIONS(&asked.place),
        {0},
    };
    const struct task task = {{"topic delete-records", delete_records_help, options},
                              1,
                              check_before,
                              DOOR_CHANGE,
                              delete_records};
    return run(&task, &asked, argc, argv);
}

/* ---- numbers that may not be told ---------------------------------------------------------------
 */

#define NUMBER_SIZE 24

/* "-" for -1 */
static const char *number(int64_t value, char text[static NUMBER_SIZE])
{
    snprintf(text, NUMBER_SIZE, value < 0 ? "-" : "%" PRId64, value);
    return text;
}

/* null for -1 */
static json_t *told(int64_t value)
{
    return value < 0 ? json_null() : json_integer((json_int_t)value);
}

/* ---- list ------------------------------------------------------------------------------------ */

static const char list_help[] = "usage: maplog topic list [--json]\n\n"
                                "Lists the topics, with the records and bytes that each holds.\n\n"
                                "  --json               an array of objects\n" PLACE_HELP;

struct listing {
    struct door *door;
    json_t *array; /* NULL: text */
    int printed;
};

/* Adds the records and bytes of all partitions. */
static int add_up(struct door *door, const struct maplog_topic *topic, int64_t *records,
                  int64_t *bytes)
{
    struct maplog_partition *partitions = calloc((size_t)topic->partitions + 1, sizeof *partitions);
    if (!partitions)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %d partitions", (int)topic->partitions);
    int result = door_partitions_describe(door, topic->name, topic->partitions, partitions);

    for (int32_t i = 0; !result && i < topic->partitions; i++) {
        *records += partitions[i].end_offset - partitions[i].start_offset;
        *bytes = partitions[i].bytes < 0 || *bytes < 0 ? -1 : *bytes + partitions[i].bytes;
    }
    free(partitions);
    return result;
}

static int list_topic(void *context, const struct maplog_topic *topic)
{
    struct listing *listing = context;
    int64_t records = 0, bytes = 0; /* bytes -1: not told */
    int result = add_up(listing->door, topic, &records, &bytes);
    if (result)
        return result == MAPLOG_TOPIC_DELETED || result == MAPLOG_NOT_FOUND ? 0 : result;
    if (listing->array) {
        json_array_append_new(listing->array,
                              json_pack("{s:s, s:s, s:i, s:I, s:o}", "topic", topic->name, "id",
                                        topic->id, "partitions", (int)topic->partitions, "records",
                                        (json_int_t)records, "bytes", told(bytes)));
        return 0;
    }
    char size[NUMBER_SIZE];
    if (!listing->printed++)
        printf("%-32s %10s %14s %16s\n", "TOPIC", "PARTITIONS", "RECORDS", "BYTES");
    printf("%-32s %10" PRId32 " %14" PRId64 " %16s\n", topic->name, topic->partitions, records,
           number(bytes, size));
    return 0;
}

static int list(struct door *door, struct asked *asked)
{
    struct listing listing = {.door = door, .array = asked->json ? json_array() : NULL};
    int result = door_topic_list(door, list_topic, &listing);
    if (!result && asked->json)
        return print_json_document(listing.array);
    json_decref(listing.array);
    return result;
}

static int topic_list(int argc, char **argv)
{
    struct asked asked = {0};
    const struct option options[] = {
        {"json", OPTION_FLAG, &asked.json, 0, 0},
        PLACE_OPTIONS(&asked.place),
        {0},
    };
    const struct task task = {{"topic list", list_help, options}, 0, NULL, DOOR_READ, list};
    return run(&task, &asked, argc, argv);
}

/* ---- describe -------------------------------------------------------------------------------- */

static const char describe_help[] =
    "usage: maplog topic describe TOPIC [--all] [--json]\n\n"
    "Shows a topic's settings and the state of its partitions: the first offset that can be read,\n"
    "the offset of the next record, how far it is on disk (- for a log in memory).\n\n"
    "  --all                show the settings that have their default value, too\n"
    "  --json               one object, with all settings\n" PLACE_HELP;

/* context: struct asked. */
static int print_config(void *context, const char *name, const char *value, int is_default)
{
    const struct asked *asked = context;
    if (!is_default || asked->all)
        printf("  %-36s %s%s\n", name, value, is_default ? "  (default)" : "");
    return 0;
}

static int add_config(void *context, const char *name, const char *value, int is_default)
{
    json_object_set_new(context, name,
                        json_pack("{s:s, s:b}", "value", value, "default", is_default));
    return 0;
}

static void print_partition(int32_t partition, const struct maplog_partition *found)
{
    char durable[NUMBER_SIZE], segments[NUMBER_SIZE], bytes[NUMBER_SIZE], epoch[NUMBER_SIZE];
    printf("%-9" PRId32 " %12" PRId64 " %12" PRId64 " %12s %9s %14s %6s\n", partition,
           found->start_offset, found->end_offset, number(found->durable_offset, durable),
           number(found->segments, segments), number(found->bytes, bytes),
           number(found->leader_epoch, epoch));
}

static json_t *partition_object(int32_t number, const struct maplog_partition *partition)
{
    return json_pack("{s:i, s:I, s:I, s:o, s:o, s:o, s:o}", "partition", (int)number, "start",
                     (json_int_t)partition->start_offset, "end", (json_int_t)partition->end_offset,
                     "durable", told(partition->durable_offset), "segments",
                     told(partition->segments), "bytes", told(partition->bytes), "leader_epoch",
                     told(partition->leader_epoch));
}

/* objects: where they go; NULL prints text. */
static int describe_partitions(struct door *door, const struct maplog_topic *topic, json_t *objects)
{
    struct maplog_partition *partitions = calloc((size_t)topic->partitions + 1, sizeof *partitions);
    if (!partitions)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %d partitions", (int)topic->partitions);
    int result = door_partitions_describe(door, topic->name, topic->partitions, partitions);
    if (!result && !objects)
        printf("%-9s %12s %12s %12s %9s %14s %6s\n", "PARTITION", "START", "END", "DURABLE",
               "SEGMENTS", "BYTES", "EPOCH");
    for (int32_t i = 0; !result && i < topic->partitions; i++) {
        if (objects)
            json_array_append_new(objects, partition_object(i, &partitions[i]));
        else
            print_partition(i, &partitions[i]);
    }
    free(partitions);
    return result;
}

static int describe(struct door *door, struct asked *asked)
{
    struct maplog_topic topic;
    int result = door_topic_describe(door, topic_of(asked), &topic);
    if (result)
        return result;
    if (!asked->json) {
        printf("%s  id %s, %" PRId32 " partition%s\n", topic.name, topic.id, topic.partitions,
               topic.partitions == 1 ? "" : "s");
        result = door_topic_configs(door, topic.name, print_config, asked);
        return result ? result : describe_partitions(door, &topic, NULL);
    }
    json_t *configs = json_object();
    json_t *partitions = json_array();
    json_t *document = json_pack("{s:s, s:s, s:o, s:o}", "topic", topic.name, "id", topic.id,
                                 "configs", configs, "partitions", partitions);
    result = door_topic_configs(door, topic.name, add_config, configs);
    if (!result)
        result = describe_partitions(door, &topic, partitions);
    if (!result)
        return print_json_document(document);
    json_decref(document);
    return result;
}

static int topic_describe(int argc, char **argv)
{
    struct asked asked = {0};
    const struct option options[] = {
        {"all", OPTION_FLAG, &asked.all, 0, 0},
        {"json", OPTION_FLAG, &asked.json, 0, 0},
        PLACE_OPTIONS(&asked.place),
        {0},
    };
    const struct task task = {
        {"topic describe", describe_help, options}, 1, NULL, DOOR_READ, describe};
    return run(&task, &asked, argc, argv);
}

/* ---- the table ------------------------------------------------------------------------------- */

int command_topic(int argc, char **argv)
{
    static const struct command commands[] = {
        {"create", topic_create, "make a topic"},
        {"list", topic_list, "list the topics"},
        {"describe", topic_describe, "show a topic's settings and the state of its partitions"},
        {"alter", topic_alter, "change settings, add partitions"},
        {"delete", topic_delete, "delete a topic with all its records"},
        {"delete-records", topic_delete_records, "delete the records before an offset"},
        {NULL, NULL, NULL},
    };
    static const struct command_group group = {
        "topic",
        "usage: maplog topic COMMAND [ARGUMENT...]\n\n",
        "\n\"maplog topic COMMAND --help\" tells more.\n",
        commands,
    };
    return dispatch(&group, argc, argv);
}
