/* errors_test.c - Kafka's error codes have Kafka's names. */
#include "wire/errors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void codes_have_names(void **state)
{
    (void)state;
    assert_string_equal(kafka_error_name(-1), "UNKNOWN_SERVER_ERROR");
    assert_string_equal(kafka_error_name(0), "NONE");
    assert_string_equal(kafka_error_name(3), "UNKNOWN_TOPIC_OR_PARTITION");
    assert_string_equal(kafka_error_name(45), "OUT_OF_ORDER_SEQUENCE_NUMBER");
    assert_int_equal(KAFKA_UNSUPPORTED_VERSION, 35);
    assert_null(kafka_error_name(INT16_MAX));
    assert_null(kafka_error_name(-2));
}

static void some_are_worth_another_try(void **state)
{
    (void)state;
    assert_true(kafka_error_retriable(KAFKA_NOT_LEADER_OR_FOLLOWER));
    assert_true(kafka_error_retriable(KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    assert_false(kafka_error_retriable(KAFKA_NONE));
    assert_false(kafka_error_retriable(KAFKA_MESSAGE_TOO_LARGE));
    assert_false(kafka_error_retriable(INT16_MAX));
}

static void no_code_and_no_name_is_there_twice(void **state)
{
    (void)state;
    static const int16_t codes[] = {
#define KAFKA_ERROR(name, code, retriable) code,
#include "wire/errors.def"
#undef KAFKA_ERROR
    };
    for (size_t i = 1; i < sizeof codes / sizeof codes[0]; i++)
        assert_true(codes[i] > codes[i - 1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_names),
        cmocka_unit_test(some_are_worth_another_try),
        cmocka_unit_test(no_code_and_no_name_is_there_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
