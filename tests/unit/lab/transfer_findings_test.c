/* transfer_findings_test.c - what is said of claims and of the best follows from the figures. */
#include "lab/transfer_findings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lab/sheet_inside.h"

enum { AUTO, COPY, MMAP, SENDFILE, METHODS };

static struct transfers transfers; /* large */
static struct sheet *sheet;

static void set(unsigned method, unsigned chunk, double cpu)
{
    struct transfer_point *point = &transfers.methods[method].points[0][chunk];
    *point = (struct transfer_point){.rounds = 2, .cpus = {cpu, cpu}};
    for (int i = 0; i < 2; i++)
        point->rates[i] = 1 / cpu;
}

/* mmap is best for the two small sizes, sendfile for the two large ones, and auto knows. */
static int begin(void **state)
{
    (void)state;
    static const char *const names[METHODS] = {"auto", "copy", "mmap", "sendfile"};
    static const double cpus[METHODS][4] = {
        {1, .5, .1, .1}, {2, 1, .9, .9}, {1, .5, .4, .4}, {3, .7, .1, .1}};
    memset(&transfers, 0, sizeof transfers);
    transfers.count = METHODS;
    transfers.chunks = 4;
    for (unsigned i = 0; i < 4; i++)
        transfers.chunk[i] = (size_t)4096 << (2 * i);
    for (unsigned m = 0; m < METHODS; m++) {
        transfers.methods[m].name = names[m];
        for (unsigned i = 0; i < 4; i++)
            set(m, i, cpus[m][i]);
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

static const char *find(const struct sheet_texts *texts, const char *part)
{
    for (size_t i = 0; i < texts->count; i++)
        if (strstr(texts->items[i], part))
            return texts->items[i];
    return "";
}

static void the_best_is_told_by_ranges_of_sizes(void **state)
{
    (void)state;
    transfer_settle(&transfers);
    transfer_say_best(sheet, &transfers, false);
    assert_non_null(
        strstr(find(&sheet->advice, "least CPU"), "4 to 16 KiB: mmap, 64 to 256 KiB: sendfile"));
    assert_non_null(
        strstr(find(&sheet->advice, "brings most"), "4 to 16 KiB: mmap, 64 to 256 KiB: sendfile"));
    assert_non_null(strstr(find(&sheet->words, "sender's CPU, auto is within 5 %"),
                           "4 KiB, 16 KiB, 64 KiB, 256 KiB"));
    assert_non_null(strstr(find(&sheet->advice, "auto, the default"), "leave it"));
    assert_string_equal(find(&sheet->words, "behind"), "");
}

static void auto_is_told_where_it_is_behind(void **state)
{
    (void)state;
    set(AUTO, 2, 0.2);
    transfer_settle(&transfers);
    transfer_say_best(sheet, &transfers, false);
    assert_string_equal(find(&sheet->words, "sender's CPU, auto is behind"),
                        "By the sender's CPU, auto is behind at 64 KiB (sendfile is 100 % "
                        "better).");
    assert_non_null(strstr(find(&sheet->advice, "auto, the default"), "3 of 4 sizes"));
}

/* Better in one round, worse in the other. */
static void a_difference_within_the_rounds_is_none(void **state)
{
    (void)state;
    struct transfer_point *point = &transfers.methods[AUTO].points[0][3];
    point->cpus[0] = 0.05;
    point->cpus[1] = 0.2;
    transfer_settle(&transfers);
    transfer_say_best(sheet, &transfers, false);
    assert_non_null(strstr(find(&sheet->words, "sender's CPU, auto differs by less"), "256 KiB"));
    assert_non_null(strstr(find(&sheet->advice, "auto, the default"), "leave it"));
}

static void what_was_not_measured_does_not_compete(void **state)
{
    (void)state;
    snprintf(transfers.methods[SENDFILE].points[0][3].why, TRANSFER_WHY, "refused");
    transfer_settle(&transfers);
    transfer_say_best(sheet, &transfers, false);
    assert_non_null(strstr(find(&sheet->advice, "Over TCP"), "64 KiB: sendfile, 256 KiB: mmap"));
}

static void claims_hold_or_not_by_what_is_proven(void **state)
{
    (void)state;
    struct transfer_proof *proofs = transfers.proofs[0];
    proofs[PROOF_COPY].proof = (struct proof){.steps = 2, .step = {{"read", true}, {"w", true}}};
    proofs[PROOF_MMAP].result = -1;
    proofs[PROOF_SENDFILE].proof = (struct proof){.steps = 1, .step = {{"sendfile", false}}};
    transfer_settle(&transfers);
    transfer_say_claims(sheet, &transfers, false);
    assert_non_null(strstr(find(&sheet->words, "read + write"), "holds here, 2 by the CPU"));
    assert_string_equal(find(&sheet->words, "mmap + write"), "");
    assert_non_null(strstr(find(&sheet->words, "said: sendfile (3"), "does not hold here, 0"));
    assert_non_null(strstr(find(&sheet->words, "with gather"), "holds here, 0"));
    assert_non_null(strstr(find(&sheet->words, "times less CPU"), "9.0 times"));
}

static void switches_are_two_for_a_call(void **state)
{
    (void)state;
    struct transfer_point *point = &transfers.methods[COPY].points[0][2]; /* 64 KiB */
    transfer_settle(&transfers);
    transfer_say_claims(sheet, &transfers, false);
    assert_string_equal(find(&sheet->words, "Mode switches"), "");
    point->counted[COUNTER_CALLS] = true;
    point->counts[COUNTER_CALLS] = 3.5;
    transfer_say_claims(sheet, &transfers, false);
    assert_non_null(strstr(find(&sheet->words, "Mode switches"), "64 KiB"));
    assert_non_null(strstr(find(&sheet->words, "Mode switches"), "copy 7.0 (said: 4)"));
}

static void larger_calls_that_cost_more_are_told(void **state)
{
    (void)state;
    transfers.methods[COPY].name = "bare sendfile";
    transfers.methods[COPY].kind = TRANSFER_STREAM;
    transfer_settle(&transfers); /* 2, 1, 0.9, 0.9 */
    transfer_say_claims(sheet, &transfers, false);
    assert_string_equal(find(&sheet->words, "not cheaper"), "");
    set(COPY, 3, 1.8);
    transfer_settle(&transfers);
    transfer_say_claims(sheet, &transfers, false);
    assert_non_null(strstr(find(&sheet->words, "not cheaper"),
                           "0.900 CPU seconds for a GB by 64 KiB a call, and 1.800 by 256 KiB"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_best_is_told_by_ranges_of_sizes, begin, end),
        cmocka_unit_test_setup_teardown(auto_is_told_where_it_is_behind, begin, end),
        cmocka_unit_test_setup_teardown(a_difference_within_the_rounds_is_none, begin, end),
        cmocka_unit_test_setup_teardown(what_was_not_measured_does_not_compete, begin, end),
        cmocka_unit_test_setup_teardown(claims_hold_or_not_by_what_is_proven, begin, end),
        cmocka_unit_test_setup_teardown(switches_are_two_for_a_call, begin, end),
        cmocka_unit_test_setup_teardown(larger_calls_that_cost_more_are_told, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
