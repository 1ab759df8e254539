/* client_test.c - the handle behind a log: counting, options, progress table. */
#include "fixture.h"

#include "client/client.h"

static void a_handle_lives_until_its_last_user_lets_go(void **state)
{
    (void)state;
    struct maplog *log = attach_again();
    assert_ptr_equal(client_keep(log), log);
    maplog_close(log);
    struct maplog_topic found;
    assert_code(MAPLOG_NOT_FOUND, directory_topic(log->directory, "none", &found));
    client_drop(log);
}

static void the_progress_table_is_made_once(void **state)
{
    (void)state;
    struct progress *first;
    struct progress *second;
    assert_ok(client_progress(fixture_log, &first));
    assert_ok(client_progress(fixture_log, &second));
    assert_ptr_equal(first, second);
}

static void reserved_words_must_be_zero(void **state)
{
    (void)state;
    uint64_t words[4] = {0};
    assert_ok(client_check_reserved(words, 4));
    words[3] = 1;
    assert_code(MAPLOG_INVALID, client_check_reserved(words, 4));
}

static void a_timeout_is_not_negative_and_has_a_default(void **state)
{
    (void)state;
    int64_t ns = -1;
    assert_code(MAPLOG_INVALID, client_timeout_ns(-1, &ns));
    assert_int_equal(ns, -1);
    assert_ok(client_timeout_ns(0, &ns));
    assert_int_equal(ns, 10000000000);
    assert_ok(client_timeout_ns(7, &ns));
    assert_int_equal(ns, 7000000);
}

static void null_is_no_handle_but_may_be_closed(void **state)
{
    (void)state;
    assert_code(MAPLOG_INVALID, client_check(NULL));
    maplog_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handle_lives_until_its_last_user_lets_go),
        cmocka_unit_test(the_progress_table_is_made_once),
        cmocka_unit_test(reserved_words_must_be_zero),
        cmocka_unit_test(a_timeout_is_not_negative_and_has_a_default),
        cmocka_unit_test(null_is_no_handle_but_may_be_closed),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
