#include "broker/admin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

static struct arena arena = {.limit = 1 << 20};

static int teardown(void **state)
{
    (void)state;
    arena_reset(&arena);
    return 0;
}

static void twins_are_found(void **state)
{
    (void)state;
    const char *const names[] = {"b", "a", NULL, "b", "c", NULL, "b", "a", "ab"};
    const enum admin_twin expected[] = {ADMIN_FIRST, ADMIN_FIRST,  ADMIN_SINGLE,
                                        ADMIN_AGAIN, ADMIN_SINGLE, ADMIN_SINGLE,
                                        ADMIN_AGAIN, ADMIN_AGAIN,  ADMIN_SINGLE};
    const enum admin_twin *twins = admin_twins(&arena, names, 9);
    assert_memory_equal(twins, expected, sizeof expected);
    assert_non_null(admin_twins(&arena, names, 0));
}

static void a_copy_has_no_nul_byte(void **state)
{
    (void)state;
    assert_string_equal(admin_copy(&arena, (struct wire_string){"a\0b", 3}), "a?b");
    assert_string_equal(admin_copy(&arena, wire_text("abc")), "abc");
    assert_string_equal(admin_copy(&arena, wire_text(NULL)), "");
}

static void texts_are_copies(void **state)
{
    (void)state;
    error_set(MAPLOG_INVALID, "number %d", 1);
    struct wire_string text = admin_error_text(&arena);
    error_set(MAPLOG_INVALID, "number %d", 2);
    assert_true(wire_equal(text, "number 1"));
    assert_true(wire_equal(admin_text(&arena, "%s-%d", "a", 7), "a-7"));
}

static int works;

static void work(struct broker_request *request)
{
    struct admin *admin = request->state;
    assert_false(admin->worked);
    works++;
}

static void fail_work(struct broker_request *request)
{
    admin_fail(request);
}

static struct broker_request begin(void)
{
    return (struct broker_request){.arena.limit = 1 << 16, .api = wire_api(19)};
}

static void cold_work_is_done_once(void **state)
{
    (void)state;
    struct broker_request request = begin();
    struct broker *self = (struct broker *)&request; /* nobody looks inside */
    works = 0;
    assert_int_equal(admin_cold(self, &request, sizeof(struct admin), work), BROKER_COLD);
    request.work(&request);
    assert_int_equal(admin_cold(self, &request, sizeof(struct admin), work), BROKER_ANSWER);
    assert_int_equal(works, 1);
    const struct admin *admin = request.state;
    assert_ptr_equal(admin->broker, self);
    assert_true(admin->worked);
    arena_reset(&request.arena);
}

static void without_memory_the_connection_ends(void **state)
{
    (void)state;
    struct broker_request request = begin();
    assert_int_equal(admin_cold(NULL, &request, sizeof(struct admin), fail_work), BROKER_COLD);
    request.work(&request);
    assert_int_equal(admin_cold(NULL, &request, sizeof(struct admin), fail_work), BROKER_CLOSE);
    assert_non_null(strstr(error_text(), "CreateTopics"));
    arena_reset(&request.arena);
    request = begin();
    request.arena.limit = 0;
    assert_int_equal(admin_cold(NULL, &request, sizeof(struct admin), work), BROKER_CLOSE);
    arena_reset(&request.arena);
}

/* A process that is stopped while it changes topics would else take every helper thread. */
static void one_change_at_a_time_takes_a_thread(void **state)
{
    (void)state;
    struct broker broker = {.settings_lock = PTHREAD_MUTEX_INITIALIZER};
    struct broker_request first = begin(), second = begin();
    works = 0;
    assert_int_equal(admin_change(&broker, &first, 7, sizeof(struct admin), work), BROKER_COLD);
    assert_int_equal(admin_change(&broker, &second, 7, sizeof(struct admin), work), BROKER_PARK);
    assert_true(second.deadline_ms > 7);
    first.work(&first); /* its connection may be gone by now */
    assert_int_equal(admin_change(&broker, &second, 9, sizeof(struct admin), work), BROKER_COLD);
    assert_int_equal(admin_change(&broker, &first, 9, sizeof(struct admin), work), BROKER_ANSWER);
    second.work(&second);
    assert_int_equal(admin_change(&broker, &second, 9, sizeof(struct admin), work), BROKER_ANSWER);
    assert_int_equal(works, 2);
    arena_reset(&first.arena);
    arena_reset(&second.arena);
    first = begin();
    first.arena.limit = 0;
    assert_int_equal(admin_change(&broker, &first, 9, sizeof(struct admin), work), BROKER_CLOSE);
    assert_false(broker.changing);
    arena_reset(&first.arena);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(twins_are_found),
        TEST(a_copy_has_no_nul_byte),
        TEST(texts_are_copies),
        TEST(cold_work_is_done_once),
        TEST(without_memory_the_connection_ends),
        TEST(one_change_at_a_time_takes_a_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
