/*
 * options.h - reads a command's options into variables, from a table. Main thread.
 *
 *   struct { const char *data; bool json; } asked = {.data = DEFAULT_DATA};
 *   const struct option options[] = {
 *       {"data", OPTION_TEXT, &asked.data},
 *       {"json", OPTION_FLAG, &asked.json},
 *       {0},
 *   };
 *   const struct usage usage = {"topic list", help, options};
 *   struct words arguments = {0};
 *   int status = options_parse(&usage, argc, argv, &arguments);
 *   if (status != OPTIONS_GO)
 *       return status;
 *
 * "--name VALUE" and "--name=VALUE" mean the same, options and arguments may come in any order, and
 * what follows "--" is no option. Every command knows --help and -h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEFAULT_DATA "data" /* --data */

enum option_kind {
    OPTION_FLAG,     /* bool: takes no value */
    OPTION_TEXT,     /* const char * */
    OPTION_NUMBER,   /* int64_t, within [min, max] */
    OPTION_SIZE,     /* int64_t bytes, within [min, max]; suffix k, m, g, t */
    OPTION_DURATION, /* int64_t milliseconds, within [min, max]; suffix ms, s, min, h, d */
    OPTION_WORDS,    /* struct words: may be given more than once, each time a value */
    OPTION_REST,     /* struct words: takes all words up to the next option */
};

struct option {
    const char *name; /* without the dashes; NULL ends the table */
    enum option_kind kind;
    void *to;
    int64_t min, max;
};

/* Words of the command line, in order. Memory is the owner's: words_free. */
struct words {
    const char **items; /* NULL behind the last; NULL when there is none */
    size_t count;
};
void words_free(struct words *words); /* fine when empty */

struct usage {
    const char *command; /* "topic create" */
    const char *help;    /* what --help prints */
    const struct option *options;
};

#define OPTIONS_GO (-1)
/* OPTIONS_GO, or the exit status to end with: --help was asked for, or something was wrong and has
 * been said. The words lists may be filled in either case. */
int options_parse(const struct usage *usage, int argc, char **argv, struct words *arguments);

/* Says "maplog: TEXT; see maplog COMMAND --help" and returns EXIT_USAGE. */
int usage_error(const struct usage *usage, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Checks the number of arguments; names is what is wanted, "TOPIC". OPTIONS_GO or EXIT_USAGE. */
int usage_arguments(const struct usage *usage, const struct words *arguments, size_t wanted,
                    const char *names);

/* The candidate that word was probably meant to be; NULL when none is near. next gives the i-th
 * candidate, NULL behind the last. */
const char *nearest_word(const char *word, const char *(*next)(const void *context, size_t i),
                         const void *context);
