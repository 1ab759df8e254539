/* backup.c - maplog backup: a copy of a directory that is in use. */
#include "log/backup.h"

#include "cmd/commands.h"
#include "cmd/options.h"
#include "cmd/report.h"
#include "cmd/transfer.h"

static const char help[] =
    "usage: maplog backup TARGET [--data DIR]\n\n"
    "Copies a data directory while processes append to it: each partition up to what was "
    "published\n"
    "when its turn came, group progress first. The copy is a data directory like any other; to\n"
    "restore it, put it in the place of the lost one. A copy that was interrupted does not "
    "open.\n\n"
    "  TARGET      a directory that is missing or empty\n"
    "  --data DIR  the log's directory (data)\n";

static int run(const char *data, const char *target)
{
    const struct maplog_open_options read_only = {.flags = MAPLOG_READ_ONLY};
    struct directory *directory = NULL;
    struct transfer_view view;
    struct transfer_counts counts = {0};
    struct transfer_listener listener = transfer_view_begin(&view, "copied");
    int result = directory_open(data, &read_only, &directory);
    if (!result)
        result = backup_directory(directory, target, &listener, &counts);
    directory_drop(directory);
    return transfer_view_end(&view, result, &counts, data);
}

int command_backup(int argc, char **argv)
{
    const char *data = DEFAULT_DATA;
    struct words arguments = {0};
    const struct option options[] = {
        {"data", OPTION_TEXT, &data, 0, 0},
        {0},
    };
    const struct usage usage = {"backup", help, options};
    int status = options_parse(&usage, argc, argv, &arguments);
    if (status == OPTIONS_GO)
        status = usage_arguments(&usage, &arguments, 1, "the directory to copy to");
    if (status == OPTIONS_GO)
        status = run(data, arguments.items[0]);
    words_free(&arguments);
    return status;
}
