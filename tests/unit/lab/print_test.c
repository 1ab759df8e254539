/* print_test.c - the report as text: aligned, marked, with footnotes. */
#include "lab/print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "findings.h"

static void everything_is_in_the_report(void **state)
{
    (void)state;
    struct findings findings;
    struct sheet *sheet;
    odd_findings(&findings, &sheet);
    char *text = written_by(print_findings, &findings);
    static const char *const parts[] = {
        "9.9.9",
        "maplog lab odd --json <file>",
        "This machine was not quiet: something else used 42 % of its CPUs",
        "==== odd ====\nIs <this> \"printed\" & well?\n",
        "Ways & <means>",
        "= a roof",
        "~ said elsewhere",
        "[a] not <counted> here",
        "What was seen: 1 < 2 & so on.",
        "Not finished: interrupted <early>",
        "==== advice ====\n- Choose <memcpy>.\n",
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        assert_non_null(strstr(text, parts[i]));
    free(text);
    sheet_free(sheet);
}

static void columns_are_aligned(void **state)
{
    (void)state;
    struct sheet *sheet = odd_sheet();
    char *text = NULL;
    size_t length;
    FILE *to = open_memstream(&text, &length);
    print_sheet(to, sheet);
    fclose(to);
    assert_non_null(strstr(text, "= memcpy         12,345.68       0\n"));
    assert_non_null(strstr(text, "~ größer <b>          2.00        \n"));
    assert_non_null(strstr(text, "  it's 'quoted'       1.50   - [a]\n"));
    free(text);
    sheet_free(sheet);
}

static void long_sentences_are_broken_at_spaces(void **state)
{
    (void)state;
    struct sheet *sheet = sheet_new("name", "title");
    const struct sheet_column column = {"way", "", 0};
    char *text = NULL;
    size_t length;
    sheet_columns(sheet, &column, 1);
    for (int i = 0; i < 4; i++)
        sheet_say(sheet,
                  "A sentence of many words, which goes on and on, longer than one line of "
                  "the report, and still has %d words to say behind its middle.",
                  1 << i);
    FILE *to = open_memstream(&text, &length);
    print_sheet(to, sheet);
    fclose(to);
    for (const char *line = text, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        assert_non_null(end);
        assert_in_range(end - line, 0, 96);
        assert_true(end == line || end[-1] != ' ');
    }
    free(text);
    sheet_free(sheet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_in_the_report),
        cmocka_unit_test(columns_are_aligned),
        cmocka_unit_test(long_sentences_are_broken_at_spaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
