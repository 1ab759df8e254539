/* failure_test.c - a server's error codes as ours. */
#include "remote/failure.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <maplog.h>

#include "base/error.h"

static void codes(void **state)
{
    (void)state;
    assert_int_equal(remote_code(KAFKA_UNKNOWN_TOPIC_OR_PARTITION), MAPLOG_NOT_FOUND);
    assert_int_equal(remote_code(KAFKA_TOPIC_ALREADY_EXISTS), MAPLOG_EXISTS);
    assert_int_equal(remote_code(KAFKA_MESSAGE_TOO_LARGE), MAPLOG_TOO_LARGE);
    assert_int_equal(remote_code(KAFKA_NON_EMPTY_GROUP), MAPLOG_GROUP_ACTIVE);
    assert_int_equal(remote_code(KAFKA_OFFSET_OUT_OF_RANGE), MAPLOG_OFFSET_OUT_OF_RANGE);
    assert_int_equal(remote_code(KAFKA_LEADER_NOT_AVAILABLE), MAPLOG_BUSY); /* it passes */
    assert_int_equal(remote_code(KAFKA_UNKNOWN_SERVER_ERROR), MAPLOG_IO);
    assert_int_equal(remote_code(31000), MAPLOG_IO);
}

static void texts(void **state)
{
    (void)state;
    assert_int_equal(
        remote_failure(KAFKA_INVALID_CONFIG, wire_text("no such name"), "topic %s", "t"),
        MAPLOG_INVALID);
    assert_string_equal(error_text(), "topic t: no such name (INVALID_CONFIG)");
    remote_failure(KAFKA_INVALID_CONFIG, wire_text(NULL), "topic %s", "t");
    assert_string_equal(error_text(), "topic t: INVALID_CONFIG");
    remote_failure(31000, wire_text(""), "topic %s", "t");
    assert_string_equal(error_text(), "topic t: error 31000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(codes), cmocka_unit_test(texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
