/* list_groups_test.c - groups with members, and those that only committed. */
#include "../group_fixture.h"

static int compare(const void *one, const void *other)
{
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

/* "NAME/TYPE/STATE/KIND ..." by name; filters NULL: none. */
static const char *listing(int16_t version, const char *state_filter, const char *type_filter)
{
    static char text[1024];
    char *lines[16];
    struct call call;
    struct wire_string states = wire_text(state_filter), types = wire_text(type_filter);
    struct list_groups_request body = {&states, state_filter != NULL, &types, type_filter != NULL};
    struct list_groups_response *answer = ask(&call, LIST_GROUPS, version, &body);
    assert_int_equal(answer->error_code, KAFKA_NONE);
    assert_true(answer->groups_count <= 16);
    for (int32_t i = 0; i < answer->groups_count; i++) {
        const struct list_groups_response_groups *group = &answer->groups[i];
        lines[i] = arena_print(&call.memory, "%.*s/%.*s/%.*s/%.*s ", group->group_id.size,
                               group->group_id.at, group->protocol_type.size,
                               group->protocol_type.at, group->group_state.size,
                               group->group_state.at, group->group_type.size, group->group_type.at);
    }
    qsort(lines, (size_t)answer->groups_count, sizeof *lines, compare);
    text[0] = 0;
    for (int32_t i = 0, at = 0; i < answer->groups_count; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "%s", lines[i]);
    call_end(&call);
    return text;
}

static void all_are_listed_once(void **state)
{
    (void)state;
    struct client a = client_of("members", "a"), gone = client_of("gone", "b");
    struct client simple = client_of("simple", "c"), old = client_of("gone", "d");
    assert_string_equal(listing(5, NULL, NULL), "");
    form(&a, 1);
    assert_int_equal(commit(&a, 0, 1), KAFKA_NONE);
    form(&gone, 1);
    assert_int_equal(commit(&gone, 0, 1), KAFKA_NONE);
    assert_int_equal(leave(&gone), KAFKA_NONE);
    assert_int_equal(heartbeat(&a), KAFKA_NONE);
    for (int32_t i = 0; i < 4; i++)
        assert_int_equal(commit(&simple, i, 1), KAFKA_NONE);
    assert_int_equal(commit(&old, 1, 2), KAFKA_NONE);
    assert_string_equal(listing(0, NULL, NULL), "gone/tester// members/tester// simple/// ");
    assert_string_equal(listing(4, NULL, NULL),
                        "gone/tester/Empty/ members/tester/Stable/ simple//Empty/ ");
    assert_string_equal(listing(5, NULL, NULL),
                        "gone/tester/Empty/classic members/tester/Stable/classic "
                        "simple//Empty/classic ");
    assert_string_equal(listing(5, "Stable", NULL), "members/tester/Stable/classic ");
    assert_string_equal(listing(5, "empty", "Classic"),
                        "gone/tester/Empty/classic simple//Empty/classic ");
    assert_string_equal(listing(5, "Dead", NULL), "");
    assert_string_equal(listing(5, NULL, "consumer"), "");
    /* What had members before a restart is one that committed. */
    broker_restart();
    assert_string_equal(listing(4, NULL, NULL), "gone//Empty/ members//Empty/ simple//Empty/ ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_are_listed_once, groups_setup, broker_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
