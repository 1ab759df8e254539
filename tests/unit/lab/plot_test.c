/* plot_test.c - scripts for gnuplot, and that it draws them where it is installed. */
#include "lab/plot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "findings.h"

static char *script_of(const struct sheet *sheet, size_t number, size_t *points)
{
    char *text = NULL;
    size_t length;
    FILE *to = open_memstream(&text, &length);
    *points = plot_script(to, sheet, number);
    fclose(to);
    return text;
}

static void texts_are_quoted(void **state)
{
    (void)state;
    struct sheet *sheet = odd_sheet();
    size_t points;
    char *script = script_of(sheet, 0, &points);
    assert_int_equal(points, 3);
    assert_non_null(strstr(script, "set title 'Bars & ''quotes'''\n"));
    assert_non_null(strstr(script, "'it''s ''quoted''' 2"));
    assert_non_null(strstr(script, "set ylabel 'speed, GB/s'\n"));
    free(script);
    sheet_free(sheet);
}

static void rows_without_numbers_are_left_out(void **state)
{
    (void)state;
    struct sheet *sheet = odd_sheet();
    size_t points;
    /* Of three rows one has no number of system calls, and one is refused. */
    char *script = script_of(sheet, 1, &points);
    assert_int_equal(points, 1);
    assert_non_null(strstr(script, "\n12345.67"));
    free(script);
    sheet_free(sheet);
}

static void nothing_to_draw_is_no_picture(void **state)
{
    (void)state;
    const struct sheet_column columns[] = {{"way", "", 0}, {"speed", "", 0}};
    struct sheet *sheet = sheet_new("none", "none");
    char *svg;
    sheet_columns(sheet, columns, 2);
    sheet_plot(sheet, &(struct sheet_plot){"none", SHEET_BARS, 0, 1, -1, false, false});
    assert_int_equal(plot_draw(sheet, 0, &svg), 0);
    assert_null(svg);
    sheet_free(sheet);
}

static void gnuplot_draws_it(void **state)
{
    (void)state;
    struct sheet *sheet = odd_sheet();
    for (size_t i = 0; i < 2; i++) {
        char *svg;
        int result = plot_draw(sheet, i, &svg);
        if (result == MAPLOG_NOT_FOUND) {
            assert_string_equal(error_text(), PLOT_MISSING);
            sheet_free(sheet);
            skip();
        }
        assert_int_equal(result, 0);
        assert_memory_equal(svg, "<svg", 4);
        assert_non_null(strstr(svg, "</svg>"));
        assert_null(strstr(svg, "<b>"));
        free(svg);
    }
    sheet_free(sheet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_quoted),
        cmocka_unit_test(rows_without_numbers_are_left_out),
        cmocka_unit_test(nothing_to_draw_is_no_picture),
        cmocka_unit_test(gnuplot_draws_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
