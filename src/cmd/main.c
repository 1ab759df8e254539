/* main.c - the table of commands. A new one: its function in commands.h, a line here, its man page,
 * its words in completions/maplog. */
#include <maplog.h>

#include <stdio.h>
#include <string.h>

#include "cmd/commands.h"
#include "cmd/dispatch.h"
#include "os/process.h"

static const struct command commands[] = {
    {"serve", command_serve, "make the directory a Kafka broker"},
    {"topic", command_topic, "create, list, describe, alter, delete topics"},
    {"produce", command_produce, "append lines or files to a topic"},
    {"consume", command_consume, "print the records of a topic"},
    {"drain", command_drain, "append what the kernel module gathers to a topic"},
    {"device", command_device, "show the kernel module's rings: how full, what was dropped"},
    {"group", command_group, "show how far consumer groups are, and move them"},
    {"inspect", command_instrument, "check every CRC, index entry and offset of a directory"},
    {"import", command_import, "take over the data directory of a Kafka broker"},
    {"export", command_export, "write topics for the data directory of a Kafka broker"},
    {"backup", command_backup, "copy a directory while it is in use"},
    {"pages", command_instrument, "show which pages of the log are in memory, and who maps them"},
    {"ps", command_ps, "list the attached processes and what each holds"},
    {"bench", command_instrument, "measure this machine"},
    {"lab", command_instrument, "measure every way of waiting, sending, writing and reading here"},
    {NULL, NULL, NULL},
};

static const struct command_group program = {
    "",
    "usage: maplog COMMAND [ARGUMENT...] [--data DIR]\n\n"
    "A message log in a directory, shared by mapping: no server is needed.\n\n",
    "\nDIR is ./data unless --data names it; topic, produce, consume and group also go through a\n"
    "server, with --bootstrap HOST:PORT. \"maplog COMMAND --help\" tells more, and so do the\n"
    "man pages maplog(1) and maplog-COMMAND(1).\n",
    commands,
};

int main(int argc, char **argv)
{
    process_fill_standard();
    int status = 0;
    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        printf("maplog %s\n", maplog_version());
    else if (argc > 1 && strcmp(argv[1], "help") == 0)
        status = dispatch_help(&program, argc - 1, argv + 1);
    else
        status = dispatch(&program, argc, argv);
    if (fflush(stdout) != 0 && status == 0) {
        perror("maplog: cannot write to standard output");
        status = EXIT_ERROR;
    }
    return status;
}
