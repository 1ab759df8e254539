/* delete_groups_test.c - groups go with what they committed, unless somebody is there. */
#include "../group_fixture.h"

#include "log/progress.h"

static int16_t delete_group(const char *group)
{
    struct call call;
    struct wire_string names[] = {wire_text(group)};
    struct delete_groups_request body = {names, 1};
    struct delete_groups_response *answer = ask(&call, DELETE_GROUPS, 2, &body);
    assert_int_equal(answer->results_count, 1);
    assert_true(wire_equal(answer->results[0].group_id, group));
    int16_t error = answer->results[0].error_code;
    call_end(&call);
    return error;
}

static void only_groups_without_members_go(void **state)
{
    (void)state;
    struct client a = client_of("g", "a"), simple = client_of("h", "b");
    assert_int_equal(delete_group("g"), KAFKA_GROUP_ID_NOT_FOUND);
    assert_int_equal(delete_group(""), KAFKA_INVALID_GROUP_ID);
    form(&a, 1);
    assert_int_equal(commit(&a, 0, 5), KAFKA_NONE);
    assert_int_equal(delete_group("g"), KAFKA_NON_EMPTY_GROUP);
    assert_int_equal(leave(&a), KAFKA_NONE);
    assert_int_equal(committed("g", 0), 5);
    assert_int_equal(delete_group("g"), KAFKA_NONE);
    assert_int_equal(committed("g", 0), -1);
    assert_string_equal(description("g"), "69 Dead 0 ");
    assert_int_equal(delete_group("g"), KAFKA_GROUP_ID_NOT_FOUND);
    assert_int_equal(commit(&simple, 0, 6), KAFKA_NONE);
    assert_int_equal(delete_group("h"), KAFKA_NONE);
    assert_int_equal(committed("h", 0), -1);
    /* A new one of that name goes on above it. */
    int32_t generation = a.generation;
    a.member[0] = 0;
    now_ms += 2000;
    form(&a, 1);
    assert_true(a.generation > generation);
}

#define MANY 600

static void however_much_it_committed(void **state)
{
    (void)state;
    struct call call;
    static struct progress_entry entries[MANY];
    for (int32_t i = 0; i < MANY; i++)
        entries[i] = (struct progress_entry){"g", "t", i, 1, -1, "", 0, -1, -1};
    struct progress *progress;
    assert_ok(progress_open(log_directory, LONG_NS, &progress));
    assert_ok(progress_commit(progress, entries, MANY, true));
    struct client simple = client_of("h", "b");
    assert_int_equal(commit(&simple, 0, 6), KAFKA_NONE);
    struct wire_string names[] = {wire_text("unknown"), wire_text("g"), wire_text("h")};
    struct delete_groups_request body = {names, 3};
    struct delete_groups_response *answer = ask(&call, DELETE_GROUPS, 0, &body);
    assert_int_equal(answer->results[0].error_code, KAFKA_GROUP_ID_NOT_FOUND);
    assert_int_equal(answer->results[1].error_code, KAFKA_NONE);
    assert_int_equal(answer->results[2].error_code, KAFKA_NONE);
    call_end(&call);
    struct progress_entry entry;
    for (int32_t i = 0; i < MANY; i++)
        assert_int_equal(progress_fetch(progress, "g", "t", i, &entry, NULL), 0);
    progress_close(progress);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, groups_setup, broker_remove)
        TEST(only_groups_without_members_go),
        TEST(however_much_it_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
