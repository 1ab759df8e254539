/* lines_test.c - every variant against a byte loop. */
#include "base/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES 1000
#define ENDS 1200

static const char *const variants[] = {"avx512", "avx2", "scalar"};
#define VARIANTS (sizeof variants / sizeof variants[0])

static size_t oracle(const char *text, size_t length, uint32_t *ends, size_t limit)
{
    size_t count = 0;
    for (size_t i = 0; i < length && count < limit; i++)
        if (text[i] == '\n')
            ends[count++] = (uint32_t)i;
    return count;
}

/* Copies the text to the end of a heap block of its own, so that reading past it is found out by
 * the address sanitizer, and compares all variants with the oracle. */
static void check(const char *text, size_t length, size_t limit)
{
    char *exact = malloc(length + 1);
    uint32_t *ends = malloc((limit + 1) * sizeof *ends);
    uint32_t wanted[ENDS];
    assert_non_null(exact);
    assert_non_null(ends);
    assert_true(limit <= ENDS);
    memcpy(exact + 1, text, length);
    size_t count = oracle(text, length, wanted, limit);
    for (size_t i = 0; i < VARIANTS; i++) {
        if (lines_force(variants[i]) != 0)
            continue; /* named in the last test */
        ends[limit] = 0xdeadbeef;
        assert_int_equal(lines_find(exact + 1, length, ends, limit), count);
        if (count)
            assert_memory_equal(ends, wanted, count * sizeof *ends);
        assert_int_equal(ends[limit], 0xdeadbeef);
    }
    free(exact);
    free(ends);
}

static void fill(char *text, size_t length, int one_in)
{
    /* Neighbours of '\n' (0x0a) and bytes with the high bit trap sloppy bit tricks. */
    static const char others[] = {0x0b, 0x09, 'x', (char)0x8a, 0, (char)0xff, (char)0x80, 0x1a};
    for (size_t i = 0; i < length; i++)
        text[i] = rand() % one_in == 0 ? '\n' : others[rand() % (int)sizeof others];
}

static void all_variants_agree_on_random_text(void **state)
{
    (void)state;
    char text[TEXT_BYTES];
    const int densities[] = {1, 2, 5, 16, 64, 300};
    for (size_t d = 0; d < sizeof densities / sizeof densities[0]; d++)
        for (size_t length = 0; length < TEXT_BYTES; length += length < 200 ? 1 : 37) {
            fill(text, length, densities[d]);
            check(text, length, ENDS);
        }
}

static void every_position_and_alignment(void **state)
{
    (void)state;
    char text[300];
    for (size_t shift = 0; shift < 65; shift++)
        for (size_t at = 0; at + shift < 200; at++) {
            memset(text, 'x', sizeof text);
            text[shift + at] = '\n';
            check(text + shift, 200, ENDS);
        }
}

static void empty_text_and_no_newline(void **state)
{
    (void)state;
    char text[500];
    memset(text, 'x', sizeof text);
    check(text, 0, ENDS);
    check(text, sizeof text, ENDS);
    check(text, 1, ENDS);
}

static void only_newlines(void **state)
{
    (void)state;
    char text[TEXT_BYTES];
    memset(text, '\n', sizeof text);
    check(text, sizeof text, ENDS);
}

static void limit_is_kept_and_the_search_goes_on_behind_it(void **state)
{
    (void)state;
    char text[TEXT_BYTES];
    fill(text, sizeof text, 7);
    for (size_t limit = 0; limit < 200; limit++)
        check(text, sizeof text, limit);
    uint32_t wanted[ENDS], ends[10];
    size_t all = oracle(text, sizeof text, wanted, ENDS);
    for (size_t i = 0; i < VARIANTS; i++) {
        if (lines_force(variants[i]) != 0)
            continue;
        size_t at = 0, seen = 0, count;
        do {
            count = lines_find(text + at, sizeof text - at, ends, 10);
            for (size_t k = 0; k < count; k++)
                assert_int_equal(at + ends[k], wanted[seen + k]);
            seen += count;
            if (count)
                at += ends[count - 1] + 1;
        } while (count == 10);
        assert_int_equal(seen, all);
    }
}

static void the_widest_is_chosen_and_unknown_ones_are_refused(void **state)
{
    (void)state;
    assert_int_equal(lines_force("mmx"), -1);
    assert_int_equal(lines_force("scalar"), 0);
    assert_string_equal(lines_variant(), "scalar");
    assert_int_equal(lines_force(NULL), 0);
    for (size_t i = 0; i < VARIANTS; i++)
        if (lines_force(variants[i]) == 0) {
            assert_int_equal(lines_force(NULL), 0);
            assert_string_equal(lines_variant(), variants[i]);
            return;
        }
    fail();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_variants_agree_on_random_text),
        cmocka_unit_test(every_position_and_alignment),
        cmocka_unit_test(empty_text_and_no_newline),
        cmocka_unit_test(only_newlines),
        cmocka_unit_test(limit_is_kept_and_the_search_goes_on_behind_it),
        cmocka_unit_test(the_widest_is_chosen_and_unknown_ones_are_refused),
    };
    for (size_t i = 0; i < VARIANTS; i++)
        if (lines_force(variants[i]) != 0)
            print_message("SKIP: this CPU has no %s\n", variants[i]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
