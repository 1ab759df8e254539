/* dispatch.c - commands and their sub-commands. */
#include "cmd/dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/commands.h"
#include "cmd/options.h"

static void print_help(const struct command_group *group, FILE *to)
{
    fputs(group->intro, to);
    for (const struct command *command = group->commands; command->name; command++)
        fprintf(to, "  %-15s %s\n", command->name, command->summary);
    fputs(group->outro, to);
}

static const char *command_name(const void *context, size_t i)
{
    const struct command *commands = context;
    return commands[i].name;
}

static int unknown(const struct command_group *group, const char *word)
{
    const char *space = group->name[0] ? " " : "";
    const char *nearest = nearest_word(word, command_name, group->commands);
    fprintf(stderr, "maplog: there is no command \"%s%s%s\"", group->name, space, word);
    if (nearest)
        fprintf(stderr, ", did you mean \"%s%s%s\"?", group->name, space, nearest);
    fprintf(stderr, "; see maplog %s%s--help\n", group->name, space);
    return EXIT_USAGE;
}

int dispatch(const struct command_group *group, int argc, char **argv)
{
    if (argc < 2) {
        print_help(group, stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(group, stdout);
        return 0;
    }
    for (const struct command *command = group->commands; command->name; command++) {
        if (strcmp(argv[1], command->name) == 0)
            return command->run(argc - 1, argv + 1);
    }
    return unknown(group, argv[1]);
}

int dispatch_help(const struct command_group *group, int argc, char **argv)
{
    if (argc < 2) {
        print_help(group, stdout);
        return 0;
    }
    /* "help topic create" is "topic create --help". */
    char **words = calloc((size_t)argc + 2, sizeof *words);
    if (!words) {
        fputs("maplog: no memory for the command line\n", stderr);
        return EXIT_ERROR;
    }
    static char program[] = "maplog", help[] = "--help";
    words[0] = program;
    memcpy(words + 1, argv + 1, (size_t)(argc - 1) * sizeof *words);
    words[argc] = help;
    int status = dispatch(group, argc + 1, words);
    free(words);
    return status;
}
