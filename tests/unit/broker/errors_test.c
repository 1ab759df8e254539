/* errors_test.c - every code of maplog has one of Kafka's that makes clients do the right thing. */
#include "broker_fixture.h"

#include "broker/parts.h"

static void what_passes_by_itself_is_tried_again(void **state)
{
    (void)state;
    static const int passing[] = {MAPLOG_DISK_FULL, MAPLOG_FULL, MAPLOG_BUSY, MAPLOG_TIMED_OUT,
                                  MAPLOG_IO};
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        assert_true(kafka_error_retriable(broker_error(passing[i])));
    static const int staying[] = {MAPLOG_INVALID, MAPLOG_TOO_LARGE, MAPLOG_NOT_PERSISTENT,
                                  MAPLOG_DENIED, MAPLOG_NO_MEMORY};
    for (size_t i = 0; i < sizeof staying / sizeof *staying; i++)
        assert_false(kafka_error_retriable(broker_error(staying[i])));
}

static void every_code_has_a_name(void **state)
{
    (void)state;
    assert_int_equal(broker_error(0), KAFKA_NONE);
    for (int code = -1; code > -40; code--) {
        assert_int_not_equal(broker_error(code), KAFKA_NONE);
        assert_non_null(kafka_error_name(broker_error(code)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_passes_by_itself_is_tried_again),
        cmocka_unit_test(every_code_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
