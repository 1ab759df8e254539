/* properties_test.c - lines, sizes and durations. */
#include "base/properties.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static size_t at;
static struct property property;

static void expect(const char *text, size_t length, const char *key, const char *value, int line)
{
    assert_true(properties_next(text, length, &at, &property));
    assert_int_equal(property.key_length, strlen(key));
    assert_memory_equal(property.key, key, property.key_length);
    assert_int_equal(property.line, line);
    if (!value) {
        assert_null(property.value);
        assert_int_equal(property.value_length, 0);
        return;
    }
    assert_non_null(property.value);
    assert_int_equal(property.value_length, strlen(value));
    assert_memory_equal(property.value, value, property.value_length);
}

static void lines_come_as_key_and_value(void **state)
{
    (void)state;
    static const char text[] = "# comment = no\n"
                               "\n"
                               "  a = 1 \r\n"
                               "! also a comment\n"
                               "\t\n"
                               "b.c=x=y\n"
                               "empty=\n"
                               "=no key\n"
                               "no equals\n"
                               "last=line";
    at = 0;
    expect(text, strlen(text), "a", "1", 3);
    expect(text, strlen(text), "b.c", "x=y", 6);
    expect(text, strlen(text), "empty", "", 7);
    expect(text, strlen(text), "", "no key", 8);
    expect(text, strlen(text), "no equals", NULL, 9);
    expect(text, strlen(text), "last", "line", 10);
    assert_false(properties_next(text, strlen(text), &at, &property));
    assert_false(properties_next(text, strlen(text), &at, &property));
}

static void text_without_properties_ends_at_once(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n", "#", "# x\n\n", "   "};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        at = 0;
        assert_false(properties_next(texts[i], strlen(texts[i]), &at, &property));
        assert_int_equal(at, strlen(texts[i]));
    }
}

static void a_nul_byte_is_a_byte_like_others(void **state)
{
    (void)state;
    at = 0;
    assert_true(properties_next("a\0b=1\nc=2", 9, &at, &property));
    assert_int_equal(property.key_length, 3);
    assert_true(properties_next("a\0b=1\nc=2", 9, &at, &property));
    assert_int_equal(property.line, 2);
}

static bool size(const char *text, int64_t *number)
{
    return properties_size(text, strlen(text), INT64_MIN, INT64_MAX, number);
}

static void sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t number;
    } good[] = {
        {"0", 0},
        {"-1", -1},
        {"+7", 7},
        {"007", 7},
        {"64k", 65536},
        {"64K", 65536},
        {"8m", 8388608},
        {"2g", 2147483648},
        {"1t", 1099511627776},
        {"-2k", -2048},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
    };
    static const char *const bad[] = {
        "",
        "-",
        "+",
        "k",
        "1kb",
        "1 k",
        " 1",
        "1.5",
        "0x10",
        "9223372036854775808",
        "-9223372036854775809",
        "9223372036854775807k",
        "99999999t",
        "--1",
        "1m1",
        "10s",
    };
    int64_t number = 0;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(size(good[i].text, &number));
        assert_true(number == good[i].number);
    }
    number = 42;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(size(bad[i], &number));
    assert_int_equal(number, 42);
}

static void ranges_are_inclusive(void **state)
{
    (void)state;
    int64_t number = 0;
    assert_true(properties_size("10", 2, 10, 20, &number));
    assert_true(properties_size("20", 2, 10, 20, &number));
    assert_false(properties_size("9", 1, 10, 20, &number));
    assert_false(properties_size("21", 2, 10, 20, &number));
    assert_int_equal(number, 20);
    /* Only the given length counts. */
    assert_true(properties_size("123", 2, 10, 20, &number));
    assert_int_equal(number, 12);
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"5", 5},        {"5ms", 5},        {"5s", 5000}, {"5min", 300000},
        {"2h", 7200000}, {"7d", 604800000}, {"-1", -1},   {"5MS", 5},
    };
    static const char *const bad[] = {"", "ms", "5m", "5minutes", "5 s", "5k", "1d1h"};
    int64_t ms = 0;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(
            properties_duration(good[i].text, strlen(good[i].text), INT64_MIN, INT64_MAX, &ms));
        assert_true(ms == good[i].ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(properties_duration(bad[i], strlen(bad[i]), INT64_MIN, INT64_MAX, &ms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_as_key_and_value),
        cmocka_unit_test(text_without_properties_ends_at_once),
        cmocka_unit_test(a_nul_byte_is_a_byte_like_others),
        cmocka_unit_test(sizes),
        cmocka_unit_test(ranges_are_inclusive),
        cmocka_unit_test(durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
