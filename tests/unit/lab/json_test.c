/* json_test.c - the report as an object. */
#include "lab/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "findings.h"

static void every_part_has_its_key(void **state)
{
    (void)state;
    struct findings findings;
    struct sheet *sheet;
    const char *command, *question, *unfinished, *title, *unit, *refused, *roof, *claim, *shape;
    const char *word, *advice;
    int quiet, series;
    double speed, others;
    odd_findings(&findings, &sheet);
    json_t *object = json_findings(&findings), *empty;
    assert_int_equal(json_unpack(object,
                                 "{s:s, s:{s:b, s:F}, s:[{s:s, s:s, s:[{s:s, s:[{}, {}, {s:s}], "
                                 "s:[{s:s, s:[s, F]}, {s:s, s:[s, F, o]}, {s:[s, F, {s:s}]}], "
                                 "s:[s], s:[s], s:[{s:s, s:i}]}]}]}",
                                 "command", &command, "machine", "quiet", &quiet, "others_percent",
                                 &others, "experiments", "question", &question, "unfinished",
                                 &unfinished, "sheets", "title", &title, "columns", "unit", &unit,
                                 "rows", "kind", &roof, "cells", &word, &speed, "kind", &claim,
                                 "cells", &word, &speed, &empty, "cells", &word, &speed, "refused",
                                 &refused, "words", &word, "advice", &advice, "plots", "shape",
                                 &shape, "series", &series),
                     0);
    assert_string_equal(command, "maplog lab odd --json <file>");
    assert_false(quiet);
    assert_true(others > 41 && others < 43);
    assert_string_equal(question, odd_experiment.question);
    assert_string_equal(unfinished, "interrupted <early>");
    assert_string_equal(title, "Ways & <means>");
    assert_string_equal(unit, "per <MiB>");
    assert_string_equal(roof, "roof");
    assert_string_equal(claim, "claim");
    assert_true(json_is_null(empty));
    assert_string_equal(refused, "not <counted> here");
    assert_string_equal(word, "What was seen: 1 < 2 & so on.");
    assert_string_equal(advice, "Choose <memcpy>.");
    assert_string_equal(shape, "bars");
    assert_int_equal(series, -1);
    json_decref(object);
    sheet_free(sheet);
}

static void text_that_is_no_utf8_does_no_harm(void **state)
{
    (void)state;
    struct findings findings;
    struct sheet *sheet;
    const char *command;
    odd_findings(&findings, &sheet);
    snprintf(findings.command, FINDINGS_TEXT, "maplog lab \xff\xfe");
    json_t *object = json_findings(&findings);
    assert_int_equal(json_unpack(object, "{s:s}", "command", &command), 0);
    assert_string_equal(command, "maplog lab ??");
    json_decref(object);
    sheet_free(sheet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_has_its_key),
        cmocka_unit_test(text_that_is_no_utf8_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
