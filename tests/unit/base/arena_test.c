/* arena_test.c - memory by the block: zeroed, aligned, never beyond the limit. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void what_is_taken_is_zeroed_and_aligned(void **state)
{
    (void)state;
    struct arena arena = {.limit = 1 << 20};
    for (int round = 0; round < 2; round++) {
        char *before = NULL;
        for (size_t size = 0; size < 500; size++) {
            char *taken = arena_take(&arena, size);
            assert_non_null(taken);
            assert_int_equal((uintptr_t)taken % 16, 0);
            assert_ptr_not_equal(taken, before);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(taken[i], 0);
            memset(taken, 0xff, size);
            before = taken;
        }
        arena_reset(&arena);
    }
}

static void the_limit_holds_for_all_blocks(void **state)
{
    (void)state;
    struct arena arena = {.limit = 100000};
    size_t taken = 0;
    while (arena_take(&arena, 1000))
        taken += 1000;
    assert_in_range(taken, 90000, 100000);
    assert_true(arena.used <= arena.limit);
    assert_null(arena_take(&arena, SIZE_MAX));
    assert_null(arena_take(&arena, SIZE_MAX - 8));
    assert_null(arena_take_array(&arena, SIZE_MAX / 2, 3));
    arena_reset(&arena);
    assert_int_equal(arena.used, 0);
    assert_non_null(arena_take(&arena, 99000));
    assert_null(arena_take(&arena, 1000));
    arena_reset(&arena);
    struct arena none = {0};
    assert_null(arena_take(&none, 0));
    arena_reset(&none);
}

static void a_large_piece_has_its_own_block(void **state)
{
    (void)state;
    struct arena arena = {.limit = 64 << 20};
    char *small = arena_take(&arena, 100);
    memset(small, 1, 100);
    char *large = arena_take(&arena, 32 << 20);
    assert_non_null(large);
    large[(32 << 20) - 1] = 1;
    assert_int_equal(small[99], 1);
    assert_in_range(arena.used, 32 << 20, (32 << 20) + 8192);
    arena_reset(&arena);
}

static void texts_end_with_a_nul(void **state)
{
    (void)state;
    struct arena arena = {.limit = 1 << 16};
    assert_string_equal(arena_copy(&arena, "partition", 4), "part");
    assert_string_equal(arena_copy(&arena, NULL, 0), "");
    assert_string_equal(arena_print(&arena, "%s-%d", "orders", 7), "orders-7");
    arena_reset(&arena);
    struct arena narrow = {.limit = 64};
    assert_null(arena_print(&narrow, "%080d", 1));
    arena_reset(&narrow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken_is_zeroed_and_aligned),
        cmocka_unit_test(the_limit_holds_for_all_blocks),
        cmocka_unit_test(a_large_piece_has_its_own_block),
        cmocka_unit_test(texts_end_with_a_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
