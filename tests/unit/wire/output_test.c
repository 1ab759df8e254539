/* output_test.c - chunks and slices: in order, whole, and none of them empty. */
#include "wire/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bytes_of.h"

static void chunks_follow_each_other(void **state)
{
    (void)state;
    struct arena arena = {.limit = 16 << 20};
    struct wire_output out = {.arena = &arena};
    enum { NUMBERS = 100000 };
    for (uint32_t i = 0; i < NUMBERS; i++)
        wire_put32(&out, i);
    wire_output_close(&out);
    assert_false(out.failed);
    assert_int_equal(out.size, NUMBERS * 4);
    assert_in_range(out.count, 2, 20); /* chunks grow */
    struct plain plain = plain_of_output(&out);
    for (uint32_t i = 0; i < NUMBERS; i++)
        assert_int_equal(bytes_load32(plain.at + i * 4), i);
    free(plain.at);
    arena_reset(&arena);
}

static void foreign_slices_come_between(void **state)
{
    (void)state;
    struct arena arena = {.limit = 16 << 20};
    struct wire_output out = {.arena = &arena};
    static const char text[] = "records";
    struct wire_slice slice = {.at = (const uint8_t *)text, .size = 7};
    for (int i = 0; i < 50; i++) {
        wire_put8(&out, '<');
        wire_output_close(&out);
        wire_output_slice(&out, &slice);
        wire_put_data(&out, ">;", 2);
    }
    wire_output_close(&out);
    wire_output_close(&out);
    assert_int_equal(out.count, 101);
    assert_int_equal(out.size, 500);
    struct plain plain = plain_of_output(&out);
    for (int i = 0; i < 50; i++)
        assert_memory_equal(plain.at + i * 10, "<records>;", 10);
    free(plain.at);
    arena_reset(&arena);
}

static void one_value_larger_than_a_chunk(void **state)
{
    (void)state;
    struct arena arena = {.limit = 16 << 20};
    struct wire_output out = {.arena = &arena};
    static uint8_t large[200000];
    large[199999] = 7;
    wire_put16(&out, 1);
    wire_put_data(&out, large, sizeof large);
    wire_put_data(&out, NULL, 0);
    wire_put_uvarint(&out, 300);
    wire_put64(&out, 2);
    wire_output_close(&out);
    assert_int_equal(out.size, 2 + 200000 + 2 + 8);
    struct plain plain = plain_of_output(&out);
    assert_int_equal(plain.at[200001], 7);
    assert_int_equal(plain.at[200002], 0xac);
    assert_int_equal(plain.at[200003], 0x02);
    free(plain.at);
    arena_reset(&arena);
}

static void nothing_is_written_after_the_arenas_end(void **state)
{
    (void)state;
    struct arena arena = {.limit = 5000};
    struct wire_output out = {.arena = &arena};
    for (int i = 0; i < 10000; i++)
        wire_put32(&out, 1);
    assert_true(out.failed);
    size_t size = out.size;
    wire_put8(&out, 1);
    wire_put64(&out, 1);
    wire_put_uvarint(&out, 1);
    wire_output_close(&out);
    wire_output_slice(&out, &(struct wire_slice){.at = (const uint8_t *)"x", .size = 1});
    assert_true(out.failed);
    assert_in_range(out.size, size, size + 1);
    arena_reset(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_follow_each_other),
        cmocka_unit_test(foreign_slices_come_between),
        cmocka_unit_test(one_value_larger_than_a_chunk),
        cmocka_unit_test(nothing_is_written_after_the_arenas_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
