/* consume.c - maplog consume: prints the records of a topic. */
#include <maplog.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/properties.h"
#include "cmd/commands.h"
#include "cmd/door_consumer.h"
#include "cmd/format.h"
#include "cmd/meter.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/print_json.h"
#include "cmd/report.h"
#include "cmd/when.h"
#include "os/clock.h"

#define EXIT_PIPE 141        /* as a shell reports a process that SIGPIPE ended */
#define LOOK_MS 200          /* an idle consumer looks for a signal so often */
#define COMMIT_NS 1000000000 /* progress is committed so often, when idle, and at the end */
#define COMMIT_LOOK 256      /* records between two looks at the clock */

static const char help[] =
    "usage: maplog consume TOPIC [--from WHERE] [--count N] [--follow] [OPTION]...\n\n"
    "Prints the records of a topic, each value with a newline behind it, up to the end that the\n"
    "topic had when the command began.\n\n"
    "  --from WHERE         begin (the default), end, an offset, -N (the last N records),\n"
    "                       -15min (so long ago), 2026-01-31T12:00, @MILLISECONDS\n"
    "  --count N            end after N records\n"
    "  --follow             do not end, wait for more records\n"
    "  --timeout TIME       with --follow: end when no record came for so long, such as 10s\n"
    "  --partition N        only this partition; may be given more than once\n"
    "  --group GROUP        begin where the group stopped, and commit how far it came; partitions\n"
    "                       that another consumer of the group has are left to it\n"
    "  --format FORMAT      print records so: %s value, %S its length, %k key, %K its length,\n"
    "                       %o offset, %p partition, %T timestamp, %t topic, %h headers; \\n, "
    "\\t,\n"
    "                       \\xNN\n"
    "  --json               print an object a line\n"
    "  --check-crcs         verify the checksum of each batch\n"
    "  --progress           say at the end how much and how fast\n" PLACE_HELP;

struct asked {
    struct place place;
    const char *from;
    const char *format;
    const char *group;
    struct words partitions;
    struct words arguments;
    int64_t count;   /* -1: no limit */
    int64_t timeout; /* milliseconds; -1: none */
    bool follow, json, check_crcs, progress;
};

enum part_state {
    PART_ELSEWHERE, /* not read here: not chosen, or another consumer of the group has it */
    PART_OPEN,
    PART_ENDED,
};

struct consume {
    const struct asked *asked;
    const char *topic;
    struct door door;
    struct door_consumer consumer;
    struct when when;
    int32_t *partitions; /* that are read */
    size_t partition_count;
    int32_t known;                      /* partitions that the topic had at the beginning */
    struct maplog_partition *described; /* the known, then */
    int64_t *ends;                      /* of the known: where to stop; INT64_MAX: never */
    enum part_state *states;            /* of the known */
    size_t open;                        /* partitions that are PART_OPEN */
    struct format format;
    struct output *output;
    struct meter meter;
    int64_t left;     /* records still to be printed; -1: no limit */
    bool uncommitted; /* something was printed that the group does not know of */
    int64_t committed_ns;
};

/* What was printed is written out first: a record counts as read when it was delivered. */
static int deliver(struct consume *consume, bool commit)
{
    int result = output_flush(consume->output);
    if (result || !commit || !consume->asked->group || !consume->uncommitted)
        return result;
    result = door_commit(&consume->consumer);
    consume->uncommitted = result != 0;
    consume->committed_ns = clock_monotonic_ns();
    return result;
}

/* ---- where to begin and to end --------------------------------------------------------------- */

static bool parse_partition(const char *word, int64_t *number)
{
    return properties_size(word, strlen(word), 0, LIMIT_PARTITIONS - 1, number);
}

static int choose_partitions(struct consume *consume)
{
    const struct words *chosen = &consume->asked->partitions;
    struct maplog_topic topic;
    int result = door_topic_describe(&consume->door, consume->topic, &topic);
    if (result)
        return result;
    size_t count = chosen->count ? chosen->count : (size_t)topic.partitions;
    consume->partitions = calloc(count, sizeof *consume->partitions);
    consume->described = calloc((size_t)topic.partitions, sizeof *consume->described);
    consume->ends = calloc((size_t)topic.partitions, sizeof *consume->ends);
    consume->states = calloc((size_t)topic.partitions, sizeof *consume->states);
    consume->known = topic.partitions;
    if (!consume->partitions || !consume->described || !consume->ends || !consume->states)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %zu partitions", count);
    for (size_t i = 0; i < count; i++) {
        int64_t number = (int64_t)i;
        if (chosen->count)
            parse_partition(chosen->items[i], &number); /* checked before */
        if (number >= topic.partitions)
            return error_set(MAPLOG_NOT_FOUND, "topic %s has %d partitions, no number %d",
                             consume->topic, (int)topic.partitions, (int)number);
        consume->partitions[i] = (int32_t)number;
    }
    consume->partition_count = count;
    if (consume->when.kind == WHEN_OFFSET && count > 1)
        return error_set(MAPLOG_INVALID,
                         "an offset means one partition, topic %s has %d; say which: --partition N",
                         consume->topic, (int)topic.partitions);
    return 0;
}

