/* append_ring_test.c - records come to lie where they belong, or the ring says why there is none.
 */
#include "lab/append_ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "base/error.h"

static void records_lie_in_their_places(void **state)
{
    (void)state;
    struct append_ring *ring = append_ring_open(8);
    if (!ring) {
        assert_int_equal(append_ring_refusal(), MAPLOG_UNSUPPORTED);
        assert_true(error_text()[0]);
        skip();
    }
    FILE *file = tmpfile();
    assert_non_null(file);
    const struct append_ring_write write = {fileno(file), "abc", 3};
    char back[64] = "";
    assert_int_equal(append_ring_write(ring, &write, 0, 8), 0);
    assert_int_equal(append_ring_write(ring, &write, 9, 1), 0);
    assert_int_equal(pread(fileno(file), back, sizeof back, 0), 30);
    assert_memory_equal(back, "abcabcabcabcabcabcabcabc\0\0\0abc", 30);
    assert_int_equal(append_ring_write(ring, &write, 0, 9), MAPLOG_LIMIT);
    const struct append_ring_write nowhere = {-1, "abc", 3};
    assert_int_equal(append_ring_write(ring, &nowhere, 0, 2), MAPLOG_IO);
    assert_int_equal(append_ring_write(ring, &write, 0, 1), 0); /* and goes on */
    append_ring_close(ring);
    fclose(file);
}

static void closing_nothing_is_fine(void **state)
{
    (void)state;
    append_ring_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_lie_in_their_places),
        cmocka_unit_test(closing_nothing_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
