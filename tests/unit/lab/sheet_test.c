/* sheet_test.c - cells, numbers for people, footnotes, and what does not fit. */
#include "lab/sheet_inside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

static struct sheet *make(int digits)
{
    struct sheet *sheet = sheet_new("name", "title");
    const struct sheet_column columns[] = {{"way", "", 0}, {"speed", "GB/s", digits}};
    sheet_columns(sheet, columns, 2);
    return sheet;
}

static const char *number_text(double number, int digits)
{
    static char buffer[CELL_SIZE];
    struct sheet *sheet = make(digits);
    sheet_row(sheet, SHEET_MEASURED);
    sheet_text(sheet, "a");
    sheet_number(sheet, number);
    sheet_cell_text(sheet, 0, 1, buffer);
    sheet_free(sheet);
    return buffer;
}

static void numbers_have_digits_and_commas(void **state)
{
    (void)state;
    assert_string_equal(number_text(0, 0), "0");
    assert_string_equal(number_text(999, 0), "999");
    assert_string_equal(number_text(1000, 0), "1,000");
    assert_string_equal(number_text(1234567.891, 2), "1,234,567.89");
    assert_string_equal(number_text(-123456, 1), "-123,456.0");
    assert_string_equal(number_text(0.05, 3), "0.050");
}

static void a_number_that_is_none_is_refused(void **state)
{
    (void)state;
    struct sheet *sheet = make(0);
    sheet_row(sheet, SHEET_MEASURED);
    sheet_number(sheet, NAN);
    sheet_number(sheet, INFINITY);
    assert_int_equal(sheet_cell(sheet, 0, 0)->kind, CELL_REFUSED);
    assert_int_equal(sheet_cell(sheet, 0, 1)->kind, CELL_REFUSED);
    sheet_free(sheet);
}

static void what_does_not_fit_is_left_out(void **state)
{
    (void)state;
    struct sheet *sheet = make(0);
    sheet_text(sheet, "before the first row");
    sheet_row(sheet, SHEET_ROOF);
    for (int i = 0; i < 5; i++)
        sheet_number(sheet, i);
    assert_int_equal(sheet->row_count, 1);
    assert_int_equal(sheet->rows[0].count, 2);
    sheet_row(sheet, SHEET_CLAIM);
    assert_int_equal(sheet_cell(sheet, 1, 1)->kind, CELL_EMPTY);
    sheet_plot(sheet, &(struct sheet_plot){"x", SHEET_BARS, 0, 2, -1, false, false});
    sheet_plot(sheet, &(struct sheet_plot){"x", SHEET_BARS, 0, 1, -1, false, false});
    assert_int_equal(sheet->plot_count, 1);
    assert_false(sheet_broken(sheet));
    sheet_free(sheet);
}

static void equal_reasons_are_one_footnote(void **state)
{
    (void)state;
    const char *notes[SHEET_NOTES];
    struct sheet *sheet = make(0);
    for (int i = 0; i < 3; i++) {
        sheet_row(sheet, SHEET_MEASURED);
        sheet_refused(sheet, "reason %d", i % 2);
        sheet_refused(sheet, "reason %d", 1);
    }
    assert_int_equal(sheet_notes(sheet, notes), 2);
    assert_string_equal(notes[0], "reason 0");
    assert_string_equal(notes[1], "reason 1");
    assert_int_equal(sheet_note(notes, 2, "reason 1"), 1);
    assert_int_equal(sheet_note(notes, 2, "another"), SHEET_NOTES);
    sheet_free(sheet);
}

static void there_are_at_most_so_many_footnotes(void **state)
{
    (void)state;
    const char *notes[SHEET_NOTES];
    struct sheet *sheet = make(0);
    for (int i = 0; i < SHEET_NOTES + 5; i++) {
        sheet_row(sheet, SHEET_MEASURED);
        sheet_refused(sheet, "reason %d", i);
    }
    assert_int_equal(sheet_notes(sheet, notes), SHEET_NOTES);
    sheet_free(sheet);
}

static void no_sheet_is_a_broken_one(void **state)
{
    (void)state;
    assert_true(sheet_broken(NULL));
    sheet_row(NULL, SHEET_MEASURED);
    sheet_number(NULL, 1);
    sheet_say(NULL, "nobody hears it");
    sheet_advise(NULL, "nobody hears it");
    sheet_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_digits_and_commas),
        cmocka_unit_test(a_number_that_is_none_is_refused),
        cmocka_unit_test(what_does_not_fit_is_left_out),
        cmocka_unit_test(equal_reasons_are_one_footnote),
        cmocka_unit_test(there_are_at_most_so_many_footnotes),
        cmocka_unit_test(no_sheet_is_a_broken_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
