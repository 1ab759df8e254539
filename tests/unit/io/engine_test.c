/* engine_test.c - engines by their names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/error.h"
#include "io/engine.h"

static const struct io_limits limits = {16, 4096, 4096};

static void every_named_engine_opens(void **state)
{
    (void)state;
    unsigned count = 0;
    for (; io_name(count); count++) {
        struct io_engine *engine = NULL;
        assert_int_equal(io_open(io_name(count), &limits, &engine), 0);
        assert_non_null(engine);
        io_close(engine);
    }
    assert_true(count >= 2);
    assert_string_equal(io_name(0), "epoll");
    io_close(NULL);
}

static void an_unknown_name_is_answered_with_those_there_are(void **state)
{
    (void)state;
    struct io_engine *engine = NULL;
    assert_int_equal(io_open("kqueue", &limits, &engine), MAPLOG_INVALID);
    assert_null(engine);
    assert_non_null(strstr(error_text(), "no engine is called kqueue; there are epoll, "));
    for (unsigned i = 0; io_name(i); i++)
        assert_non_null(strstr(error_text(), io_name(i)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_named_engine_opens),
        cmocka_unit_test(an_unknown_name_is_answered_with_those_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
