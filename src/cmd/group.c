/* group.c - maplog group: how far consumer groups are, and moving them. */
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
#include "cmd/door_consumer.h"
#include "cmd/door_group.h"
#include "cmd/options.h"
#include "cmd/print_json.h"
#include "cmd/report.h"
#include "cmd/when.h"
#include "os/clock.h"

#define NUMBER_SIZE 24

/* What may be asked of any of them. */
struct asked {
    struct place place;
    struct words topics;
    struct words arguments;
    const char *to;
    struct when when;
    bool dry_run;
    bool json;
};

/* What all of them do alike: options, a group (or none), the door, work. */
struct task {
    struct usage usage;
    size_t groups;                                                /* 1, or 0 for list */
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
            usage_arguments(&task->usage, &asked->arguments, task->groups, "the name of a group");
    if (status == OPTIONS_GO && task->check)
        status = task->check(&task->usage, asked);
    if (status == OPTIONS_GO) {
        int result = door_open(&asked->place, task->mode, &door);
        if (!result)
            result = task->work(&door, asked);
        status = result ? door_report(&door, result) : 0;
    }
    door_close(&door);
    words_free(&asked->topics);
    words_free(&asked->arguments);
    return status;
}

static const char *group_of(const struct asked *asked)
{
    return asked->arguments.items[0];
}

/* "-" for -1 */
static const char *number(int64_t value, char text[static NUMBER_SIZE])
{
    snprintf(text, NUMBER_SIZE, value < 0 ? "-" : "%" PRId64, value);
    return text;
}

/* null for -1 and NULL */
static json_t *told(int64_t value)
{
    return value < 0 ? json_null() : json_integer((json_int_t)value);
}

static json_t *named(const char *text)
{
    return text ? json_string(text) : json_null();
}

/* ---- list ------------------------------------------------------------------------------------ */

static const char list_help[] =
    "usage: maplog group list [--json]\n\n"
    "Lists the consumer groups: what the server says of their state (\"Active\" of a directory: a\n"
    "server has members), members, partitions with progress, and by how many records they are\n"
    "behind in all.\n\n"
    "  --json               an array of objects\n" PLACE_HELP;

struct listing {
    struct door *door;
    json_t *array; /* NULL: text */
    int printed;
};

/* All rows that are known. */
static int64_t total_lag(const struct group_view *view)
{
    int64_t total = 0;
    for (size_t i = 0; i < view->count; i++)
        total += group_lag(&view->rows[i]) > 0 ? group_lag(&view->rows[i]) : 0;
    return total;
}

static int list_group(void *context, const char *group)
{
    struct listing *listing = context;
    struct group_view view;
    int result = door_group_describe(listing->door, group, &view);
    int64_t members = listing->door->remote ? (int64_t)view.members : -1;
    if (!result && listing->array) {
        json_array_append_new(
            listing->array, json_pack("{s:s, s:s, s:o, s:I, s:I}", "group", group, "state",
                                      view.state, "members", told(members), "partitions",
                                      (json_int_t)view.count, "lag", (json_int_t)total_lag(&view)));
    } else if (!result) {
        char text[NUMBER_SIZE];
        if (!listing->printed++)
            printf("%-32s %-20s %8s %10s %14s\n", "GROUP", "STATE", "MEMBERS", "PARTITIONS", "LAG");
        printf("%-32s %-20s %8s %10zu %14" PRId64 "\n", group, view.state, number(members, text),
               view.count, total_lag(&view));
    }
    group_view_free(&view);
    return result == MAPLOG_NOT_FOUND ? 0 : result; /* deleted meanwhile */
}

static int list(struct door *door, struct asked *asked)
{
    struct listing listing = {.door = door, .array = asked->json ? json_array() : NULL};
    int result = door_group_list(door, list_group, &listing);
    if (!result && asked->json)
        return print_json_document(listing.array);
    json_decref(listing.array);
    return result;
}

static int group_list(int argc, char **argv)
{
    struct asked asked = {0};
    const struct option options[] = {
        {"json", OPTION_FLAG, &asked.json, 0, 0},
        PLACE_OPTIONS(&asked.place),
        {0},
    };
    const struct task task = {{"group list", list_help, options}, 0, NULL, DOOR_READ, list};
    return run(&task, &asked, argc, argv);
}

