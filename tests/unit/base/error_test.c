/* error_test.c - codes, names and the thread's text. */
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

static void set_returns_the_code_and_keeps_the_text(void **state)
{
    (void)state;
    assert_int_equal(error_set(MAPLOG_CORRUPT, "%s at %d", "bad byte", 7), MAPLOG_CORRUPT);
    assert_string_equal(error_text(), "bad byte at 7");
}

static void text_may_be_an_argument_of_its_successor(void **state)
{
    (void)state;
    error_set(MAPLOG_IO, "inner");
    error_set(MAPLOG_IO, "outer (%s)", error_text());
    assert_string_equal(error_text(), "outer (inner)");
}

static void prefix_comes_before_the_text(void **state)
{
    (void)state;
    error_set(MAPLOG_IO, "disk gone");
    assert_int_equal(error_prefix(MAPLOG_BUSY, "topic %s", "t"), MAPLOG_BUSY);
    assert_string_equal(error_text(), "topic t: disk gone");
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    char longer[2 * ERROR_TEXT_SIZE];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    error_set(MAPLOG_IO, "%s", longer);
    assert_int_equal(strlen(error_text()), ERROR_TEXT_SIZE - 1);
    error_prefix(MAPLOG_IO, "%s", longer);
    assert_int_equal(strlen(error_text()), ERROR_TEXT_SIZE - 1);
    error_errno(EIO, "%s", longer);
    assert_int_equal(strlen(error_text()), ERROR_TEXT_SIZE - 1);
}

static void errno_maps_to_codes(void **state)
{
    (void)state;
    static const struct {
        int errnum;
        int code;
    } cases[] = {
        {ENOSPC, MAPLOG_DISK_FULL}, {EDQUOT, MAPLOG_DISK_FULL},    {EACCES, MAPLOG_DENIED},
        {EPERM, MAPLOG_DENIED},     {EROFS, MAPLOG_DENIED},        {ENOENT, MAPLOG_NOT_FOUND},
        {EEXIST, MAPLOG_EXISTS},    {ENOMEM, MAPLOG_NO_MEMORY},    {EMFILE, MAPLOG_LIMIT},
        {ENFILE, MAPLOG_LIMIT},     {EAGAIN, MAPLOG_BUSY},         {EBUSY, MAPLOG_BUSY},
        {EIO, MAPLOG_IO},           {ETIMEDOUT, MAPLOG_TIMED_OUT}, {EINVAL, MAPLOG_IO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(error_errno(cases[i].errnum, "x"), cases[i].code);
    error_errno(ENOSPC, "cannot grow %s", "f");
    assert_string_equal(error_text(), "cannot grow f: No space left on device");
}

static void every_code_has_a_name_and_a_sentence(void **state)
{
    (void)state;
    assert_string_equal(error_name(MAPLOG_INVALID), "MAPLOG_INVALID");
    assert_string_equal(error_name(MAPLOG_CLOSED), "MAPLOG_CLOSED");
    for (int code = MAPLOG_CLOSED; code < 0; code++) {
        assert_string_not_equal(error_name(code), "MAPLOG_UNKNOWN");
        assert_string_not_equal(error_sentence(code), "unknown error");
    }
    const int unknown[] = {1, INT_MAX, INT_MIN, MAPLOG_CLOSED - 1};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        assert_string_equal(error_name(unknown[i]), "MAPLOG_UNKNOWN");
        assert_string_equal(error_sentence(unknown[i]), "unknown error");
    }
}

static void *fail_elsewhere(void *fresh)
{
    *(int *)fresh = error_text()[0] == '\0';
    error_set(MAPLOG_IO, "other thread");
    return NULL;
}

static void each_thread_has_its_own_text(void **state)
{
    (void)state;
    pthread_t thread;
    int fresh = 0;
    error_set(MAPLOG_IO, "this thread");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, &fresh), 0);
    pthread_join(thread, NULL);
    assert_true(fresh);
    assert_string_equal(error_text(), "this thread");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_returns_the_code_and_keeps_the_text),
        cmocka_unit_test(text_may_be_an_argument_of_its_successor),
        cmocka_unit_test(prefix_comes_before_the_text),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(errno_maps_to_codes),
        cmocka_unit_test(every_code_has_a_name_and_a_sentence),
        cmocka_unit_test(each_thread_has_its_own_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
