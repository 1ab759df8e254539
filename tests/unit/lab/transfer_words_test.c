/* transfer_words_test.c - medians, rows, proofs beside claims. */
#include "lab/transfer_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lab/sheet_inside.h"

static struct transfers transfers; /* large */
static struct sheet *sheet;

static struct transfer_point *point(unsigned method, bool local, unsigned chunk)
{
    return &transfers.methods[method].points[local][chunk];
}

static int begin(void **state)
{
    (void)state;
    static const char *const names[] = {"bare sendfile", "bare memcpy", "auto", "copy", "sendfile"};
    memset(&transfers, 0, sizeof transfers);
    transfers.count = 5;
    transfers.chunks = 2;
    transfers.chunk[0] = 4096;
    transfers.chunk[1] = 65536;
    for (unsigned m = 0; m < transfers.count; m++) {
        struct transfer_method *method = &transfers.methods[m];
        method->name = names[m];
        method->kind = m == 0 ? TRANSFER_STREAM : m == 1 ? TRANSFER_MEMCPY : TRANSFER_SERVER;
        for (int i = 0; i < 4; i++) {
            struct transfer_point *one = point(m, i / 2, i % 2);
            *one =
                (struct transfer_point){.rounds = 3, .rates = {2, 9, 4}, .cpus = {0.3, 0.2, 0.1}};
            one->counted[COUNTER_CALLS] = true;
            one->counts[COUNTER_CALLS] = 1.5;
            snprintf(one->refusals[COUNTER_SWITCHES], TRANSFER_WHY, "not allowed");
        }
    }
    for (int local = 0; local < 2; local++) {
        transfers.proofs[local][PROOF_COPY].proof =
            (struct proof){2, {{"read", true}, {"write", true}}, false, false};
        transfers.proofs[local][PROOF_SENDFILE].proof =
            (struct proof){1, {{"sendfile", false}}, false, false};
    }
    sheet = sheet_new("transfer", "title");
    return 0;
}

static int end(void **state)
{
    (void)state;
    sheet_free(sheet);
    return 0;
}

static void medians_are_of_the_rounds(void **state)
{
    (void)state;
    snprintf(point(4, 0, 0)->why, TRANSFER_WHY, "broken");
    transfer_settle(&transfers);
    assert_true(point(3, 0, 0)->rate == 4);
    assert_true(point(3, 0, 0)->cpu == 0.2);
    assert_true(point(3, 0, 0)->spread > 0.99 && point(3, 0, 0)->spread < 1.01);
    assert_true(point(4, 0, 0)->rate == 0);
}

static void rows_have_methods_roofs_and_claims(void **state)
{
    (void)state;
    transfer_settle(&transfers);
    transfer_words(sheet, &transfers, false);
    assert_false(sheet_broken(sheet));
    assert_int_equal(sheet->row_count, 14);
    assert_int_equal(sheet->rows[0].kind, SHEET_ROOF);
    assert_int_equal(sheet->rows[4].kind, SHEET_MEASURED);
    assert_int_equal(sheet->rows[10].kind, SHEET_CLAIM);
    /* copy, 64 KiB: GB/s, CPU, spread, copies, switches, calls, calls a GB, switches a GB */
    assert_string_equal(sheet_cell(sheet, 7, 0)->text, "copy");
    assert_true(sheet_cell(sheet, 7, 1)->number == 64);
    assert_true(sheet_cell(sheet, 7, 2)->number == 4);
    assert_true(sheet_cell(sheet, 7, 5)->number == 2);
    assert_true(sheet_cell(sheet, 7, 6)->number == 3);
    assert_true(sheet_cell(sheet, 7, 7)->number == 1.5);
    assert_true(sheet_cell(sheet, 7, 8)->number == 1.5e9 / 65536);
    assert_string_equal(sheet_cell(sheet, 7, 9)->text, "not allowed");
    /* sendfile and its roof: no copy; auto: nobody knows */
    assert_true(sheet_cell(sheet, 9, 5)->number == 0);
    assert_true(sheet_cell(sheet, 1, 5)->number == 0);
    assert_int_equal(sheet_cell(sheet, 5, 5)->kind, CELL_REFUSED);
    /* read + write, as they say: 4 switches, 2 copies by the CPU */
    assert_true(sheet_cell(sheet, 10, 5)->number == 2);
    assert_true(sheet_cell(sheet, 10, 6)->number == 4);
}

static void what_could_not_be_had_says_why(void **state)
{
    (void)state;
    snprintf(point(3, 1, 1)->why, TRANSFER_WHY, "no such socket");
    transfer_settle(&transfers);
    transfer_words(sheet, &transfers, true);
    assert_int_equal(sheet_cell(sheet, 7, 2)->kind, CELL_REFUSED);
    assert_string_equal(sheet_cell(sheet, 7, 2)->text, "no such socket");
}

static void each_step_of_a_proof_has_a_row(void **state)
{
    (void)state;
    for (int local = 0; local < 2; local++) {
        transfers.proofs[local][PROOF_ZEROCOPY].result = -1;
        snprintf(transfers.proofs[local][PROOF_ZEROCOPY].why, TRANSFER_WHY, "none here");
    }
    transfer_proof_words(sheet, &transfers);
    assert_int_equal(sheet->row_count, 2 * 2 + 2 + 2);
    assert_string_equal(sheet_cell(sheet, 0, 1)->text, "TCP");
    assert_string_equal(sheet_cell(sheet, 0, 4)->text, "copied");
    assert_string_equal(sheet_cell(sheet, 4, 3)->text, "changed");
    assert_string_equal(sheet_cell(sheet, 4, 4)->text, "not copied");
    assert_string_equal(sheet_cell(sheet, 6, 3)->text, "none here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(medians_are_of_the_rounds, begin, end),
        cmocka_unit_test_setup_teardown(rows_have_methods_roofs_and_claims, begin, end),
        cmocka_unit_test_setup_teardown(what_could_not_be_had_says_why, begin, end),
        cmocka_unit_test_setup_teardown(each_step_of_a_proof_has_a_row, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
