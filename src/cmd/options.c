/* options.c - options from a table; the nearest word to a mistyped one. */
#include "cmd/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/properties.h"
#include "cmd/commands.h"

#define WORD_MAX 64 /* longer words have no nearest one */

/* ---- words ----------------------------------------------------------------------------------- */

void words_free(struct words *words)
{
    free(words->items);
    *words = (struct words){0};
}

static bool add_word(struct words *words, const char *word)
{
    const char **items = realloc(words->items, (words->count + 2) * sizeof *items);
    if (!items) {
        fputs("maplog: no memory for the command line\n", stderr);
        return false;
    }
    items[words->count++] = word;
    items[words->count] = NULL;
    words->items = items;
    return true;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein's distance; both words are at most WORD_MAX long. */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1];
    size_t width = strlen(b);
    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            size_t above = row[j];
            row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[width];
}

const char *nearest_word(const char *word, const char *(*next)(const void *context, size_t i),
                         const void *context)
{
    const char *nearest = NULL;
    size_t length = strlen(word);
    size_t best = length < 4 ? 2 : length / 3 + 2; /* as far or farther is another word */
    const char *candidate;
    if (length > WORD_MAX)
        return NULL;
    for (size_t i = 0; (candidate = next(context, i)); i++) {
        if (strlen(candidate) > WORD_MAX)
            continue;
        size_t far = distance(word, candidate);
        if (length > 1 && strncmp(word, candidate, length) == 0)
            far = 0;
        if (far < best) {
            best = far;
            nearest = candidate;
        }
    }
    return nearest;
}

/* ---- errors ---------------------------------------------------------------------------------- */

int usage_error(const struct usage *usage, const char *format, ...)
{
    va_list arguments;
    fputs("maplog: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "; see maplog %s --help\n", usage->command);
    return EXIT_USAGE;
}

int usage_arguments(const struct usage *usage, const struct words *arguments, size_t wanted,
                    const char *names)
{
    if (arguments->count < wanted)
        return usage_error(usage, "%s needs %s", usage->command, names);
    if (arguments->count > wanted)
        return usage_error(usage, "\"%s\" is one argument too many", arguments->items[wanted]);
    return OPTIONS_GO;
}

static const char *option_name(const void *context, size_t i)
{
    const struct option *options = context;
    return options[i].name;
}

static int unknown_option(const struct usage *usage, const char *word)
{
    const char *nearest = NULL;
    if (word[1] == '-') {
        char name[WORD_MAX + 1];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
        nearest = nearest_word(name, option_name, usage->options);
    }
    if (nearest)
        return usage_error(usage, "%s has no option %s, did you mean --%s?", usage->command, word,
                           nearest);
    return usage_error(usage, "%s has no option %s", usage->command, word);
}

/* ---- parsing --------------------------------------------------------------------------------- */

static const struct option *find_option(const struct usage *usage, const char *word, size_t length)
{
    for (const struct option *option = usage->options; option->name; option++) {
        if (strlen(option->name) == length && memcmp(option->name, word, length) == 0)
            return option;
    }
    return NULL;
}

static int set_number(const struct usage *usage, const struct option *option, const char *value)
{
    size_t length = strlen(value);
    int64_t number;
    bool right;
    const char *kind = "a number";
    if (option->kind == OPTION_SIZE) {
        kind = "a size in bytes, such as 64k";
        right = properties_size(value, length, option->min, option->max, &number);
    } else if (option->kind == OPTION_DURATION) {
        kind = "a time, such as 10s";
        right = properties_duration(value, length, option->min, option->max, &number);
    } else {
        /* No suffix: a number is a count. */
        right = length > 0 && strchr("0123456789", value[length - 1]) &&
                properties_size(value, length, option->min, option->max, &number);
    }
    if (!right)
        return usage_error(usage, "--%s wants %s, %lld to %lld, not \"%s\"", option->name, kind,
                           (long long)option->min, (long long)option->max, value);
    *(int64_t *)option->to = number;
    return OPTIONS_GO;
}

static int set_value(const struct usage *usage, const struct option *option, const char *value)
{
    switch (option->kind) {
    case OPTION_TEXT:
        *(const char **)option->to = value;
        return OPTIONS_GO;
    case OPTION_WORDS:
    case OPTION_REST:
        return add_word(option->to, value) ? OPTIONS_GO : EXIT_ERROR;
    default:
        return set_number(usage, option, value);
    }
}

/* Takes the option at argv[*at] with what belongs to it; *at is moved to its last word. */
static int take_option(const struct usage *usage, int argc, char **argv, int *at)
{
    const char *word = argv[*at];
    size_t length = strcspn(word + 2, "=");
    const struct option *option = word[1] == '-' ? find_option(usage, word + 2, length) : NULL;
    if (!option)
        return unknown_option(usage, word);
    const char *value = word[2 + length] == '=' ? word + 2 + length + 1 : NULL;
    if (option->kind == OPTION_FLAG) {
        if (value)
            return usage_error(usage, "--%s takes no value", option->name);
        *(bool *)option->to = true;
        return OPTIONS_GO;
    }
    if (!value && (*at + 1 == argc || (option->kind == OPTION_REST &&
                                       strncmp(argv[*at + 1], "--", 2) == 0 && argv[*at + 1][2])))
        return usage_error(usage, "--%s wants a value", option->name);
    if (value || option->kind != OPTION_REST)
        return set_value(usage, option, value ? value : argv[++*at]);
    bool literal = false; /* behind "--" */
    while (*at + 1 < argc &&
           (literal || strncmp(argv[*at + 1], "--", 2) != 0 || !argv[*at + 1][2])) {
        const char *next = argv[++*at];
        if (!literal && strcmp(next, "--") == 0)
            literal = true;
        else if (set_value(usage, option, next) != OPTIONS_GO)
            return EXIT_ERROR;
    }
    return OPTIONS_GO;
}

int options_parse(const struct usage *usage, int argc, char **argv, struct words *arguments)
{
    bool literal = false; /* behind "--" */
    for (int at = 1; at < argc; at++) {
        const char *word = argv[at];
        int status = OPTIONS_GO;
        if (literal || word[0] != '-' || !word[1]) {
            status = add_word(arguments, word) ? OPTIONS_GO : EXIT_ERROR;
        } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            fputs(usage->help, stdout);
            status = 0;
        } else if (strcmp(word, "--") == 0) {
            literal = true;
        } else {
            status = take_option(usage, argc, argv, &at);
        }
        if (status != OPTIONS_GO)
            return status;
    }
    return OPTIONS_GO;
}
