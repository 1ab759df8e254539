#include "base/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void distances(void **state)
{
    (void)state;
    assert_int_equal(nearest_distance("", ""), 0);
    assert_int_equal(nearest_distance("abc", "abc"), 0);
    assert_int_equal(nearest_distance("", "abc"), 3);
    assert_int_equal(nearest_distance("abc", ""), 3);
    assert_int_equal(nearest_distance("kitten", "sitting"), 3);
    assert_int_equal(nearest_distance("retention.ms", "retention.mx"), 1);
    assert_int_equal(nearest_distance("ab", "ba"), 2);
}

static void long_words_are_far(void **state)
{
    (void)state;
    char word[NEAREST_MAX_LENGTH + 2];
    memset(word, 'a', sizeof word);
    word[NEAREST_MAX_LENGTH + 1] = '\0';
    assert_true(nearest_distance(word, "a") == SIZE_MAX);
    assert_true(nearest_distance("a", word) == SIZE_MAX);
    word[NEAREST_MAX_LENGTH] = '\0';
    assert_int_equal(nearest_distance(word, "a"), NEAREST_MAX_LENGTH - 1);
}

static void near_grows_with_the_word(void **state)
{
    (void)state;
    assert_true(nearest_is_near("ab", 2));
    assert_false(nearest_is_near("ab", 3));
    assert_true(nearest_is_near("abcdefgh", 4));
    assert_false(nearest_is_near("abcdefgh", SIZE_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances),
        cmocka_unit_test(long_words_are_far),
        cmocka_unit_test(near_grows_with_the_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
