/* options_test.c - options in any order, and what is said about wrong ones. */
#include "cmd/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cmd/commands.h"

struct asked {
    const char *data;
    struct words configs, files, arguments;
    int64_t count, size, time;
    bool json;
};

/* Parses the words behind a command's name; the caller frees with asked_free. */
static int parse(struct asked *asked, const char *const *words)
{
    *asked = (struct asked){.data = DEFAULT_DATA};
    const struct option options[] = {
        {"data", OPTION_TEXT, &asked->data, 0, 0},
        {"config", OPTION_WORDS, &asked->configs, 0, 0},
        {"lines", OPTION_REST, &asked->files, 0, 0},
        {"count", OPTION_NUMBER, &asked->count, 0, 1000},
        {"batch", OPTION_SIZE, &asked->size, 0, 1 << 30},
        {"timeout", OPTION_DURATION, &asked->time, 1, 100000},
        {"json", OPTION_FLAG, &asked->json, 0, 0},
        {0},
    };
    const struct usage usage = {"test", "help\n", options};
    char *argv[16] = {"test"};
    int argc = 1;
    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)words[argc - 1];
    return options_parse(&usage, argc, argv, &asked->arguments);
}

static void asked_free(struct asked *asked)
{
    words_free(&asked->configs);
    words_free(&asked->files);
    words_free(&asked->arguments);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void every_kind_is_read(void **state)
{
    (void)state;
    struct asked asked;
    assert_int_equal(
        parse(&asked, WORDS("--data", "dir", "topic", "--config=a=1", "--config", "b=2", "--count",
                            "7", "--batch=64k", "--timeout", "2s", "--json")),
        OPTIONS_GO);
    assert_string_equal(asked.data, "dir");
    assert_int_equal(asked.configs.count, 2);
    assert_string_equal(asked.configs.items[0], "a=1");
    assert_string_equal(asked.configs.items[1], "b=2");
    assert_null(asked.configs.items[2]);
    assert_int_equal(asked.count, 7);
    assert_int_equal(asked.size, 65536);
    assert_int_equal(asked.time, 2000);
    assert_true(asked.json);
    assert_int_equal(asked.arguments.count, 1);
    assert_string_equal(asked.arguments.items[0], "topic");
    asked_free(&asked);
}

static void defaults_stay(void **state)
{
    (void)state;
    struct asked asked;
    assert_int_equal(parse(&asked, (const char *const[]){NULL}), OPTIONS_GO);
    assert_string_equal(asked.data, "data");
    assert_false(asked.json);
    assert_null(asked.configs.items);
    assert_int_equal(asked.arguments.count, 0);
    asked_free(&asked);
}

static void rest_takes_words_up_to_the_next_option(void **state)
{
    (void)state;
    struct asked asked;
    assert_int_equal(parse(&asked, WORDS("--lines", "a", "b", "--json", "topic")), OPTIONS_GO);
    assert_int_equal(asked.files.count, 2);
    assert_int_equal(asked.arguments.count, 1);
    asked_free(&asked);
    assert_int_equal(parse(&asked, WORDS("topic", "--lines", "a", "-", "--", "--json")),
                     OPTIONS_GO);
    assert_int_equal(asked.files.count, 3);
    assert_string_equal(asked.files.items[2], "--json");
    assert_false(asked.json);
    asked_free(&asked);
}

static void behind_two_dashes_nothing_is_an_option(void **state)
{
    (void)state;
    struct asked asked;
    assert_int_equal(parse(&asked, WORDS("--", "--json", "-x")), OPTIONS_GO);
    assert_int_equal(asked.arguments.count, 2);
    assert_false(asked.json);
    asked_free(&asked);
}

static void wrong_words_are_usage_errors(void **state)
{
    (void)state;
    static const char *const wrong[][3] = {
        {"--jsno"},
        {"-j"},
        {"--json=yes"},
        {"--data"},
        {"--count", "x"},
        {"--count", "1k"},
        {"--count", "1001"},
        {"--count", "-1"},
        {"--batch", "2g"},
        {"--timeout", "0"},
        {"--timeout", ""},
        {"--lines"},
        {"--lines", "--json"},
        {"--count="},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct asked asked;
        assert_int_equal(parse(&asked, wrong[i]), EXIT_USAGE);
        asked_free(&asked);
    }
}

static const char *next(const void *context, size_t i)
{
    return ((const char *const *)context)[i];
}

static void the_nearest_word_is_one_that_was_meant(void **state)
{
    (void)state;
    static const char *const words[] = {"topic", "produce", "consume", "ps", NULL};
    assert_string_equal(nearest_word("tpoic", next, words), "topic");
    assert_string_equal(nearest_word("prodcue", next, words), "produce");
    assert_string_equal(nearest_word("con", next, words), "consume");
    assert_string_equal(nearest_word("pss", next, words), "ps");
    assert_null(nearest_word("serve", next, words));
    assert_null(nearest_word("xyz", next, words));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_read),
        cmocka_unit_test(defaults_stay),
        cmocka_unit_test(rest_takes_words_up_to_the_next_option),
        cmocka_unit_test(behind_two_dashes_nothing_is_an_option),
        cmocka_unit_test(wrong_words_are_usage_errors),
        cmocka_unit_test(the_nearest_word_is_one_that_was_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
