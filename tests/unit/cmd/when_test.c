/* when_test.c - what --from accepts. */
#include "cmd/when.h"

#include <maplog.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#define NOW 1700000000000 /* 2023-11-14T22:13:20Z */

static void expect(const char *text, enum when_kind kind, int64_t number)
{
    struct when when = {0};
    assert_int_equal(when_parse(text, NOW, &when), 0);
    assert_int_equal(when.kind, kind);
    if (kind != WHEN_BEGIN && kind != WHEN_END)
        assert_int_equal(when.number, number);
}

static void places(void **state)
{
    (void)state;
    expect("begin", WHEN_BEGIN, 0);
    expect("end", WHEN_END, 0);
    expect("0", WHEN_OFFSET, 0);
    expect("9223372036854775807", WHEN_OFFSET, INT64_MAX);
    expect("-10", WHEN_LAST, 10);
}

static void times_ago(void **state)
{
    (void)state;
    expect("-15min", WHEN_TIME, NOW - 15 * 60000);
    expect("-2h", WHEN_TIME, NOW - 2 * 3600000);
    expect("-500ms", WHEN_TIME, NOW - 500);
    expect("@1234", WHEN_TIME, 1234);
}

static void dates(void **state)
{
    (void)state;
    expect("1970-01-01T00:00Z", WHEN_TIME, 0);
    expect("2023-11-14T22:13:20Z", WHEN_TIME, NOW);
    expect("2023-11-14T22:13:20.25Z", WHEN_TIME, NOW + 250);
    expect("2023-11-14 23:13:20.001+01:00", WHEN_TIME, NOW + 1);
    expect("2023-11-14T16:43:20-0530", WHEN_TIME, NOW);
    expect("2023-11-14Z", WHEN_TIME, NOW - ((22 * 60 + 13) * 60 + 20) * 1000);
}

static void dates_without_a_zone_are_local(void **state)
{
    (void)state;
    setenv("TZ", "EST5EDT", 1);
    tzset();
    expect("2023-11-14T17:13:20", WHEN_TIME, NOW);
    expect("2023-07-01", WHEN_TIME, 1688184000000); /* summer time */
    unsetenv("TZ");
    tzset();
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "start",
        "1k",
        "-1x",
        "@",
        "@-5",
        "12:30",
        "2023-02-31",
        "2023-13-01",
        "2023-1-1",
        "10x",
        "2023-11-14T22:13:20Zulu",
        "2023-11-14T25:00",
        "-99999999999999999999",
        "-9000000d",
    };
    struct when when = {.kind = WHEN_LAST, .number = 99};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(when_parse(wrong[i], NOW, &when), MAPLOG_INVALID);
        assert_int_equal(when.number, 99);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places),
        cmocka_unit_test(times_ago),
        cmocka_unit_test(dates),
        cmocka_unit_test(dates_without_a_zone_are_local),
        cmocka_unit_test(anything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
