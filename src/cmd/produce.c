/* produce.c - maplog produce: lines or files become records. */
#include <maplog.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "cmd/commands.h"
#include "cmd/door_producer.h"
#include "cmd/format.h"
#include "cmd/load.h"
#include "cmd/options.h"
#include "cmd/producing.h"
#include "cmd/report.h"

static const char help[] =
    "usage: maplog produce TOPIC [OPTION]...              lines of standard input\n"
    "       maplog produce TOPIC --lines FILE... [OPTION]...\n"
    "       maplog produce TOPIC --file FILE... [OPTION]...\n\n"
    "Appends a record for each line, in order; the newline is not part of it. A missing topic is\n"
    "created.\n\n"
    "  --lines FILE...      map these files and load their lines on all CPUs\n"
    "  --file FILE...       each file is one record\n"
    "  --key-separator S    what comes before the first S in a line is the record's key\n"
    "  --header NAME=VALUE  a header for every record; may be given more than once\n"
    "  --partition N        append to this partition; else the key decides, records without a key\n"
    "                       fill all evenly, and --lines puts each file into one\n"
    "  --compression CODEC  none (the default), gzip, snappy, lz4, zstd\n"
    "  --batch BYTES        largest batch (64k); 0: each record is a batch\n"
    "  --acks WHEN          memory (the default): a record survives the death of every process;\n"
    "                       disk: success means that all survive a power cut; none: as memory,\n"
    "                       but a server does not answer\n"
    "  --timeout TIME       longest wait for another writer of a partition, or for a server (10s)\n"
    "  --progress           say at the end how much and how fast\n" PLACE_HELP;

struct asked {
    struct place place;
    const char *separator;
    struct producing producing;
    struct words arguments;
    struct words lines;
    struct words files;
    struct words headers;
    int64_t partition; /* -1: not given */
    bool progress;
};

/* ---- options to what they mean --------------------------------------------------------------- */

/* The arrays are owned by the caller, also on failure. */
static int parse_headers(const struct usage *usage, const struct words *words, char ***names,
                         struct maplog_header **headers)
{
    *names = calloc(words->count + 1, sizeof **names);
    *headers = calloc(words->count + 1, sizeof **headers);
    if (!*names || !*headers)
        return usage_error(usage, "no memory for the headers");
    for (size_t i = 0; i < words->count; i++) {
        const char *equals = strchr(words->items[i], '=');
        if (!equals)
            return usage_error(usage, "--header wants NAME=VALUE, not \"%s\"", words->items[i]);
        (*names)[i] = strndup(words->items[i], (size_t)(equals - words->items[i]));
        if (!(*names)[i])
            return usage_error(usage, "no memory for the headers");
        (*headers)[i] = (struct maplog_header){(*names)[i], equals + 1, strlen(equals + 1)};
    }
    return OPTIONS_GO;
}

/* Replaces escapes; *copy is the caller's to free. */
static int parse_separator(const struct usage *usage, const char *word, char **copy,
                           struct produce_how *how)
{
    if (!word)
        return OPTIONS_GO;
    *copy = strdup(word);
    if (!*copy || format_unescape(*copy, &how->separator_size) != 0)
        return usage_error(usage, "--key-separator: %s", *copy ? error_text() : "no memory");
    if (how->separator_size == 0)
        return usage_error(usage, "--key-separator must not be empty");
    how->separator = *copy;
    return OPTIONS_GO;
}

static int parse_producer(const struct usage *usage, const struct asked *asked,
                          struct maplog_producer_options *options)
{
    if (asked->lines.count && asked->files.count)
        return usage_error(usage, "--lines and --file exclude each other");
    return producing_options(usage, &asked->producing, options);
}

/* ---- the work -------------------------------------------------------------------------------- */

static int load(struct door_producer *producer, const struct asked *asked,
                const struct produce_how *how, struct meter *meter)
{
    if (asked->files.count)
        return load_files(producer, how, &asked->files, meter);
    if (!asked->lines.count)
        return load_stream(producer, how, meter);
    return producer->near ? load_lines(producer->near, how, &asked->lines, meter)
                          : load_lines_far(producer, how, &asked->lines, meter);
}

static int produce(const struct asked *asked, const struct produce_how *how,
                   const struct maplog_producer_options *options)
{
    struct door door;
    struct door_producer producer = {0};
    struct meter meter;
    catch_signals();
    int result = door_open(&asked->place, DOOR_CREATE, &door);
    if (!result)
        result = producing_topic(&door, how->topic, options->acks);
    if (!result)
        result = door_producer_open(&door, how->topic, options, &producer);
    meter_begin(&meter, "produced", asked->progress);
    if (!asked->lines.count && !asked->files.count && isatty(STDIN_FILENO))
        meter.live = false; /* somebody types */
    if (!result)
        result = load(&producer, asked, how, &meter);
    meter_end(&meter);
    int status = result ? door_report(&door, result) : 0;
    int closed = door_producer_close(&producer);
    if (closed && !result)
        status = door_report(&door, closed);
    door_close(&door);
    return exit_status(status);
}

static int run(const struct usage *usage, const struct asked *asked)
{
    struct produce_how how = {.topic = asked->arguments.items[0],
                              .partition = (int32_t)asked->partition,
                              .header_count = asked->headers.count};
    struct maplog_producer_options options = {0};
    char *separator = NULL;
    char **names = NULL;
    struct maplog_header *headers = NULL;
    int status = parse_producer(usage, asked, &options);
    if (status == OPTIONS_GO)
        status = parse_separator(usage, asked->separator, &separator, &how);
    if (status == OPTIONS_GO)
        status = parse_headers(usage, &asked->headers, &names, &headers);
    how.headers = headers;
    if (status == OPTIONS_GO)
        status = produce(asked, &how, &options);
    for (size_t i = 0; names && names[i]; i++)
        free(names[i]);
    free(names);
    free(headers);
    free(separator);
    return status;
}

int command_produce(int argc, char **argv)
{
    struct asked asked = {.producing = PRODUCING_DEFAULT, .partition = -1};
    const struct option options[] = {
        {"lines", OPTION_REST, &asked.lines, 0, 0},
        {"file", OPTION_REST, &asked.files, 0, 0},
        {"key-separator", OPTION_TEXT, &asked.separator, 0, 0},
        {"header", OPTION_WORDS, &asked.headers, 0, 0},
        {"partition", OPTION_NUMBER, &asked.partition, 0, LIMIT_PARTITIONS - 1},
        {"compression", OPTION_TEXT, &asked.producing.compression, 0, 0},
        {"batch", OPTION_SIZE, &asked.producing.batch, 0, 1 << 30},
        {"acks", OPTION_TEXT, &asked.producing.acks, 0, 0},
        {"timeout", OPTION_DURATION, &asked.producing.timeout, 1, INT32_MAX},
        {"progress", OPTION_FLAG, &asked.progress, 0, 0},
        PLACE_OPTIONS(&asked.place),
        {0},
    };
    const struct usage usage = {"produce", help, options};
    int status = options_parse(&usage, argc, argv, &asked.arguments);
    if (status == OPTIONS_GO)
        status = usage_arguments(&usage, &asked.arguments, 1, "the name of a topic");
    if (status == OPTIONS_GO)
        status = run(&usage, &asked);
    words_free(&asked.arguments);
    words_free(&asked.lines);
    words_free(&asked.files);
    words_free(&asked.headers);
    return status;
}
