/* models_words_test.c - what is said follows from the figures. */
#include "lab/models_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lab/sheet_inside.h"

static const unsigned sizes[MODELS_SIZES] = {1, 100, 1000, 10000};
static struct models models; /* large */
static struct sheet *sheet;

static struct models_point *point(unsigned engine, unsigned size)
{
    return &models.models[engine].points[size][MODELS_ALL];
}

/* A roof and two engines that cost the same everywhere. */
static int begin(void **state)
{
    (void)state;
    static const char *const names[] = {"bare echo", "usual", "other"};
    memset(&models, 0, sizeof models);
    models.count = 3;
    models.sizes = MODELS_SIZES;
    models.pinned = true;
    for (unsigned m = 0; m < 3; m++) {
        models.models[m].name = names[m];
        models.models[m].roof = m == 0;
        for (unsigned i = 0; i < MODELS_SIZES; i++) {
            *point(m, i) = (struct models_point){.connections = sizes[i],
                                                 .active = sizes[i],
                                                 .answered = true,
                                                 .per_second = 1000,
                                                 .cpu_us = 5,
                                                 .busy = 1,
                                                 .private_bytes = 1024,
                                                 .threads = 3};
            point(m, i)->counted[COUNTER_CALLS] = true;
            point(m, i)->counts[COUNTER_CALLS] = 2;
            snprintf(point(m, i)->refusals[COUNTER_SWITCHES], MODELS_WHY, "not allowed");
        }
    }
    sheet = sheet_new("models", "title");
    return 0;
}

static int end(void **state)
{
    (void)state;
    sheet_free(sheet);
    return 0;
}

/* The sentence with that in it; NULL: there is none. */
static const char *find(const struct sheet_texts *texts, const char *part)
{
    for (size_t i = 0; i < texts->count; i++)
        if (strstr(texts->items[i], part))
            return texts->items[i];
    return NULL;
}

static void rows_are_engines_by_connections(void **state)
{
    (void)state;
    models_words(sheet, &models, MODELS_ALL);
    assert_false(sheet_broken(sheet));
    assert_int_equal(sheet->row_count, 12);
    assert_int_equal(sheet->rows[0].kind, SHEET_ROOF);
    assert_int_equal(sheet->rows[4].kind, SHEET_MEASURED);
    assert_string_equal(sheet_cell(sheet, 4, 0)->text, "usual");
    assert_true(sheet_cell(sheet, 7, 1)->number == 10000);
    assert_true(sheet_cell(sheet, 7, 6)->number == 2);
    assert_int_equal(sheet_cell(sheet, 7, 7)->kind, CELL_REFUSED);
    assert_string_equal(sheet_cell(sheet, 7, 7)->text, "not allowed");
    assert_int_equal(sheet->plot_count, 2);
}

/* Nobody was asked to have few of one connection. */
static void what_was_not_asked_for_has_no_row(void **state)
{
    (void)state;
    models_words(sheet, &models, MODELS_IDLE);
    assert_int_equal(sheet->row_count, 0);
    assert_int_equal(sheet->advice.count, 0);
}

static void the_default_stays_when_none_is_clearly_better(void **state)
{
    (void)state;
    point(2, 3)->cpu_us = 4.9;
    models_words(sheet, &models, MODELS_ALL);
    assert_int_equal(sheet->advice.count, 1);
    assert_non_null(strstr(sheet->advice.items[0], "stay with usual"));
    assert_null(find(&sheet->words, "costs more the more"));
    assert_null(find(&sheet->words, "Who pays memory"));
    assert_non_null(strstr(find(&sheet->words, "Nearly as fast"), "usual; other"));
}

static void a_better_one_is_advised(void **state)
{
    (void)state;
    point(2, 3)->cpu_us = 2.5;
    models_words(sheet, &models, MODELS_ALL);
    assert_non_null(strstr(sheet->advice.items[0], "--io other costs least: 2.50 us"));
    assert_non_null(find(&sheet->words, "With 10000 connections other costs least: 2.50 us"));
}

static void who_pays_for_each_connection_is_named(void **state)
{
    (void)state;
    point(2, 3)->cpu_us = 50;
    point(2, 3)->private_bytes = 20 << 10;
    point(2, 3)->threads = 10003;
    models_words(sheet, &models, MODELS_ALL);
    assert_non_null(strstr(find(&sheet->words, "costs more the more"),
                           "other (5.00 us at 100, 50.00 us at 10000)"));
    assert_non_null(
        strstr(find(&sheet->words, "Who pays memory"), "other (20.0 KiB, 10003 threads)"));
}

/* It is left out of every comparison, and its reason is told. */
static void who_breaks_is_told_with_the_reason(void **state)
{
    (void)state;
    *point(2, 2) = (struct models_point){.connections = 1000, .active = 1000};
    *point(2, 3) = (struct models_point){.connections = 10000, .active = 10000};
    snprintf(point(2, 2)->why, MODELS_WHY, "more than 1,024 descriptors");
    snprintf(point(2, 3)->why, MODELS_WHY, "another");
    point(1, 3)->killed = true;
    models_words(sheet, &models, MODELS_ALL);
    assert_int_equal(sheet->row_count, 12);
    assert_int_equal(sheet_cell(sheet, 10, 2)->kind, CELL_REFUSED);
    assert_string_equal(find(&sheet->words, "breaks"),
                        "What breaks first with other, at 1000 connections: more than 1,024 "
                        "descriptors.");
    assert_null(find(&sheet->words, "another"));
    assert_non_null(strstr(find(&sheet->words, "was killed"), "usual and 10000 connections"));
    assert_non_null(strstr(sheet->advice.items[0], "stay with usual"));
}

static void without_figures_little_is_said(void **state)
{
    (void)state;
    for (unsigned m = 0; m < 3; m++)
        for (unsigned i = 0; i < MODELS_SIZES; i++)
            point(m, i)->answered = false;
    models_words(sheet, &models, MODELS_ALL);
    assert_null(find(&sheet->words, "costs least"));
    assert_int_equal(sheet->advice.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_engines_by_connections, begin, end),
        cmocka_unit_test_setup_teardown(what_was_not_asked_for_has_no_row, begin, end),
        cmocka_unit_test_setup_teardown(the_default_stays_when_none_is_clearly_better, begin, end),
        cmocka_unit_test_setup_teardown(a_better_one_is_advised, begin, end),
        cmocka_unit_test_setup_teardown(who_pays_for_each_connection_is_named, begin, end),
        cmocka_unit_test_setup_teardown(who_breaks_is_told_with_the_reason, begin, end),
        cmocka_unit_test_setup_teardown(without_figures_little_is_said, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