/* ---- describe -------------------------------------------------------------------------------- */

static const char describe_help[] =
    "usage: maplog group describe GROUP [--json]\n\n"
    "Shows how far a group is: for each partition the committed offset, the end, how many records\n"
    "lie between (lag), and through a server which member has it.\n\n"
    "  --json               one object\n" PLACE_HELP;

static json_t *row_object(const struct group_row *row)
{
    return json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "topic", row->topic, "partition",
                     (int)row->partition, "committed", told(row->committed), "end", told(row->end),
                     "lag", told(group_lag(row)), "member", named(row->member), "client",
                     named(row->client), "host", named(row->host));
}

static void print_row(const struct group_row *row)
{
    char committed[NUMBER_SIZE], end[NUMBER_SIZE], lag[NUMBER_SIZE];
    printf("%-24s %9" PRId32 " %12s %12s %12s  %s", row->topic, row->partition,
           number(row->committed, committed), number(row->end, end), number(group_lag(row), lag),
           row->member ? row->member : "-");
    if (row->member)
        printf("  %s  %s", row->client, row->host);
    putchar('\n');
}

static int print_view(const char *group, const struct group_view *view, bool json)
{
    if (json) {
        json_t *rows = json_array();
        for (size_t i = 0; i < view->count; i++)
            json_array_append_new(rows, row_object(&view->rows[i]));
        return print_json_document(json_pack("{s:s, s:s, s:I, s:o}", "group", group, "state",
                                             view->state, "members", (json_int_t)view->members,
                                             "partitions", rows));
    }
    printf("%s  state %s, %zu member%s, %" PRId64 " behind\n", group, view->state, view->members,
           view->members == 1 ? "" : "s", total_lag(view));
    printf("%-24s %9s %12s %12s %12s  %s\n", "TOPIC", "PARTITION", "COMMITTED", "END", "LAG",
           "MEMBER  CLIENT  HOST");
    for (size_t i = 0; i < view->count; i++)
        print_row(&view->rows[i]);
    return 0;
}

static int describe(struct door *door, struct asked *asked)
{
    struct group_view view;
    int result = door_group_describe(door, group_of(asked), &view);
    if (!result)
        result = print_view(group_of(asked), &view, asked->json);
    group_view_free(&view);
    return result;
}

static int group_describe(int argc, char **argv)
{
    struct asked asked = {0};
    const struct option options[] = {
        {"json", OPTION_FLAG, &asked.json, 0, 0},
        PLACE_OPTIONS(&asked.place),
        {0},
    };
    const struct task task = {
        {"group describe", describe_help, options}, 1, NULL, DOOR_READ, describe};
    return run(&task, &asked, argc, argv);
}

/* ---- reset ----------------------------------------------------------------------------------- */

static const char reset_help[] =
    "usage: maplog group reset GROUP --topic TOPIC[:PARTITION]... --to WHERE [--dry-run]\n\n"
    "Moves a group that nobody consumes in: its consumers go on from there.\n\n"
    "  --topic T[:P]        this topic, or one partition of it; may be given more than once\n"
    "  --to WHERE           begin, end, an offset, -N (the last N records), -15min (so long ago),\n"
    "                       2026-01-31T12:00, @MILLISECONDS; within what the partition holds\n"
    "  --dry-run            only show what would be committed\n"
    "  --json               an array of objects\n" PLACE_HELP;

/* "T:P"; *partition -1: all. A topic's name has no colon. */
static bool split_topic(const char *word, char topic[static MAPLOG_TOPIC_NAME_MAX + 1],
                        int64_t *partition)
{
    const char *colon = strchr(word, ':');
    size_t length = colon ? (size_t)(colon - word) : strlen(word);
    *partition = -1;
    if (length == 0 || length > MAPLOG_TOPIC_NAME_MAX)
        return false;
    memcpy(topic, word, length);
    topic[length] = '\0';
    return !colon ||
           properties_size(colon + 1, strlen(colon + 1), 0, LIMIT_PARTITIONS - 1, partition);
}

