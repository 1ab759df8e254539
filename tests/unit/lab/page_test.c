/* page_test.c - the report as a page: nothing of the texts becomes a tag. */
#include "lab/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "findings.h"

static void texts_are_escaped(void **state)
{
    (void)state;
    struct findings findings;
    struct sheet *sheet;
    odd_findings(&findings, &sheet);
    char *text = written_by(page_write, &findings);
    static const char *const hidden[] = {"<this>", "<means>", "<MiB>",    "größer <b>",
                                         "<file>", "<early>", "<memcpy>", "<counted>"};
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        assert_null(strstr(text, hidden[i]));
    static const char *const parts[] = {
        "Is &#60;this&#62; &#34;printed&#34; &#38; well?",
        "<h3>Ways &#38; &#60;means&#62;</h3>",
        "<tr class=\"roof\">",
        "<tr class=\"claim\">",
        "größer &#60;b&#62;",
        "<sup title=\"not &#60;counted&#62; here\">a</sup>",
        "Not finished: interrupted &#60;early&#62;",
        "<li>Choose &#60;memcpy&#62;.</li>",
        "12,345.68",
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        assert_non_null(strstr(text, parts[i]));
    free(text);
    sheet_free(sheet);
}

static void it_needs_nothing_else(void **state)
{
    (void)state;
    struct findings findings;
    struct sheet *sheet;
    odd_findings(&findings, &sheet);
    char *text = written_by(page_write, &findings);
    assert_null(strstr(text, " src="));
    assert_null(strstr(text, "<link"));
    assert_null(strstr(text, "<script"));
    assert_null(strstr(text, "<?xml"));
    assert_non_null(strstr(text, "@media print"));
    assert_non_null(strstr(text, "prefers-color-scheme:dark"));
    free(text);
    sheet_free(sheet);
}

static void without_gnuplot_it_says_so_once(void **state)
{
    (void)state;
    struct findings findings;
    struct sheet *sheet;
    char *path = strdup(getenv("PATH"));
    odd_findings(&findings, &sheet);
    setenv("PATH", "/nonexistent", 1);
    char *text = written_by(page_write, &findings);
    setenv("PATH", path, 1);
    char *first = strstr(text, "gnuplot-nox");
    assert_non_null(first);
    assert_null(strstr(first + 1, "gnuplot-nox"));
    assert_null(strstr(text, "<svg"));
    assert_non_null(strstr(text, "</html>"));
    free(text);
    free(path);
    sheet_free(sheet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_escaped),
        cmocka_unit_test(it_needs_nothing_else),
        cmocka_unit_test(without_gnuplot_it_says_so_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
