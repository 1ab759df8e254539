/* export.c - maplog export: topics for a Kafka broker's data directory. */
#include "log/export.h"

#include "cmd/commands.h"
#include "cmd/options.h"
#include "cmd/report.h"
#include "cmd/transfer.h"

static const char help[] =
    "usage: maplog export [TOPIC...] --to KAFKA_DIR [--data DIR]\n\n"
    "Writes topics into the data directory (log.dirs) of a Kafka broker that is stopped: trimmed\n"
    "segments, complete indexes, log starts. Kafka knows a topic by its id, so make the topic "
    "there\n"
    "first, with as many partitions, and stop the broker; its partition.metadata files are kept.\n"
    "Records that are there already are never replaced. Processes may be attached here "
    "meanwhile.\n\n"
    "  TOPIC           only these topics; without any, all but __consumer_offsets\n"
    "  --to KAFKA_DIR  where to; it is made when it is missing\n"
    "  --data DIR      the log's directory (data)\n";

static int run(const char *data, const char *to, const struct words *topics)
{
    const struct maplog_open_options read_only = {.flags = MAPLOG_READ_ONLY};
    struct directory *directory = NULL;
    struct transfer_view view;
    struct transfer_counts counts = {0};
    struct export_options options = {.to = to,
                                     .topics = topics->count ? topics->items : NULL,
                                     .listener = transfer_view_begin(&view, "exported")};
    int result = directory_open(data, &read_only, &directory);
    if (!result)
        result = export_directory(directory, &options, &counts);
    directory_drop(directory);
    return transfer_view_end(&view, result, &counts, data);
}

int command_export(int argc, char **argv)
{
    const char *data = DEFAULT_DATA, *to = NULL;
    struct words topics = {0};
    const struct option options[] = {
        {"to", OPTION_TEXT, &to, 0, 0},
        {"data", OPTION_TEXT, &data, 0, 0},
        {0},
    };
    const struct usage usage = {"export", help, options};
    int status = options_parse(&usage, argc, argv, &topics);
    if (status == OPTIONS_GO && !to)
        status = usage_error(&usage, "--to says where to");
    if (status == OPTIONS_GO)
        status = run(data, to, &topics);
    words_free(&topics);
    return status;
}