static int find_ends(struct consume *consume)
{
    int result = door_partitions_describe(&consume->door, consume->topic, consume->known,
                                          consume->described);
    for (int32_t i = 0; i < consume->known; i++)
        consume->ends[i] = consume->asked->follow ? INT64_MAX : consume->described[i].end_offset;
    return result;
}

/* The group's partitions may go to other consumers. */
static int yield(void *context)
{
    return deliver(context, true);
}

static int open_consumer(struct consume *consume)
{
    /* All, and those that are added later; what ends has no use for these. */
    bool all =
        consume->asked->partitions.count == 0 && (consume->asked->follow || consume->asked->group);
    struct far_consumer_options options = {
        .group = consume->asked->group,
        .partitions = all ? NULL : consume->partitions,
        .partition_count = all ? 0 : consume->partition_count,
        .at_end = consume->when.kind == WHEN_END,
        .check_crcs = consume->asked->check_crcs,
        .follow = consume->asked->follow,
        .yield = yield,
        .context = consume,
    };
    return door_consumer_open(&consume->door, consume->topic, &options, &consume->consumer);
}

static int seek_partition(struct consume *consume, int32_t number)
{
    const struct maplog_partition *partition = &consume->described[number];
    switch (consume->when.kind) {
    case WHEN_BEGIN:
        return door_seek(&consume->consumer, number, MAPLOG_BEGIN);
    case WHEN_END:
        return door_seek(&consume->consumer, number, MAPLOG_END);
    case WHEN_OFFSET:
        return door_seek(&consume->consumer, number, consume->when.number);
    case WHEN_TIME:
        return door_seek_time(&consume->consumer, number, consume->when.number);
    case WHEN_LAST:
        return partition->end_offset - partition->start_offset > consume->when.number
                   ? door_seek(&consume->consumer, number,
                               partition->end_offset - consume->when.number)
                   : door_seek(&consume->consumer, number, partition->start_offset);
    }
    return 0;
}

/* A group's progress wins, unless --from was given. */
static int seek(struct consume *consume)
{
    for (size_t i = 0; i < consume->partition_count; i++) {
        int64_t position;
        int32_t number = consume->partitions[i];
        /* In a group another consumer may have it. */
        if (door_position(&consume->consumer, number, &position) != 0)
            continue;
        int result = 0;
        if (consume->asked->from)
            result = seek_partition(consume, number);
        if (!result)
            result = door_position(&consume->consumer, number, &position);
        if (result)
            return result;
        /* Behind the end is an error: the first read says so. */
        consume->states[number] = position == consume->ends[number] ? PART_ENDED : PART_OPEN;
        consume->open += consume->states[number] == PART_OPEN;
    }
    return 0;
}

/* ---- the work -------------------------------------------------------------------------------- */

static int print(struct consume *consume, const struct maplog_message *message)
{
    if (consume->asked->json)
        return print_json_message(consume->topic, message, consume->output);
    format_print(&consume->format, consume->topic, message, consume->output);
    return 0;
}

/* The message lies at `end` or behind, or is the last before it. */
static void reach_end(struct consume *consume, int32_t number)
{
    if (consume->states[number] == PART_OPEN)
        consume->open--;
    consume->states[number] = PART_ENDED;
}

/* Prints the message, unless it came behind the end that was noted. */
static int take(struct consume *consume, const struct maplog_message *message)
{
    int32_t number = message->partition;
    int64_t end = number < consume->known ? consume->ends[number] : INT64_MAX;
    if (message->offset < end) {
        int result = print(consume, message);
        if (result)
            return result;
        meter_add(&consume->meter, 1, message->key_size + message->value_size);
        consume->uncommitted = true;
        if (consume->left > 0)
            consume->left--;
    }
    if (message->offset + 1 >= end)
        reach_end(consume, number);
    return consume->output->failed;
}

/* Waits for records, at most timeout_ms; looks for signals meanwhile. 0: none came. */
static int wait_for_record(struct consume *consume, struct maplog_message *message)
{
    int64_t now = clock_monotonic_ns();
    int64_t until =
        consume->asked->timeout < 0 ? INT64_MAX : now + consume->asked->timeout * 1000000;
    int result = deliver(consume, true);
    while (!result && !interrupted() && now < until) {
        int64_t left = (until - now) / 1000000 + 1;
        result = door_consume(&consume->consumer, message, left < LOOK_MS ? (int)left : LOOK_MS);
        now = clock_monotonic_ns();
    }
    return result;
}