static int check_reset(const struct usage *usage, struct asked *asked)
{
    char topic[MAPLOG_TOPIC_NAME_MAX + 1];
    int64_t partition;
    if (!asked->topics.count)
        return usage_error(usage, "--topic says where");
    if (!asked->to)
        return usage_error(usage, "--to says where to");
    if (when_parse(asked->to, clock_wall_ms(), &asked->when) != 0)
        return usage_error(usage, "--to: %s", error_text());
    for (size_t i = 0; i < asked->topics.count; i++) {
        if (!split_topic(asked->topics.items[i], topic, &partition))
            return usage_error(usage, "--topic wants TOPIC or TOPIC:PARTITION, not \"%s\"",
                               asked->topics.items[i]);
    }
    return OPTIONS_GO;
}

/* Where the time lies in the partition. */
static int find_time(struct door *door, const char *topic, int32_t partition, int64_t time,
                     int64_t *offset)
{
    struct far_consumer_options options = {.partitions = &partition, .partition_count = 1};
    struct door_consumer consumer = {0};
    int result = door_consumer_open(door, topic, &options, &consumer);
    if (!result)
        result = door_seek_time(&consumer, partition, time);
    if (!result)
        result = door_position(&consumer, partition, offset);
    door_consumer_close(&consumer);
    return result;
}

static int find_target(struct door *door, const char *topic, const struct asked *asked,
                       const struct maplog_partition *bounds, struct remote_commit *commit)
{
    int64_t offset = 0;
    switch (asked->when.kind) {
    case WHEN_BEGIN:
        offset = bounds->start_offset;
        break;
    case WHEN_END:
        offset = bounds->end_offset;
        break;
    case WHEN_OFFSET:
        offset = asked->when.number;
        break;
    case WHEN_LAST:
        offset =
            bounds->end_offset > asked->when.number ? bounds->end_offset - asked->when.number : 0;
        break;
    case WHEN_TIME: {
        int result = find_time(door, topic, commit->partition, asked->when.number, &offset);
        if (result)
            return result;
        break;
    }
    }
    commit->offset = offset < bounds->start_offset ? bounds->start_offset
                     : offset > bounds->end_offset ? bounds->end_offset
                                                   : offset;
    return 0;
}

/* The targets of a topic's partitions; *commits is the caller's to free. */
static int find_targets(struct door *door, const struct asked *asked, const char *word,
                        struct remote_commit **commits, size_t *count)
{
    char topic[MAPLOG_TOPIC_NAME_MAX + 1];
    int64_t partition;
    struct maplog_topic found;
    split_topic(word, topic, &partition); /* checked before */
    int result = door_topic_describe(door, topic, &found);
    if (!result && partition >= found.partitions)
        result = error_set(MAPLOG_NOT_FOUND, "topic %s has %d partitions, no number %d", topic,
                           (int)found.partitions, (int)partition);
    if (result)
        return result;
    struct maplog_partition *bounds = calloc((size_t)found.partitions + 1, sizeof *bounds);
    *commits = calloc((size_t)found.partitions + 1, sizeof **commits);
    if (!bounds || !*commits)
        result = error_set(MAPLOG_NO_MEMORY, "no memory for %d partitions", (int)found.partitions);
    else
        result = door_partitions_describe(door, topic, found.partitions, bounds);
    for (int32_t i = 0; !result && i < found.partitions; i++) {
        if (partition >= 0 && partition != i)
            continue;
        struct remote_commit *commit = &(*commits)[(*count)++];
        commit->partition = i;
        result = find_target(door, topic, asked, &bounds[i], commit);
    }
    free(bounds);
    return result;
}

static int64_t committed_before(const struct group_view *view, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < view->count; i++) {
        if (view->rows[i].partition == partition && strcmp(view->rows[i].topic, topic) == 0)
            return view->rows[i].committed;
    }
    return -1;
}

/* Where what was done, or would be, is shown. */
struct shown {
    const struct group_view *before;
    json_t *array; /* NULL: text */
    bool dry_run;
    int printed;
};

