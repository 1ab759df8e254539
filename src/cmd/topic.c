/* topic.c - maplog topic: what topics there are, their settings, their state. */
#include <maplog.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/properties.h"
#include "cmd/commands.h"
#include "cmd/dispatch.h"
#include "cmd/options.h"
#include "cmd/print_json.h"
#include "cmd/report.h"

/* What may be asked of any of them. */
struct asked {
    const char *data;
    struct words configs;
    struct words arguments;
    int64_t partitions; /* 0: not given */
    int64_t partition;  /* -1: all */
    const char *before;
    int64_t before_offset; /* -1: the end */
    bool json;
    bool all; /* settings, those with their default value too */
};

/* What all of them do alike: options, a topic (or none), attach, work. */
struct task {
    struct usage usage;
    size_t topics;                                                /* 1, or 0 for list */
    int (*check)(const struct usage *usage, struct asked *asked); /* NULL: no more to check */
    int (*attach)(const char *data, maplog **log);
    int (*work)(maplog *log, struct asked *asked);
};

static int run(const struct task *task, struct asked *asked, int argc, char **argv)
{
    maplog *log = NULL;
    int status = options_parse(&task->usage, argc, argv, &asked->arguments);
    if (status == OPTIONS_GO)
        status =
            usage_arguments(&task->usage, &asked->arguments, task->topics, "the name of a topic");
    if (status == OPTIONS_GO && task->check)
        status = task->check(&task->usage, asked);
    if (status == OPTIONS_GO) {
        int result = task->attach(asked->data, &log);
        if (!result)
            result = task->work(log, asked);
        status = result ? report_error(result, asked->data) : 0;
    }
    maplog_close(log);
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
    "usage: maplog topic create TOPIC [--partitions N] [--config NAME=VALUE]... [--data DIR]\n\n"
    "Creates a topic, and the directory when it is missing.\n\n"
    "  --partitions N       how many partitions (1); records without a key fill them evenly\n"
    "  --config NAME=VALUE  a setting under Kafka's name, such as segment.bytes, retention.ms,\n"
    "                       max.message.bytes; maplog-topic(1) lists them\n"
    "  --data DIR           the log's directory (data)\n";

static int create(maplog *log, struct asked *asked)
{
    return maplog_topic_create(log, topic_of(asked), (int32_t)asked->partitions,
                               asked->configs.items);
}

static int topic_create(int argc, char **argv)
{
    struct asked asked = {.data = DEFAULT_DATA};
    const struct option options[] = {
        {"partitions", OPTION_NUMBER, &asked.partitions, 1, LIMIT_PARTITIONS},
        {"config", OPTION_WORDS, &asked.configs, 0, 0},
        {"data", OPTION_TEXT, &asked.data, 0, 0},
        {0},
    };
    const struct task task = {
        {"topic create", create_help, options}, 1, NULL, attach_or_create, create};
    return run(&task, &asked, argc, argv);
}

static const char alter_help[] =
    "usage: maplog topic alter TOPIC [--config NAME=VALUE]... [--partitions N] [--data DIR]\n\n"
    "Changes a topic at once, for all attached processes.\n\n"
    "  --config NAME=VALUE  sets a setting; \"NAME=\" goes back to its default\n"
    "  --partitions N       adds partitions up to N in all; keyed records then go elsewhere\n"
    "  --data DIR           the log's directory (data)\n";

static int check_alter(const struct usage *usage, struct asked *asked)
{
    if (asked->configs.count || asked->partitions)
        return OPTIONS_GO;
    return usage_error(usage, "nothing to change; --config or --partitions says what");
}

static int alter(maplog *log, struct asked *asked)
{
    int result = 0;
    if (asked->configs.count)
        result = maplog_topic_alter(log, topic_of(asked), asked->configs.items);
    if (!result && asked->partitions)
        result = maplog_topic_grow(log, topic_of(asked), (int32_t)asked->partitions);
    return result;
}

static int topic_alter(int argc, char **argv)
{
    struct asked asked = {.data = DEFAULT_DATA};
    const struct option options[] = {
        {"config", OPTION_WORDS, &asked.configs, 0, 0},
        {"partitions", OPTION_NUMBER, &asked.partitions, 1, LIMIT_PARTITIONS},
        {"data", OPTION_TEXT, &asked.data, 0, 0},
        {0},
    };
    const struct task task = {{"topic alter", alter_help, options}, 1, check_alter, attach, alter};
    return run(&task, &asked, argc, argv);
}

static const char delete_help[] =
    "usage: maplog topic delete TOPIC [--data DIR]\n\n"
    "Deletes a topic with all its records, also while processes are attached: their calls then\n"
    "answer that it was deleted.\n\n"
    "  --data DIR  the log's directory (data)\n";

static int delete_topic(maplog *log, struct asked *asked)
{
    return maplog_topic_delete(log, topic_of(asked));
}

static int topic_delete(int argc, char **argv)
{
    struct asked asked = {.data = DEFAULT_DATA};
    const struct option options[] = {
        {"data", OPTION_TEXT, &asked.data, 0, 0},
        {0},
    };
    const struct task task = {
        {"topic delete", delete_help, options}, 1, NULL, attach, delete_topic};
    return run(&task, &asked, argc, argv);
}

static const char delete_records_help[] =
    "usage: maplog topic delete-records TOPIC --before OFFSET [--partition N] [--data DIR]\n\n"
    "Moves the start of a topic's partitions: records below OFFSET cannot be read any more, and\n"
    "segments that hold nothing else are removed.\n\n"
    "  --before OFFSET  the first offset to keep; end: keep none\n"
    "  --partition N    only this partition\n"
    "  --data DIR       the log's directory (data)\n";

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

static int delete_records(maplog *log, struct asked *asked)
{
    struct maplog_topic topic;
    int result = maplog_topic_describe(log, topic_of(asked), &topic);
    int32_t first = asked->partition < 0 ? 0 : (int32_t)asked->partition;
    int32_t last = asked->partition < 0 ? topic.partitions - 1 : first;
    for (int32_t partition = first; !result && partition <= last; partition++)
        result = maplog_delete_records(log, topic_of(asked), partition, asked->before_offset);
    return result;
}

static int topic_delete_records(int argc, char **argv)
{
    struct asked asked = {.data = DEFAULT_DATA, .partition = -1};
    const struct option options[] = {
        {"before", OPTION_TEXT, &asked.before, 0, 0},
        {"partition", OPTION_NUMBER, &asked.partition, 0, LIMIT_PARTITIONS - 1},
        {"data", OPTION_TEXT, &asked.data, 0, 0},
        {0},
    };
    const struct task task = {{"topic delete-records", delete_records_help, options},
                              1,
                              check_before,
                              attach,
                              delete_records};
    return run(&task, &asked, argc, argv);
}

/* ---- list ------------------------------------------------------------------------------------ */

static const char list_help[] = "usage: maplog topic list [--json] [--data DIR]\n\n"
                                "Lists the topics, with the records and bytes that each holds.\n\n"
                                "  --json      an array of objects\n"
                                "  --data DIR  the log's directory (data)\n";

struct listing {
    maplog *log;
    json_t *array; /* NULL: text */
    int printed;
};

static int list_topic(void *context, const struct maplog_topic *topic)
{
    struct listing *listing = context;
    int64_t records = 0, bytes = 0;
    for (int32_t i = 0; i < topic->partitions; i++) {
        struct maplog_partition partition;
        int result = maplog_partition_describe(listing->log, topic->name, i, &partition);
        if (result)
            return result == MAPLOG_TOPIC_DELETED || result == MAPLOG_NOT_FOUND ? 0 : result;
        records += partition.end_offset - partition.start_offset;
        bytes += partition.bytes;
    }
    if (listing->array) {
        json_array_append_new(listing->array,
                              json_pack("{s:s, s:s, s:i, s:I, s:I}", "topic", topic->name, "id",
                                        topic->id, "partitions", (int)topic->partitions, "records",
                                        (json_int_t)records, "bytes", (json_int_t)bytes));
        return 0;
    }
    if (!listing->printed++)
        printf("%-32s %10s %14s %16s\n", "TOPIC", "PARTITIONS", "RECORDS", "BYTES");
    printf("%-32s %10" PRId32 " %14" PRId64 " %16" PRId64 "\n", topic->name, topic->partitions,
           records, bytes);
    return 0;
}

static int list(maplog *log, struct asked *asked)
{
    struct listing listing = {.log = log, .array = asked->json ? json_array() : NULL};
    int result = maplog_topic_list(log, list_topic, &listing);
    if (!result && asked->json)
        return print_json_document(listing.array);
    json_decref(listing.array);
    return result;
}

static int topic_list(int argc, char **argv)
{
    struct asked asked = {.data = DEFAULT_DATA};
    const struct option options[] = {
        {"json", OPTION_FLAG, &asked.json, 0, 0},
        {"data", OPTION_TEXT, &asked.data, 0, 0},
        {0},
    };
    const struct task task = {{"topic list", list_help, options}, 0, NULL, attach_to_read, list};
    return run(&task, &asked, argc, argv);
}

/* ---- describe -------------------------------------------------------------------------------- */

static const char describe_help[] =
    "usage: maplog topic describe TOPIC [--all] [--json] [--data DIR]\n\n"
    "Shows a topic's settings and the state of its partitions: the first offset that can be read,\n"
    "the offset of the next record, how far it is on disk (- for a log in memory).\n\n"
    "  --all       show the settings that have their default value, too\n"
    "  --json      one object, with all settings\n"
    "  --data DIR  the log's directory (data)\n";

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

static void print_partition(int32_t number, const struct maplog_partition *partition)
{
    char durable[AMOUNT_SIZE * 2] = "-";
    if (partition->durable_offset >= 0)
        snprintf(durable, sizeof durable, "%" PRId64, partition->durable_offset);
    printf("%-9" PRId32 " %12" PRId64 " %12" PRId64 " %12s %9" PRId32 " %14" PRId64 " %6" PRId32
           "\n",
           number, partition->start_offset, partition->end_offset, durable, partition->segments,
           partition->bytes, partition->leader_epoch);
}

static json_t *partition_object(int32_t number, const struct maplog_partition *partition)
{
    json_t *durable = partition->durable_offset < 0
                          ? json_null()
                          : json_integer((json_int_t)partition->durable_offset);
    return json_pack("{s:i, s:I, s:I, s:o, s:i, s:I, s:i}", "partition", (int)number, "start",
                     (json_int_t)partition->start_offset, "end", (json_int_t)partition->end_offset,
                     "durable", durable, "segments", (int)partition->segments, "bytes",
                     (json_int_t)partition->bytes, "leader_epoch", (int)partition->leader_epoch);
}

/* partitions: where the objects go; NULL prints text. */
static int describe_partitions(maplog *log, const struct maplog_topic *topic, json_t *partitions)
{
    if (!partitions)
        printf("%-9s %12s %12s %12s %9s %14s %6s\n", "PARTITION", "START", "END", "DURABLE",
               "SEGMENTS", "BYTES", "EPOCH");
    for (int32_t i = 0; i < topic->partitions; i++) {
        struct maplog_partition partition;
        int result = maplog_partition_describe(log, topic->name, i, &partition);
        if (result)
            return result;
        if (partitions)
            json_array_append_new(partitions, partition_object(i, &partition));
        else
            print_partition(i, &partition);
    }
    return 0;
}

static int describe(maplog *log, struct asked *asked)
{
    struct maplog_topic topic;
    int result = maplog_topic_describe(log, topic_of(asked), &topic);
    if (result)
        return result;
    if (!asked->json) {
        printf("%s  id %s, %" PRId32 " partition%s\n", topic.name, topic.id, topic.partitions,
               topic.partitions == 1 ? "" : "s");
        result = maplog_topic_configs(log, topic.name, print_config, asked);
        return result ? result : describe_partitions(log, &topic, NULL);
    }
    json_t *configs = json_object();
    json_t *partitions = json_array();
    json_t *document = json_pack("{s:s, s:s, s:o, s:o}", "topic", topic.name, "id", topic.id,
                                 "configs", configs, "partitions", partitions);
    result = maplog_topic_configs(log, topic.name, add_config, configs);
    if (!result)
        result = describe_partitions(log, &topic, partitions);
    if (!result)
        return print_json_document(document);
    json_decref(document);
    return result;
}

static int topic_describe(int argc, char **argv)
{
    struct asked asked = {.data = DEFAULT_DATA};
    const struct option options[] = {
        {"all", OPTION_FLAG, &asked.all, 0, 0},
        {"json", OPTION_FLAG, &asked.json, 0, 0},
        {"data", OPTION_TEXT, &asked.data, 0, 0},
        {0},
    };
    const struct task task = {
        {"topic describe", describe_help, options}, 1, NULL, attach_to_read, describe};
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
        "usage: maplog topic COMMAND [ARGUMENT...] [--data DIR]\n\n",
        "\n\"maplog topic COMMAND --help\" tells more.\n",
        commands,
    };
    return dispatch(&group, argc, argv);
}