static int consume_all(struct consume *consume)
{
    struct maplog_message message;
    unsigned taken = 0;
    while (consume->open > 0 && consume->left != 0 && !interrupted()) {
        int result = door_consume(&consume->consumer, &message, 0);
        if (result == 0 && consume->asked->follow)
            result = wait_for_record(consume, &message);
        if (result == 0)
            break; /* all there is, or nothing came in time */
        if (result > 0)
            result = take(consume, &message);
        if (result < 0)
            return result;
        if (consume->asked->group && ++taken % COMMIT_LOOK == 0 &&
            clock_monotonic_ns() - consume->committed_ns > COMMIT_NS)
            result = deliver(consume, true);
        if (result < 0)
            return result;
    }
    return 0;
}

/* A record that was taken and not printed, because it came behind the end, is not read. */
static int give_back(struct consume *consume)
{
    for (size_t i = 0; i < consume->partition_count; i++) {
        int32_t number = consume->partitions[i];
        int64_t position;
        if (door_position(&consume->consumer, number, &position) == 0 &&
            position > consume->ends[number]) {
            int result = door_seek(&consume->consumer, number, consume->ends[number]);
            if (result)
                return result;
        }
    }
    return 0;
}

static int consume_topic(struct consume *consume)
{
    int result = choose_partitions(consume);
    if (!result)
        result = find_ends(consume);
    if (!result)
        result = open_consumer(consume);
    if (!result)
        result = seek(consume);
    if (result)
        return result;
    meter_begin(&consume->meter, "consumed", consume->asked->progress);
    if (isatty(STDOUT_FILENO))
        consume->meter.live = false; /* its line would run into the records */
    consume->committed_ns = consume->meter.begun_ns;
    result = consume_all(consume);
    int given_back = give_back(consume);
    int delivered = deliver(consume, result == 0 && given_back == 0);
    meter_end(&consume->meter);
    return result ? result : given_back ? given_back : delivered;
}

/* What the options mean, apart from the log; OPTIONS_GO or EXIT_USAGE. */
static int prepare(const struct usage *usage, const struct asked *asked, struct consume *consume)
{
    if (asked->json && asked->format)
        return usage_error(usage, "--json and --format exclude each other");
    if (asked->timeout >= 0 && !asked->follow)
        return usage_error(usage, "--timeout wants --follow: without it nothing is waited for");
    if (when_parse(asked->from ? asked->from : "begin", clock_wall_ms(), &consume->when) != 0)
        return usage_error(usage, "--from: %s", error_text());
    if (format_compile(asked->format ? asked->format : "%s\\n", &consume->format) != 0)
        return usage_error(usage, "--format: %s", error_text());
    for (size_t i = 0; i < asked->partitions.count; i++) {
        int64_t number;
        if (!parse_partition(asked->partitions.items[i], &number))
            return usage_error(usage, "--partition wants a number, not \"%s\"",
                               asked->partitions.items[i]);
    }
    return OPTIONS_GO;
}

static int run(const struct usage *usage, const struct asked *asked)
{
    struct consume consume = {
        .asked = asked, .topic = asked->arguments.items[0], .left = asked->count};
    int status = prepare(usage, asked, &consume);
    if (status == OPTIONS_GO) {
        catch_signals();
        consume.output = output_open(STDOUT_FILENO);
        int result =
            consume.output ? door_open(&asked->place, DOOR_READ, &consume.door) : MAPLOG_NO_MEMORY;
        if (!result)
            result = consume_topic(&consume);
        status = result == MAPLOG_CLOSED ? EXIT_PIPE
                 : result                ? door_report(&consume.door, result)
                                         : 0;
    }
    door_consumer_close(&consume.consumer);
    door_close(&consume.door);
    format_free(&consume.format);
    free(consume.output);
    free(consume.partitions);
    free(consume.described);
    free(consume.ends);
    free(consume.states);
    return exit_status(status);
}

int command_consume(int argc, char **argv)
{
    struct asked asked = {.count = -1, .timeout = -1};
    const struct option options[] = {
        {"from", OPTION_TEXT, &asked.from, 0, 0},
        {"count", OPTION_NUMBER, &asked.count, 0, INT64_MAX},
        {"follow", OPTION_FLAG, &asked.follow, 0, 0},
        {"timeout", OPTION_DURATION, &asked.timeout, 0, INT32_MAX},
        {"partition", OPTION_WORDS, &asked.partitions, 0, 0},
        {"group", OPTION_TEXT, &asked.group, 0, 0},
        {"format", OPTION_TEXT, &asked.format, 0, 0},
        {"json", OPTION_FLAG, &asked.json, 0, 0},
        {"check-crcs", OPTION_FLAG, &asked.check_crcs, 0, 0},
        {"progress", OPTION_FLAG, &asked.progress, 0, 0},
        PLACE_OPTIONS(&asked.place),
        {0},
    };
    const struct usage usage = {"consume", help, options};
    int status = options_parse(&usage, argc, argv, &asked.arguments);
    if (status == OPTIONS_GO)
        status = usage_arguments(&usage, &asked.arguments, 1, "the name of a topic");
    if (status == OPTIONS_GO)
        status = run(&usage, &asked);
    words_free(&asked.partitions);
    words_free(&asked.arguments);
    return status;
}