static void show_targets(struct shown *shown, const char *topic,
                         const struct remote_commit *commits, size_t count)
{
    if (!shown->array && !shown->printed++)
        printf("%-24s %9s %12s %12s%s\n", "TOPIC", "PARTITION", "FROM", "TO",
               shown->dry_run ? "  (not committed)" : "");
    for (size_t i = 0; i < count; i++) {
        char text[NUMBER_SIZE];
        int64_t before = committed_before(shown->before, topic, commits[i].partition);
        if (shown->array)
            json_array_append_new(shown->array,
                                  json_pack("{s:s, s:i, s:o, s:I}", "topic", topic, "partition",
                                            (int)commits[i].partition, "from", told(before), "to",
                                            (json_int_t)commits[i].offset));
        else
            printf("%-24s %9" PRId32 " %12s %12" PRId64 "\n", topic, commits[i].partition,
                   number(before, text), commits[i].offset);
    }
}

static int reset_topic(struct door *door, const struct asked *asked, const char *word,
                       struct shown *shown)
{
    char topic[MAPLOG_TOPIC_NAME_MAX + 1];
    int64_t partition;
    struct remote_commit *commits = NULL;
    size_t count = 0;
    split_topic(word, topic, &partition);
    int result = find_targets(door, asked, word, &commits, &count);
    if (!result && !asked->dry_run)
        result = door_group_commit(door, group_of(asked), topic, commits, count);
    if (!result)
        show_targets(shown, topic, commits, count);
    free(commits);
    return result;
}

static int reset(struct door *door, struct asked *asked)
{
    struct group_view view;
    int result = door_group_describe(door, group_of(asked), &view);
    if (result == MAPLOG_NOT_FOUND)
        result = 0; /* it begins with this */
    struct shown shown = {
        .before = &view, .array = asked->json ? json_array() : NULL, .dry_run = asked->dry_run};
    for (size_t i = 0; !result && i < asked->topics.count; i++)
        result = reset_topic(door, asked, asked->topics.items[i], &shown);
    group_view_free(&view);
    if (!result && shown.array)
        return print_json_document(shown.array);
    json_decref(shown.array);
    return result;
}

static int group_reset(int argc, char **argv)
{
    struct asked asked = {0};
    const struct option options[] = {
        {"topic", OPTION_WORDS, &asked.topics, 0, 0},
        {"to", OPTION_TEXT, &asked.to, 0, 0},
        {"dry-run", OPTION_FLAG, &asked.dry_run, 0, 0},
        {"json", OPTION_FLAG, &asked.json, 0, 0},
        PLACE_OPTIONS(&asked.place),
        {0},
    };
    const struct task task = {
        {"group reset", reset_help, options}, 1, check_reset, DOOR_CHANGE, reset};
    return run(&task, &asked, argc, argv);
}

/* ---- delete ---------------------------------------------------------------------------------- */

static const char delete_help[] =
    "usage: maplog group delete GROUP\n\n"
    "Forgets a group that nobody consumes in, with its progress.\n\n" PLACE_HELP;

static int delete_group(struct door *door, struct asked *asked)
{
    return door_group_delete(door, group_of(asked));
}

static int group_delete(int argc, char **argv)
{
    struct asked asked = {0};
    const struct option options[] = {PLACE_OPTIONS(&asked.place), {0}};
    const struct task task = {
        {"group delete", delete_help, options}, 1, NULL, DOOR_CHANGE, delete_group};
    return run(&task, &asked, argc, argv);
}

/* ---- the table ------------------------------------------------------------------------------- */

int command_group(int argc, char **argv)
{
    static const struct command commands[] = {
        {"list", group_list, "list the groups and how far they are behind"},
        {"describe", group_describe, "show a group's progress, lag and members"},
        {"reset", group_reset, "move a group to other offsets"},
        {"delete", group_delete, "forget a group"},
        {NULL, NULL, NULL},
    };
    static const struct command_group group = {
        "group",
        "usage: maplog group COMMAND [ARGUMENT...]\n\n",
        "\n\"maplog group COMMAND --help\" tells more.\n",
        commands,
    };
    return dispatch(&group, argc, argv);
}
