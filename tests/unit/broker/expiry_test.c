/* expiry_test.c - what is committed goes when nobody needs it any more, and not before. */
#include "group_fixture.h"

#include "log/progress.h"

#define DAY_MS 86400000ll
#define RETENTION_MS (7 * DAY_MS)
#define CHECK_MS 600000

/* Retention has passed, and somebody looks. */
static void days(int count)
{
    tick(count * DAY_MS);
}

static void a_week_after_the_last_commit(void **state)
{
    (void)state;
    struct client simple = client_of("g", "a");
    assert_int_equal(commit(&simple, 0, 5), KAFKA_NONE);
    days(3);
    assert_int_equal(commit(&simple, 1, 6), KAFKA_NONE);
    tick(RETENTION_MS - 3 * DAY_MS - 1);
    assert_int_equal(committed("g", 0), 5);
    tick(CHECK_MS);
    assert_int_equal(committed("g", 0), -1);
    assert_int_equal(committed("g", 1), 6);
    assert_string_equal(last_note, "I group g: 1 offsets expired");
    days(3);
    assert_int_equal(committed("g", 1), -1);
    assert_string_equal(description("g"), "69 Dead 0 ");
}

static void a_group_with_members_keeps_all(void **state)
{
    (void)state;
    struct client a = client_of("g", "a");
    a.session_ms = 1800000;
    form(&a, 1);
    assert_int_equal(commit(&a, 0, 5), KAFKA_NONE);
    for (int i = 0; i < 9 * 48; i++) {
        tick(1800000 - 1);
        assert_int_equal(heartbeat(&a), KAFKA_NONE);
    }
    assert_int_equal(committed("g", 0), 5);
    /* The week begins when it is empty. */
    assert_int_equal(leave(&a), KAFKA_NONE);
    tick(RETENTION_MS - 1);
    assert_int_equal(committed("g", 0), 5);
    tick(CHECK_MS);
    assert_int_equal(committed("g", 0), -1);
    tick(CHECK_MS); /* and then the group itself is forgotten */
    assert_string_equal(description("g"), "69 Dead 0 ");
}

/* Nobody knows whether it had members before the restart, who committed nothing for long because
 * nothing came. */
static void after_a_restart_members_have_a_day_to_come_back(void **state)
{
    (void)state;
    struct progress *progress;
    struct progress_entry entry = {"g", "t", 0, 5, -1, "", 0, now_ms - 30 * DAY_MS, -1};
    assert_ok(progress_open(log_directory, LONG_NS, &progress));
    assert_ok(progress_commit(progress, &entry, 1, true));
    progress_close(progress);
    tick(DAY_MS - CHECK_MS);
    assert_int_equal(committed("g", 0), 5);
    tick(2 * CHECK_MS);
    assert_int_equal(committed("g", 0), -1);
}

static void a_commit_may_bring_its_own_time(void **state)
{
    (void)state;
    struct client simple = client_of("g", "a");
    struct commit_call made;
    commit_of(&made, &simple, 0, 5);
    made.body.retention_time_ms = 2 * DAY_MS;
    ask(&made.call, OFFSET_COMMIT, 2, &made.body);
    assert_int_equal(commit_take(&made), KAFKA_NONE);
    tick(2 * DAY_MS - 1);
    assert_int_equal(committed("g", 0), 5);
    tick(CHECK_MS);
    assert_int_equal(committed("g", 0), -1);
}

#define MANY 1000

static void many_go_in_batches(void **state)
{
    (void)state;
    static struct progress_entry entries[MANY], entry;
    struct progress *progress;
    assert_ok(progress_open(log_directory, LONG_NS, &progress));
    for (int32_t i = 0; i < MANY; i++)
        entries[i] = (struct progress_entry){"g", "t", i, 5, -1, "", 0, now_ms, -1};
    assert_ok(progress_commit(progress, entries, MANY, true));
    for (int32_t i = 0; i < MANY; i++)
        entries[i].group = "h";
    assert_ok(progress_commit(progress, entries, MANY, true));
    days(8);
    for (int32_t i = 0; i < MANY; i++) {
        assert_int_equal(progress_fetch(progress, "g", "t", i, &entry, NULL), 0);
        assert_int_equal(progress_fetch(progress, "h", "t", i, &entry, NULL), 0);
    }
    progress_close(progress);
}

static void the_retention_is_the_servers_to_set(void **state)
{
    (void)state;
    struct client simple = client_of("g", "a");
    assert_int_equal(commit(&simple, 0, 5), KAFKA_NONE);
    settings.offsets_retention_minutes = 1;
    settings.offsets_retention_check_ms = 1000;
    broker_configure(broker, &settings);
    tick(59999);
    assert_int_equal(committed("g", 0), 5);
    tick(1000);
    assert_int_equal(committed("g", 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, groups_setup, broker_remove)
        TEST(a_week_after_the_last_commit),
        TEST(a_group_with_members_keeps_all),
        TEST(after_a_restart_members_have_a_day_to_come_back),
        TEST(a_commit_may_bring_its_own_time),
        TEST(many_go_in_batches),
        TEST(the_retention_is_the_servers_to_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
