/*
 * dispatch.h - picks a command from a table by its name. Main thread.
 */
#pragma once

struct command {
    const char *name; /* NULL ends the table */
    int (*run)(int argc, char **argv);
    const char *summary; /* half a line */
};

struct command_group {
    const char *name;  /* "topic"; "" for the program itself */
    const char *intro; /* first lines of the help */
    const char *outro; /* last lines of the help */
    const struct command *commands;
};

/* Runs the command that argv[1] names; argv[0] is the group's own name. Returns its exit status.
 * --help and no word at all show the list; an unknown word the nearest one. */
int dispatch(const struct command_group *group, int argc, char **argv);
/* The same for "help COMMAND...": shows that command's help. argv[0] is "help". */
int dispatch_help(const struct command_group *group, int argc, char **argv);
