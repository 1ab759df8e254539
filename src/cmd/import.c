/* import.c - maplog import: topics of a Kafka broker's data directory. */
#include "log/import.h"

#include "cmd/commands.h"
#include "cmd/options.h"
#include "cmd/report.h"
#include "cmd/transfer.h"

static const char help[] =
    "usage: maplog import KAFKA_DIR [TOPIC...] [--data DIR]\n\n"
    "Takes over topics from the data directory (log.dirs) of a Kafka broker that was stopped\n"
    "cleanly, or from a copy of it. Offsets, timestamps and topic ids stay; KAFKA_DIR is only "
    "read.\n"
    "Everything is checked first: old message formats, open transactions, unclean ends and damage\n"
    "are named, and then nothing is imported.\n\n"
    "The settings of topics lie elsewhere in Kafka, so nothing is ever deleted from an imported\n"
    "topic until you say so: maplog topic alter TOPIC --config retention.ms=604800000\n\n"
    "  TOPIC       only these topics\n"
    "  --data DIR  the log's directory (data); it is made when it is missing\n";

static int run(const char *data, const struct words *arguments)
{
    const struct maplog_open_options create = {.flags = MAPLOG_CREATE};
    struct directory *directory = NULL;
    struct transfer_view view;
    struct transfer_counts counts = {0};
    struct import_options options = {.from = arguments->items[0],
                                     .topics = arguments->count > 1 ? arguments->items + 1 : NULL,
                                     .listener = transfer_view_begin(&view, "imported")};
    int result = directory_open(data, &create, &directory);
    if (!result)
        result = import_directory(directory, &options, &counts);
    directory_drop(directory);
    int status = transfer_view_end(&view, result, &counts, data);
    if (!result && counts.topics)
        report_note("nothing is deleted from them until retention is set: maplog topic alter TOPIC "
                    "--config retention.ms=604800000 --data %s",
                    data);
    return status;
}

int command_import(int argc, char **argv)
{
    const char *data = DEFAULT_DATA;
    struct words arguments = {0};
    const struct option options[] = {
        {"data", OPTION_TEXT, &data, 0, 0},
        {0},
    };
    const struct usage usage = {"import", help, options};
    int status = options_parse(&usage, argc, argv, &arguments);
    if (status == OPTIONS_GO && arguments.count == 0)
        status = usage_error(&usage, "the data directory of a Kafka broker is wanted");
    if (status == OPTIONS_GO)
        status = run(data, &arguments);
    words_free(&arguments);
    return status;
}
